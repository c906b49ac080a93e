"""How far texts moved as a whole: distance of mean features between parts. Pure.

A text is its words, hashed to 256 numbers of length 1. The mean of 512 random Fourier features of
these (Rahimi and Recht 2007) stands for the distribution of a part's texts; the distance of two
means is the maximum mean discrepancy (Gretton and others 2012). Of a part, SAMPLE texts are enough.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

SAMPLE = 4_000
_WORDS, _FEATURES, _WIDTH = 256, 512, 1.0
_RANDOM = np.random.default_rng(11)
_FREQUENCIES = _RANDOM.normal(0, 1 / _WIDTH, (_WORDS, _FEATURES)).astype(np.float32)
_PHASES = _RANDOM.uniform(0, 2 * np.pi, _FEATURES).astype(np.float32)
Mean = npt.NDArray[np.float64]


def mean_features(texts: pl.Series) -> Mean:
    """The mean features [512] of at most SAMPLE texts of a part, evenly taken."""
    step = max(len(texts) // SAMPLE, 1)
    taken = texts.cast(pl.String).fill_null("").gather_every(step)
    words = taken.str.to_lowercase().str.extract_all(r"\w+")
    rows = np.repeat(np.arange(len(taken)), words.list.len().to_numpy())
    hashes = words.explode(empty_as_null=False).hash(5).to_numpy()
    signs = np.where(hashes & np.uint64(256), 1.0, -1.0)
    at = rows * _WORDS + (hashes % np.uint64(256)).astype(np.int64)
    counts = np.bincount(at, weights=signs, minlength=len(taken) * _WORDS)
    vectors = counts.reshape(len(taken), _WORDS).astype(np.float32)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    features = np.sqrt(2 / _FEATURES) * np.cos(vectors @ _FREQUENCIES + _PHASES)
    mean: Mean = features.mean(axis=0, dtype=np.float64) if len(taken) else np.zeros(_FEATURES)
    return mean


def discrepancy(before: Sequence[Mean], after: Sequence[Mean]) -> tuple[float, float]:
    """(distance of new parts from those of before, what is usual between those).

    What is usual is the median distance of a part of before from the mean of the others, and
    three median absolute deviations. Each side has a part, and before three or more.
    """
    middle = np.mean(before, axis=0)
    distance = float(np.linalg.norm(np.mean(after, axis=0) - middle))
    total = np.sum(before, axis=0)
    others = [(total - part) / (len(before) - 1) for part in before]
    usual = [float(np.linalg.norm(part - rest)) for part, rest in zip(before, others, strict=True)]
    median = float(np.median(usual))
    spread = float(np.median(np.abs(np.array(usual) - median)))
    return distance, median + 3 * 1.4826 * spread
