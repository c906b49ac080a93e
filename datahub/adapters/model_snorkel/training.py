"""Snorkel's own training, fed with pair counts; as a script, in a process of its own.

The only file that imports `snorkel` and `torch`, and only when it is called: with all that they
import they hold 800 MB. As a script it holds 520, nearly all of it torch's libraries: it imports
nothing of datahub, and of Snorkel only what training needs. It reads one request from standard
input, answers on standard output, and ends at once when standard input does: with its parent.
"""

from __future__ import annotations

import io
import json
import os
import random
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Parameters = tuple[Floats, Floats]  # mu [m, k, k], weights [m]


class NotConvergedError(Exception):
    """The training ended in what is not a number."""


def train(
    counts: npt.NDArray[np.int64],
    rows: int,
    prior: Floats,
    seed: int,
    options: Mapping[str, Any],
) -> Parameters:
    """Train on pair counts [m * k, m * k] of so many rows; global state is as it was before."""
    k = len(prior)
    m = len(counts) // k
    with _global_state_kept():
        model = _fed_with(counts, rows, m, k)
        with _divergence_told(model):
            model.fit(
                np.full((1, m), -1), class_balance=prior, progress_bar=False, seed=seed, **options
            )
        model.coverage = counts.diagonal().reshape(m, k).sum(axis=1) / rows
        mu = model.mu.detach().numpy().astype(np.float64).reshape(m, k, k)
        return mu, model.get_weights()


def _fed_with(counts: npt.NDArray[np.int64], rows: int, m: int, k: int) -> Any:
    """Snorkel's LabelModel that takes these counts for those of whatever it is fitted to."""
    import torch
    from snorkel.labeling.model.label_model import LabelModel, _CliqueData

    class CountedLabelModel(LabelModel):  # type: ignore[misc] # Snorkel has no types
        """The two methods that read the label matrix, on counts; and a lighter optimizer."""

        def _set_constants(self, L: object) -> None:
            self.n, self.m, self.t = rows, m, 1

        def _generate_O(self, L: object, higher_order: bool = False) -> None:
            self.c_data = {
                lf: _CliqueData(lf * k, (lf + 1) * k, {lf})  # a clique of its own
                for lf in range(m)
            }
            self.d = m * k
            self.O = torch.from_numpy(counts / rows).float()

        def _set_optimizer(self) -> None:
            momentum = self.train_config.optimizer_config.sgd_config.momentum
            self.optimizer = _Descent(
                list(self.parameters()), self.train_config.lr, self.train_config.l2, momentum
            )

    return CountedLabelModel(cardinality=k, verbose=False)


class _Descent:
    """torch.optim.SGD, step for step; that one loads torch's compiler: a second, and 150 MB."""

    def __init__(self, parameters: list[Any], lr: float, decay: float, momentum: float) -> None:
        self._parameters = [parameter for parameter in parameters if parameter.requires_grad]
        self._lr, self._decay, self._momentum = lr, decay, momentum
        self._buffers: dict[int, Any] = {}

    def zero_grad(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None

    def step(self) -> None:
        import torch

        with torch.no_grad():
            for number, parameter in enumerate(self._parameters):
                if parameter.grad is None:
                    continue
                gradient = parameter.grad
                if self._decay:
                    gradient = gradient.add(parameter, alpha=self._decay)
                buffer = self._buffers.get(number)
                if buffer is None:
                    self._buffers[number] = buffer = gradient.detach().clone()
                else:
                    buffer.mul_(self._momentum).add_(gradient)
                parameter.add_(buffer, alpha=-self._lr)


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
        raise NotConvergedError from error


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


# -- as a script: a request is its length (8 bytes), then what `pack` makes


def pack(arrays: Mapping[str, npt.NDArray[Any]], **words: object) -> bytes:
    """Arrays and words as bytes."""
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, _words=np.array(json.dumps(words)), **arrays)
    return file.getvalue()


def unpack(content: bytes) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """What `pack` packed."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    words: dict[str, Any] = json.loads(str(arrays.pop("_words")))
    return arrays, words


def _answer() -> None:
    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    arrays, words = unpack(source.read(int.from_bytes(source.read(8), "little")))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _only_what_trains()
    try:
        mu, weights = train(arrays["counts"], words["rows"], arrays["prior"], **words["asked"])
        answer = pack({"mu": mu, "weights": weights}, converged=True)
    except NotConvergedError:
        answer = pack({}, converged=False)
    sink.write(answer)
    sink.close()


def _end_with_parent() -> None:
    os.read(0, 1)  # nothing comes, until the other end is closed
    os._exit(1)


def _only_what_trains() -> None:
    """Keep pandas and scikit-learn out: Snorkel's packages import all of Snorkel, training little.

    Packages are taken as folders, so that their own imports do not run; the two classes that
    LabelModel names besides stand empty. It is fitted to counts: it has no rows to look at.
    """
    spec = find_spec("snorkel")
    root = Path(next(iter((spec and spec.submodule_search_locations) or [""])))
    for name in ("snorkel", "snorkel.labeling", "snorkel.labeling.model"):
        package = ModuleType(name)
        package.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = package
    for name, word in (("snorkel.analysis", "Scorer"), ("snorkel.labeling.analysis", "LFAnalysis")):
        module = ModuleType(name)
        setattr(module, word, _Stub)
        sys.modules[name] = module


class _Stub:
    def __init__(self, L: object = None) -> None:
        pass

    def lf_coverages(self) -> None:
        """What `train` puts the true ones for."""


if __name__ == "__main__":
    _answer()
