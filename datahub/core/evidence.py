"""From what each vote says of each class to soft labels, for millions of rows.

`evidence[j, v, y]` is what LF j adds to the log of class y by voting v: float64
[m, k, k]; an abstain adds nothing. Votes of a few LFs are packed into one byte, so
that a table of their sums is looked up once for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from datahub.core.labels import LabelMatrix, SoftLabels

_BLOCK = 1 << 16  # rows

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.uint8]  # [groups of LFs, rows]; 0 where all of the group abstain


@dataclass(frozen=True)
class Packing:
    """How votes of m LFs lie in bytes: the first of a group is its most significant digit."""

    lfs: int
    cardinality: int

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """LFs that share a byte: as many as have no more than 256 patterns."""
        base = self.cardinality + 1
        size = 1
        while base ** (size + 1) <= 256:
            size += 1
        return tuple(
            tuple(range(start, min(start + size, self.lfs))) for start in range(0, self.lfs, size)
        )

    def codes(self, votes: LabelMatrix) -> Codes:
        """Pack votes [n, m].

        >>> Packing(3, 2).codes(np.array([[-1, -1, -1], [0, -1, 1]], dtype=np.int8)).tolist()
        [[0, 11]]
        """
        groups = self.groups
        columns = np.empty((len(groups), len(votes)), dtype=np.uint8)
        for code, group in zip(columns, groups, strict=True):
            code[:] = self._digit(votes, group[0])
            for lf in group[1:]:
                code *= np.uint8(self.cardinality + 1)
                code += self._digit(votes, lf)
        return columns

    def tables(self, evidence: Floats) -> list[Floats]:
        """For each group the evidence of each code: [codes, k]."""
        k = self.cardinality
        tables: list[Floats] = []
        for group in self.groups:
            table: Floats = np.zeros((1, k))
            for lf in group:
                options = np.vstack([np.zeros((1, k)), evidence[lf]])
                table = (table[:, None, :] + options[None, :, :]).reshape(-1, k)
            tables.append(table)
        return tables

    def by_vote(self, totals: Sequence[Floats]) -> Floats:
        """Totals by code, for each group [codes, k], as totals by LF, vote and class [m, k, k]."""
        k = self.cardinality
        by_lf = np.zeros((self.lfs, k, k))
        for group, total in zip(self.groups, totals, strict=True):
            cube = total.reshape(*[k + 1] * len(group), k)
            for axis, lf in enumerate(group):
                rest = tuple(i for i in range(len(group)) if i != axis)
                by_lf[lf] = cube.sum(axis=rest)[1:]
        return by_lf

    def _digit(self, votes: LabelMatrix, lf: int) -> Codes:
        return (votes[:, lf].astype(np.int8, copy=False).view(np.uint8)) + np.uint8(1)


def posterior(votes: LabelMatrix, evidence: Floats, prior: Floats) -> SoftLabels:
    """Soft labels [n, k] of votes under a class prior; NaN where no LF that is heard voted.

    An LF whose evidence is NaN is not heard: nothing is known of it.

    >>> evidence = np.log([[[0.8, 0.2], [0.2, 0.8]]])
    >>> votes = np.array([[1], [-1]], dtype=np.int8)
    >>> posterior(votes, evidence, np.array([0.5, 0.5])).round(3).tolist()
    [[0.2, 0.8], [nan, nan]]
    """
    informative = np.flatnonzero(~np.isnan(evidence).any(axis=(1, 2)))
    codec = Packing(len(informative), len(prior))
    tables = codec.tables(evidence[informative])
    soft = np.empty((len(votes), len(prior)))
    every = len(informative) == votes.shape[1]
    for start in range(0, len(votes), _BLOCK):
        block = votes[start : start + _BLOCK]
        codes = codec.codes(block if every else block[:, informative])
        _write_posterior(codes, tables, prior, soft[start : start + _BLOCK])
    return soft


def posterior_of_codes(codes: Codes, tables: Sequence[Floats], prior: Floats) -> SoftLabels:
    """Soft labels of packed votes; NaN where every code is 0."""
    soft = np.empty((codes.shape[1], len(prior)))
    _write_posterior(codes, tables, prior, soft)
    return soft


def sums_by_code(codes: Codes, soft: SoftLabels, codec: Packing) -> list[Floats]:
    """For each group of LFs: how much of each class lies with each code."""
    base = codec.cardinality + 1
    return [
        np.stack(
            [np.bincount(code, column, minlength=base ** len(group)) for column in soft.T], axis=1
        )
        for code, group in zip(codes, codec.groups, strict=True)
    ]


def _write_posterior(
    codes: Codes, tables: Sequence[Floats], prior: Floats, soft: SoftLabels
) -> None:
    if len(prior) == 2:
        _write_two(codes, tables, prior, soft)
    else:
        soft[:] = np.log(prior)
        for code, table in zip(codes, tables, strict=True):
            soft += table.take(code, axis=0)
        soft -= soft.max(axis=1, keepdims=True)
        np.exp(soft, out=soft)
        soft /= soft.sum(axis=1, keepdims=True)
    soft[~codes.any(axis=0)] = np.nan


def _write_two(codes: Codes, tables: Sequence[Floats], prior: Floats, soft: SoftLabels) -> None:
    """Two classes need one number a row: the log of their odds."""
    odds = np.full(codes.shape[1], np.log(prior[1]) - np.log(prior[0]))
    for code, table in zip(codes, tables, strict=True):
        odds += (table[:, 1] - table[:, 0]).take(code)
    small = np.exp(-np.abs(odds))  # never overflows
    likely, unlikely = 1 / (1 + small), small / (1 + small)
    second = odds >= 0
    soft[:, 1] = np.where(second, likely, unlikely)
    soft[:, 0] = np.where(second, unlikely, likely)
