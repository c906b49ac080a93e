"""Where a column changed its type, 1 was the text "1"; a merge cut nanoseconds, and lost -0.0.

So labels were kept of rows that are others now, a diff said nothing, and rows that people merged
were altered in silence.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datahub.core.dataset import content_hash
from datahub.core.errors import InputError
from datahub.core.rowmerge import Take, compare, merge, merging, settle

DAY = dt.date(2024, 1, 1)
NOON = dt.datetime(2024, 1, 1)
NAN = float("nan")
VALUES: dict[pl.DataType, list[object]] = {
    pl.Int64(): [0, 1, 2**53 + 1],
    pl.Int8(): [0, 1],
    pl.UInt64(): [1, 2**53 + 1, 2**64 - 1],
    pl.Float64(): [0.0, -0.0, 1.0, NAN, 0.1, float(2**53)],
    pl.Float32(): [0.0, -0.0, 1.0, NAN, 0.1],
    pl.Boolean(): [True, False],
    pl.String(): ["1", "1.0", "true", "NaN", "2024-01-01", "", "0"],
    pl.Enum(["1", "", "true"]): ["1", "", "true"],
    pl.Binary(): [b"1", b""],
    pl.Date(): [DAY],
    pl.Datetime("us"): [NOON],
    pl.Datetime("ms"): [NOON],
    pl.Datetime("us", "UTC"): [NOON],
    pl.Duration("us"): [dt.timedelta(days=1)],
    pl.Duration("ms"): [dt.timedelta(days=1)],
    pl.Time(): [dt.time(0)],
    pl.Decimal(10, 2): [Decimal("1.00"), Decimal("0.10")],
    pl.Decimal(12, 2): [Decimal("1.00"), Decimal("0.10")],
    pl.Decimal(10, 1): [Decimal("1.0"), Decimal("0.1")],
    pl.List(pl.Float64()): [[0.0], [-0.0], [NAN], []],
    pl.Struct({"x": pl.Float64()}): [{"x": 0.0}, {"x": -0.0}],
}

cells = st.sampled_from(list(VALUES)).flatmap(
    lambda kind: st.sampled_from([None, *VALUES[kind]]).map(
        lambda value: pl.Series("a", [value], dtype=kind)
    )
)


def state(cell: pl.Series) -> pl.DataFrame:
    return pl.DataFrame({"k": [1]}).with_columns(cell.alias("a"))


@given(cells, cells)
def test_cells_are_equal_where_the_content_of_the_row_is(a: pl.Series, b: pl.Series) -> None:
    """As its hash says, by which answers belong to a row."""
    is_same = content_hash({"a": a[0]}) == content_hash({"a": b[0]})

    found = compare(state(a), state(b), key="k")

    assert found.after.height == (0 if is_same else 1), (a, b)
    assert found.columns == ({} if is_same else {"a": 1})


NANOSECONDS = [1_704_067_200_123_456_789 + step for step in range(3)]
BERLIN = dt.datetime(2024, 10, 27, tzinfo=dt.UTC)  # at 00:30 and 01:30 UTC it is 02:30 there
FINE: dict[str, list[pl.Series]] = {
    "ns": [pl.Series([t]).cast(pl.Datetime("ns")) for t in NANOSECONDS],
    "time": [pl.Series([t % 86_400_000_000_000]).cast(pl.Time()) for t in NANOSECONDS],
    "zero": [pl.Series([value]) for value in (0.0, -0.0, NAN)],
    "hour": [
        pl.Series([BERLIN + dt.timedelta(minutes=30, hours=hour)]).dt.convert_time_zone(
            "Europe/Berlin"
        )
        for hour in range(3)
    ],
}
ROWS = 12  # of so many, one that changed is copied apart
choices = st.dictionaries(st.integers(0, ROWS - 1), st.integers(0, 2), max_size=3)


def table(name: str, changes: dict[int, int]) -> pl.DataFrame:
    column = pl.concat([FINE[name][changes.get(row, 0)] for row in range(ROWS)])
    return pl.DataFrame({"k": range(ROWS)}).with_columns(column.alias("a"))


def exact(frame: pl.DataFrame) -> list[str]:
    """Cells by their bytes."""
    column = frame["a"]
    return [repr(one) for one in (column if column.dtype.is_float() else column.to_physical())]


@pytest.mark.parametrize("name", FINE)
@settings(max_examples=40)
@given(ours=choices, theirs=choices, side=st.sampled_from(Take))
def test_a_merge_holds_cells_of_a_side_to_the_last_bit(
    name: str, ours: dict[int, int], theirs: dict[int, int], side: Take
) -> None:
    """Of theirs where only they changed it, of either where that was decided."""
    our_table, their_table = table(name, ours), table(name, theirs)

    found = merge(table(name, {}), our_table, their_table, key="k")
    done = settle(found, {(cell.key, "a"): side for cell in found.conflicts})

    both = {k for k in ours.keys() & theirs.keys() if 0 not in (ours[k], theirs[k])}
    assert {cell.key for cell in found.conflicts} == {k for k in both if ours[k] != theirs[k]}
    kept = theirs if side is Take.THEIRS else ours
    wanted = [
        kept.get(k, 0) if k in both else ours.get(k, 0) or theirs.get(k, 0) for k in range(ROWS)
    ]
    assert exact(done.over(our_table)) == exact(table(name, dict(enumerate(wanted))))


def test_a_row_that_one_side_removed_comes_back_to_the_last_bit() -> None:
    base, theirs = table("ns", {}), table("ns", {3: 1})
    found = merge(base, base.filter(pl.col("k") != 3), theirs, key="k")

    done = settle(found, {(3, None): Take.THEIRS})

    assert [cell.kind for cell in found.conflicts] == ["ours removed"]
    assert exact(done.over(base.filter(pl.col("k") != 3))) == exact(theirs)


def test_what_both_sides_changed_conflicts_also_where_it_is_of_no_type_of_theirs() -> None:
    """1.5 is no whole number: ours took it away, theirs wrote 2, and ours was not asked."""
    key = pl.Series("k", [1])
    base = pl.DataFrame({"k": key, "a": [1.5]})
    ours = pl.DataFrame({"k": key, "a": pl.Series([None], dtype=pl.Int64)})
    theirs = pl.DataFrame({"k": key, "a": [2]})

    [conflict] = merge(base, ours, theirs, key="k").conflicts

    assert (conflict.ours, conflict.theirs) == (None, 2)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (DAY, pl.Int64()),
        (NOON, pl.Int64()),
        (1, pl.Date()),
        (1, pl.Datetime("us")),
        (1, pl.Duration("us")),
        (True, pl.Int64()),
        (1, pl.Boolean()),
        (-0.0, pl.Int64()),
        (2**53 + 1, pl.Float64()),
        (0.1, pl.Float32()),
        ("1", pl.Binary()),
        (NOON, pl.Datetime("us", "UTC")),
        ("01", pl.Int64()),
        (dt.datetime(2024, 1, 1, 12), pl.Date()),
    ],
)
def test_a_value_that_another_type_has_not_is_refused(value: Any, kind: pl.DataType) -> None:
    """Days since 1970 were taken for the number they are stored as."""
    with pytest.raises(InputError, match="is no value of"):
        merging(pl.DataFrame({"a": [value]}), {"a": kind})
