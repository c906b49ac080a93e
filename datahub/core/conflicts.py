"""How conflicts of a merge are settled: by a decision on each, by a rule, or by a side. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from datahub.core.errors import InputError
from datahub.core.relabel import Annotation
from datahub.core.rowconflict import RowConflict

Side = Literal["ours", "theirs"]
Rule = Literal["latest", "majority", "gold"]
RULES: tuple[Rule, ...] = ("latest", "majority", "gold")
OBJECT = "object"  # the table of a conflict whose key is a path
DATASET = "dataset"  # the table of a conflict of a field of dataset.json
MODEL = "label_model"  # the table of a conflict of everything that one fit made
LABELS = "labels"


@dataclass(frozen=True)
class ConflictDecision:
    """What somebody decided of one conflict: a side, or a value, which may be null.

    Empty names fit any.
    """

    key: str
    column: str = ""
    take: Side | None = None
    value: object = None
    table: str = ""
    dataset: str = ""

    def fits(self, conflict: RowConflict) -> bool:
        """Whether it speaks of this conflict."""
        return (
            self.key == ("" if conflict.key is None else str(conflict.key))
            and self.column in ("", conflict.column or "")
            and self.table in ("", conflict.table)
            and self.dataset in ("", conflict.dataset)
        )


@dataclass(frozen=True)
class Settling:
    """How conflicts are to be settled: decisions go first, then the rule, then the side."""

    side: Side | None = None
    rule: Rule | None = None
    decisions: tuple[ConflictDecision, ...] = ()

    def of(self, conflict: RowConflict) -> ConflictDecision | None:
        """The decision on a conflict, if there is one. Raises InputError where two speak of it."""
        decisions = [decision for decision in self.decisions if decision.fits(conflict)]
        if len({(decision.take, str(decision.value)) for decision in decisions}) > 1:
            raise InputError(
                f"{conflict.key!r} is decided twice, differently.",
                hint="Name the column (and the table) in each decision, or drop one of them.",
            )
        return decisions[0] if decisions else None


ASK = Settling()  # whatever is in conflict is listed, and nothing is merged


def decisions_of(lines: Sequence[Mapping[str, object]]) -> tuple[ConflictDecision, ...]:
    """Decisions from the lines of a file: `key`, and `take` (ours, theirs, null) or `value`.

    `column`, `table` and `dataset` narrow what is meant; lines with neither take nor value decide
    nothing, so that a null is taken by its name. Raises InputError.

    >>> decisions_of([{"key": 17, "value": "tech"}, {"key": 18, "take": None}])[0].value
    'tech'
    """
    decisions = []
    for line in lines:
        if "key" not in line or not ("take" in line or "value" in line):
            raise InputError(
                f"The file of decisions has columns {', '.join(map(str, line))}.",
                hint="It needs `key`, and `take` (ours, theirs, null) or `value`; `datahub merge "
                "--conflicts FILE` writes one to fill in.",
            )
        take, value = line.get("take"), line.get("value")
        if take in (None, "") and value in (None, ""):
            continue
        if take not in (None, "", "ours", "theirs", "null") or (take and value not in (None, "")):
            raise InputError(
                f"The decision on {line['key']!r} takes {take!r}"
                + (f" and the value {value!r}." if value not in (None, "") else "."),
                hint="`take` is ours, theirs or null; a value goes under `value`, alone.",
            )
        names = {name: str(line.get(name) or "") for name in ("column", "table", "dataset")}
        key = "" if line["key"] is None else str(line["key"])
        side: Side | None = "ours" if take == "ours" else "theirs" if take == "theirs" else None
        decisions.append(ConflictDecision(key, take=side, value=None if take else value, **names))
    return tuple(decisions)


def conflict_table(conflicts: Iterable[RowConflict]) -> pl.DataFrame:
    """Conflicts as a table of text, with `take` and `value` empty, to be filled in."""
    columns = ("dataset", "table", "key", "column", "kind", "base", "ours", "theirs")
    lines = [
        {
            **{name: _text(getattr(conflict, name)) for name in columns},
            "ours_by": str(conflict.ours_by),
            "theirs_by": str(conflict.theirs_by),
        }
        for conflict in conflicts
    ]
    names = [*columns, "ours_by", "theirs_by", "take", "value"]
    return pl.DataFrame(lines, schema=dict.fromkeys(names, pl.String()))


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def check_all_used(resolution: Settling, conflicts: Iterable[RowConflict]) -> None:
    """Raise InputError where a decision speaks of nothing that is in conflict."""
    pending = list(conflicts)
    by_key: dict[str, list[RowConflict]] = {}
    for conflict in pending:
        by_key.setdefault("" if conflict.key is None else str(conflict.key), []).append(conflict)
    for decision in resolution.decisions:
        if not any(decision.fits(conflict) for conflict in by_key.get(decision.key, [])):
            where = ", ".join(
                part for part in (decision.column, decision.table, decision.dataset) if part
            )
            raise InputError(
                f"A decision names {decision.key!r}"
                + (f" ({where})" if where else "")
                + ", which is in no conflict of this merge.",
                hint="`datahub merge --conflicts FILE` lists what is. Nothing was merged.",
            )


def by_rule(rule: Rule, answers: Sequence[Annotation], gold: str | None) -> tuple[str | None, bool]:
    """What a rule says of a row on which people are tied: (label, whether it says anything).

    latest: the answer given last. gold: the given label where there is one, else the latest.
    majority: people are tied, so the row stays open (None).
    """
    if rule == "majority":
        return None, True
    if rule == "gold" and gold is not None:
        return gold, True
    class_answers = [answer for answer in answers if answer.label is not None]
    if not class_answers:
        return None, False
    return max(class_answers, key=lambda answer: (answer.time, answer.id)).label, True
