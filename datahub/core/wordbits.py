"""Bits that stand for the words of a row: what rules most rows out before words are compared.

Each word turns one bit of its row over. Where two rows differ in d words, no more than d bits
differ. A row has at least as many bits as rows have words, up to a limit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]

LEAST_BITS, MOST_BITS = 64, 4096
STRIDE = np.uint64(0x9E3779B97F4A7C15)  # odd, and near the golden ratio: spreads numbers evenly
AT_ONCE = 1 << 20  # 64-bit words


class WordBits:
    """The bits of rows, made when first asked for."""

    def __init__(self) -> None:
        self._bits = np.zeros((0, 1), dtype=np.uint64)
        self._rows = 0

    @property
    def words(self) -> int:
        """64-bit words of a row."""
        return self._bits.shape[1]

    def differing(self, row: Numbers, rows: Sequence[Numbers], places: Numbers) -> Numbers:
        """How many bits of `row` and of each of the others (places in `rows`) differ."""
        self._extend(rows)
        width = self.words
        own = _bits(row, width)
        steps = range(0, len(places), AT_ONCE // width)
        cuts = [places[start : start + AT_ONCE // width] for start in steps]
        return np.concatenate(
            [np.bitwise_count(self._bits[cut] ^ own).sum(axis=1, dtype=np.int64) for cut in cuts]
        )

    def _extend(self, rows: Sequence[Numbers]) -> None:
        if len(rows) > len(self._bits):
            width = _width(rows)
            bits = np.zeros((2 * len(rows), width), dtype=np.uint64)
            if width == self.words:
                bits[: self._rows] = self._bits[: self._rows]
            else:
                self._rows = 0
            self._bits = bits
        for place in range(self._rows, len(rows)):
            self._bits[place] = _bits(rows[place], self.words)
        self._rows = len(rows)


def _width(rows: Sequence[Numbers]) -> int:
    """64-bit words of a row."""
    mean = sum(map(len, rows)) // len(rows)
    bits = min(max(1 << mean.bit_length(), LEAST_BITS), MOST_BITS)
    return bits // 64


def _bits(row: Numbers, width: int) -> npt.NDArray[np.uint64]:
    shift = np.uint64(64 - (64 * width).bit_length() + 1)
    places = (row.astype(np.uint64) * STRIDE) >> shift
    odd = np.bincount(places.astype(np.int64), minlength=64 * width) & 1
    return np.packbits(odd.astype(np.bool_)).view(np.uint64)
