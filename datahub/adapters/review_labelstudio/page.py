"""What a person sees in Label Studio, and what a task carries there.

Only `text` and `details` are on the page. The rest of a task's data is what its
answer must come back with: row_key, row_hash, batch, and why it is asked.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from datahub.core.triage import Task

TASKS_PER_POST = 2_500  # an import request is atomic
CHARACTERS_PER_POST = 16_000_000
MODEL_VERSION = "datahub"  # one for all batches: Label Studio shows predictions of one version
HOTKEYS = "1234567890qwertyuiopasdfghjklzxcvbnm"

SETTINGS = {
    "description": "Rows that datahub asks about. Pull the answers with `datahub review pull`.",
    "sampling": "Sequential sampling",
    "model_version": MODEL_VERSION,
    "show_instruction": True,
    "show_skip_button": True,
    "skip_queue": "IGNORE_SKIPPED",  # a skip is an answer: nobody is asked again
    "enable_empty_annotation": False,
    "show_collab_predictions": True,
}


def label_config(classes: Sequence[str], *, details: bool) -> str:
    """A text, and one class to choose for it. Texts are shown as they are, never run or fetched.

    >>> classes_of(label_config(["ham", '"spam" & <b>'], details=False))
    ('ham', '"spam" & <b>')
    """
    choices = "".join(
        f"\n    <Choice value={quoteattr(name)}{f' hotkey={quoteattr(key)}' if key else ''}/>"
        for name, key in _with_keys(classes)
    )
    more = (
        '\n  <Header value="More of this row" size="6"/>'
        '\n  <Text name="details" value="$details" valueType="text"/>'
    )
    return (
        f'<View>\n  <Text name="text" value="$text" valueType="text"/>{more if details else ""}\n'
        '  <Choices name="label" toName="text" choice="single" required="true"'
        f' requiredMessage="Choose a class, or skip." showInLine="true">{choices}\n'
        "  </Choices>\n</View>"
    )


def classes_of(config: str) -> tuple[str, ...]:
    """The classes that a label config offers."""
    return tuple(str(found.get("value")) for found in ElementTree.fromstring(config).iter("Choice"))


def instructions(classes: Sequence[str]) -> str:
    """What is told before the first task: the classes, what a guess is, what a skip means."""
    lines = "".join(
        f"<li>{html.escape(name)}{f' (key <b>{key}</b>)' if key else ''}</li>"
        for name, key in _with_keys(classes)
    )
    return (
        "<p>Read the text and choose the one class that fits it best:</p>"
        f"<ul>{lines}</ul>"
        "<br/><p>Where a class is chosen already, it is a guess of datahub's labeling functions, "
        "and one that is in doubt: that is why you are asked. Submit it or choose another. "
        "(Pressing the key of the chosen class takes the choice back.) Some texts come without "
        "a guess, on purpose.</p>"
        "<br/><p><b>Submit</b> (Ctrl+Enter) records your answer. <b>Skip</b> (Ctrl+Space) says: "
        "this cannot be decided from the text. That is an answer too, and it is better than a "
        "guess. To start, press <b>Label All Tasks</b>.</p>"
    )


def task_request(task: Task, batch: str, shown: str | None) -> dict[str, Any]:
    """What is posted for a task; `shown` is its main field. Audit tasks carry no prediction."""
    fields = dict(task.fields)
    text = fields.pop(shown, "") if shown is not None else ""
    known = {k: v for k, v in asdict(task).items() if k not in ("key", "fields")}
    guess = {"model_version": MODEL_VERSION, "score": task.score, "result": result(task.prediction)}
    return {
        "data": {
            "text": text,
            "details": "\n".join(f"{name}: {value}" for name, value in fields.items()),
            "row_key": task.key,
            "batch": batch,
            **known,
            "text_field": shown if shown in task.fields else None,
            "other_fields": fields,
        },
        "predictions": [guess] if task.prediction is not None else [],
    }


def task_of(data: dict[str, Any]) -> Task:
    """The task that was posted as this data."""
    main = {data["text_field"]: data["text"]} if data["text_field"] is not None else {}
    return Task(
        key=data["row_key"],
        fields={**main, **data["other_fields"]},
        **{name: data[name] for name in ("row_hash", "reason", "slice", "prediction", "score")},
    )


def main_field(tasks: Sequence[Task]) -> str | None:
    """The field that holds most of the text: the same one for all tasks of a push."""
    sizes: dict[str, int] = {}
    for task in tasks:
        for name, value in task.fields.items():
            sizes[name] = sizes.get(name, 0) + len(value)
    return max(sizes, key=lambda name: sizes[name]) if sizes else None


def posts(requests: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Cut into requests of a size that the server takes."""
    part: list[dict[str, Any]] = []
    size = 0
    for request in requests:
        length = len(request["data"]["text"]) + len(request["data"]["details"])
        if part and (len(part) == TASKS_PER_POST or size + length > CHARACTERS_PER_POST):
            yield part
            part, size = [], 0
        part.append(request)
        size += length
    if part:
        yield part


def result(label: str | None) -> list[dict[str, object]]:
    """An answer or a prediction in Label Studio's JSON; a skip has none."""
    if label is None:
        return []
    choice = {"from_name": "label", "to_name": "text", "type": "choices"}
    return [{**choice, "value": {"choices": [label]}}]


def _with_keys(classes: Sequence[str]) -> list[tuple[str, str]]:
    keys = [*HOTKEYS, *[""] * len(classes)]
    return list(zip(classes, keys, strict=False))
