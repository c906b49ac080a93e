"""The label matrix, and what may be asked of it.

One line per row, one column per labeling function (LF). A cell is a
class 0..k-1, or ABSTAIN. Pure: arrays in, arrays out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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
