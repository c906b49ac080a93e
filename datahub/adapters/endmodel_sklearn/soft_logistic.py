"""Logistic regression that learns from soft labels as they are, over blocks of features.

A block is sparse (words) or dense float32 (vectors). Copies of a row for each class it may be of
would cost as many times the memory of its vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SoftLogistic:
    """Weights of each block [columns, k], and of the classes [k]."""

    weights: Sequence[Floats]
    intercept: Floats

    @classmethod
    def fit(
        cls, blocks: Sequence[Any], soft: Floats, *, regularization: float, max_iter: int
    ) -> SoftLogistic:
        """Weights of least cross-entropy, with `regularization` as scikit-learn's C."""
        from scipy.optimize import minimize

        k, sizes = soft.shape[1], [block.shape[1] for block in blocks]
        ends = np.cumsum(sizes)
        transposes = [
            block.T if isinstance(block, np.ndarray) else block.T.tocsr() for block in blocks
        ]

        def model(flat: Floats) -> SoftLogistic:
            weights = flat.reshape(-1, k)
            return cls(np.split(weights[:-1], ends[:-1]), weights[-1])

        def cost(flat: Floats) -> tuple[float, Floats]:
            now = model(flat)
            logs = _log_softmax(now.scores(blocks))
            errors = np.exp(logs) - soft
            pull = flat / regularization
            pull[-k:] = 0  # sizes of classes are not held back
            slopes = [np.asarray(block @ _like(block, errors)) for block in transposes]
            slope = np.concatenate([*slopes, errors.sum(axis=0, keepdims=True)]).ravel() + pull
            return float(-(soft * logs).sum() + flat @ pull / 2), slope

        start = np.zeros((sum(sizes) + 1) * k)
        options = {"maxiter": max_iter}
        return model(minimize(cost, start, jac=True, method="L-BFGS-B", options=options).x)

    def scores(self, blocks: Sequence[Any]) -> Floats:
        """The logarithm of each row's odds [n, k], but for a number that all classes share."""
        scores = np.tile(self.intercept, (blocks[0].shape[0], 1))
        for block, weights in zip(blocks, self.weights, strict=True):
            scores += block @ _like(block, weights)
        return scores

    def predict_proba(self, blocks: Sequence[Any]) -> Floats:
        """Probabilities [n, k]."""
        return np.asarray(np.exp(_log_softmax(self.scores(blocks))))


def _like(block: Any, numbers: Floats) -> npt.NDArray[Any]:
    """Numbers in the block's precision, so that none of it is copied."""
    return numbers.astype(np.float32) if isinstance(block, np.ndarray) else numbers


def _log_softmax(scores: Floats) -> Floats:
    scores = scores - scores.max(axis=1, keepdims=True)
    return np.asarray(scores - np.log(np.exp(scores).sum(axis=1, keepdims=True)))
