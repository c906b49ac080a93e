"""Row merges, against a plain dictionary three-way merge."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datahub.core.rowmerge import compare, merge, settle

Table = dict[int, tuple[str | None, float | None]]
SCHEMA = {"k": pl.Int64(), "a": pl.String(), "b": pl.Float64()}

rows = st.tuples(
    st.sampled_from([None, "x", "y", "z"]), st.sampled_from([None, 0.0, 1.5, float("nan")])
)
tables = st.dictionaries(st.integers(0, 7), rows, max_size=8)


def frame(table: Table) -> pl.DataFrame:
    lines = [(key, *table[key]) for key in sorted(table)]
    return pl.DataFrame(lines, schema=SCHEMA, orient="row")


def plain(cell: object) -> object:
    """A cell that can be compared: NaN equals itself here."""
    return "nan" if cell != cell else cell


def naive(base: Table, ours: Table, theirs: Table) -> tuple[dict[int, list[object]], set[object]]:
    """Merged rows and places of conflict (key, column), one row and cell after another."""
    merged: dict[int, list[object]] = {}
    conflicts: set[object] = set()
    for key in {*base, *ours, *theirs}:
        old, mine, other = (
            [*map(plain, t[key])] if key in t else None for t in (base, ours, theirs)
        )
        if other == old or mine == other:
            row = mine
        elif mine == old:
            row = other
        elif mine is None or other is None:
            row = mine
            conflicts.add((key, None))
        else:
            before = old or [None, None]
            row = list(mine)
            for i, name in enumerate("ab"):
                if mine[i] == before[i]:
                    row[i] = other[i]
                elif other[i] not in (before[i], mine[i]):
                    conflicts.add((key, name))
        if row is not None:
            merged[key] = row
    return merged, conflicts


def as_dict(merged: pl.DataFrame) -> dict[int, list[object]]:
    return {row[0]: [*map(plain, row[1:])] for row in merged.iter_rows()}


@given(tables, tables, tables)
def test_a_row_merge_is_the_plain_dictionary_merge(base: Table, ours: Table, theirs: Table) -> None:
    """The same rows, and conflicts in the same places."""
    merged = merge(frame(base), frame(ours), frame(theirs), key="k")

    rows_, places = naive(base, ours, theirs)
    assert as_dict(merged.over(frame(ours))) == rows_
    assert {(c.key, c.column) for c in merged.conflicts} == places


@given(tables, tables, tables)
def test_sides_can_change_places(base: Table, ours: Table, theirs: Table) -> None:
    """Where nothing conflicts, it does not matter which side is ours; conflicts are mirrored."""
    one = merge(frame(base), frame(ours), frame(theirs), key="k")
    other = merge(frame(base), frame(theirs), frame(ours), key="k")

    def seen(found: object) -> str:
        return repr(found)

    assert [(c.key, c.column, seen(c.ours), seen(c.theirs)) for c in one.conflicts] == [
        (c.key, c.column, seen(c.theirs), seen(c.ours)) for c in other.conflicts
    ]
    if not one.conflicts:
        assert one.over(frame(ours)).equals(other.over(frame(theirs)))


@given(tables, tables)
def test_a_side_that_did_not_move_takes_the_other(base: Table, moved: Table) -> None:
    """Base == one side: the merge is the other side. The same on both sides: it is that."""
    b, m = frame(base), frame(moved)

    assert merge(b, b, m, key="k").over(b).equals(m)
    assert merge(b, m, b, key="k").over(m).equals(m)
    assert merge(b, m, m, key="k").over(m).equals(m)
    assert not merge(b, m, m, key="k").conflicts


@given(tables, tables, tables)
def test_deciding_for_one_side_leaves_no_conflict(base: Table, ours: Table, theirs: Table) -> None:
    """Every conflict can be decided, and the rows hold what was decided."""
    found = merge(frame(base), frame(ours), frame(theirs), key="k")

    done = settle(found, {(c.key, c.column): c.theirs for c in found.conflicts})

    assert not done.conflicts
    rows_, wanted = as_dict(done.over(frame(ours))), as_dict(frame(theirs))
    for conflict in found.conflicts:
        key = int(conflict.key)
        if conflict.column is None:
            assert rows_.get(key) == wanted.get(key)
        else:
            i = "ab".index(conflict.column)
            assert rows_[key][i] == wanted[key][i]


@given(tables, tables)
def test_a_diff_accounts_for_every_row(old: Table, new: Table) -> None:
    """Added, removed and changed rows are those of the two dictionaries."""
    found = compare(frame(old), frame(new), key="k")

    assert set(found.added["k"]) == new.keys() - old.keys()
    assert set(found.removed["k"]) == old.keys() - new.keys()
    changed = {k for k in old.keys() & new.keys() if [*map(plain, old[k])] != [*map(plain, new[k])]}
    assert set(found.after["k"]) == changed
    assert sum(found.columns.values()) >= len(changed)


@pytest.mark.parametrize(
    "values",
    [["[1, 2]", None, None, "x"], [1, None, None, 2], [["1", "2"], None, None, ["x"]]],
    ids=["text", "numbers", "lists of text"],
)
def test_lists_that_became_something_else_differ_as_what_they_are(values: list[object]) -> None:
    """There is no text that stands for a list: polars refuses to cast one."""
    lists = [[1, 2], None, [3], [4]]
    old = pl.DataFrame({"k": [1, 2, 3, 4], "a": lists})

    found = compare(old, pl.DataFrame({"k": [1, 2, 3, 4], "a": values}), key="k")

    assert found.after["k"].to_list() == [1, 3, 4]
    assert found.before["a"].to_list() == [[1, 2], [3], [4]]
    assert found.after["a"].to_list() == [values[0], values[2], values[3]]


def test_a_column_that_one_side_added_is_merged_with_the_rows_of_the_other() -> None:
    """Added on theirs, a cell changed on ours: both are there."""
    base = pl.DataFrame({"k": [1, 2], "a": ["x", "x"]})
    ours = pl.DataFrame({"k": [1, 2], "a": ["o", "x"]})
    theirs = base.with_columns(note=pl.lit("n"))

    found = merge(base, ours, theirs, key="k", schema=theirs.schema)

    assert found.over(ours).rows() == [(1, "o", "n"), (2, "x", "n")]
    assert not found.conflicts
