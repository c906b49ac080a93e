"""What an end model learns from: at most so many rows, which their keys choose.

Rows come a part at a time, in order of their key. Each key has a rank, drawn by the seed; the
lowest ranks stay. So the sample depends on keys and seed alone, not on how rows are cut.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from datahub.core.features import Features
from datahub.core.labels import SoftLabels
from datahub.core.parts import key_hashes, mix_bits

Ranks = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class _Chunk:
    """Rows that may stay, in their order."""

    ranks: Ranks
    frame: pl.DataFrame
    soft: SoftLabels

    def only(self, lines: npt.NDArray[np.bool_]) -> _Chunk:
        return _Chunk(self.ranks[lines], self.frame.filter(lines), self.soft[lines])


class Lessons:
    """Collects labeled rows; holds a quarter more than `most` at a time, and a part."""

    def __init__(self, features: Features, cardinality: int, *, most: int, seed: int) -> None:
        """`features` say which columns are looked at."""
        self._features = features
        self._most = most
        self._seed = mix_bits(np.array([seed % 2**64], dtype=np.uint64))
        self._bar = np.uint64(2**64 - 1)
        self._none = np.empty((0, cardinality))
        self._held: list[_Chunk] = []

    def add(self, keys: pl.Series, features: Features, soft: SoftLabels) -> None:
        """Take rows and their soft labels; those that are NaN teach nothing.

        >>> lessons = Lessons(Features.of_texts([]), 2, most=2, seed=0)
        >>> soft = np.array([[1.0, 0.0], [np.nan, np.nan], [0.5, 0.5], [0.0, 1.0]])
        >>> lessons.add(pl.Series([1, 2, 3, 4]), Features.of_texts(["a", "b", "c", "d"]), soft)
        >>> lessons.contents()[1].shape
        (2, 2)
        """
        rows = np.flatnonzero(~np.isnan(soft).any(axis=1))
        ranks = mix_bits(key_hashes(keys[rows]) ^ self._seed)
        low = ranks <= self._bar
        rows, ranks = rows[low], ranks[low]
        self._held.append(_Chunk(ranks, features.frame[rows], soft[rows]))
        if sum(len(chunk.ranks) for chunk in self._held) > 1.25 * self._most:
            self._raise_bar()

    def contents(self) -> tuple[Features, SoftLabels]:
        """The rows that stay, in their order, and their soft labels."""
        if not self._held:
            return self._features, self._none
        ranks = np.concatenate([chunk.ranks for chunk in self._held])
        frame = pl.concat([chunk.frame for chunk in self._held])
        soft = np.concatenate([chunk.soft for chunk in self._held])
        if len(ranks) > self._most:
            rows = np.sort(np.argsort(ranks, kind="stable")[: self._most])
            frame, soft = frame[rows], soft[rows]
        return replace(self._features, frame=frame), soft

    def _raise_bar(self) -> None:
        """Let go of rows that will not be among the lowest; equal ranks stay until the end."""
        ranks = np.concatenate([chunk.ranks for chunk in self._held])
        self._bar = np.partition(ranks, self._most - 1)[self._most - 1]
        self._held = [chunk.only(chunk.ranks <= self._bar) for chunk in self._held]
