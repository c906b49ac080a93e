"""Rows merged by key and column: two states held against each other, and three at once.

Frames hold rows under one unique key. Cells are compared as they are: null equals null, and a
column that a state does not have is null throughout it. Nothing here decides a conflict: it is
listed, ours stands in its place, and `settle` puts in what was decided. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl

from datahub.core.dataset import Key
from datahub.core.errors import InputError
from datahub.core.nulltypes import common_type

Kind = Literal["both changed", "both added", "ours removed", "theirs removed"]


@dataclass(frozen=True)
class Cell:
    """What both sides changed differently: one column of a row, or (column None) a whole row.

    Of a whole row the values are the rows themselves, as name -> value, or None where there is
    none.
    """

    key: Key
    column: str | None
    kind: Kind
    base: object
    ours: object
    theirs: object


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
            name: int((~_equal_cells(self.before[name], self.after[name])).sum()) for name in names
        }
        return {name: count for name, count in counts.items() if count}

    @property
    def changed_keys(self) -> pl.Series:
        """The keys of all rows that differ."""
        return pl.concat([frame[self.key] for frame in (self.added, self.removed, self.after)])


@dataclass(frozen=True)
class RowMerge:
    """What to do to ours: rows to put in (over those of the same key), keys to take out.

    Rows in which something conflicts are put, as ours has them but for what theirs alone changed.
    """

    key: str
    put: pl.DataFrame
    removals: pl.Series
    conflicts: tuple[Cell, ...] = ()

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
    names = [n for n, kind in schema.items() if frame.schema.get(n, kind) != kind]
    if names:
        cast = {name: _cast(frame[name], schema[name], exact=exact) for name in names}
        frame = pl.DataFrame({name: frame[name] for name in frame.columns} | cast)
    return conform(frame, schema)


def _cast(column: pl.Series, kind: pl.DataType, *, exact: bool) -> pl.Series:
    """The same values in another type; those that are not the same there are none."""
    if column.dtype == kind:
        return column
    try:
        cast = column.cast(kind, strict=False)
        equal = cast.cast(column.dtype, strict=False).eq_missing(column)
    except pl.exceptions.PolarsError:  # no value of the one type is of the other
        cast = pl.Series(column.name, [None] * len(column), dtype=kind)
        equal = column.is_null()
    if exact and not equal.all():
        value = column.filter(~equal)[0]
        raise InputError(
            f"Column {column.name!r} is {column.dtype} on one side and {kind} on the other, and "
            f"{value!r} is no value of {kind}.",
            hint="Nothing was changed. Import the rows of one side again with the type of the "
            "other.",
        )
    return cast if equal.all() else cast.zip_with(equal, pl.Series([None], dtype=kind))


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
            differs = differs | ~_equal_cells(old[name], new[name])
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
    base = merging(base, schema, exact=False)
    ours, theirs = merging(ours, schema), merging(theirs, schema)
    our_diff, their_diff = compare(base, ours, key=key), compare(base, theirs, key=key)
    our_keys = our_diff.changed_keys
    theirs_alone = ~pl.col(key).is_in(our_keys.implode())
    put = _apart(pl.concat([their_diff.added, their_diff.after]).filter(theirs_alone), of=theirs)
    removals = _apart(their_diff.removed.filter(theirs_alone).select(key), of=base)[key]
    common_keys = (
        their_diff.changed_keys.filter(their_diff.changed_keys.is_in(our_keys.implode()))
        .unique()
        .sort()
    )
    if not len(common_keys):
        return RowMerge(key, put, removals)
    states = [
        frame.filter(pl.col(key).is_in(common_keys.implode())) for frame in (base, ours, theirs)
    ]
    cells, rows = _merge_rows(common_keys, *states, key=key)
    return RowMerge(key, pl.concat([put, rows]), removals, tuple(cells))


def settle(row_merge: RowMerge, decisions: Mapping[tuple[Key, str | None], object]) -> RowMerge:
    """The merge with what was decided: a value for (key, column), a row or None for (key, None).

    What was not decided stays a conflict.
    """
    conflicts = tuple(c for c in row_merge.conflicts if (c.key, c.column) not in decisions)
    if len(conflicts) == len(row_merge.conflicts):
        return row_merge
    rows = {row[row_merge.key]: row for row in row_merge.put.iter_rows(named=True)}
    removals = set(row_merge.removals.to_list())
    for conflict in row_merge.conflicts:
        place = conflict.key, conflict.column
        if place not in decisions:
            continue
        value = decisions[place]
        if conflict.column is not None:
            rows[conflict.key] = {**rows[conflict.key], conflict.column: value}
        elif value is None:
            rows.pop(conflict.key, None)
            removals.add(conflict.key)
        else:
            assert isinstance(value, Mapping)  # a whole row is a row
            rows[conflict.key] = dict(value)
    put = pl.DataFrame(list(rows.values()), schema=row_merge.put.schema)
    keys = pl.Series(row_merge.key, sorted(removals), dtype=row_merge.removals.dtype)
    return replace(row_merge, put=put, removals=keys, conflicts=conflicts)


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


def _apart(few: pl.DataFrame, *, of: pl.DataFrame) -> pl.DataFrame:
    """The same rows without what they come from: a few texts else keep all of it in memory."""
    if few.height * 10 > of.height:
        return few
    return pl.DataFrame(few.rows(), schema=few.schema, orient="row")


def _merge_rows(
    keys: pl.Series, base: pl.DataFrame, ours: pl.DataFrame, theirs: pl.DataFrame, *, key: str
) -> tuple[list[Cell], pl.DataFrame]:
    """Conflicts of rows that both sides touched, and the rows as merged where ours are not that."""
    states = [
        {row[key]: row for row in frame.iter_rows(named=True)} for frame in (base, ours, theirs)
    ]
    cells: list[Cell] = []
    rows: list[dict[str, object]] = []
    for row_key in keys:
        old, our_row, their_row = (state.get(row_key) for state in states)
        row, conflicts = _merge_row(row_key, old, our_row, their_row, key=key)
        cells += conflicts
        if row is not None:
            rows.append(row)
    return cells, pl.DataFrame(rows, schema=ours.schema)


def _merge_row(
    key_value: Key,
    base: dict[str, object] | None,
    ours: dict[str, object] | None,
    theirs: dict[str, object] | None,
    *,
    key: str,
) -> tuple[dict[str, object] | None, list[Cell]]:
    if ours is None or theirs is None:
        if ours is None and theirs is None:
            return None, []
        kind: Kind = "ours removed" if ours is None else "theirs removed"
        return ours, [Cell(key_value, None, kind, base, ours, theirs)]
    kind = "both added" if base is None else "both changed"
    row, cells = dict(ours), []
    for column, our_value in ours.items():
        if column == key:
            continue
        old = None if base is None else base[column]
        value, conflict = merge_value(old, our_value, theirs[column])
        row[column] = value
        if conflict:
            cells.append(Cell(key_value, column, kind, old, our_value, theirs[column]))
    equal = not cells and all(_equal(row[column], our_value) for column, our_value in ours.items())
    return None if equal else row, cells


def _equal(a: object, b: object) -> bool:
    """Equal as cells of a frame are: NaN is NaN."""
    return a == b or (a != a and b != b)


def _scatter(column: pl.Series, places: pl.Series, values: pl.Series) -> pl.Series:
    """The column with these values in these places."""
    if not column.dtype.is_nested():
        return column.clone().scatter(places, values)
    lines = np.arange(len(column))
    lines[places.to_numpy()] = np.arange(len(column), len(column) + len(values))
    return pl.concat([column, values], rechunk=True)[lines]


def _equal_cells(a: pl.Series, b: pl.Series) -> pl.Series:
    if a.dtype != b.dtype:  # no value of the one type is of the other
        return a.is_null() & b.is_null()
    return a.eq_missing(b)


def _joint(frame: pl.DataFrame, second: pl.DataFrame, key: str) -> dict[str, pl.DataType]:
    """All columns of both, as one of them is to be compared with the other.

    One whose types differ in more than nulls is compared as text; lists and other nested values
    have none, and keep their own type.
    """
    schema = {**frame.schema, **{n: k for n, k in second.schema.items() if n not in frame.schema}}
    for name, kind in second.schema.items():
        if name != key and schema[name] != kind:
            is_nested = kind.is_nested() or schema[name].is_nested()
            own = schema[name] if is_nested else pl.String()
            schema[name] = common_type(schema[name], kind) or own
    return schema
