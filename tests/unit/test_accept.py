"""The accept threshold holds what it promises, and says so when it cannot."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from datahub.core.accept import (
    Threshold,
    binomial_cdf,
    fewest,
    lower_bound,
    threshold,
    upper_bound,
)

pytestmark = pytest.mark.slow

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

WORLDS = 400
ALLOWED = 0.05 + 4 * math.sqrt(0.05 * 0.95 / WORLDS)


@given(n=st.integers(1, 400), share=st.floats(0, 1), p=st.floats(0.001, 0.999))
def test_the_binomial_tail_is_scipys(n: int, share: float, p: float) -> None:
    """The one figure that everything rests on."""
    k = int(share * n)

    assert binomial_cdf(k, n, p) == pytest.approx(binom.cdf(k, n, p), abs=1e-9)


@given(n=st.integers(1, 300), share=st.floats(0, 1))
def test_bounds_enclose_what_was_measured(n: int, share: float) -> None:
    """Clopper and Pearson: the tail at the bound is the risk."""
    wrong = int(share * n)
    low, high = lower_bound(wrong, n), upper_bound(wrong, n)

    assert low <= wrong / n <= high
    if wrong < n:
        assert binom.cdf(wrong, n, high) == pytest.approx(0.05, abs=1e-6)


def audits(seed: int, n: int, rate: float, slope: float) -> tuple[Floats, Bools]:
    """Trusts of n audited rows, and which of them are wrong.

    `rate` of all labels are wrong: evenly (slope 0), or the more the less they are trusted (1).
    """
    rng = np.random.default_rng(seed)
    trust = rng.random(n)
    return trust, rng.random(n) < rate * (1 + slope * (1 - 2 * trust))


def true_error(found: Threshold, rate: float, slope: float) -> float:
    """Share of wrong labels at or above the threshold, in the population of `audits`."""
    return rate * (1 - slope * (found.at or 0.0))


@pytest.mark.parametrize(
    ("n", "rate", "slope"), [(60, 0.052, 0), (120, 0.052, 0), (300, 0.052, 0), (300, 0.08, 1)]
)
def test_the_promise_holds_over_many_seeds(n: int, rate: float, slope: float) -> None:
    """Broken in at most 5 of 100 worlds, with four standard errors of leeway."""
    broken = 0
    for seed in range(WORLDS):
        found = threshold(*audits(seed, n, rate, slope), max_error=0.05)
        broken += found.state == "held" and true_error(found, rate, slope) > 0.05

    assert broken / WORLDS <= ALLOWED


def test_the_same_search_without_its_correction_breaks_the_promise() -> None:
    """So the test above can fail: the best looking of all thresholds is wrong far too often."""
    broken = 0
    for seed in range(WORLDS):
        trust, wrong = audits(seed, 300, 0.052, 0)
        errors = np.cumsum(wrong[np.argsort(-trust)])
        broken += any(upper_bound(int(errors[n - 1]), n) <= 0.05 for n in range(60, 301, 10))

    assert broken / WORLDS > ALLOWED


def test_it_finds_what_is_there_to_find() -> None:
    """A promise that is kept by accepting nothing would be no use."""
    found = [threshold(*audits(seed, 400, 0.04, 1), max_error=0.05) for seed in range(200)]
    shares = [1 - (one.at or 0.0) if one.state == "held" else 0.0 for one in found]

    assert np.mean(np.array(shares) > 0) > 0.7
    assert np.mean(shares) > 0.35


def test_equal_trust_is_accepted_together_or_not_at_all() -> None:
    """A threshold cannot part what looks the same, whichever stands first."""
    trust = np.array([0.9] * 80 + [0.5] * 60)
    late = np.array([False] * 130 + [True] * 10)

    found = threshold(trust, late, max_error=0.05)

    assert (found.state, found.at, found.audited, found.wrong) == ("held", 0.9, 80, 0)
    assert threshold(trust[::-1], late[::-1], max_error=0.05) == found


def test_too_few_audited_rows_say_how_many_are_missing() -> None:
    """As many as would do if no further one were wrong."""
    none = threshold([], [], max_error=0.05)
    one = threshold([0.9] * 40, [True] + [False] * 39, max_error=0.05)
    low = threshold([0.9] * 40 + [0.6] * 5, [False] * 40 + [True] * 5, max_error=0.05)

    assert (none.state, none.needed, none.bound) == ("unmeasured", fewest(0, 0.05, 0.05), 1.0)
    assert (one.state, one.needed) == ("unmeasured", fewest(1, 0.05, 0.05) - 40)
    assert (low.state, low.needed) == ("unmeasured", 59 - 40)


def test_labels_that_are_shown_to_be_worse_are_no_question_of_more_rows() -> None:
    """Ten of forty wrong: no audit will find 5%."""
    found = threshold([0.9] * 40, [True] * 10 + [False] * 30, max_error=0.05)

    assert (found.state, found.needed) == ("exceeded", 0)
