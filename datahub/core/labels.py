"""The label matrix, and what may be asked of it.

One line per row, one column per labeling function (LF). A cell is a
class 0..k-1, or ABSTAIN. Pure: arrays in, arrays out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from datahub.core.errors import InputError
from datahub.core.trust import interval

ABSTAIN = -1

LabelMatrix = npt.NDArray[np.int8]  # [n rows, m LFs]
SoftLabels = npt.NDArray[np.float64]  # [n rows, k classes]
Gold = npt.NDArray[np.int8]  # [n rows], ABSTAIN where not known


class StoredVotes(Protocol):
    """A label matrix that is read as it is asked for: some rows of it at a time."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and LFs."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice | npt.NDArray[np.int64], /) -> LabelMatrix: ...


Votes = LabelMatrix | StoredVotes


@dataclass(frozen=True)
class LFSummary:
    """One LF's line of the LF table; shares of all rows, accuracy of its votes on gold rows.

    `interval` is the 95% interval of the accuracy, of `judged` votes.
    """

    name: str
    polarity: tuple[int, ...]
    coverage: float
    overlaps: float
    conflicts: float
    accuracy: float | None = None
    interval: tuple[float, float] | None = None
    judged: int = 0


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
    tally = Tally(len(names))
    tally.add(votes, gold)
    return tally.summary(names)


class Tally:
    """What the LF table needs of votes that come a batch at a time; it holds no votes.

    >>> tally = Tally(1)
    >>> for batch in ([[0], [ABSTAIN]], [[1]]):
    ...     tally.add(np.array(batch, dtype=np.int8))
    >>> tally.rows, tally.votes, tally.covered, tally.summary(["a"])[0].polarity
    (3, 2, 2, (0, 1))
    """

    def __init__(self, lfs: int) -> None:
        self.rows = 0
        self.covered = 0
        self._classes = np.zeros((lfs, 128), dtype=np.int64)  # votes of LF j for class y
        self._overlaps = np.zeros(lfs, dtype=np.int64)
        self._conflicts = np.zeros(lfs, dtype=np.int64)
        self._known: npt.NDArray[np.int64] | None = None
        self._right = np.zeros(lfs, dtype=np.int64)

    @property
    def votes(self) -> int:
        """Number of votes so far."""
        return int(self._classes.sum())

    @property
    def coverage(self) -> float:
        """Share of rows with a vote."""
        return self.covered / self.rows if self.rows else 0.0

    def add(self, votes: LabelMatrix, gold: Gold | None = None) -> None:
        """Count more rows: votes [n, m], and their gold [n] if accuracy is wanted."""
        has_vote = votes != ABSTAIN
        on_row = has_vote.sum(axis=1)
        in_conflict = _in_conflict(votes)
        self.rows += len(votes)
        self.covered += int((on_row > 0).sum())
        self._overlaps += has_vote[on_row > 1].sum(axis=0)
        self._conflicts += has_vote[in_conflict].sum(axis=0)
        for j in range(votes.shape[1]):
            self._classes[j] += np.bincount(votes[has_vote[:, j], j], minlength=128)
        if gold is not None:
            on_gold = has_vote & (gold != ABSTAIN)[:, None]
            self._known = on_gold.sum(axis=0) + (0 if self._known is None else self._known)
            self._right += (on_gold & (votes == gold[:, None])).sum(axis=0)

    def summary(self, names: Sequence[str]) -> list[LFSummary]:
        """The LF table of all rows so far."""
        n = max(self.rows, 1)
        return [
            LFSummary(
                name=name,
                polarity=tuple(int(y) for y in np.flatnonzero(self._classes[j])),
                coverage=float(self._classes[j].sum() / n),
                overlaps=float(self._overlaps[j] / n),
                conflicts=float(self._conflicts[j] / n),
                **self._accuracy(j),
            )
            for j, name in enumerate(names)
        ]

    def _accuracy(self, j: int) -> dict[str, Any]:
        if self._known is None or not self._known[j]:
            return {}
        right, total = int(self._right[j]), int(self._known[j])
        return {"accuracy": right / total, "interval": interval(right, total), "judged": total}


def _in_conflict(votes: LabelMatrix) -> npt.NDArray[np.bool_]:
    if votes.shape[1] == 0:
        return np.zeros(len(votes), dtype=bool)
    lowest = np.where(votes == ABSTAIN, np.int8(127), votes).min(axis=1)
    return np.asarray((votes.max(axis=1) != ABSTAIN) & (votes.max(axis=1) != lowest))


def checked_votes(
    votes: LabelMatrix, cardinality: int, *, fitted_on: int | None = None
) -> LabelMatrix:
    """Return the votes if each is ABSTAIN or a class 0..k-1, else raise InputError.

    So it does where a label model that was fitted on so many LFs is asked about others.

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
    if fitted_on is not None and votes.shape[1] != fitted_on:
        raise InputError(
            f"The label model was fitted on {fitted_on} LFs; these votes have {votes.shape[1]}.",
            hint="Fit it again: `datahub label fit`.",
        )
    return votes


def blocks(votes: Votes, cardinality: int, *, size: int = 1 << 16) -> Iterator[LabelMatrix]:
    """The rows of the votes in blocks of `size`, each checked as by `checked_votes`."""
    checked_votes(votes[:0], cardinality)
    for start in range(0, len(votes), size):
        yield checked_votes(votes[start : start + size], cardinality)


def voting_lfs(votes: Votes, cardinality: int) -> npt.NDArray[np.intp]:
    """Numbers of the LFs that vote on some row.

    >>> voting_lfs(np.array([[0, ABSTAIN], [1, ABSTAIN]], dtype=np.int8), 2).tolist()
    [0]
    """
    has_votes = np.zeros(votes.shape[1], dtype=np.bool_)
    for block in blocks(votes, cardinality):
        has_votes |= (block != ABSTAIN).any(axis=0)
    return np.flatnonzero(has_votes)


@dataclass(frozen=True)
class OfLFs:
    """Some columns of votes, by number, where a copy of them would be large."""

    votes: Votes
    lfs: npt.NDArray[np.intp]

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and LFs."""
        return len(self.votes), len(self.lfs)

    def __len__(self) -> int:
        return len(self.votes)

    def __getitem__(self, rows: slice | npt.NDArray[np.int64], /) -> LabelMatrix:
        return self.votes[rows][:, self.lfs]


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


def combine(soft: SoftLabels, end: SoftLabels) -> SoftLabels:
    """Return the product of two opinions on each row, renormalised.

    What only one of them knows of stays with the label model: `soft` where `end` is NaN or
    denies every class that `soft` allows, NaN where `soft` is NaN (no LF voted).

    >>> soft, end = np.array([[0.6, 0.4], [np.nan, np.nan]]), np.array([[0.2, 0.8], [0.1, 0.9]])
    >>> combine(soft, end).round(2)
    array([[0.27, 0.73],
           [ nan,  nan]])
    """
    product = soft * end
    total = product.sum(axis=1, keepdims=True)
    possible = total > 0  # False where it is NaN
    return np.where(possible, product / np.where(possible, total, 1), soft)


def without_balance(
    soft: SoftLabels, balance: npt.NDArray[np.float64] | Sequence[float]
) -> SoftLabels:
    """Return opinions as they would be if classes were of equal size; NaN stays NaN.

    `balance` are the class sizes that the opinions take for granted.

    >>> without_balance(np.array([[0.8, 0.2], [np.nan, np.nan]]), [0.8, 0.2])
    array([[0.5, 0.5],
           [nan, nan]])
    """
    weights = soft / np.maximum(np.asarray(balance, dtype=np.float64), 1e-12)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def estimated_balance(parts: Iterable[SoftLabels]) -> list[float]:
    """Return the mean of soft labels over rows that have one; each class counts one row more.

    Rows may come in parts of any size.

    >>> estimated_balance([np.array([[1.0, 0.0], [np.nan, np.nan], [0.5, 0.5]])])
    [0.625, 0.375]
    """
    total: SoftLabels | None = None
    for soft in parts:
        rows = soft[~np.isnan(soft).any(axis=1)]
        so_far = np.zeros((1, soft.shape[1])) if total is None else total
        total = np.vstack([so_far, rows]).sum(axis=0, keepdims=True)  # row by row, as in one sum
    counts = np.zeros(0) if total is None else total[0] + 1
    return [float(share) for share in counts / counts.sum()]


def hard_labels(soft: SoftLabels) -> Gold:
    """Return each row's likeliest class; ABSTAIN where it is a tie, or NaN.

    >>> hard_labels(np.array([[0.2, 0.8], [0.5, 0.5], [np.nan, np.nan]])).tolist()
    [1, -1, -1]
    """
    probabilities = np.nan_to_num(soft, nan=0.0)
    best = probabilities.max(axis=1, initial=0)
    clear = (probabilities == best[:, None]).sum(axis=1) == 1
    return np.where(clear, probabilities.argmax(axis=1), ABSTAIN).astype(np.int8)
