"""What a person's answer says of rows that nobody was asked about.

Rows with equal votes on which the end model says the same make a cell. The queue draws rows of a
cell at random, so an answer is a fair sample of its cell: the cell's class distribution is
updated by it as Bayes would (a Dirichlet prior at what the models say of each row). People
are never one more LF: no accuracy of an LF is learned from rows chosen for doubt. Nor do answers
of the audit slice come here: they measure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from datahub.core.labels import SoftLabels

PRIOR = 5.0  # the models' word on a row is worth so many answers to rows of its cell

Ints = npt.NDArray[np.int64]


def cells(pattern: npt.NDArray[np.integer], end: SoftLabels) -> Ints:
    """Number of each row's cell; equal numbers are equal cells.

    >>> end = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [np.nan, np.nan]])
    >>> cells(np.array([0, 0, 0, 0]), end).tolist()
    [1, 2, 1, 0]
    """
    heard = ~np.isnan(end).any(axis=1)
    said = np.where(heard, np.nan_to_num(end).argmax(axis=1) + 1, 0)
    found: Ints = pattern.astype(np.int64) * (end.shape[1] + 1) + said  # a hash may wrap
    return found


def informed(
    soft: SoftLabels, cell: Ints, answers: Mapping[int, int], *, prior: float = PRIOR
) -> tuple[SoftLabels, npt.NDArray[np.uint32]]:
    """Soft labels after people's answers (row number -> class), and how many spoke for each row.

    A row without a soft label keeps none.

    >>> soft = np.array([[0.4, 0.6], [0.4, 0.6], [0.4, 0.6]])
    >>> after, heard = informed(soft, np.array([7, 7, 8]), {0: 0}, prior=1)
    >>> after.round(2).tolist(), heard.tolist()
    ([[0.7, 0.3], [0.7, 0.3], [0.4, 0.6]], [1, 1, 0])
    """
    if not answers:
        return soft, np.zeros(len(soft), dtype=np.uint32)
    rows = np.fromiter(answers, dtype=np.int64)
    return informed_by(soft, cell, by_cell(cell[rows], answers, soft.shape[1]), prior=prior)


@dataclass(frozen=True)
class Answered:
    """People's answers by cell: numbers of cells in order, and counts [cells, classes]."""

    cells: Ints
    counts: npt.NDArray[np.float64]


def by_cell(cell: Ints, answers: Mapping[int, int], cardinality: int) -> Answered:
    """Count the answers of each cell; `cell` is of the rows that were answered, in their order."""
    found, number = np.unique(cell, return_inverse=True)
    counts = np.zeros((len(found), cardinality))
    np.add.at(counts, (number, np.fromiter(answers.values(), dtype=np.int64)), 1)
    return Answered(found, counts)


def informed_by(
    soft: SoftLabels, cell: Ints, answered: Answered, *, prior: float = PRIOR
) -> tuple[SoftLabels, npt.NDArray[np.uint32]]:
    """As `informed`, for some of the rows: answers may be of others in their cells."""
    if len(answered.cells) == 0:
        return soft, np.zeros(len(soft), dtype=np.uint32)
    place = np.searchsorted(answered.cells, cell).clip(max=len(answered.cells) - 1)
    here = answered.cells[place] == cell
    said = np.where(here[:, None], answered.counts[place], 0.0)
    total = said.sum(axis=1, keepdims=True)
    after = np.where(total > 0, (prior * soft + said) / (prior + total), soft)
    return after, total[:, 0].astype(np.uint32)


def taught(soft: SoftLabels, answers: Mapping[int, int]) -> SoftLabels:
    """What an end model learns from: soft labels, and certainty where a person spoke.

    >>> taught(np.array([[0.4, 0.6], [np.nan, np.nan]]), {1: 0}).tolist()
    [[0.4, 0.6], [1.0, 0.0]]
    """
    if not answers:
        return soft
    rows = np.fromiter(answers, dtype=np.int64)
    lessons = soft.copy()
    lessons[rows] = np.eye(soft.shape[1])[np.fromiter(answers.values(), dtype=np.int64)]
    return lessons
