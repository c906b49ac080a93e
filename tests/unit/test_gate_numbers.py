"""Sums, means and the like are those of exact arithmetic, whatever the width of a column."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datahub.core import exact_numbers as numbers
from datahub.core.exact_numbers import Exact

WIDTHS = [8, 16, 32, 64]
DTYPES = [f"{sign}int{width}" for sign in ("", "u") for width in WIDTHS]


@st.composite
def whole_columns(draw: st.DrawFn) -> Any:
    """A column of any width of whole numbers, its extremes among them, now and then with nulls."""
    dtype = draw(st.sampled_from(DTYPES))
    bits = int(dtype.split("int")[1])
    low, high = (0, 2**bits - 1) if dtype[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    value = st.one_of(st.sampled_from([low, high, high - 1]), st.integers(low, high))
    values: list[Any] = draw(st.lists(value, min_size=1, max_size=12))
    if draw(st.booleans()):
        return pd.Series([*values, None], dtype=dtype.replace("i", "I").replace("u", "U"))
    return pd.Series(values, dtype=dtype)


def whole(column: Any) -> list[int]:
    """Its values as Python's whole numbers."""
    return [int(value) for value in column.dropna()]


def near(number: Fraction) -> Fraction | float:
    """What a mean is told as: in floats below 2**53, unless it is whole."""
    return number if number.denominator == 1 or abs(number) > 2**53 else float(number)


@given(whole_columns())
def test_a_sum_cannot_wrap(column: Any) -> None:
    total = numbers.total(column)

    assert total is not None
    assert total.number == sum(whole(column))


@given(whole_columns())
def test_means_and_medians_lose_no_digit(column: Any) -> None:
    values = [Fraction(value) for value in whole(column)]

    assert numbers.mean(column) == near(statistics.mean(values))
    assert numbers.median(column) == near(statistics.median(values))


@given(whole_columns())
def test_extremes_are_values_of_the_column(column: Any) -> None:
    assert numbers.least(column) == min(whole(column))
    assert numbers.least(column, greatest=True) == max(whole(column))


@given(whole_columns())
def test_a_deviation_is_taken_from_the_exact_mean(column: Any) -> None:
    values = [Fraction(value) for value in whole(column)]
    found = numbers.deviation(column)
    if len(values) < 2:
        assert found is None
        return

    right = math.sqrt(statistics.variance(values))

    assert found is not None
    assert float(found) == pytest.approx(right, rel=1e-9)


@given(whole_columns())
def test_steps_do_not_wrap(column: Any) -> None:
    values = whole(column)

    signs = [(b > a) - (b < a) for a, b in pairwise(values)]

    assert list(numbers.steps(column)) == signs


@given(st.lists(st.floats(-1e306, 1e306), min_size=1, max_size=12))
def test_a_sum_of_floats_is_rounded_once(values: list[float]) -> None:
    exact = sum(map(Fraction, values), Fraction())

    assert numbers.total(pd.Series(values)) == float(exact)


def test_a_sum_past_all_floats_is_still_a_number() -> None:
    found = numbers.total(pd.Series([1e308, 1e308, -1e308]))
    beyond = numbers.total(pd.Series([1e308, 1e308]))

    assert found == 1e308
    assert beyond == 2 * Fraction(1e308)


@settings(max_examples=50)
@given(
    st.lists(
        st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**20)),
        min_size=1,
        max_size=8,
    )
)
def test_decimals_are_summed_to_the_last_digit(values: list[Decimal]) -> None:
    found = numbers.total(pd.Series(values, dtype=object))

    assert found is not None
    assert found.number == sum(map(Fraction, values), Fraction())


@pytest.mark.parametrize("compute", [numbers.total, numbers.mean, numbers.median, numbers.least])
def test_what_is_no_number_is_left_to_great_expectations(compute: Callable[[Any], Any]) -> None:
    for column in (["a"], [None], [], [math.inf, 1.0], [pd.Timedelta(1)], [True, False]):
        assert compute(pd.Series(column)) is None


@given(st.integers(-(2**70), 2**70), st.floats(allow_nan=False))
def test_comparisons_with_floats_are_those_of_the_numbers(number: int, bound: float) -> None:
    made = Exact(number)

    assert (made < bound) == (number < bound) or abs(bound) < 2**53
    assert (made >= bound) == (not made < bound)
    assert made == number
    assert hash(made) == hash(number)
