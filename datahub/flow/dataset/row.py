"""One row of a dataset through history: everything that commits hold about it.

Objects never change, so what was read of one is remembered by its id: a walk through history
reads a part again only where it is another part.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from datahub.core.dataset import Key, Part
from datahub.core.labels import ABSTAIN
from datahub.core.layout import (
    annotations_prefix,
    dataset_file,
    label_model_file,
    lfs_file,
    table_part,
    table_prefix,
    votes_file,
)
from datahub.core.manifest import ModelManifest, VotesManifest
from datahub.flow.dataset.annotations import log_at
from datahub.flow.dataset.patches import OF_PART, patch_paths
from datahub.flow.dataset.tables import dataset_at
from datahub.ports import Rows, VersionStore

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


class OneRow:
    """A reader of one row at any commit."""

    def __init__(self, dataset: str, key: Key, store: VersionStore, rows: Rows) -> None:
        self.dataset = dataset
        self.key = key
        self.store = store
        self._rows = rows
        self._states: dict[str, RowState] = {}
        self._read: dict[tuple[str, ...], Any] = {}

    def at(self, ref: str) -> RowState:
        """The row as of a commit."""
        if ref not in self._states:
            self._states[ref] = self._state(ref)
        return self._states[ref]

    def may_differ(self, old: str | None, new: str) -> bool:
        """Whether anything of the dataset differs between two commits: else the row cannot."""
        prefix = f"datasets/{self.dataset}/"
        if old is None:
            return bool(self.store.objects(new, prefix))
        return bool(self.store.changes(old, new, prefix))

    def manifests(self, ref: str) -> tuple[VotesManifest | None, ModelManifest | None]:
        """lfs.json and label_model.json of a commit."""
        return (
            self._parse(ref, lfs_file(self.dataset), VotesManifest.from_json),
            self._parse(ref, label_model_file(self.dataset), ModelManifest.from_json),
        )

    def votes_id(self, ref: str) -> str | None:
        """Object id of lfs.json."""
        return self.store.objects(ref, lfs_file(self.dataset)).get(lfs_file(self.dataset))

    def _state(self, ref: str) -> RowState:
        if dataset_file(self.dataset) not in self.store.objects(ref, dataset_file(self.dataset)):
            return RowState(None, {}, None, None, ())
        dataset = dataset_at(self.store, ref, self.dataset)
        part = next((p for p in dataset.parts if self._within(p)), None)
        line = None if part is None else self._line(ref, "rows", part)
        if part is None or line is None:
            return RowState(None, {}, None, None, ())
        content = {name: line[1][name] for name in dataset.content_columns}
        soft, label = (self._line(ref, table, part) for table in ("soft_labels", "labels"))
        return RowState(
            content=content,
            votes=self._votes(ref, part, line[0]),
            soft=soft and soft[1],
            label=label and label[1],
            answers=self._answers(ref),
        )

    def _answers(self, ref: str) -> tuple[tuple[str, str, str | None], ...]:
        log = self.store.objects(ref, annotations_prefix(self.dataset))

        def read() -> tuple[tuple[str, str, str | None], ...]:
            lines = (a for a in log_at(self.store, ref, self.dataset) if a.key == self.key)
            return tuple((a.id, a.annotator, a.label) for a in lines if not a.withdrawn)

        return self._once(("annotations", *sorted(log.values())), read)

    def _within(self, part: Part) -> bool:
        first, last = part.first_key, part.last_key
        if isinstance(first, int) and isinstance(last, int) and isinstance(self.key, int):
            return first <= self.key <= last
        return isinstance(self.key, str) and str(first) <= self.key <= str(last)

    def _votes(self, ref: str, part: Part, place: int) -> dict[str, int]:
        manifest, _ = self.manifests(ref)
        if manifest is None or part.sha256 not in manifest.parts:
            return {}
        objects = self.store.objects(ref, table_prefix(self.dataset, "votes"))
        paths = {
            lf.name: votes_file(self.dataset, lf.fingerprint, part.sha256) for lf in manifest.lfs
        }
        return {
            name: self._once((objects[path], str(place)), partial(self._vote, objects[path], place))
            for name, path in paths.items()
            if path in objects
        }

    def _vote(self, oid: str, place: int) -> int:
        """A signed byte of a votes object."""
        return int.from_bytes(self.store.read(oid)[place : place + 1], signed=True)

    def _line(self, ref: str, table: str, part: Part) -> tuple[int, Line] | None:
        """(place, line) of the row in a table; None where it has no such line.

        The place is that in the part, but for a line that stands in a patch.
        """
        key = dataset_at(self.store, ref, self.dataset).key
        path = table_part(self.dataset, table, part.sha256)
        oid = self.store.objects(ref, path).get(path)
        patches = patch_paths(self.store, ref, self.dataset).values() if table == "labels" else ()
        for patch in reversed(list(patches)):
            line = self._once(
                (patch, part.sha256), partial(self._find_line, patch, key, part.sha256)
            )
            if line is not None:
                return line
        return None if oid is None else self._once((oid,), lambda: self._find_line(oid, key))

    def _find_line(self, oid: str, key: str, of_part: str = "") -> tuple[int, Line] | None:
        place = 0
        for batch in self._rows.batches([self.store.fetch(oid)]):
            mask = batch[key] == self.key
            if of_part:
                mask &= batch[OF_PART] == of_part
            for at in mask.arg_true().to_list():
                return place + at, batch.drop(OF_PART, strict=False).row(at, named=True)
            place += batch.height
        return None

    def _parse(self, ref: str, path: str, read: Callable[[bytes], Value]) -> Value | None:
        oid = self.store.objects(ref, path).get(path)
        return None if oid is None else self._once((oid,), lambda: read(self.store.read(oid)))

    def _once(self, name: tuple[str, ...], read: Callable[[], Value]) -> Value:
        if name not in self._read:
            self._read[name] = read()
        value: Value = self._read[name]
        return value


def _to_text(value: object) -> str | None:
    """A value as one line of text."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
