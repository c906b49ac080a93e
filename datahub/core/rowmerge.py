"""Rows merged by key and column: two states held against each other, and three at once.

Frames hold rows under one unique key. Cells are compared as they are (core.exact): null equals
null, and a column that a state does not have is null throughout it. Nothing here decides a
conflict: it is listed, ours stands in its place, and `settle` puts in what was decided. Cells stay
in frames all the way: as a Python object an instant has no nanoseconds. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

import numpy as np
import polars as pl

from datahub.core.bothchanged import BothChanged, Cell
from datahub.core.dataset import Key
from datahub.core.exact import cast_exactly, check_exact, equal_cells
from datahub.core.nulltypes import common_type


class Take(Enum):
    """A decision for what a side has, in place of a value."""

    OURS = "ours"
    THEIRS = "theirs"


@dataclass(frozen=True)
class RowDiff:
    """What differs: whole rows; `before` and `after` are the changed ones, in one order."""

    key: str
    added: pl.DataFrame
    removed: pl.DataFrame
    before: pl.DataFrame
    after: pl.DataFrame

    @property
    def columns(self) -> dict[str, int]:
        """How many of the changed rows differ in a column, for those that do."""
        names = [name for name in self.after.columns if name != self.key]
        counts = {
            name: int((~equal_cells(self.before[name], self.after[name])).sum()) for name in names
        }
        return {name: count for name, count in counts.items() if count}

    @property
    def changed_keys(self) -> pl.Series:
        """The keys of all rows that differ."""
        return pl.concat([frame[self.key] for frame in (self.added, self.removed, self.after)])


@dataclass(frozen=True)
class RowMerge:
    """What to do to ours: rows to put in (over those of the same key), keys to take out.

    Rows in which something conflicts are put, as ours has them but for what theirs alone changed;
    `their_rows` are what theirs has in those.
    """

    key: str
    put: pl.DataFrame
    removals: pl.Series
    conflicts: tuple[Cell, ...] = ()
    their_rows: pl.DataFrame = field(default_factory=pl.DataFrame)

    @property
    def rows(self) -> int:
        """How many rows of ours it touches."""
        return self.put.height + len(self.removals)

    def over(self, ours: pl.DataFrame) -> pl.DataFrame:
        """The merged rows, by key."""
        rows = merging(ours, self.put.schema)
        for keys in (self.put[self.key], self.removals):
            if len(keys):
                rows = rows.filter(~pl.col(self.key).is_in(keys.implode()))
        return pl.concat([rows, self.put]).sort(self.key)

    def within(self, ours: pl.DataFrame, places: pl.Series) -> pl.DataFrame:
        """Columns of ours as merged, where no row comes or goes: `put` has these places in it."""
        return pl.DataFrame(
            {name: _scatter(ours[name], places, self.put[name]) for name in ours.columns}
        )


def conform(frame: pl.DataFrame, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """The same rows with these columns: those it has not are null.

    >>> conform(pl.DataFrame({"a": [1]}), {"a": pl.Int64(), "b": pl.String()}).row(0)
    (1, None)
    """
    if list(frame.schema.items()) == list(schema.items()):
        return frame
    columns = [
        pl.col(name).cast(kind) if name in frame.columns else pl.lit(None, kind).alias(name)
        for name, kind in schema.items()
    ]
    return frame.select(columns)


def merging(
    frame: pl.DataFrame, schema: Mapping[str, pl.DataType], *, exact: bool = True
) -> pl.DataFrame:
    """The same, where a value of another type becomes the very same value of the column's type.

    Where there is none, InputError is raised; or it is null (not `exact`), if all it is for is to
    be compared.

    >>> merging(pl.DataFrame({"a": [1.5, 2.0]}), {"a": pl.Int64()}, exact=False)["a"].to_list()
    [None, 2]
    """
    return _merging(frame, schema, exact=exact)[0]


def _merging(
    frame: pl.DataFrame, schema: Mapping[str, pl.DataType], *, exact: bool
) -> tuple[pl.DataFrame, dict[str, pl.Series]]:
    """The same, and by column which values have no counterpart (null in its place)."""
    names = [n for n, kind in schema.items() if frame.schema.get(n, kind) != kind]
    columns, losses = {}, {}
    for name in names:
        columns[name], mask = cast_exactly(frame[name], schema[name])
        if exact:
            check_exact(frame[name], mask, schema[name])
        elif mask.any():
            losses[name] = mask
    if names:
        frame = pl.DataFrame({name: frame[name] for name in frame.columns} | columns)
    return conform(frame, schema), losses


def compare(old: pl.DataFrame, new: pl.DataFrame, *, key: str) -> RowDiff:
    """What differs between two states of the same rows, by key.

    >>> old = pl.DataFrame({"k": [1, 2], "a": ["x", "y"]})
    >>> diff = compare(old, pl.DataFrame({"k": [2, 3], "a": ["z", "w"]}), key="k")
    >>> diff.added.rows(), diff.removed.rows(), diff.columns
    ([(3, 'w')], [(1, 'x')], {'a': 1})
    """
    old_schema, new_schema = _joint(old, new, key), _joint(new, old, key)
    old, new = conform(old, {n: old_schema[n] for n in new_schema}), conform(new, new_schema)
    additions, removals = new.clear(), old.clear()
    if not old[key].equals(new[key]):
        additions = new.join(old, on=key, how="anti", maintain_order="left")
        removals = old.join(new, on=key, how="anti", maintain_order="left")
        order = old.join(new.select(key), on=key, how="semi").sort(key)
        old, new = order, new.join(old.select(key), on=key, how="semi").sort(key)
    differs = pl.Series([False], dtype=pl.Boolean).new_from_index(0, old.height)
    for name in new_schema:
        if name != key:
            differs = differs | ~equal_cells(old[name], new[name])
    return RowDiff(key, additions, removals, old.filter(differs), new.filter(differs))


def merge(
    base: pl.DataFrame,
    ours: pl.DataFrame,
    theirs: pl.DataFrame,
    *,
    key: str,
    schema: Mapping[str, pl.DataType] | None = None,
) -> RowMerge:
    """Merge three states by key and column; `schema` are the merged columns (default: ours).

    >>> base = pl.DataFrame({"k": [1, 2], "a": ["x", "x"], "b": ["y", "y"]})
    >>> ours = pl.DataFrame({"k": [1, 2], "a": ["o", "o"], "b": ["y", "y"]})
    >>> theirs = pl.DataFrame({"k": [1, 2], "a": ["x", "t"], "b": ["t", "y"]})
    >>> merged = merge(base, ours, theirs, key="k")
    >>> merged.over(ours).rows()
    [(1, 'o', 't'), (2, 'o', 'y')]
    >>> [(c.key, c.column, c.ours, c.theirs) for c in merged.conflicts]
    [(2, 'a', 'o', 't')]
    """
    schema = dict(ours.schema) if schema is None else dict(schema)
    base, losses = _merging(base, schema, exact=False)
    ours, theirs = merging(ours, schema), merging(theirs, schema)
    our_diff, their_diff = compare(base, ours, key=key), compare(base, theirs, key=key)
    lost_keys = pl.concat(
        [base[key].clear(), *(base[key].filter(mask) for mask in losses.values())]
    )
    our_keys = pl.concat([our_diff.changed_keys, lost_keys])  # both sides changed what is lost
    their_keys = pl.concat([their_diff.changed_keys, lost_keys])
    theirs_alone = ~pl.col(key).is_in(our_keys.implode())
    upserts = _apart(
        pl.concat([their_diff.added, their_diff.after]).filter(theirs_alone), of=theirs
    )
    removals = _apart(their_diff.removed.filter(theirs_alone).select(key), of=base)[key]
    common_keys = their_keys.filter(their_keys.is_in(our_keys.implode())).unique().sort()
    if not len(common_keys):
        return RowMerge(key, upserts, removals)
    common = BothChanged(common_keys, base, ours, theirs, losses)
    cells = common.conflicts()
    conflict_keys = pl.Series([cell.key for cell in cells], dtype=common_keys.dtype)
    their_rows = theirs.filter(pl.col(key).is_in(conflict_keys.implode()))
    return RowMerge(key, pl.concat([upserts, common.rows()]), removals, tuple(cells), their_rows)


def settle(row_merge: RowMerge, decisions: Mapping[tuple[Key, str | None], object]) -> RowMerge:
    """The merge with what was decided: of (key, column) a value, of (key, None) a row or None.

    A decision may be for a side (`Take`), and a value a Series of one. What was not decided stays
    a conflict.
    """
    choices = [c for c in row_merge.conflicts if (c.key, c.column) in decisions]
    if not choices:
        return row_merge
    key, upserts = row_merge.key, row_merge.put
    removals = set(row_merge.removals)
    for cell in choices:
        value = decisions[cell.key, cell.column]
        if cell.column is not None:
            upserts = _put_cell(upserts, key, cell, value, row_merge.their_rows)
            continue
        upserts = upserts.filter(pl.col(key) != cell.key)
        row = _decided_row(row_merge, cell, value)
        if row.height:
            upserts = pl.concat([upserts, row])
        else:
            removals.add(cell.key)
    return replace(
        row_merge,
        put=upserts,
        removals=pl.Series(key, sorted(removals), dtype=row_merge.removals.dtype),
        conflicts=tuple(c for c in row_merge.conflicts if (c.key, c.column) not in decisions),
    )


def _put_cell(
    upserts: pl.DataFrame, key: str, cell: Cell, value: object, their_rows: pl.DataFrame
) -> pl.DataFrame:
    """The rows with what was decided of one cell."""
    name = cell.column
    assert name is not None
    if value is Take.OURS:
        return upserts
    if value is Take.THEIRS:
        values = their_rows.filter(pl.col(key) == cell.key)[name]
    elif isinstance(value, pl.Series):
        values = value.cast(upserts.schema[name])
    else:
        values = pl.Series([value], dtype=upserts.schema[name])
    places = (upserts[key] == cell.key).arg_true()
    return upserts.with_columns(_scatter(upserts[name], places, values).alias(name))


def _decided_row(row_merge: RowMerge, cell: Cell, value: object) -> pl.DataFrame:
    """The whole row that was decided for; none where it is to go."""
    is_its = pl.col(row_merge.key) == cell.key
    if value is Take.OURS:
        return row_merge.put.filter(is_its)
    if value is Take.THEIRS:
        return row_merge.their_rows.filter(is_its)
    rows = [] if value is None else [value]
    return pl.DataFrame(rows, schema=row_merge.put.schema)


def merge_value(base: object, ours: object, theirs: object) -> tuple[object, bool]:
    """One value three ways: (what it is, whether both sides changed it differently).

    >>> merge_value(1, 1, 2), merge_value(1, 3, 2)
    ((2, False), (3, True))
    """
    if _equal(theirs, base) or _equal(theirs, ours):
        return ours, False
    return (theirs, False) if _equal(ours, base) else (ours, True)


def merge_columns(
    base: Sequence[tuple[str, str]],
    ours: Sequence[tuple[str, str]],
    theirs: Sequence[tuple[str, str]],
) -> tuple[dict[str, str], list[str]]:
    """Columns by name and type, three ways: ours in their order, theirs after; and conflicts.

    >>> merge_columns([("k", "Int64")], [("k", "Int64"), ("a", "String")], [("k", "Int64")])
    ({'k': 'Int64', 'a': 'String'}, [])
    >>> merge_columns([("k", "Int64")], [("k", "Int64"), ("a", "String")],
    ...                [("k", "Int64"), ("a", "Float64")])
    ({'k': 'Int64', 'a': 'String'}, ['a'])
    """
    old, our_types, their_types = dict(base), dict(ours), dict(theirs)
    columns, conflicts = {}, []
    for name in dict.fromkeys([*our_types, *their_types]):
        kind, conflict = merge_value(old.get(name), our_types.get(name), their_types.get(name))
        if conflict:
            conflicts.append(name)
        if kind is not None:
            columns[name] = str(kind)
    return columns, conflicts


def _apart(frame: pl.DataFrame, *, of: pl.DataFrame) -> pl.DataFrame:
    """The same rows without what they come from: a few texts else keep all of it in memory."""
    if frame.height * 10 > of.height:
        return frame
    texts = [name for name, kind in frame.schema.items() if kind in (pl.String(), pl.Binary())]
    return frame.with_columns(
        pl.Series(name, frame[name].to_list(), dtype=frame.schema[name]) for name in texts
    )


def _equal(a: object, b: object) -> bool:
    """Equal, and of one type: to Python, True is 1."""
    return type(a) is type(b) and a == b


def _scatter(column: pl.Series, places: pl.Series, values: pl.Series) -> pl.Series:
    """The column with these values in these places."""
    if not column.dtype.is_nested():
        return column.clone().scatter(places, values)
    lines = np.arange(len(column))
    lines[places.to_numpy()] = np.arange(len(column), len(column) + len(values))
    return pl.concat([column, values], rechunk=True)[lines]


def _joint(frame: pl.DataFrame, second: pl.DataFrame, key: str) -> dict[str, pl.DataType]:
    """All columns of both, as the one is compared with the other.

    Where types differ in nulls alone (an empty list is one of anything) that is the type of both.
    """
    schema = {**frame.schema, **{n: k for n, k in second.schema.items() if n not in frame.schema}}
    for name, kind in second.schema.items():
        if name != key and schema[name] != kind:
            schema[name] = common_type(schema[name], kind) or schema[name]
    return schema
