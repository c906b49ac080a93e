"""The label matrix, and what may be asked of it.

One line per row, one column per labeling function (LF). A cell is a
class 0..k-1, or ABSTAIN. Pure: arrays in, arrays out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from datahub.core.errors import InputError

ABSTAIN = -1

LabelMatrix = npt.NDArray[np.int8]  # [n rows, m LFs]
SoftLabels = npt.NDArray[np.float64]  # [n rows, k classes]
Gold = npt.NDArray[np.int8]  # [n rows], ABSTAIN where not known


@dataclass(frozen=True)
class LFSummary:
    """One LF's line of the LF table; shares of all rows, accuracy of its votes on gold rows."""

    name: str
    polarity: tuple[int, ...]
    coverage: float
    overlaps: float
    conflicts: float
    accuracy: float | None = None


def coverage(votes: LabelMatrix) -> float:
    """Return the share of rows on which at least one LF voted.

    >>> coverage(np.array([[0, ABSTAIN], [ABSTAIN, ABSTAIN]], dtype=np.int8))
    0.5
    """
    if len(votes) == 0:
        return 0.0
    return float((votes != ABSTAIN).any(axis=1).mean())


def summary(votes: LabelMatrix, names: Sequence[str], gold: Gold | None = None) -> list[LFSummary]:
    """Return Snorkel's LF table, a line an LF: `snorkel.labeling.LFAnalysis` with light hands.

    >>> votes = np.array([[0, 0], [1, 0], [ABSTAIN, 0]], dtype=np.int8)
    >>> [(s.name, round(s.overlaps, 2), round(s.conflicts, 2)) for s in summary(votes, ["a", "b"])]
    [('a', 0.67, 0.33), ('b', 0.67, 0.33)]
    """
    n = max(len(votes), 1)
    voted = votes != ABSTAIN
    overlapped = voted & (voted.sum(axis=1, keepdims=True) > 1)
    conflicted = voted & _disputed(votes)[:, None]
    return [
        LFSummary(
            name=name,
            polarity=tuple(int(v) for v in np.unique(votes[voted[:, j], j])),
            coverage=float(voted[:, j].sum() / n),
            overlaps=float(overlapped[:, j].sum() / n),
            conflicts=float(conflicted[:, j].sum() / n),
            accuracy=None if gold is None else _accuracy(votes[:, j], gold),
        )
        for j, name in enumerate(names)
    ]


def _disputed(votes: LabelMatrix) -> npt.NDArray[np.bool_]:
    if votes.shape[1] == 0:
        return np.zeros(len(votes), dtype=bool)
    lowest = np.where(votes == ABSTAIN, np.int8(127), votes).min(axis=1)
    return np.asarray((votes.max(axis=1) != ABSTAIN) & (votes.max(axis=1) != lowest))


def _accuracy(column: npt.NDArray[np.int8], gold: Gold) -> float | None:
    known = (column != ABSTAIN) & (gold != ABSTAIN)
    return float((column[known] == gold[known]).mean()) if known.any() else None


def checked_votes(votes: LabelMatrix, cardinality: int) -> LabelMatrix:
    """Return the votes if each is ABSTAIN or a class 0..k-1, else raise InputError.

    >>> checked_votes(np.array([[0, ABSTAIN]], dtype=np.int8), 2).shape
    (1, 2)
    """
    if votes.ndim != 2 or not np.issubdtype(votes.dtype, np.integer):
        raise InputError(
            f"Votes are {votes.dtype} of shape {votes.shape}.",
            hint="A label matrix is int8, a line a row, a column a labeling function.",
        )
    if votes.size and (votes.min() < ABSTAIN or votes.max() >= cardinality):
        raise InputError(
            f"Votes range from {votes.min()} to {votes.max()} where there are {cardinality} "
            "classes.",
            hint=f"A vote is a class 0..{cardinality - 1}, or {ABSTAIN} to abstain.",
        )
    return votes


def class_prior(
    class_balance: Sequence[float] | None, cardinality: int
) -> tuple[npt.NDArray[np.float64], str]:
    """Return the prior over classes and how it was got, "given" or "uniform".

    Raises InputError unless there is one positive share a class and they sum to 1.

    >>> class_prior(None, 2)
    (array([0.5, 0.5]), 'uniform')
    """
    if class_balance is None:
        return (1 / cardinality) * np.ones(cardinality), "uniform"
    prior = np.array(class_balance, dtype=np.float64)
    if prior.shape != (cardinality,) or not (prior > 0).all() or abs(prior.sum() - 1) > 1e-6:
        raise InputError(
            f"The class balance {list(class_balance)} does not fit {cardinality} classes.",
            hint="Give one share a class, in their order, each above 0, summing to 1.",
        )
    return prior, "given"
