"""LabelModel on Snorkel. The only file that imports `snorkel` and `torch`, and only in `fit`.

Snorkel's own training (initial values, loss, descent, clamping, permutation) is fed
with exact pair counts in place of the one-hot matrix that it would make: the same mu to
the bit, without the memory. A fit holds mu [m, k, k]: mu[j, v, y] is the estimate of
P(LF j votes v | class y), NaN throughout for an LF that never voted. `predict` is
Snorkel's own formula over these arrays. Three things differ from Snorkel on purpose:
LFs that never voted are left out of the fit (Snorkel divides by zero and trusts them
fully), a row without a vote is NaN (Snorkel answers with the prior), and global state
is as it was before.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from datahub.core.errors import InputError
from datahub.core.evidence import posterior
from datahub.core.labels import LabelMatrix, SoftLabels, Votes, checked_votes, class_prior
from datahub.core.paircounts import PairCounts, count
from datahub.ports import LabelModelFit

Floats = npt.NDArray[np.float64]


class SnorkelLabelModel:
    """Accuracies of LFs out of how they agree. Options and defaults are Snorkel's own."""

    name = "snorkel"

    def __init__(
        self,
        *,
        n_epochs: int = 100,
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
        votes: Votes,
        *,
        cardinality: int,
        seed: int,
        class_balance: Sequence[float] | None = None,
        counts: PairCounts | None = None,
        shares: Sequence[float] | None = None,
    ) -> LabelModelFit:
        """Learn mu. The same votes, options and seed give the same bits.

        `shares` have no say: Snorkel's model has no place for them.
        Without a single vote the fit knows nothing and predicts NaN. Raises InputError for
        votes of one or two LFs only, from which no agreement can be learned, and for options
        under which the training does not converge.
        """
        prior, balance_from = class_prior(class_balance, cardinality)
        counts = count(votes, cardinality) if counts is None else counts
        voting = np.flatnonzero(counts.voted)
        m = votes.shape[1]
        mu = np.full((m, cardinality, cardinality), np.nan)
        weights = np.full(m, np.nan)
        if len(voting):
            mu[voting], weights[voting] = self._learn(counts.kept(voting.tolist()), prior, seed)
        return LabelModelFit(
            model=self.name,
            cardinality=cardinality,
            seed=seed,
            weights=weights,
            class_balance=prior,
            balance_from=balance_from,
            arrays={"mu": mu},
            counts=counts,
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
        with np.errstate(divide="ignore"):
            evidence = np.log(mu.astype(np.float32)).astype(np.float64)  # as Snorkel takes it
        return posterior(votes, evidence, fit.class_balance)

    def _learn(self, counts: PairCounts, prior: Floats, seed: int) -> tuple[Floats, Floats]:
        m, k = counts.lfs, len(prior)
        if m < 3:
            raise InputError(
                f"Snorkel's label model needs 3 LFs that vote; {m} did.",
                hint="Use `--model majority`, or write more labeling functions.",
            )
        if not 0 <= seed < 2**32:
            raise InputError(f"{seed} cannot be a seed.", hint="Use 0 to 4294967295.")
        with _global_state_kept():
            model = _fed_with(counts)
            with _divergence_told(model):
                model.fit(
                    np.full((1, m), -1),
                    class_balance=prior,
                    progress_bar=False,
                    seed=seed,
                    **self._options,
                )
            model.coverage = counts.voted / counts.rows
            mu = model.mu.detach().numpy().astype(np.float64).reshape(m, k, k)
            return mu, model.get_weights()


def _fed_with(counts: PairCounts) -> Any:
    """Snorkel's LabelModel that takes these counts for those of whatever it is fitted to."""
    import torch
    from snorkel.labeling.model import LabelModel
    from snorkel.labeling.model.label_model import _CliqueData

    m, k = counts.lfs, counts.cardinality

    class CountedLabelModel(LabelModel):  # type: ignore[misc] # Snorkel has no types
        """The two methods that read the label matrix, on counts."""

        def _set_constants(self, L: object) -> None:
            self.n, self.m, self.t = counts.rows, m, 1

        def _generate_O(self, L: object, higher_order: bool = False) -> None:
            self.c_data = {
                lf: _CliqueData(lf * k, (lf + 1) * k, {lf})  # a clique of its own
                for lf in range(m)
            }
            self.d = m * k
            self.O = torch.from_numpy(counts.counts / counts.rows).float()

    return CountedLabelModel(cardinality=k, verbose=False)


@contextmanager
def _divergence_told(model: Any) -> Iterator[None]:
    """Snorkel raises a bare Exception for a loss of NaN; after the last step, munkres does."""
    try:
        yield
    except Exception as error:
        parameters = getattr(model, "mu", None)
        if "Loss is NaN" not in str(error) and (
            parameters is None or bool(parameters.isfinite().all())
        ):
            raise
        raise InputError(
            "Snorkel's label model did not converge: it learned what is not a number.",
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
