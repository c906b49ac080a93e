"""LabelModel by weighted majority vote. Needs nothing but numpy.

A vote weighs the log odds of its LF's accuracy against chance: the best weights for
independent LFs (S. Nitzan and J. Paroush, "Optimal decision rules in uncertain
dichotomous choice situations", 1982; for many classes and estimated accuracies H. Li
and B. Yu, "Error rate bounds and iterative weighted majority voting for crowdsourcing",
2014). The accuracy of an LF is estimated in one step, from how often the majority of
the other LFs agrees with it; a few votes at 0.7 stand before what was counted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from datahub.core.evidence import posterior
from datahub.core.fitting import Premises
from datahub.core.labels import (
    ABSTAIN,
    LabelMatrix,
    SoftLabels,
    Votes,
    blocks,
    checked_votes,
)
from datahub.core.paircounts import PairCounts
from datahub.ports import LabelModelFit

_LEAST = 0.01  # log odds

Floats = npt.NDArray[np.float64]


class WeightedLabelModel:
    """Every LF counts as much as it is trusted."""

    name = "weighted"

    def __init__(self, *, prior_right: float = 0.7, prior_votes: float = 10) -> None:
        """The prior: `prior_votes` votes of each LF, right with `prior_right`."""
        self._right = prior_right
        self._votes = prior_votes

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
        """Learn an accuracy an LF. Nothing is drawn: the seed has no say."""
        premises = Premises.of(votes, cardinality, class_balance, shares)
        m = votes.shape[1]
        agreements, opinions, vote_counts = np.zeros(m), np.zeros(m), np.zeros(m)
        for block in blocks(votes, cardinality):
            vote_counts += (block != ABSTAIN).sum(axis=0)
            block_sums = _agreement(block, cardinality, premises.shares)
            agreements += block_sums[0]
            opinions += block_sums[1]
        right = (agreements + self._votes * self._right) / (opinions + self._votes)
        right[vote_counts == 0] = np.nan
        return LabelModelFit(
            model=self.name,
            cardinality=cardinality,
            seed=seed,
            weights=right,
            class_balance=premises.prior,
            balance_from=premises.balance_from,
            arrays={"accuracy": right, "shares": premises.shares},
        )

    def predict(self, fit: LabelModelFit, votes: LabelMatrix) -> SoftLabels:
        """Soft labels [n, k]; NaN where no LF voted that the fit has seen voting.

        Raises InputError for an unknown class or another number of LFs.
        """
        right = np.asarray(fit.arrays["accuracy"], dtype=np.float64)
        checked_votes(votes, fit.cardinality, fitted_on=len(right))
        shares = np.asarray(fit.arrays["shares"], dtype=np.float64)
        return posterior(votes, _evidence(right, shares, fit.cardinality), fit.class_balance)


def _agreement(votes: LabelMatrix, cardinality: int, power: Floats) -> tuple[Floats, Floats]:
    """On how many rows the majority of the others agrees with each LF, and had something to say.

    Where t classes lead, a vote for one of them agrees by 1/t.
    """
    n, m = votes.shape
    weight = np.zeros((n, cardinality))
    for column, share in zip(votes.T, power, strict=True):
        rows = np.flatnonzero(column != ABSTAIN)
        weight[rows, column[rows]] += share
    agreements, opinions = np.zeros(m), np.zeros(m)
    for lf, (column, share) in enumerate(zip(votes.T, power, strict=True)):
        rows = np.flatnonzero(column != ABSTAIN)
        rest = weight[rows]
        own = (np.arange(len(rows)), column[rows])
        rest[own] -= share
        top = rest.max(axis=1, initial=0)
        has_rest = top > 1e-9
        leads = (rest >= top[:, None] - 1e-9) & has_rest[:, None]
        agreements[lf] = (leads[own] / np.maximum(leads.sum(axis=1), 1)).sum()
        opinions[lf] = has_rest.sum()
    return agreements, opinions


def _evidence(right: Floats, shares: Floats, cardinality: int) -> Floats:
    """A vote adds the log odds of its LF to its class: [m, k, k].

    Never against its class: an LF that the others contradict is worth next to nothing.
    """
    accuracy = np.clip(right, 1e-6, 1 - 1e-6)
    odds = shares * np.maximum(np.log(max(cardinality - 1, 1) * accuracy / (1 - accuracy)), _LEAST)
    return np.asarray(odds[:, None, None] * np.eye(cardinality))
