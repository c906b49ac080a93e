"""What differs between two refs: objects, rows by key, labels old -> new and why. Nothing writes.

Only parts that differ are read, a group with the same range of keys at a time, and of parts with
the same keys only the columns that differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from datahub.core.dataset import Key, Part
from datahub.core.exact import equal_cells
from datahub.core.layout import DATASETS, OWN, patches_prefix, table_part
from datahub.core.parts import align
from datahub.core.rowmerge import RowDiff, compare
from datahub.core.versions import Change
from datahub.flow.dataset.at import At
from datahub.flow.dataset.contents import Contents
from datahub.flow.dataset.instep import in_step
from datahub.flow.dataset.origins import reasons
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


def diff(before: str, after: str, *, lines: int, store: VersionStore, rows: Rows) -> Difference:
    """What differs between two refs; `lines` is how many rows of a dataset to list at most.

    What datahub itself keeps in a commit, as its verdict, is no content: it differs in no diff.
    """
    commits = [store.commit_at(ref) for ref in (before, after)]
    states = [Contents(store, commit) for commit in commits]
    paths = store.changes(commits[0].id, commits[1].id)
    changes = [change for change in paths if not change.path.startswith(OWN)]
    names = sorted({c.path.split("/")[1] for c in changes if c.path.startswith(DATASETS)})
    sides = (
        [At(store, rows, contents.commit, name, contents=contents) for contents in states]
        for name in names
    )
    diffs = (_DatasetDiff(old, new, changes) for old, new in sides if old.exists and new.exists)
    return Difference(tuple(changes), tuple(dataset.changes(lines) for dataset in diffs))


class _DatasetDiff:
    """One dataset at two refs; `changes` are the paths that differ."""

    def __init__(self, before: At, after: At, changes: Sequence[Change]) -> None:
        self.before, self.after = before, after
        self.name, self.key = after.name, after.key
        self._paths = {change.path for change in changes}

    def changes(self, limit: int) -> RowChanges:
        """Counts of all that differs, and the first lines of it."""
        if self._key_type(self.before) != self._key_type(self.after):
            old_rows, new_rows = self.before.dataset.rows, self.after.dataset.rows
            return RowChanges(self.name, removed=old_rows, added=new_rows)
        counts: Counter[str] = Counter()
        columns: Counter[str] = Counter()
        lines: dict[Key, RowLine] = {}
        for rows in self._row_diffs():
            counts += Counter(
                added=rows.added.height, removed=rows.removed.height, changed=rows.after.height
            )
            columns += Counter(rows.columns)
            for line in _lines(rows):
                if len(lines) >= limit:
                    break
                lines[line.key] = line
        pairs: Counter[str] = Counter()
        for labels in self._label_moves():
            pairs += labels.pairs()
            for key, a, b in labels.first(limit):
                if key in lines or len(lines) < limit:
                    line = lines.get(key, RowLine(key, "label"))
                    lines[key] = replace(line, label=(a, b))
        return RowChanges(
            self.name,
            counts["added"],
            counts["removed"],
            counts["changed"],
            dict(columns.most_common()),
            dict(sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))),
            self._explain(lines.values()),
            rows_without_label(self.after) or 0,
        )

    def _explain(self, lines: Collection[RowLine]) -> tuple[RowLine, ...]:
        """The same, with what moved the labels of those whose label moved."""
        keys = [line.key for line in lines if line.label is not None]
        why = reasons(self.before, self.after, keys) if keys else {}
        return tuple(replace(line, why=why.get(line.key, ())) for line in lines)

    def _key_type(self, at: At) -> tuple[str, str | None]:
        return at.key, dict(at.dataset.columns).get(at.key)

    def _groups(self) -> list[Group]:
        return align(self.before.dataset.parts, self.after.dataset.parts)

    def _frames(
        self,
        table: str,
        groups: Iterable[tuple[Group, Sequence[str] | None]],
    ) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
        """A table's lines in groups of parts; of columns, where those are given."""
        for group, columns in groups:
            sides = [
                [frame for part in parts if (frame := at.part(table, part, columns)) is not None]
                for at, parts in zip((self.before, self.after), group, strict=True)
            ]
            template = next((frames[0] for frames in sides if frames), None)
            if template is not None:
                old, new = (pl.concat(frames) if frames else template.clear() for frames in sides)
                yield old, new

    def _row_diffs(self) -> Iterator[RowDiff]:
        for old, new in self._frames("rows", map(self._columns_apart, self._groups())):
            yield compare(old, new, key=self.key)

    def _columns_apart(self, group: Group) -> tuple[Group, Sequence[str] | None]:
        """A group with the columns in which it may differ; None: in all, and in its rows."""
        alike = in_step(self.after.store, self.after.rows, group, key=self.key)
        if alike is None:
            return group, None
        return group, [self.key, *(name for name, (old, new) in alike.items() if old != new)]

    def _label_moves(self) -> Iterator[_LabelMoves]:
        """Rows of both states whose label is not the same; a part without labels has nulls."""
        if not (self.before.has("labels") or self.after.has("labels")):
            return
        columns = [self.key, "label"]
        for old, new in self._frames("labels", ((group, columns) for group in self._groups())):
            yield _LabelMoves(old, new, self.key)
        for part in self._relabeled_parts():
            before, after = (at.part("labels", part, columns) for at in (self.before, self.after))
            template = before if after is None else after
            if template is not None:
                nulls = template.with_columns(pl.lit(None, template.schema["label"]).alias("label"))
                old, new = (nulls if frame is None else frame for frame in (before, after))
                yield _LabelMoves(old, new, self.key)

    def _relabeled_parts(self) -> list[Part]:
        """Parts of both states under which the labels may differ."""
        part_ids = {part.sha256 for part in self.before.dataset.parts}
        prefix = patches_prefix(self.name)
        has_patches = any(path.startswith(prefix) for path in self._paths)
        patch_sets = [at.patches for at in (self.before, self.after)] if has_patches else []
        return [
            part
            for part in self.after.dataset.parts
            if part.sha256 in part_ids
            and (
                table_part(self.name, "labels", part.sha256) in self._paths
                or any(patches.touch(part) for patches in patch_sets)
            )
        ]


class _LabelMoves:
    """Lines of labels that moved between two states of the same rows."""

    def __init__(self, old: pl.DataFrame, new: pl.DataFrame, key: str) -> None:
        table = old.join(new, on=key, how="inner", suffix=" of new", maintain_order="left")
        self._key = key
        self._lines = table.filter(pl.col("label").ne_missing(pl.col("label of new")))

    def pairs(self) -> Counter[str]:
        """How many labels moved from which to which."""
        counts = self._lines.group_by("label", "label of new").len()
        return Counter(
            {f"{a or NO_LABEL} -> {b or NO_LABEL}": count for a, b, count in counts.iter_rows()}
        )

    def first(self, count: int) -> Iterator[tuple[Key, str | None, str | None]]:
        """The first of them with their keys."""
        yield from self._lines.select(self._key, "label", "label of new").head(count).iter_rows()


def _lines(rows: RowDiff) -> Iterator[RowLine]:
    names = [name for name in rows.after.columns if name != rows.key]
    equal = {name: equal_cells(rows.before[name], rows.after[name]) for name in names}
    pairs = zip(rows.before.iter_rows(named=True), rows.after.iter_rows(named=True), strict=True)
    for place, (old, new) in enumerate(pairs):
        values = {name: (old[name], new[name]) for name in names if not equal[name][place]}
        yield RowLine(new[rows.key], "changed", values)
    for kind, frame in (("added", rows.added), ("removed", rows.removed)):
        for row in frame.iter_rows(named=True):
            cells = {name: row[name] for name in names if row[name] is not None}
            yield RowLine(
                row[rows.key],
                kind,
                {n: (None, v) if kind == "added" else (v, None) for n, v in cells.items()},
            )
