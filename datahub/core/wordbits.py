"""Bits that stand for the words of a row: what rules most rows out before words are compared.

Each word turns one bit of its row over. Where two rows differ in d words, no more than d bits
differ. A row has at least as many bits as rows have words, up to a limit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]
Bits = npt.NDArray[np.uint64]  # of one row, in 64-bit words

LEAST_BITS, MOST_BITS = 64, 4096
STRIDE = np.uint64(0x9E3779B97F4A7C15)  # odd, and near the golden ratio: spreads numbers evenly
AT_ONCE = 1 << 20  # 64-bit words


class WordBits:
    """The bits of rows. A column is a row: so numpy counts them ten times as fast."""

    def __init__(self) -> None:
        self._columns = np.zeros((LEAST_BITS // 64, 64), dtype=np.uint64)
        self._rows = 0

    @property
    def words(self) -> int:
        """64-bit words of a row."""
        return self._columns.shape[0]

    def of(self, row: Numbers) -> Bits:
        """The bits of a row, by the numbers of its words."""
        return _bits(row, self.words)

    def add(self, bits: Bits, rows: Sequence[Numbers]) -> None:
        """Keep the bits of the last of `rows`; the others were added before it."""
        if len(rows) > self._columns.shape[1]:
            self._grow(rows)
        else:
            self._columns[:, self._rows] = bits
        self._rows = len(rows)

    def differing(self, bits: Bits, places: Numbers) -> npt.NDArray[np.uint16]:
        """How many bits of a row and of each of the others (places of rows) differ."""
        every = len(places) == self._rows  # what is in order need not be copied
        columns = self._columns[:, : self._rows] if every else self._columns[:, places]
        step = max(1, AT_ONCE // self.words)
        counts = [
            np.bitwise_count(columns[:, start : start + step] ^ bits[:, None]).sum(
                axis=0, dtype=np.uint16
            )
            for start in range(0, columns.shape[1], step)
        ]
        return np.concatenate([np.zeros(0, dtype=np.uint16), *counts])

    def _grow(self, rows: Sequence[Numbers]) -> None:
        """Make room for twice as many, with as many bits as rows have words by now."""
        before, width = self._columns, _width(rows)
        self._columns = np.zeros((width, 2 * len(rows)), dtype=np.uint64)
        stay = before.shape[1] if width == before.shape[0] else 0
        if stay:
            self._columns[:, :stay] = before
        for place in range(stay, len(rows)):
            self._columns[:, place] = _bits(rows[place], width)


def _width(rows: Sequence[Numbers]) -> int:
    """64-bit words of a row."""
    mean = sum(map(len, rows)) // len(rows)
    bits = min(max(1 << mean.bit_length(), LEAST_BITS), MOST_BITS)
    return bits // 64


def _bits(row: Numbers, width: int) -> Bits:
    shift = np.uint64(64 - (64 * width).bit_length() + 1)
    places = (row.astype(np.uint64) * STRIDE) >> shift
    odd = np.bincount(places.astype(np.int64), minlength=64 * width) & 1
    return np.packbits(odd.astype(np.bool_)).view(np.uint64)
