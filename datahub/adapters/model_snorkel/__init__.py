"""LabelModel on Snorkel.

Snorkel's own training (initial values, loss, descent, clamping, permutation) is fed
with exact pair counts in place of the one-hot matrix that it would make: the same mu to
the bit, without the memory. A fit holds mu [m, k, k]: mu[j, v, y] is the estimate of
P(LF j votes v | class y), NaN throughout for an LF that never voted. `predict` is
Snorkel's own formula over these arrays. Three things differ from Snorkel on purpose:
LFs that never voted are left out of the fit (Snorkel divides by zero and trusts them
fully), a row without a vote is NaN (Snorkel answers with the prior), and global state
is as it was before.

Training needs the counts alone: it runs in a process of its own (training.py), so that
torch's libraries are not here while rows are. Where torch is here already, so is training.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from datahub.adapters.model_snorkel.training import (
    NotConvergedError,
    Parameters,
    pack,
    train,
    unpack,
)
from datahub.core.errors import BackendError, InputError
from datahub.core.evidence import posterior
from datahub.core.labels import (
    LabelMatrix,
    SoftLabels,
    Votes,
    checked_votes,
    class_prior,
    voting_lfs,
)
from datahub.core.paircounts import PairCounts, check_size, count
from datahub.ports import LabelModelFit

_MOST_BYTES = 2 * 10**9  # of its matrices of pairs, beside torch
_TRAINING = Path(__file__).with_name("training.py")

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
        votes of one or two LFs only, from which no agreement can be learned, for more pairs
        of LFs and classes than fit into 2 GB, and for options
        under which the training does not converge; BackendError where its process broke off.
        """
        prior, balance_from = class_prior(class_balance, cardinality)
        voter_count = len(voting_lfs(votes, cardinality)) if counts is None else votes.shape[1]
        check_size(voter_count, cardinality, model=self.name, bytes_a_pair=32, most=_MOST_BYTES)
        counts = count(votes, cardinality) if counts is None else counts
        voters = np.flatnonzero(counts.vote_counts)
        m = votes.shape[1]
        mu = np.full((m, cardinality, cardinality), np.nan)
        weights = np.full(m, np.nan)
        if len(voters):
            mu[voters], weights[voters] = self._learn(counts.select(voters.tolist()), prior, seed)
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
        checked_votes(votes, fit.cardinality, fitted_on=len(mu))
        with np.errstate(divide="ignore"):
            evidence = np.log(mu.astype(np.float32)).astype(np.float64)  # as Snorkel takes it
        return posterior(votes, evidence, fit.class_balance)

    def _learn(self, counts: PairCounts, prior: Floats, seed: int) -> Parameters:
        m = counts.lfs
        if m < 3:
            raise InputError(
                f"Snorkel's label model needs 3 LFs that vote; {m} did.",
                hint="Use `--model majority`, or write more labeling functions.",
            )
        if not 0 <= seed < 2**32:
            raise InputError(f"{seed} cannot be a seed.", hint="Use 0 to 4294967295.")
        request = {"seed": seed, "options": self._options}
        try:
            # Training seeds what the process shares: only where nobody else can be drawing.
            if "torch" in sys.modules and threading.active_count() == 1:
                return train(counts.counts, counts.rows, prior, seed, self._options)
            arrays = {"counts": counts.counts, "prior": prior}
            return _train_apart(pack(arrays, rows=counts.rows, asked=request))
        except NotConvergedError as error:
            raise InputError(
                "Snorkel's label model did not converge: its parameters are not numbers.",
                hint="Lower its learning rate `lr`, or use `--model majority`.",
            ) from error


def _train_apart(request: bytes) -> Parameters:
    """Train in a child process, which ends when we do."""
    with tempfile.TemporaryFile() as stderr:
        answer, status = _run_child(request, stderr)
        if not answer:
            stderr.seek(0)
            raise _child_error(status, stderr.read().decode(errors="replace"))
    arrays, words = unpack(answer)
    if not words["converged"]:
        raise NotConvergedError
    return arrays["mu"], arrays["weights"]


def _run_child(request: bytes, stderr: IO[bytes]) -> tuple[bytes, int]:
    """The child's answer, empty where it broke off, and its exit status.

    Its input stays open until it has answered: that is what it lives by.
    """
    command = [sys.executable, "-P", str(_TRAINING)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr)
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        with suppress(BrokenPipeError):
            child.stdin.write(len(request).to_bytes(8, "little") + request)
            child.stdin.flush()
        answer = child.stdout.read()
        status = child.wait()
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
        with suppress(BrokenPipeError):
            child.stdin.close()
    return (answer if status == 0 else b""), status


def _child_error(status: int, stderr: str) -> BackendError:
    last = (stderr.strip().splitlines() or [f"exit status {status}"])[-1]
    why = f"it was killed (signal {-status})" if status < 0 else last
    return BackendError(
        f"The training of Snorkel's label model broke off: {why}.",
        hint="It needs torch, about 600 MB of memory. `--model anchored` does not.",
        backend="snorkel",
    )
