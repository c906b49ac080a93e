"""One row of a dataset through history: everything that commits hold about it.

Objects never change, so what was read of one is remembered by its id: a walk through history
reads a part again only where it is another part.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from datahub.core.dataset import Key, Part
from datahub.core.labels import ABSTAIN
from datahub.core.layout import votes_file
from datahub.core.versions import Commit, CommitId, ObjectId
from datahub.flow.dataset.at import At
from datahub.flow.dataset.patches import OF_PART

_NEAR = 4  # commits whose listings are at hand
Value = TypeVar("Value")
Line = Mapping[str, Any]


@dataclass(frozen=True)
class RowState:
    """What one commit holds about the row; None where it has no such line."""

    content: Line | None
    votes: Mapping[str, int]  # LF -> class or ABSTAIN
    soft: Line | None
    label: Line | None
    answers: tuple[tuple[str, str, str | None], ...]  # (annotation, annotator, label)

    def describe(self) -> dict[str, str | None]:
        """The state as lines of text, to compare with another commit's."""
        label, soft = self.label or {}, self.soft or {}
        lines = {name: _to_text(label.get(name)) for name in ("label", "status", "source", "model")}
        lines["soft label"] = _to_text(soft.get("label"))
        if soft.get("confidence") is not None:
            lines["confidence"] = f"{soft['confidence']:.2f}"
        lines |= {f"vote of {lf}": str(y) for lf, y in self.votes.items() if y != ABSTAIN}
        lines |= {f"column {name}": _to_text(value) for name, value in (self.content or {}).items()}
        lines |= {
            f"answer {answer} of {person}": y or "(skipped)" for answer, person, y in self.answers
        }
        return {topic: value for topic, value in lines.items() if value is not None}


NOWHERE = RowState(None, {}, None, None, ())


class OneRow:
    """A reader of one row at any commit of its dataset."""

    def __init__(self, at: At, key: Key) -> None:
        """`at` is the dataset where it is looked at first."""
        self.key = key
        self._near = OrderedDict([(at.id, at)])
        self._states: dict[CommitId, RowState] = {}
        self._read: dict[tuple[str, ...], Any] = {}

    def at(self, commit: Commit, *, child: Commit | None = None) -> RowState:
        """The row as of a commit: only what differs from a child, or the last one, is listed."""
        if commit.id not in self._states:
            near = self._near.get(child.id) if child is not None else None
            at = (near or next(reversed(self._near.values()))).on(commit)
            self._states[commit.id] = self._state(at)
            self._near[commit.id] = at
            while len(self._near) > _NEAR:
                self._near.popitem(last=False)
        return self._states[commit.id]

    def _state(self, at: At) -> RowState:
        if not at.exists:
            return NOWHERE
        part = next((part for part in at.dataset.parts if self._is_within(part)), None)
        line = None if part is None else self._line(at, "rows", part)
        if part is None or line is None:
            return NOWHERE
        soft, label = (self._line(at, table, part) for table in ("soft_labels", "labels"))
        return RowState(
            content={name: line[1][name] for name in at.dataset.content_columns},
            votes=self._votes(at, part, line[0]),
            soft=soft and soft[1],
            label=label and label[1],
            answers=self._answers(at),
        )

    def _answers(self, at: At) -> tuple[tuple[str, str, str | None], ...]:
        def read() -> tuple[tuple[str, str, str | None], ...]:
            lines = (line for line in at.log if line.key == self.key and not line.withdrawn)
            return tuple((line.id, line.annotator, line.label) for line in lines)

        return self._once(("annotations", *sorted(at.log_files.values())), read)

    def _is_within(self, part: Part) -> bool:
        first, last = part.first_key, part.last_key
        if isinstance(first, int) and isinstance(last, int) and isinstance(self.key, int):
            return first <= self.key <= last
        return isinstance(self.key, str) and str(first) <= self.key <= str(last)

    def _votes(self, at: At, part: Part, place: int) -> dict[str, int]:
        manifest = None
        if at.votes_id is not None:
            manifest = self._once((at.votes_id,), lambda: at.votes)
        if manifest is None or part.sha256 not in manifest.parts:
            return {}
        objects = at.objects("votes")
        paths = {lf.name: votes_file(at.name, lf.fingerprint, part.sha256) for lf in manifest.lfs}
        return {
            name: self._once((objects[path], str(place)), partial(_vote, at, objects[path], place))
            for name, path in paths.items()
            if path in objects
        }

    def _line(self, at: At, table: str, part: Part) -> tuple[int, Line] | None:
        """(place, line) of the row in a table; None where it has no such line.

        The place is that in the part, but for a line that is in a patch.
        """
        oid = at.oid(table, part)
        patches = at.patch_files.values() if table == "labels" else ()
        for patch in reversed(list(patches)):
            find = partial(self._find_line, at, patch, part.sha256)
            line = self._once((patch, part.sha256), find)
            if line is not None:
                return line
        return None if oid is None else self._once((oid,), lambda: self._find_line(at, oid))

    def _find_line(self, at: At, oid: ObjectId, of_part: str = "") -> tuple[int, Line] | None:
        place = 0
        for batch in at.rows.batches([at.store.fetch(oid)]):
            mask = batch[at.key] == self.key
            if of_part:
                mask &= batch[OF_PART] == of_part
            for number in mask.arg_true().to_list():
                return place + number, batch.drop(OF_PART, strict=False).row(number, named=True)
            place += batch.height
        return None

    def _once(self, name: tuple[str, ...], read: Callable[[], Value]) -> Value:
        if name not in self._read:
            self._read[name] = read()
        value: Value = self._read[name]
        return value


def _vote(at: At, oid: ObjectId, place: int) -> int:
    """A signed byte of a votes object."""
    return int.from_bytes(at.store.read(oid)[place : place + 1], signed=True)


def _to_text(value: object) -> str | None:
    """A value as one line of text."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
