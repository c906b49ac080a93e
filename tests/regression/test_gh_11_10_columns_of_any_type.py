"""A declarative LF votes as plain Python would, or refuses the column's type by name.

A `threshold` over a timestamp compared its microseconds, and voted on every row; so it did over
dates, durations and booleans. A `lookup` of numbers looked into lists.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datahub.core.declarative import keywords, lookup, regex, threshold
from datahub.core.declarative_lf import DeclarativeLF
from datahub.core.errors import LabelingFunctionError
from datahub.core.labels import ABSTAIN

DAY = st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1))
TIMES = {
    "Date": (pl.Date(), DAY),
    "Datetime": (pl.Datetime("us"), st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 1, 1))),
    "Duration": (pl.Duration("us"), st.timedeltas(dt.timedelta(-9), dt.timedelta(9))),
    "Time": (pl.Time(), st.times()),
}
NESTED = {
    "List": (pl.List(pl.Int64), st.lists(st.integers(0, 3), max_size=2)),
    "Array": (pl.Array(pl.Int64, 2), st.lists(st.integers(0, 3), min_size=2, max_size=2)),
    "Struct": (pl.Struct({"a": pl.Int64}), st.fixed_dictionaries({"a": st.integers(0, 3)})),
}
NUMBERS = {
    "Int8": (pl.Int8(), st.integers(-128, 127)),
    "Int64": (pl.Int64(), st.integers(-(2**63), 2**63 - 1)),
    "UInt64": (pl.UInt64(), st.integers(0, 2**64 - 1)),
    "Float32": (pl.Float32(), st.floats(width=32)),
    "Float64": (pl.Float64(), st.floats()),
    "Decimal": (pl.Decimal(12, 2), st.integers(-(10**9), 10**9).map(lambda n: Decimal(n) / 100)),
}
TEXTS = {
    "String": (pl.String(), st.sampled_from(["free", "a prize", "3", "0.5", ""])),
    "Categorical": (pl.Categorical(), st.sampled_from(["free", "a prize", "3"])),
}
BOOLEANS = {"Boolean": (pl.Boolean(), st.booleans())}
EVERY: dict[str, Any] = TIMES | NESTED | NUMBERS | TEXTS | BOOLEANS
BOUNDS = st.one_of(st.sampled_from([0, 1, 0.1, 0.5, -3]), st.integers(-200, 200))


def columns(kinds: dict[str, Any]) -> st.SearchStrategy[pl.Series]:
    """A column of one of these types, with nulls."""
    return st.sampled_from(sorted(kinds)).flatmap(
        lambda name: st.lists(st.none() | kinds[name][1], min_size=1, max_size=4).map(
            lambda values: pl.Series("c", values, dtype=kinds[name][0])
        )
    )


def votes(lf: DeclarativeLF, column: pl.Series) -> list[int]:
    return lf.votes(column.to_frame()).to_list()


@given(columns(NUMBERS), BOUNDS)
def test_a_threshold_is_pythons_comparison(column: pl.Series, bound: float) -> None:
    """Over all types of numbers; null and NaN abstain."""
    expected = [1 if value is not None and value > bound else ABSTAIN for value in column]

    assert votes(threshold("t", "c", 1, above=bound), column) == expected


@given(columns(TIMES | NESTED | TEXTS | BOOLEANS), BOUNDS)
def test_a_threshold_takes_nothing_but_numbers(column: pl.Series, bound: float) -> None:
    with pytest.raises(LabelingFunctionError, match="looks at column 'c'"):
        votes(threshold("t", "c", 1, above=bound), column)


@pytest.mark.parametrize(
    "lf", [keywords("t", ["free"], 1, column="c"), regex("t", "e", 1, column="c")]
)
@given(column=columns(NESTED | {"Duration": TIMES["Duration"]}))
def test_words_are_looked_for_in_texts(lf: DeclarativeLF, column: pl.Series) -> None:
    with pytest.raises(LabelingFunctionError, match="looks at column 'c'"):
        votes(lf, column)


@given(columns(TEXTS | NUMBERS | BOOLEANS))
def test_a_table_of_texts_is_a_dict_of_texts(column: pl.Series) -> None:
    table = {"free": 0, "3": 1}

    found = votes(lookup("t", table, column="c"), column)

    texts = column.cast(pl.String)
    assert found == [ABSTAIN if text is None else table.get(text, ABSTAIN) for text in texts]


@given(columns({"Int8": NUMBERS["Int8"], "Int64": NUMBERS["Int64"]}))
def test_a_table_of_numbers_is_a_dict_of_numbers(column: pl.Series) -> None:
    table = {0: 0, 3: 1}

    found = votes(lookup("t", table, column="c"), column)

    assert found == [ABSTAIN if n is None else table.get(n, ABSTAIN) for n in column]


@pytest.mark.parametrize(("table", "kinds"), [({1: 0}, NESTED | TIMES), ({True: 0}, NUMBERS)])
@given(data=st.data())
def test_a_table_refuses_what_its_keys_are_not(
    table: dict[Any, int], kinds: dict[str, Any], data: st.DataObject
) -> None:
    with pytest.raises(LabelingFunctionError, match="looks at column 'c'"):
        votes(lookup("t", table, column="c"), data.draw(columns(kinds)))


@pytest.mark.parametrize(
    "make",
    [
        lambda name: keywords("t", ["a"], 1, column=name),
        lambda name: regex("t", "a", 1, column=name),
        lambda name: lookup("t", {"a": 1}, column=name),
        lambda name: threshold("t", name, 1, above=1),
    ],
)
@pytest.mark.parametrize("name", ["*", "^.*$"])
def test_a_pattern_of_names_is_no_column(make: Callable[[str], object], name: str) -> None:
    """Polars would look at all columns, and a keyword anywhere would vote."""
    with pytest.raises(LabelingFunctionError, match="pattern"):
        make(name)
