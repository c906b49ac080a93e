"""LabelModel in closed form: moments of pairs of LFs feed naive Bayes. Needs nothing but numpy.

The triplet method (D. Fu and others, "Fast and Three-rious: Speeding Up Weak
Supervision with Triplet Methods", ICML 2020; T. Bonald and R. Combes, "A minimax optimal
algorithm for crowdsourcing", NeurIPS 2017) on indicators of "LF i votes class y", so that
it holds for LFs that vote one class only: if i, j and l are independent given whether
the class is y, then cov(i, j) = p (1 - p) d(i) d(j) with d = P(vote | y) - P(vote | not y),
and d(i) follows from three covariances. An LF's d is the median over its triplets.
A fit holds precision [m, k]: P(class v | LF j votes v), NaN where it never did.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from datahub.core.evidence import posterior
from datahub.core.fitting import Premises
from datahub.core.labels import LabelMatrix, SoftLabels, Votes, checked_votes
from datahub.core.paircounts import PairCounts, check_size, count
from datahub.ports import LabelModelFit

_MOST_BYTES = 2 * 10**9  # of pair counts
_MOST_OTHERS = 32  # LFs that an LF is held against in triplets: the ones it shares most rows with

Floats = npt.NDArray[np.float64]


class BayesLabelModel:
    """Precisions by three covariances; no rounds, nothing drawn."""

    name = "bayes"

    def __init__(self, *, prior_right: float = 0.7, prior_votes: float = 10) -> None:
        """The prior: `prior_votes` votes of each LF for each class, right with `prior_right`.

        It stands alone where a class has fewer than three LFs that vote it.
        """
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
        """Learn precisions from pair counts. Nothing is drawn: the seed has no say.

        Raises InputError where the pairs of votes would not fit into 2 GB.
        """
        premises = Premises.of(votes, cardinality, class_balance, shares)
        check_size(votes.shape[1], cardinality, model=self.name, bytes_a_pair=16, most=_MOST_BYTES)
        counts = count(votes, cardinality) if counts is None else counts
        m, prior = counts.lfs, premises.prior
        precision = np.full((m, cardinality), np.nan)
        for y in range(cardinality):
            precision[:, y] = self._precision(counts, y, float(prior[y]), premises.shares)
        times = counts.counts.diagonal().reshape(m, cardinality)
        right = np.where(times > 0, precision * times, 0).sum(axis=1)
        vote_counts = counts.vote_counts
        return LabelModelFit(
            model=self.name,
            cardinality=cardinality,
            seed=seed,
            weights=np.divide(right, vote_counts, out=np.full(m, np.nan), where=vote_counts > 0),
            class_balance=prior,
            balance_from=premises.balance_from,
            arrays={"precision": precision, "shares": premises.shares},
            counts=counts,
        )

    def predict(self, fit: LabelModelFit, votes: LabelMatrix) -> SoftLabels:
        """Soft labels [n, k]; NaN where no LF voted that the fit has seen voting.

        Raises InputError for an unknown class or another number of LFs.
        """
        precision = np.asarray(fit.arrays["precision"], dtype=np.float64)
        checked_votes(votes, fit.cardinality, fitted_on=len(precision))
        shares = np.asarray(fit.arrays["shares"], dtype=np.float64)
        evidence = _evidence(precision, shares, fit.class_balance)
        return posterior(votes, evidence, fit.class_balance)

    def _precision(self, counts: PairCounts, y: int, p: float, power: Floats) -> Floats:
        """P(y | LF votes y) [m], drawn to the prior; NaN where the LF never votes y."""
        pairs = counts.counts[y :: counts.cardinality, y :: counts.cardinality]
        times = pairs.diagonal()
        precision = np.full(len(times), self._right)
        voters = np.flatnonzero(times)
        if len(voters) >= 3 and 0 < p < 1:
            rates = pairs[np.ix_(voters, voters)] / counts.rows
            covariance = rates - np.outer(rates.diagonal(), rates.diagonal())
            gap = _gaps(covariance, power[voters]) / np.sqrt(p * (1 - p))
            estimate = p + p * (1 - p) * gap / rates.diagonal()
            precision[voters] = np.where(np.isnan(gap), self._right, np.clip(estimate, 0, 1))
        estimates = (precision * times + self._right * self._votes) / (times + self._votes)
        return np.asarray(np.where(times > 0, estimates, np.nan))


def _gaps(covariance: Floats, power: Floats) -> Floats:
    """Each indicator's sqrt(cov(i, j) cov(i, l) / cov(j, l)): the median; NaN without a triplet.

    LFs that repeat one another are no triplet: those of full share are taken where there are two.
    """
    gaps = np.full(len(covariance), np.nan)
    for i, line in enumerate(covariance):
        partners = np.flatnonzero((line > 0) & (np.arange(len(line)) != i))
        apart = partners[power[partners] == 1]
        partners = apart if len(apart) >= 2 else partners
        partners = partners[np.argsort(-line[partners], kind="stable")[:_MOST_OTHERS]]
        first, second = np.triu_indices(len(partners), 1)
        between = covariance[partners[first], partners[second]]
        usable = between > 0
        product = line[partners[first]] * line[partners[second]]
        if usable.any():
            gaps[i] = np.median(np.sqrt(product[usable] / between[usable]))
    return gaps


def _evidence(precision: Floats, shares: Floats, prior: Floats) -> Floats:
    """[m, vote, class]: log P(vote | class), up to what all classes share."""
    k = precision.shape[1]
    probability = np.clip(precision, 1e-6, 1 - 1e-6)
    against = np.log((1 - probability) / np.maximum(1 - prior, 1e-12))
    evidence = np.repeat(against[:, :, None], k, axis=2)
    own = np.arange(k)
    evidence[:, own, own] = np.log(probability / prior)
    silent = np.isnan(precision).all(axis=1)
    evidence = np.where(np.isnan(evidence), 0, evidence)  # a vote the fit has never seen
    evidence[silent] = np.nan
    return np.asarray(evidence * shares[:, None, None])
