"""LabelModel that does not run away: EM over unique vote patterns, anchored near majority vote.

theta[j, v, y] = P(LF j votes v | class y); the rest is that LF j abstains. Four choices keep it
near majority vote where the votes do not support more:
- counts of a class are divided by the size of that class: a class that draws rows to itself
  pays for every vote that those rows lack, so that none can take all;
- learning hears abstains, at half weight; prediction hears votes alone;
- each LF starts as right on 70% of its votes, worth four times the votes that it cast;
- votes speak at three quarters of their weight in the end: LFs are less independent than the
  model takes them for.

A fit holds evidence [m, k, k]: evidence[j, v, y] is what LF j adds to the log of class y by
voting v. docs/decisions/0030-anchored-label-model.md has the measurements.
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
_MOST_VOTED = 0.95  # P(an LF votes | class) stays below: log(1 - p) is finite
_SMALLEST = 1e-12


class AnchoredLabelModel:
    """How often each LF votes what in rows of each class, and the class of each row, in turns."""

    name = "anchored"

    def __init__(
        self,
        *,
        prior_right: float = 0.7,
        prior_votes: float = 4.0,
        abstains: float = 0.5,
        weight: float = 0.75,
        rounds: int = 20,
        tolerance: float = 1e-4,
        most_patterns: int = 1 << 18,
    ) -> None:
        """`prior_votes` is what the prior is worth, as a multiple of the votes that an LF cast.

        `abstains` is the weight of an abstain in learning, `weight` that of votes in prediction.
        EM ends when no share of a vote moves by more than `tolerance`. Where there are more than
        `most_patterns`, as many rows, drawn by the seed, are learned from.
        """
        self._right = prior_right
        self._votes = prior_votes
        self._abstains = abstains
        self._weight = weight
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
        """Learn evidence. The seed has a say only where rows are drawn."""
        premises = Premises.of(votes, cardinality, class_balance, shares)
        evidence, right = learn_by_patterns(
            votes, premises, self._learn, most=self._most, seed=seed
        )
        return LabelModelFit(
            model=self.name,
            cardinality=cardinality,
            seed=seed,
            weights=right,
            class_balance=premises.prior,
            balance_from=premises.balance_from,
            arrays={"evidence": evidence, "shares": premises.shares},
        )

    def predict(self, fit: LabelModelFit, votes: LabelMatrix) -> SoftLabels:
        """Soft labels [n, k]; NaN where no LF voted that the fit has seen voting.

        Raises InputError for an unknown class or another number of LFs.
        """
        evidence = np.asarray(fit.arrays["evidence"], dtype=np.float64)
        checked_votes(votes, fit.cardinality, fitted_on=len(evidence))
        return posterior(votes, evidence, fit.class_balance)

    def _learn(self, patterns: VotePatterns) -> tuple[Floats, Floats]:
        """Evidence [m, k, k], and how often each LF is right where it votes."""
        codes, times = patterns.codes, patterns.times
        prior, power = patterns.prior, patterns.shares
        m, k = len(power), len(prior)
        codec, rows = Packing(m, k), float(times.sum())
        wrong = (1 - self._right) / max(k - 1, 1)
        prior_votes = np.where(np.eye(k, dtype=bool), self._right, wrong)  # [v, y]
        votes_by_class = codec.by_vote(sums_by_code(codes, times[:, None] * np.ones(k), codec))
        pseudo = self._votes * votes_by_class * prior_votes
        even = np.full(k, self._votes * rows / k)  # the prior of LFs knows no class balance
        joint, size = pseudo, even
        share: Floats = np.tile(prior_votes, (m, 1, 1))
        total: Floats = np.zeros((m, k, k))
        for _ in range(self._rounds if rows else 0):
            table, start = self._heard(joint / size, power)
            soft = posterior_of_codes(codes, codec.tables(table), prior * start)
            soft *= times[:, None]
            total = codec.by_vote(sums_by_code(codes, soft, codec))
            joint, size = pseudo + total, even + soft.sum(axis=0)
            before, share = share, _shares(joint, prior_votes)
            if np.abs(share - before).max(initial=0) < self._tolerance:
                break
        sizes = size / size.sum() if rows else np.full(k, 1 / k)
        evidence = (np.log(np.maximum(share, _SMALLEST)) - np.log(sizes)) * power[:, None, None]
        weights = self._rightness(total, votes_by_class[:, :, 0].sum(axis=1) if k else np.zeros(m))
        return self._weight * evidence, weights

    def _heard(self, theta: Floats, power: Floats) -> tuple[Floats, Floats]:
        """Evidence of a vote beyond that of an abstain [m, v, y], and of all abstains [y]."""
        votes = theta.sum(axis=1)
        over = np.maximum(votes / _MOST_VOTED, 1)
        theta, votes = theta / over[:, None], votes / over
        silent = self._abstains * np.log1p(-votes) * power[:, None]  # [m, y]
        logs = np.log(np.maximum(theta, _SMALLEST)) * power[:, None, None]
        silence = silent.sum(axis=0)
        start = np.exp(np.maximum(silence - silence.max(initial=-np.inf), -600))
        return logs - silent[:, None, :], start

    def _rightness(self, total: Floats, votes_by_class: Floats) -> Floats:
        """Share of the votes cast that the labels agree with."""
        right = total.diagonal(axis1=1, axis2=2).sum(axis=1)
        defaults = np.full(
            len(votes_by_class), self._right
        )  # by an LF that votes on none of the rows drawn
        return np.asarray(
            np.clip(np.divide(right, votes_by_class, out=defaults, where=votes_by_class > 0), 0, 1)
        )


def _shares(joint: Floats, prior_votes: Floats) -> Floats:
    """P(class | LF j votes v); what is believed where LF j never votes v."""
    total = joint.sum(axis=2, keepdims=True)
    has_votes = np.broadcast_to(total > 0, joint.shape)
    defaults = np.tile(prior_votes, (len(joint), 1, 1))
    return np.asarray(np.divide(joint, total, out=defaults, where=has_votes))
