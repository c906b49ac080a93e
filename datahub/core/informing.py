"""What a person's answer says of rows that nobody was asked about.

Rows with equal votes, on which the end model says the same, and in which the models trust alike,
make a cell. The queue asks by trust and leaves to chance which of equally trusted rows it asks, so
an answer is a fair sample of its cell: the cell's class distribution is updated by it as Bayes
would (a Dirichlet prior at what the models say of each row), and so is the trust in it. People
are never one more LF: no accuracy of an LF is learned from rows chosen for doubt. Nor do answers
of the audit slice come here: they measure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from datahub.core.labels import SoftLabels, combine

PRIOR = 5.0  # the models' word on a row is worth so many answers to rows of its cell
BANDS = 50  # of trust, from 0 to 1: rows of one cell are in one band

Ints = npt.NDArray[np.int64]
Answers = npt.NDArray[np.float64]  # [n rows, k classes]: answers to rows of each row's cell


def cells(pattern: npt.NDArray[np.integer], soft: SoftLabels, end: SoftLabels) -> Ints:
    """Number of each row's cell; equal numbers are equal cells.

    >>> soft = np.array([[0.9, 0.1]] * 4)
    >>> end = np.array([[0.9, 0.1], [0.2, 0.8], [0.91, 0.09], [0.6, 0.4]])
    >>> a, b, c, d = cells(np.array([0, 0, 0, 0]), soft, end).tolist()
    >>> a == b, a == c, a == d
    (False, True, False)
    """
    has_end = ~np.isnan(end).any(axis=1)
    end_label = np.where(has_end, np.nan_to_num(end).argmax(axis=1) + 1, 0)
    trust = trust_in(soft, end, likeliest(combine(soft, end), end))
    band = np.minimum((trust * BANDS).round(6).astype(np.int64), BANDS - 1)  # as on every processor
    pairs = pattern.astype(np.int64) * (end.shape[1] + 1) + end_label  # a hash may wrap
    numbers: Ints = pairs * BANDS + band
    return numbers


def likeliest(final: SoftLabels, end: SoftLabels) -> npt.NDArray[np.intp]:
    """Likeliest class of each row; that of the end model where no LF voted.

    >>> end = np.array([[0.2, 0.8], [0.3, 0.7]])
    >>> likeliest(np.array([[0.6, 0.4], [np.nan, np.nan]]), end).tolist()
    [0, 1]
    """
    probabilities = np.nan_to_num(np.where(np.isnan(final), end, final))
    return np.asarray(probabilities.argmax(axis=1), dtype=np.intp)


def trust_in(
    soft: SoftLabels, end: SoftLabels, label: npt.NDArray[np.intp]
) -> npt.NDArray[np.float64]:
    """How likely label model and end model together hold a label of each row to be.

    Where no LF voted the label model holds every class for as likely as the others; where the end
    model is silent the label model stands alone, and where both are the trust is 0.

    >>> soft, end = np.array([[0.6, 0.4], [np.nan, np.nan]]), np.array([[0.8, 0.2], [0.1, 0.9]])
    >>> trust_in(soft, end, np.array([0, 1])).round(2).tolist()
    [0.7, 0.7]
    """
    at = label[:, None]
    has_soft, has_end = (~np.isnan(labels).any(axis=1) for labels in (soft, end))
    model_trust = np.where(has_soft, np.take_along_axis(soft, at, axis=1)[:, 0], 1 / soft.shape[1])
    end_trust = np.where(has_end, np.take_along_axis(end, at, axis=1)[:, 0], model_trust)
    return np.where(has_soft | has_end, (model_trust + end_trust) / 2, 0.0)


def trust_after(
    trust: npt.NDArray[np.float64], label: npt.NDArray[np.intp], answers: Answers
) -> npt.NDArray[np.float64]:
    """Trust in a label after the answers to rows of its cell: some say it, others contradict.

    >>> trust_after(np.array([0.6, 0.6]), np.array([0, 1]), np.array([[5.0, 0.0]] * 2)).tolist()
    [0.8, 0.3]
    """
    confirmations = np.take_along_axis(answers, label[:, None], axis=1)[:, 0]
    return np.asarray((PRIOR * trust + confirmations) / (PRIOR + answers.sum(axis=1)))


def update_soft(
    soft: SoftLabels, cell: Ints, answers: Mapping[int, int], *, prior: float = PRIOR
) -> tuple[SoftLabels, Answers]:
    """Soft labels after people's answers (row number -> class), and the answers to each row's cell.

    A row without a soft label keeps none.

    >>> soft = np.array([[0.4, 0.6], [0.4, 0.6], [0.4, 0.6]])
    >>> after, counts = update_soft(soft, np.array([7, 7, 8]), {0: 0}, prior=1)
    >>> after.round(2).tolist(), counts.sum(axis=1).tolist()
    ([[0.7, 0.3], [0.7, 0.3], [0.4, 0.6]], [1.0, 1.0, 0.0])
    """
    if not answers:
        return soft, np.zeros(soft.shape)
    rows = np.fromiter(answers, dtype=np.int64)
    return update_by_counts(soft, cell, by_cell(cell[rows], answers, soft.shape[1]), prior=prior)


@dataclass(frozen=True)
class AnswerCounts:
    """People's answers by cell: numbers of cells in order, and counts [cells, classes]."""

    cells: Ints
    counts: npt.NDArray[np.float64]


def by_cell(cell: Ints, answers: Mapping[int, int], cardinality: int) -> AnswerCounts:
    """Count the answers of each cell; `cell` is of the rows that were answered, in their order."""
    numbers, places = np.unique(cell, return_inverse=True)
    counts = np.zeros((len(numbers), cardinality))
    np.add.at(counts, (places, np.fromiter(answers.values(), dtype=np.int64)), 1)
    return AnswerCounts(numbers, counts)


def update_by_counts(
    soft: SoftLabels, cell: Ints, answers: AnswerCounts, *, prior: float = PRIOR
) -> tuple[SoftLabels, Answers]:
    """As `update_soft`, for some of the rows: answers may be of others in their cells."""
    if len(answers.cells) == 0:
        return soft, np.zeros(soft.shape)
    place = np.searchsorted(answers.cells, cell).clip(max=len(answers.cells) - 1)
    has_answers = answers.cells[place] == cell
    counts = np.where(has_answers[:, None], answers.counts[place], 0.0)
    total = counts.sum(axis=1, keepdims=True)
    after = np.where(total > 0, (prior * soft + counts) / (prior + total), soft)
    return after, counts


def training_labels(soft: SoftLabels, answers: Mapping[int, int]) -> SoftLabels:
    """What an end model learns from: soft labels, and certainty where a person spoke.

    >>> training_labels(np.array([[0.4, 0.6], [np.nan, np.nan]]), {1: 0}).tolist()
    [[0.4, 0.6], [1.0, 0.0]]
    """
    if not answers:
        return soft
    rows = np.fromiter(answers, dtype=np.int64)
    lessons = soft.copy()
    lessons[rows] = np.eye(soft.shape[1])[np.fromiter(answers.values(), dtype=np.int64)]
    return lessons
