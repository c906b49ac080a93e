"""The accept threshold: how far down in trust labels may be taken without a person.

It holds a stated error rate, measured on blind answers to rows drawn at random. A threshold
that is chosen on the very rows that it is measured on would flatter itself, so it is tested:
from the most trusted rows down, in an order fixed before any answer is seen, and the way down
ends where a test fails (fixed-sequence testing with several starts: the fallback procedure of
Wiens and Dmitrienko 2005; "Learn then Test", Angelopoulos and others 2021). A test is the exact
binomial one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

MAX_STARTS = 3  # that share the risk; more cost small audit slices too much

State = Literal["held", "unmeasured", "exceeded"]


@dataclass(frozen=True)
class Threshold:
    """What the audit slice says of one group of rows.

    held: with the stated confidence no more than `max_error` of the group's labels with a trust
    of `at` or more (None: all of them) are wrong; `audited`, `wrong` and the one-sided `bound`
    (of this one test) are of those. unmeasured: no threshold holds yet, and at least `needed` more
    audited rows are needed. exceeded: nor will it, labels are wrong more often than allowed.
    Where none is held, `audited`, `wrong` and `bound` are of the whole group.
    """

    state: State
    at: float | None
    audited: int
    wrong: int
    bound: float
    needed: int = 0


def threshold(
    trust: Sequence[float] | npt.NDArray[np.float64],
    wrong: Sequence[bool] | npt.NDArray[np.bool_],
    *,
    max_error: float,
    confidence: float = 0.95,
) -> Threshold:
    """Find the lowest trust at which the error is shown to be no more than `max_error`.

    `trust` and `wrong` are of audited rows, whose answers had no part in either the labels or
    the trust. The chance that what is held is not so is at most 1 - confidence.

    >>> threshold([0.9] * 50 + [0.6] * 50, [False] * 100, max_error=0.05).at is None
    True
    >>> threshold([0.9] * 20, [False] * 20, max_error=0.05).needed
    39
    """
    order = np.argsort(-np.asarray(trust, dtype=np.float64), kind="stable")
    trusts = np.asarray(trust, dtype=np.float64)[order]
    errors = np.cumsum(np.asarray(wrong, dtype=np.int64)[order])
    starts, risk = _starts(len(trusts), max_error, 1 - confidence)
    sizes = _sizes(trusts, max_error, risk)
    tails = [binomial_cdf(int(errors[n - 1]), n, max_error) for n in sizes]
    lowest = _lowest(tails, starts, risk)
    if lowest < 0:
        return _none_held(errors, max_error, confidence)
    n = sizes[lowest]
    count = int(errors[n - 1])
    at = None if n == len(trusts) else float(trusts[n - 1])
    return Threshold("held", at, n, count, upper_bound(count, n, confidence=confidence))


@lru_cache(maxsize=4096)
def fewest(wrong: int, max_error: float, risk: float) -> int:
    """How many rows must be audited so that `wrong` of them still show the error to be small.

    >>> fewest(0, 0.05, 0.05), fewest(1, 0.05, 0.05)
    (59, 93)
    """
    low, high = wrong, wrong + 1
    while binomial_cdf(wrong, high, max_error) > risk:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        fits = binomial_cdf(wrong, middle, max_error) <= risk
        low, high = (low, middle) if fits else (middle, high)
    return high


def binomial_cdf(k: int, n: int, p: float) -> float:
    """The chance of k or fewer hits in n trials.

    >>> round(binomial_cdf(1, 3, 0.5), 3)
    0.5
    """
    if k >= n:
        return 1.0
    log_p, log_q = math.log(p), math.log1p(-p)
    logs = (
        math.lgamma(n + 1)
        - math.lgamma(i + 1)
        - math.lgamma(n - i + 1)
        + i * log_p
        + (n - i) * log_q
        for i in range(k + 1)
    )
    return min(1.0, math.fsum(map(math.exp, logs)))


@lru_cache(maxsize=4096)
def upper_bound(wrong: int, rows: int, *, confidence: float = 0.95) -> float:
    """One-sided upper bound of an error rate (Clopper and Pearson 1934).

    >>> round(upper_bound(0, 59), 4), upper_bound(0, 0)
    (0.0495, 1.0)
    """
    if wrong >= rows:
        return 1.0
    low, high = wrong / rows, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        above = binomial_cdf(wrong, rows, middle) <= 1 - confidence if middle < 1 else True
        low, high = (low, middle) if above else (middle, high)
    return high


def lower_bound(wrong: int, rows: int, *, confidence: float = 0.95) -> float:
    """One-sided lower bound of an error rate.

    >>> round(lower_bound(59, 59), 4), lower_bound(0, 10)
    (0.9505, 0.0)
    """
    return 1 - upper_bound(rows - wrong, rows, confidence=confidence) if rows else 0.0


def _starts(n: int, max_error: float, risk: float) -> tuple[int, float]:
    """How many ways down there are rows for, and the risk that each may take."""
    for starts in range(MAX_STARTS, 1, -1):
        if fewest(starts - 1, max_error, risk / starts) <= n:
            return starts, risk / starts
    return 1, risk


def _sizes(trusts: npt.NDArray[np.float64], max_error: float, risk: float) -> list[int]:
    """Numbers of most trusted audited rows to test, fewest first, equal trust never parted.

    Each allows one wrong row more than the one before; the last is all rows.
    """
    sizes: list[int] = []
    wrong = 0
    while (n := fewest(wrong, max_error, risk)) <= len(trusts):
        sizes.append(int(np.searchsorted(-trusts, -trusts[n - 1], side="right")))
        wrong += 1
    return sorted({*sizes, len(trusts)}) if sizes else []


def _lowest(tails: Sequence[float], starts: int, risk: float) -> int:
    """The last test that passes; -1 where none does.

    Each of the first `starts` tests brings a risk of its own. A test that passes hands on what it
    was allowed to risk to the next; one that fails loses it.

    >>> _lowest([0.01, 0.03, 0.05, 0.06], 3, 0.05 / 3), _lowest([0.02, 0.06, 0.04], 2, 0.025)
    (2, 0)
    """
    allowed, lowest = 0.0, -1
    for place, tail in enumerate(tails):
        allowed += risk if place < starts else 0.0
        if tail <= allowed:
            lowest = place
        else:
            allowed = 0.0
    return lowest


def _none_held(errors: npt.NDArray[np.int64], max_error: float, confidence: float) -> Threshold:
    n = len(errors)
    wrong = int(errors[-1]) if n else 0
    upper = upper_bound(wrong, n, confidence=confidence)
    if lower_bound(wrong, n, confidence=confidence) > max_error:
        return Threshold("exceeded", None, n, wrong, upper)
    # at the least: where every further row is among the most trusted, and none of them is wrong
    steps = enumerate([0, *errors.tolist()])
    missing = min(fewest(w, max_error, 1 - confidence) - i for i, w in steps)
    missing = max(1, missing)
    return Threshold("unmeasured", None, n, wrong, upper, missing)
