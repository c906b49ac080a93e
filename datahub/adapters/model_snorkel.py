"""LabelModel on Snorkel. The only file that imports `snorkel` and `torch`, and only in `fit`.

A fit holds mu [m, k, k]: mu[j, v, y] is the estimate of P(LF j votes v | class y),
NaN throughout for an LF that never voted. `predict` is Snorkel's own formula over
these arrays. Three things differ from Snorkel on purpose: LFs that never voted are
left out of the fit (Snorkel divides by zero and trusts them fully), a row without a
vote is NaN (Snorkel answers with the prior), and global state is as it was before.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from datahub.core.errors import InputError
from datahub.core.labels import ABSTAIN, LabelMatrix, SoftLabels, checked_votes, class_prior
from datahub.ports import LabelModelFit

_CHUNK = 65_536  # rows

Floats = npt.NDArray[np.float64]


class SnorkelLabelModel:
    """Accuracies of LFs out of how they agree. The options are Snorkel's, by its names."""

    name = "snorkel"

    def __init__(
        self,
        *,
        n_epochs: int = 500,
        lr: float = 0.01,
        l2: float = 0.0,
        prec_init: float = 0.7,
        mu_eps: float | None = None,
    ) -> None:
        self._options = {
            "n_epochs": n_epochs,
            "lr": lr,
            "l2": l2,
            "prec_init": prec_init,
            "mu_eps": mu_eps,
        }

    def fit(
        self,
        votes: LabelMatrix,
        *,
        cardinality: int,
        seed: int,
        class_balance: Sequence[float] | None = None,
    ) -> LabelModelFit:
        """Learn mu. The same votes, options and seed give the same bits.

        Without a single vote the fit knows nothing and predicts NaN. Raises InputError for
        votes of one or two LFs only, from which no agreement can be learned, and for options
        under which the training does not converge.
        """
        prior, balance_from = class_prior(class_balance, cardinality)
        voting = np.flatnonzero((checked_votes(votes, cardinality) != ABSTAIN).any(axis=0))
        m = votes.shape[1]
        mu = np.full((m, cardinality, cardinality), np.nan)
        weights = np.full(m, np.nan)
        if len(voting):
            mu[voting], weights[voting] = self._learn(votes[:, voting], prior, seed)
        return LabelModelFit(
            model=self.name,
            cardinality=cardinality,
            seed=seed,
            weights=weights,
            class_balance=prior,
            balance_from=balance_from,
            arrays={"mu": mu},
        )

    def predict(self, fit: LabelModelFit, votes: LabelMatrix) -> SoftLabels:
        """Soft labels [n, k]; NaN where no LF voted that the fit has seen voting.

        Raises InputError for an unknown class or another number of LFs.
        """
        mu = np.asarray(fit.arrays["mu"], dtype=np.float64)
        if checked_votes(votes, fit.cardinality).shape[1] != len(mu):
            raise InputError(
                f"The label model was fitted on {len(mu)} LFs; these votes have {votes.shape[1]}.",
                hint="Fit it again: `datahub label fit`.",
            )
        evidence = _evidence(mu)
        soft = np.empty((len(votes), fit.cardinality))
        for start in range(0, len(votes), _CHUNK):
            chunk = votes[start : start + _CHUNK]
            soft[start : start + _CHUNK] = _posterior(chunk, evidence, fit.class_balance)
        return soft

    def _learn(self, votes: LabelMatrix, prior: Floats, seed: int) -> tuple[Floats, Floats]:
        m, k = votes.shape[1], len(prior)
        if m < 3:
            raise InputError(
                f"Snorkel's label model needs 3 LFs that vote; {m} did.",
                hint="Use `--model majority`, or write more labeling functions.",
            )
        if not 0 <= seed < 2**32:
            raise InputError(f"{seed} cannot be a seed.", hint="Use 0 to 4294967295.")
        with _global_state_kept():
            from snorkel.labeling.model import LabelModel

            model = LabelModel(cardinality=k, verbose=False)
            with _divergence_told():
                model.fit(
                    votes.astype(np.int64),
                    class_balance=prior,
                    progress_bar=False,
                    seed=seed,
                    **self._options,
                )
            mu = model.mu.detach().numpy().astype(np.float64).reshape(m, k, k)
            return mu, model.get_weights()


def _evidence(mu: Floats) -> Floats:
    """What a vote adds to the log of each class: [m, k + 1, k], NaN for LFs the fit has not seen.

    The last entry of an LF is its abstain (-1 picks it), which adds nothing. Snorkel takes the
    logarithm in 32 bits; so do we.
    """
    m, k, _ = mu.shape
    evidence = np.zeros((m, k + 1, k))
    evidence[:, :k] = np.log(mu.astype(np.float32))
    return evidence


def _posterior(votes: LabelMatrix, evidence: Floats, prior: Floats) -> SoftLabels:
    known = ~np.isnan(evidence).any(axis=(1, 2))
    logs = np.tile(np.log(prior), (len(votes), 1))
    for j in np.flatnonzero(known):
        logs += evidence[j][votes[:, j]]
    soft = np.exp(logs - logs.max(axis=1, keepdims=True))
    soft /= soft.sum(axis=1, keepdims=True)
    soft[(votes[:, known] == ABSTAIN).all(axis=1)] = np.nan
    return np.asarray(soft)


@contextmanager
def _divergence_told() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if "Loss is NaN" not in str(error):  # Snorkel raises a bare Exception for it
            raise
        raise InputError(
            "Snorkel's label model did not converge: its loss is not a number.",
            hint="Lower its learning rate `lr`, or use `--model majority`.",
        ) from error


@contextmanager
def _global_state_kept() -> Iterator[None]:
    """Put back what Snorkel seeds (its import draws from numpy, too); one torch thread."""
    python, legacy = random.getstate(), np.random.get_state()
    import torch

    tensors, threads = torch.get_rng_state(), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_rng_state(tensors)
        np.random.set_state(legacy)
        random.setstate(python)
