"""The interval of a share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from datahub.core.trust import Estimate, interval


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_is_wilsons(drawn: tuple[int, int]) -> None:
    """As SciPy computes it."""
    hits, trials = drawn

    expected = binomtest(hits, trials).proportion_ci(method="wilson")

    assert interval(hits, trials) == pytest.approx((expected.low, expected.high))


@given(st.integers(1, 10_000))
def test_the_share_lies_in_its_interval(n: int) -> None:
    """Also where all were wrong, or none: rounding must not push it out."""
    assert interval(n, n)[1] == 1.0
    assert interval(0, n)[0] == 0.0


def test_nothing_audited_says_nothing() -> None:
    """No error rate, and every rate is possible."""
    assert Estimate(100, 0, 0).error is None
    assert Estimate(100, 0, 0).interval == (0.0, 1.0)
