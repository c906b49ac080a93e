"""LabelModel by MAP Dawid-Skene: EM over unique vote patterns. Needs nothing but numpy and polars.

A. P. Dawid and A. M. Skene, "Maximum likelihood estimation of observer error-rates
using the EM algorithm", Applied Statistics 28 (1979). A fit holds confusion [m, k, k]:
confusion[j, y, v] is P(LF j votes v | it votes, class y). Three choices make it a model
for LFs, which mostly abstain and mostly vote one class:
- a missing vote is no evidence;
- a Dirichlet prior says that a vote is right with p = 0.7, worth half as many votes as
  there are rows: an LF that votes one class only would teach nothing without it;
- the class prior is given or uniform, and fixed.

Where LFs are weak and classes many, EM can run away: one class draws the rows of others to itself,
round by round. A fit under which a class loses most of what it had in the first round is not kept:
what the first round learned is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from datahub.core.evidence import Packing, posterior, posterior_of_codes, sums_by_code
from datahub.core.fitting import Premises, VotePatterns, learn_by_patterns
from datahub.core.labels import LabelMatrix, SoftLabels, Votes, checked_votes
from datahub.core.paircounts import PairCounts
from datahub.ports import LabelModelFit

Floats = npt.NDArray[np.float64]
_LEAST_SHARE = 0.25  # of a class's rows in the first round: later rounds must leave it as many


class DawidSkeneLabelModel:
    """What each LF says of each class, and each class of each row, in turns until they agree."""

    name = "dawid-skene"

    def __init__(
        self,
        *,
        prior_right: float = 0.7,
        prior_votes: float = 0.5,
        rounds: int = 100,
        tolerance: float = 1e-5,
        most_patterns: int = 1 << 18,
    ) -> None:
        """`prior_votes` are the votes of each LF that the prior is worth, for each row.

        EM ends when no probability of an LF moves by more than `tolerance`. Where there are more
        than `most_patterns`, as many rows, drawn by the seed, are learned from.
        """
        self._right = prior_right
        self._votes = prior_votes
        self._rounds = rounds
        self._tolerance = tolerance
        self._most = most_patterns

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
        """Learn confusion. The seed has a say only where rows are drawn."""
        premises = Premises.of(votes, cardinality, class_balance, shares)
        confusion, right = learn_by_patterns(
            votes, premises, self._learn, most=self._most, seed=seed
        )
        return LabelModelFit(
            model=self.name,
            cardinality=cardinality,
            seed=seed,
            weights=right,
            class_balance=premises.prior,
            balance_from=premises.balance_from,
            arrays={"confusion": confusion, "shares": premises.shares},
        )

    def predict(self, fit: LabelModelFit, votes: LabelMatrix) -> SoftLabels:
        """Soft labels [n, k]; NaN where no LF voted that the fit has seen voting.

        Raises InputError for an unknown class or another number of LFs.
        """
        confusion = np.asarray(fit.arrays["confusion"], dtype=np.float64)
        checked_votes(votes, fit.cardinality, fitted_on=len(confusion))
        evidence = _evidence(confusion, np.asarray(fit.arrays["shares"], dtype=np.float64))
        return posterior(votes, evidence, fit.class_balance)

    def _learn(self, patterns: VotePatterns) -> tuple[Floats, Floats]:
        """Confusion [m, k, k], and how often each LF is right where it votes."""
        codes, times = patterns.codes, patterns.times
        prior, power = patterns.prior, patterns.shares
        m, k = len(power), len(prior)
        codec = Packing(m, k)
        wrong = (1 - self._right) / max(k - 1, 1)
        initial = np.where(np.eye(k, dtype=bool), self._right, wrong)
        pseudo = initial * (self._votes * patterns.rows / k)
        confusion: Floats = np.tile(initial, (m, 1, 1))
        total: Floats = np.zeros((m, k, k))
        first = None  # what the first round has: the size of each class, and what is learned
        for _ in range(self._rounds if len(times) else 0):
            tables = codec.tables(_evidence(confusion, power))
            soft = posterior_of_codes(codes, tables, prior) * times[:, None]
            total = codec.by_vote(sums_by_code(codes, soft, codec))
            before, confusion = confusion, _shares(total.transpose(0, 2, 1) + pseudo)
            first = first or (soft.sum(axis=0), confusion, total)
            if np.abs(confusion - before).max() <= self._tolerance:
                break
        if first is not None and (soft.sum(axis=0) < _LEAST_SHARE * first[0]).any():
            _, confusion, total = first
        vote_counts = total.sum(axis=(1, 2))
        right = total.diagonal(axis1=1, axis2=2).sum(axis=1)
        defaults = np.full(m, self._right)  # by an LF that votes on none of the rows drawn
        weights = np.divide(right, vote_counts, out=defaults, where=vote_counts > 0)
        return confusion, np.clip(weights, 0, 1)


def _evidence(confusion: Floats, power: Floats) -> Floats:
    """[m, vote, class], an LF's counted as much as its share."""
    return np.asarray(np.log(confusion).transpose(0, 2, 1) * power[:, None, None])


def _shares(counts: Floats) -> Floats:
    return np.asarray(counts / counts.sum(axis=2, keepdims=True))
