"""Trust as a probability: how likely the label of a row with a vote is to be right.

`raw_trust` ranks rows without a look at any answer to an audited row. `calibrate` learns from those
answers which probability belongs to which rank: a line on the log odds, rising always, so that
the order of rows, and with it what the accept threshold is tested on, is not touched. `reliability`
says how far stated probabilities are from what was measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from datahub.core.dataset import Key
from datahub.core.labels import SoftLabels

BINS = 10
PER_BIN = 10  # rows at the least
_SHIFT_SPREAD, _SLOPE_SPREAD = 1.0, 0.5  # of the prior: few answers change little
_END = 2  # how often the end model's word counts: votes are in the other factor

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """Log odds of a label become `shift` + exp(`log_slope`) times themselves."""

    shift: float = 0.0
    log_slope: float = 0.0

    def of(self, trust: Floats) -> Floats:
        """Probabilities of the same order.

        >>> Calibration().of(np.array([0.3, 0.9])).round(3).tolist()
        [0.3, 0.9]
        """
        return np.asarray(1 / (1 + np.exp(-(self.shift + np.exp(self.log_slope) * _odds(trust)))))


@dataclass(frozen=True)
class Reliability:
    """How true trust is: the mean distance of trust and share of right labels (ECE).

    Rows are cut by trust into bins of as many rows each; `trust` and `right` are means of all.
    """

    rows: int
    trust: float
    right: float
    error: float


def raw_trust(final: SoftLabels, end: SoftLabels, label: npt.NDArray[np.intp]) -> Floats:
    """Trust in a label before it is calibrated; NaN where no LF voted.

    The geometric mean of what both models say together and, counted twice, what the end model
    says: it has not seen the row. Where it is silent, `final` alone.

    >>> final, end = np.array([[0.8, 0.2], [0.8, 0.2]]), np.array([[0.64, 0.36], [np.nan, np.nan]])
    >>> raw_trust(final, end, np.array([0, 0])).round(2).tolist()
    [0.69, 0.8]
    """
    at = label[:, None]
    both, own = (np.take_along_axis(says, at, axis=1)[:, 0] for says in (final, end))
    return np.where(np.isnan(own), both, (both * own**_END) ** (1 / (1 + _END)))


def calibrate(trust: Floats, right: npt.NDArray[np.bool_]) -> Calibration:
    """The likeliest line through the answers, near to no change where they are few.

    >>> calibrate(np.array([]), np.array([], dtype=bool))
    Calibration(shift=0.0, log_slope=0.0)
    >>> calibrate(np.full(100, 0.4), np.arange(100) < 90).of(np.array([0.4])).round(1).tolist()
    [0.9]
    """
    if len(trust) == 0:
        return Calibration()
    odds = _odds(trust)
    line: Floats = np.zeros(2)
    precision = np.array([_SHIFT_SPREAD, _SLOPE_SPREAD]) ** -2.0
    step = 1.0
    cost = _cost(line, odds, right, precision)
    for _ in range(200):
        slope = np.exp(line[1]) * odds
        p = 1 / (1 + np.exp(-(line[0] + slope)))
        pull = np.array([(p - right).sum(), ((p - right) * slope).sum()]) + precision * line
        weight = p * (1 - p)
        cross = (weight * slope).sum()
        bend = np.array([[weight.sum(), cross], [cross, (weight * slope**2).sum()]])
        move = np.linalg.solve(bend + np.diag(precision), pull)
        while step > 1e-6 and _cost(line - step * move, odds, right, precision) > cost:
            step /= 2
        line = line - step * move if step > 1e-6 else line
        before, cost = cost, _cost(line, odds, right, precision)
        if before - cost < 1e-10:
            break
        step = min(1.0, 2 * step)
    return Calibration(float(line[0]), float(line[1]))


def calibration_by(scores: pl.DataFrame, answers: Mapping[Key, str], *, key: str) -> Calibration:
    """What blind answers to audited rows say of the trust in `scores` (core.triage.score)."""
    said = pl.DataFrame(
        {key: list(answers), "said": list(answers.values())},
        schema={key: scores.schema[key], "said": pl.String},
    )
    rows = scores.drop_nulls("label").join(said, on=key, how="inner").sort(key)
    right = rows["label"].eq_missing(rows["said"])
    return calibrate(rows["trust"].to_numpy(), right.to_numpy())


def calibrated(scores: pl.DataFrame, calibration: Calibration) -> pl.DataFrame:
    """The same scores; trust in labels of rows with a vote is a probability."""
    trust = pl.Series("trust", calibration.of(scores["trust"].to_numpy()))
    return scores.with_columns(
        pl.when(pl.col("label").is_not_null()).then(trust).otherwise("trust")
    )


def reliability(trust: Floats, right: npt.NDArray[np.bool_]) -> Reliability | None:
    """How true these trusts are; None where there are too few rows to tell.

    >>> reliability(np.full(40, 0.5), np.arange(40) % 2 > 0).error
    0.0
    >>> reliability(np.array([0.5]), np.array([True])) is None
    True
    """
    n = len(trust)
    bins = min(BINS, n // PER_BIN)
    if not bins:
        return None
    order = np.argsort(trust, kind="stable")
    chunks = np.array_split(order, bins)
    distance = sum(abs(float(trust[c].sum()) - float(right[c].sum())) for c in chunks)
    return Reliability(n, float(trust.mean()), float(right.mean()), distance / n)


def _odds(trust: Floats) -> Floats:
    clipped = np.clip(trust, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))


def _cost(line: Floats, odds: Floats, right: npt.NDArray[np.bool_], precision: Floats) -> float:
    says = line[0] + np.exp(line[1]) * odds
    return float(np.logaddexp(0, np.where(right, -says, says)).sum() + precision @ line**2 / 2)
