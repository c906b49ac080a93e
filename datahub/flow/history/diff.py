"""What differs between two refs: objects, rows by key, labels old -> new and why. Nothing writes.

Only parts that differ are read, a group with the same range of keys at a time, and of parts with
the same keys only the columns that differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from datahub.core.dataset import Dataset, Key, Part
from datahub.core.labels import ABSTAIN
from datahub.core.layout import OWN, dataset_file, patches_prefix, table_part, table_prefix
from datahub.core.parts import align
from datahub.core.rowmerge import RowDiff, compare
from datahub.core.versions import Change
from datahub.flow.dataset.instep import in_step
from datahub.flow.dataset.patches import Patches
from datahub.flow.dataset.row import OneRow, RowState
from datahub.flow.dataset.tables import dataset_at, has_table, part_reader
from datahub.flow.rows.keeping import rows_without_label
from datahub.ports import Rows, VersionStore

NO_LABEL = "(none)"
Group = tuple[tuple[Part, ...], ...]  # parts of either state


@dataclass(frozen=True)
class RowLine:
    """One row that differs.

    `kind`: added, removed, changed, or label (the row is the same, its label is not). `columns`
    are old and new of what changed in it; `why` says what moved the label: votes, models, people.
    """

    key: Key
    kind: str
    columns: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    label: tuple[str | None, str | None] | None = None
    why: tuple[str, ...] = ()


@dataclass(frozen=True)
class RowChanges:
    """What changed in a dataset's rows and labels, by key; `lines` are the first of those rows.

    `columns` counts changed rows by column, `labels` rows by "old -> new"; `unlabeled` rows of
    the new state came or changed since it was labeled.
    """

    dataset: str
    added: int = 0
    removed: int = 0
    changed: int = 0
    columns: Mapping[str, int] = field(default_factory=dict)
    labels: Mapping[str, int] = field(default_factory=dict)
    lines: tuple[RowLine, ...] = ()
    unlabeled: int = 0


@dataclass(frozen=True)
class Difference:
    """What differs between two refs."""

    objects: tuple[Change, ...]
    rows: tuple[RowChanges, ...]


def diff(old: str, new: str, *, lines: int, store: VersionStore, rows: Rows) -> Difference:
    """What differs between two refs; `lines` is how many rows of a dataset to list at most.

    What datahub itself keeps in a commit, as its verdict, is no content: it differs in no diff.
    """
    old, new = store.commit_at(old).id, store.commit_at(new).id
    changes = [one for one in store.changes(old, new) if not one.path.startswith(OWN)]
    touched = sorted(
        {change.path.split("/")[1] for change in changes if change.path.startswith("datasets/")}
    )
    both = [
        name
        for name in touched
        if all(dataset_file(name) in store.objects(ref, dataset_file(name)) for ref in (old, new))
    ]
    found = (_Reading(name, old, new, store, rows) for name in both)
    return Difference(tuple(changes), tuple(one.changes(lines) for one in found))


class _Reading:
    """One dataset at two refs."""

    def __init__(self, name: str, old: str, new: str, store: VersionStore, rows: Rows) -> None:
        self.name, self.old, self.new = name, old, new
        self.store, self.rows = store, rows
        self.before: Dataset = dataset_at(store, old, name)
        self.after: Dataset = dataset_at(store, new, name)
        self.key = self.after.key

    def changes(self, limit: int) -> RowChanges:
        """Counts of all that differs, and the first lines of it."""
        if self._key_type(self.before) != self._key_type(self.after):
            return RowChanges(self.name, removed=self.before.rows, added=self.after.rows)
        counts: Counter[str] = Counter()
        columns: Counter[str] = Counter()
        lines: dict[Key, RowLine] = {}
        for found in self._row_diffs():
            counts += Counter(
                added=found.added.height, removed=found.removed.height, changed=found.after.height
            )
            columns += Counter(found.columns)
            for line in _lines(found):
                if len(lines) >= limit:
                    break
                lines[line.key] = line
        pairs: Counter[str] = Counter()
        for moved in self._label_moves():
            pairs += moved.pairs()
            for key, a, b in moved.first(limit):
                if key in lines or len(lines) < limit:
                    known = lines.get(key, RowLine(key, "label"))
                    lines[key] = RowLine(key, known.kind, known.columns, (a, b), self._why(key))
        return RowChanges(
            self.name,
            counts["added"],
            counts["removed"],
            counts["changed"],
            dict(columns.most_common()),
            dict(sorted(pairs.items(), key=lambda one: (-one[1], one[0]))),
            tuple(lines.values()),
            rows_without_label(self.store, self.rows, self.new, self.after) or 0,
        )

    def _key_type(self, known: Dataset) -> tuple[str, str | None]:
        return known.key, dict(known.columns).get(known.key)

    def _groups(self) -> list[Group]:
        return align(self.before.parts, self.after.parts)

    def _frames(
        self,
        table: str,
        groups: Iterable[tuple[Group, Sequence[str] | None]],
    ) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
        """A table's lines in groups of parts; of columns, where those are given."""
        read = self._readers(table)
        for group, columns in groups:
            found = [
                [frame for part in parts if (frame := one(part, columns)) is not None]
                for one, parts in zip(read, group, strict=True)
            ]
            some = next((frames[0] for frames in found if frames), None)
            if some is not None:
                old, new = (pl.concat(frames) if frames else some.clear() for frames in found)
                yield old, new

    def _readers(self, table: str) -> tuple[Any, Any]:
        return (
            part_reader(self.store, self.rows, self.old, self.before, table),
            part_reader(self.store, self.rows, self.new, self.after, table),
        )

    def _row_diffs(self) -> Iterator[RowDiff]:
        for old, new in self._frames("rows", map(self._columns_apart, self._groups())):
            yield compare(old, new, key=self.key)

    def _columns_apart(self, group: Group) -> tuple[Group, Sequence[str] | None]:
        """A group with the columns in which it may differ; None: in all, and in its rows."""
        alike = in_step(self.store, self.rows, group, key=self.key)
        if alike is None:
            return group, None
        return group, [self.key, *(name for name, (old, new) in alike.items() if old != new)]

    def _label_moves(self) -> Iterator[_Moved]:
        """Rows of both states whose label is not the same; a part without labels has nulls."""
        if not any(has_table(self.store, ref, self.name, "labels") for ref in (self.old, self.new)):
            return
        columns = [self.key, "label"]
        for old, new in self._frames("labels", ((group, columns) for group in self._groups())):
            yield _Moved(old, new, self.key)
        read = self._readers("labels")
        for part in self._relabeled_parts():
            old, new = (one(part, columns) for one in read)
            some = old if new is None else new
            if some is not None:
                unlabeled = some.with_columns(pl.lit(None, some.schema["label"]).alias("label"))
                pair = [unlabeled if frame is None else frame for frame in (old, new)]
                yield _Moved(pair[0], pair[1], self.key)

    def _relabeled_parts(self) -> list[Part]:
        """Parts of both states under which the labels may differ."""
        shared = {part.sha256 for part in self.before.parts}
        prefix = table_prefix(self.name, "labels")
        paths = {change.path for change in self.store.changes(self.old, self.new, prefix)}
        patched = [
            Patches.at(self.store, self.rows, ref, self.name, self.key)
            for ref in (self.old, self.new)
            if any(path.startswith(patches_prefix(self.name)) for path in paths)
        ]
        return [
            part
            for part in self.after.parts
            if part.sha256 in shared
            and (
                table_part(self.name, "labels", part.sha256) in paths
                or any(patches.touch(part) for patches in patched)
            )
        ]

    def _why(self, key: Key) -> tuple[str, ...]:
        row = OneRow(self.name, key, self.store, self.rows)
        before, after = row.at(self.old), row.at(self.new)
        said = [f"{who} said {label or 'skip'}" for who, label in _fresh(before, after)]
        said += _votes_moved(before, after, self.before.classes, self.after.classes)
        for what in ("source", "model"):
            a, b = ((state.label or {}).get(what) for state in (before, after))
            if a != b:
                said.append(f"{what} {a or '-'} -> {b or '-'}")
        return tuple(said)


class _Moved:
    """Lines of labels that moved between two states of the same rows."""

    def __init__(self, old: pl.DataFrame, new: pl.DataFrame, key: str) -> None:
        joined = old.join(new, on=key, how="inner", suffix=" of new", maintain_order="left")
        self._key = key
        self._lines = joined.filter(pl.col("label").ne_missing(pl.col("label of new")))

    def pairs(self) -> Counter[str]:
        """How many labels moved from which to which."""
        counted = self._lines.group_by("label", "label of new").len()
        return Counter(
            {f"{a or NO_LABEL} -> {b or NO_LABEL}": count for a, b, count in counted.iter_rows()}
        )

    def first(self, count: int) -> Iterator[tuple[Key, str | None, str | None]]:
        """The first of them with their keys."""
        yield from self._lines.select(self._key, "label", "label of new").head(count).iter_rows()


def _lines(found: RowDiff) -> Iterator[RowLine]:
    names = [name for name in found.after.columns if name != found.key]
    pairs = zip(found.before.iter_rows(named=True), found.after.iter_rows(named=True), strict=True)
    for old, new in pairs:
        moved = {name: (old[name], new[name]) for name in names if old[name] != new[name]}
        yield RowLine(new[found.key], "changed", moved)
    for kind, frame in (("added", found.added), ("removed", found.removed)):
        for row in frame.iter_rows(named=True):
            cells = {name: row[name] for name in names if row[name] is not None}
            yield RowLine(
                row[found.key],
                kind,
                {n: (None, v) if kind == "added" else (v, None) for n, v in cells.items()},
            )


def _fresh(before: RowState, after: RowState) -> list[tuple[str, str | None]]:
    known = set(before.answers)
    return [(who, label) for one, who, label in after.answers if (one, who, label) not in known]


def _votes_moved(
    before: RowState, after: RowState, old: Sequence[str], new: Sequence[str]
) -> list[str]:
    """LFs that say something else now, in words."""

    def named(votes: Mapping[str, int], lf: str, classes: Sequence[str]) -> str:
        vote = votes.get(lf)
        if vote is None:
            return "(no such LF)"
        return "abstain" if vote == ABSTAIN else classes[vote]

    said = []
    for lf in dict.fromkeys([*before.votes, *after.votes]):
        a, b = named(before.votes, lf, old), named(after.votes, lf, new)
        if a != b:
            said.append(f"LF {lf}: {a} -> {b}")
    return said
