"""What a person sees in Label Studio: a text in a pane that scrolls, the choices beside it.

Nothing of a row is run or fetched, images of the kinds in `kinds.py` excepted: values stand in
Text tags, which show what they are given. Nothing is chosen beforehand.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from datahub.adapters.review_labelstudio.guidelines import as_html
from datahub.adapters.review_labelstudio.kinds import kinds_of
from datahub.core.triage import Task

HOTKEYS = "1234567890qwertyuiopasdfghjklzxcvbnm"
MANY = 12  # classes: more have a field to search them by

SETTINGS = {
    "description": "Rows that datahub asks about. Pull the answers with `datahub review pull`.",
    "sampling": "Sequential sampling",
    "show_instruction": True,
    "show_skip_button": True,
    "skip_queue": "IGNORE_SKIPPED",  # a skip is an answer: nobody is asked again
    "enable_empty_annotation": False,
}
# Columns of the Data Manager that serve datahub. Those of earlier versions are among them.
INTERNAL = (
    *("row_key", "row_hash", "batch", "sealed", "columns", "text_field", "other_fields"),
    *("reason", "slice", "prediction", "score"),
)
NOT_FOR_PEOPLE = (
    *("inner_id", "created_at", "updated_at", "updated_by", "avg_lead_time", "draft_exists"),
    *("annotations_results", "annotations_ids", "predictions_score", "total_predictions"),
    *("predictions_model_versions", "predictions_results", "file_upload", "storage_filename"),
    *("reviewers", "allow_skip", "comment_count", "unresolved_comment_count"),
    *("comment_authors", "last_comment_updated_at", "data.image"),
)

# `plaintext` gives each paragraph its own direction, as `dir="auto"` does.
STYLE = """
.dh-page {display: flex; flex-direction: row; gap: 16px; align-items: stretch}
.dh-row {flex: 1 1 0; min-width: 0; max-height: calc(100vh - 150px); overflow: auto;
  overscroll-behavior: contain; padding-right: 8px}
.dh-side {flex: 0 0 min(320px, 34%); min-width: 0; max-height: calc(100vh - 150px);
  overflow: auto; border-left: 1px solid #ddd; padding-left: 16px}
.dh-page .lsf-richtext__container {white-space: pre-wrap; overflow-wrap: anywhere}
.dh-page .lsf-richtext__line {display: block; min-height: 1lh; unicode-bidi: plaintext;
  text-align: start}
.dh-page .lsf-richtext__container br {display: none}
.dh-title {margin-bottom: 8px}
.dh-title * {font-size: 20px !important; font-weight: 600; line-height: 1.3 !important}
.dh-code {overflow-x: auto}
.dh-code * {white-space: pre !important; overflow-wrap: normal !important; tab-size: 4;
  font-family: ui-monospace, monospace !important; font-size: 13px !important;
  text-align: left}
.dh-details {margin-top: 12px; padding-top: 8px; border-top: 1px solid #ddd; color: #555}
.dh-guess {margin-bottom: 8px; color: #555}
.dh-side label, .dh-side span {white-space: normal; overflow-wrap: anywhere}
.dh-row img {max-width: 100%}
"""


@dataclass(frozen=True)
class Page:
    """How the rows of a project are shown: `main` is the field that is read.

    `kinds` are those of the fields; `parts` are what the page has room for besides the text.
    """

    main: str | None
    kinds: Mapping[str, str]
    classes: tuple[str, ...]
    parts: frozenset[str]

    @classmethod
    def of(
        cls, tasks: Sequence[Task], classes: Sequence[str], *, kinds: Mapping[str, str], old: str
    ) -> Page:
        """The page for these tasks; what the project's `old` config shows stays on it."""
        every = kinds_of([task.fields for task in tasks], kinds)
        main = main_field(tasks, every)
        rest = {name: kind for name, kind in every.items() if name != main}
        parts = {kind for kind in rest.values() if kind in ("title", "image")}
        parts |= {"details"} if rest.keys() - _firsts(rest).values() else set()
        parts |= {part for part in ("title", "image", "details") if f'"${part}"' in old}
        parts |= {"code"} if every.get(main or "") == "code" else set()
        return cls(main, every, tuple(classes), frozenset(parts))

    @property
    def firsts(self) -> dict[str, str]:
        """Kind -> the field that has the page's one place of that kind."""
        return _firsts({name: kind for name, kind in self.kinds.items() if name != self.main})

    def config(self) -> str:
        """The label config in Label Studio's XML."""
        shape = "dh-code" if "code" in self.parts else "dh-text"
        row = [
            _text("title", "dh-title") if "title" in self.parts else "",
            '<Image name="image" value="$image" maxWidth="100%"/>' if "image" in self.parts else "",
            _text("text", shape),
            _text("details", "dh-details") if "details" in self.parts else "",
        ]
        search = '<Filter name="search" toName="label" hotkey="shift+f" minlength="0"/>'
        side = [
            _text("guess", "dh-guess"),
            search if len(self.classes) > MANY else "",
            _choices(self.classes),
        ]
        return (
            f"<View>\n  <Style>{html.escape(STYLE, quote=False)}</Style>\n"
            f'  <View className="dh-page">\n    <View className="dh-row">{_lines(row)}\n'
            f'    </View>\n    <View className="dh-side">{_lines(side)}\n    </View>\n'
            "  </View>\n</View>"
        )


def _firsts(kinds: Mapping[str, str]) -> dict[str, str]:
    firsts: dict[str, str] = {}
    for name, kind in kinds.items():
        if kind in ("title", "image"):
            firsts.setdefault(kind, name)
    return firsts


def _lines(parts: Sequence[str]) -> str:
    return "".join(f"\n      {part}" for part in parts if part)


def _text(name: str, style: str) -> str:
    return (
        f'<View className="{style}"><Text name="{name}" value="${name}" valueType="text"/></View>'
    )


def _choices(classes: Sequence[str]) -> str:
    choices = "".join(
        f"\n        <Choice value={quoteattr(name)}{f' hotkey={quoteattr(key)}' if key else ''}/>"
        for name, key in _with_keys(classes)
    )
    return (
        '<Choices name="label" toName="text" choice="single-radio" required="true"'
        f' requiredMessage="Choose a class, or skip." layout="vertical">{choices}\n'
        "      </Choices>"
    )


def classes_of(config: str) -> tuple[str, ...]:
    """The classes that a label config offers.

    >>> page = Page.of([], ["ham", '"spam" & <b>'], kinds={}, old="")
    >>> classes_of(page.config())
    ('ham', '"spam" & <b>')
    """
    return tuple(
        str(choice.get("value")) for choice in ElementTree.fromstring(config).iter("Choice")
    )


def instructions(classes: Sequence[str], guidelines: str, *, guesses: bool) -> str:
    """What is told before the first task: the project's guidelines, the classes, what a skip is."""
    lines = "".join(
        f"<br>• {html.escape(name)}{f' (key <b>{key}</b>)' if key else ''}"
        for name, key in _with_keys(classes)
    )
    guess = (
        "<br><p>Some rows show a guess of datahub's labeling functions. It is in doubt: that is "
        "why you are asked. Nothing is chosen for you.</p>"
    )
    return (
        f"{as_html(guidelines)}<p>Choose the one class that fits best:{lines}</p>"
        f"{guess if guesses else ''}"
        "<br><p><b>Submit</b> (Ctrl+Enter) records your answer. <b>Skip</b> (Ctrl+Space) says: "
        "this cannot be decided from what is shown. That is an answer too, and it is better than "
        "a guess. To start, press <b>Label All Tasks</b>.</p>"
    )


def main_field(tasks: Sequence[Task], kinds: Mapping[str, str]) -> str | None:
    """The field that holds most of the text: the same one for all tasks of a push."""
    sizes: dict[str, int] = {}
    for task in tasks:
        for name, value in task.fields.items():
            if kinds.get(name) not in ("title", "image", "date"):
                sizes[name] = sizes.get(name, 0) + len(value)
    if not sizes:  # nothing but titles, images or dates
        titles = [name for name, kind in kinds.items() if kind == "title"]
        return titles[0] if titles else None
    return max(sizes, key=lambda name: sizes[name])


def hidden_columns() -> dict[str, list[str]]:
    """What a view of the Data Manager leaves out."""
    names = [f"tasks:data.{name}" for name in INTERNAL]
    names += [f"tasks:{name}" for name in NOT_FOR_PEOPLE]
    return {"explore": names, "labeling": names}


def result(label: str | None) -> list[dict[str, object]]:
    """An answer in Label Studio's JSON; a skip has none."""
    if label is None:
        return []
    choice: dict[str, Any] = {"from_name": "label", "to_name": "text", "type": "choices"}
    return [{**choice, "value": {"choices": [label]}}]


def _with_keys(classes: Sequence[str]) -> list[tuple[str, str]]:
    keys = [*HOTKEYS, *[""] * len(classes)]
    return list(zip(classes, keys, strict=False))
