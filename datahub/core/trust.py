"""What the random audit slice says of labels that nobody checked.

Rows of the slice were drawn blind and answered without a prediction in sight, so the
share of wrong labels among them is an unbiased estimate of the share among all rows
they were drawn from. `interval` says how sure that is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

Z95 = 1.959963984540054  # of the standard normal distribution, two-sided 95%


@dataclass(frozen=True)
class Estimate:
    """`wrong` of `audited` rows; `rows` is how many the estimate speaks for."""

    rows: int
    audited: int
    wrong: int

    def __add__(self, more: Estimate) -> Estimate:
        """Both together: of other rows of the same group."""
        return Estimate(self.rows + more.rows, self.audited + more.audited, self.wrong + more.wrong)

    @property
    def error(self) -> float | None:
        """Share of wrong labels among audited rows; None when none was audited."""
        return self.wrong / self.audited if self.audited else None

    @property
    def interval(self) -> tuple[float, float]:
        """95% confidence interval of the error rate."""
        return interval(self.wrong, self.audited)


def interval(hits: int, trials: int, *, z: float = Z95) -> tuple[float, float]:
    """Wilson score interval of a share (Wilson 1927); (0, 1) when nothing was tried.

    >>> low, high = interval(1, 20)
    >>> round(low, 3), round(high, 3)
    (0.009, 0.236)
    >>> interval(0, 0)
    (0.0, 1.0)
    """
    if trials == 0:
        return 0.0, 1.0
    p, zz = hits / trials, z * z
    center = (p + zz / (2 * trials)) / (1 + zz / trials)
    half = z * math.sqrt(p * (1 - p) / trials + zz / (4 * trials * trials)) / (1 + zz / trials)
    # exact at the ends, where rounding could leave the share itself outside
    low = 0.0 if hits == 0 else max(0.0, center - half)
    high = 1.0 if hits == trials else min(1.0, center + half)
    return low, high
