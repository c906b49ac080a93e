"""Texts that are nearly the same: bands of minhashes over runs of three words. Pure.

Each text has 8 bands of 3 minhashes (Broder 1997). Two texts whose runs of three words overlap by
s (Jaccard) share a band with probability 1 - (1 - s^3)^8: 0.99 at 0.8, 0.67 at 0.5, 0.02 at 0.15.
Hashes are polars': the same for one version of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

BANDS, ROWS = 8, 3
Hashes = npt.NDArray[np.uint64]
_SEED = np.random.default_rng(7)
_TIMES = _SEED.integers(1, 2**63, BANDS * ROWS, dtype=np.uint64) | np.uint64(1)
_PLUS = _SEED.integers(0, 2**63, BANDS * ROWS, dtype=np.uint64)
_ODD = [np.uint64(number) for number in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F)]
_MIX = np.uint64(0xFF51AFD7ED558CCD)


def text_hashes(texts: pl.Series) -> Hashes:
    """[1 + BANDS, n]: the hash of each whole text, then those of its bands. A null is empty."""
    texts = texts.cast(pl.String).fill_null("")
    whole = texts.hash(3).to_numpy()
    return np.vstack([whole[None, :], _bands(texts)]) if len(texts) else np.empty((9, 0), np.uint64)


def shared(texts: Hashes, others: Hashes) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which texts are also among others: (exactly, nearly); exactly is nearly, too.

    >>> a = text_hashes(pl.Series(["one two three four", "all of it is new"]))
    >>> b = text_hashes(pl.Series(["One two  three four", "quite another text"]))
    >>> [found.tolist() for found in shared(a, b)]
    [[False, False], [True, False]]
    """
    exact = np.isin(texts[0], others[0])
    near = exact.copy()
    for band in range(1, 1 + BANDS):
        near |= np.isin(texts[band], others[band])
    return exact, near


def together(parts: Sequence[Hashes]) -> Hashes:
    """Hashes of parts as those of one table."""
    return np.concatenate([np.empty((1 + BANDS, 0), np.uint64), *parts], axis=1)


def _bands(texts: pl.Series) -> Hashes:
    words = texts.str.to_lowercase().str.extract_all(r"\w+")
    lengths = np.maximum(words.list.len().to_numpy().astype(np.int64), 1)
    hashes = words.explode(empty_as_null=True).hash(3).to_numpy()
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    ends, at = np.repeat(starts + lengths, lengths), np.arange(len(hashes))
    runs = hashes.copy()
    for step, odd in enumerate(_ODD, 1):
        runs ^= np.where(at + step < ends, np.roll(hashes, -step) * odd, np.uint64(0))
    runs *= _MIX
    runs ^= runs >> np.uint64(33)
    bands = np.zeros((BANDS, len(texts)), np.uint64)
    for number in range(BANDS * ROWS):
        mixed = runs * _TIMES[number] + _PLUS[number]
        mixed ^= mixed >> np.uint64(29)
        band = bands[number // ROWS]
        band ^= np.minimum.reduceat(mixed, starts)
        band *= _ODD[0]
        band ^= band >> np.uint64(31)
    return bands
