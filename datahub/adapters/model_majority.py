"""LabelModel by majority vote. Needs nothing but numpy.

The class with most votes takes the row; tied classes share it equally. A class
balance is kept with the fit and has no say, nor have counts and shares.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from datahub.core.labels import (
    ABSTAIN,
    LabelMatrix,
    SoftLabels,
    Votes,
    blocks,
    checked_votes,
    class_prior,
)
from datahub.core.paircounts import PairCounts
from datahub.ports import LabelModelFit


class MajorityLabelModel:
    """Every vote counts the same."""

    name = "majority"

    def fit(
        self,
        votes: Votes,
        *,
        cardinality: int,
        seed: int,
        class_balance: Sequence[float] | None = None,
        counts: PairCounts | None = None,
        shares: Sequence[float] | None = None,
    ) -> LabelModelFit:
        """Learn nothing; weigh each LF by the share of its votes that the majority agrees with.

        A vote for one of t tied classes agrees by 1/t.
        """
        prior, balance_from = class_prior(class_balance, cardinality)
        m = votes.shape[1]
        agreements, vote_counts = np.zeros(m), np.zeros(m)
        for block in blocks(votes, cardinality):
            soft = _shares(block, cardinality)
            agreements += [_agreement(column, soft) for column in block.T]
            vote_counts += (block != ABSTAIN).sum(axis=0)
        unknown = np.full(m, np.nan)
        weights = np.divide(agreements, vote_counts, out=unknown, where=vote_counts > 0)
        return LabelModelFit(
            model=self.name,
            cardinality=cardinality,
            seed=seed,
            weights=weights,
            class_balance=prior,
            balance_from=balance_from,
        )

    def predict(self, fit: LabelModelFit, votes: LabelMatrix) -> SoftLabels:
        """Soft labels [n, k]; NaN where no LF voted. Raises InputError for an unknown class."""
        return _shares(checked_votes(votes, fit.cardinality), fit.cardinality)


def _shares(votes: LabelMatrix, cardinality: int) -> SoftLabels:
    counts = np.zeros((len(votes), cardinality), dtype=np.int32)
    for column in votes.T:
        rows = np.flatnonzero(column != ABSTAIN)
        counts[rows, column[rows]] += 1
    top = counts.max(axis=1, initial=0)[:, None]
    soft = np.where(top > 0, counts == top, False).astype(np.float64)
    with np.errstate(invalid="ignore"):  # 0 / 0 is the row without a vote
        soft /= soft.sum(axis=1, keepdims=True)
    return soft


def _agreement(column: npt.NDArray[np.int8], soft: SoftLabels) -> float:
    """On how many rows the majority is of one mind with an LF."""
    rows = np.flatnonzero(column != ABSTAIN)
    return float(soft[rows, column[rows]].sum())
