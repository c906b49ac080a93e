"""Where rows are cut into parts, and which parts of several states belong together.

Rows lie in ascending order of their key. A part ends after a row whose key says so (about one
in half a part's rows, by a hash that never changes), but not before half a part's rows and at the
latest after two parts' rows. So the cuts depend on the keys alone: the same rows give the same
parts however they came, and a change moves no cut that it does not touch. Pure.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from datahub.core.dataset import Key, Part

Sides = tuple[tuple[Part, ...], ...]  # of several states: the parts of each


class Cutter:
    """Cuts rows that come in order of their key into parts of about `target` rows."""

    def __init__(self, key: str, target: int) -> None:
        self._key = key
        self._least, self._most = max(target // 2, 1), target * 2
        self._share = 2 / target
        self._held: list[pl.DataFrame] = []
        self._count = 0

    @property
    def is_at_cut(self) -> bool:
        """Whether no row waits for its part to end."""
        return self._count == 0

    def push(self, frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """Take more rows; yield the parts that end in them."""
        marks = np.flatnonzero(key_hashes(frame[self._key]) < _threshold(self._share))
        start = 0
        while (end := self._next_cut(marks, start, frame.height)) is not None:
            yield self._flush([*self._held, frame[start:end]])
            start = end
        if start < frame.height:
            self._held.append(frame[start:])
            self._count += frame.height - start

    def rest(self) -> Iterator[pl.DataFrame]:
        """The last part, when no row follows."""
        if self._held:
            yield self._flush(self._held)

    def _next_cut(self, marks: npt.NDArray[np.intp], start: int, height: int) -> int | None:
        """After which row the open part ends, as the number of rows of the frame before it."""
        first = max(start + self._least - self._count, start + 1)
        last = start + self._most - self._count
        at = int(np.searchsorted(marks, first - 1))
        end = min(int(marks[at]) + 1, last) if at < len(marks) else last
        return end if end <= height else None

    def _flush(self, frames: list[pl.DataFrame]) -> pl.DataFrame:
        self._held, self._count = [], 0
        return pl.concat(frames)


def ends_by_key(part: Part, target: int) -> bool:
    """Whether a part ends where `Cutter` would end one: else it was a file, taken as it was."""
    key = part.last_key
    number = zlib.crc32(key.encode()) if isinstance(key, str) else key % 2**64
    is_cut = mix_bits(np.array([number], dtype=np.uint64))[0] < _threshold(2 / target)
    return bool(is_cut) or part.rows == target * 2


def differing(old: Sequence[Part], new: Sequence[Part]) -> tuple[list[Part], list[Part]]:
    """Parts that only the one and only the other state has.

    >>> a, b, c = (Part(name, 1, i, i) for i, name in enumerate("abc"))
    >>> [[part.sha256 for part in side] for side in differing([a, b], [a, c])]
    [['b'], ['c']]
    """
    old_ids, new_ids = {part.sha256 for part in old}, {part.sha256 for part in new}
    return (
        [part for part in old if part.sha256 not in new_ids],
        [part for part in new if part.sha256 not in old_ids],
    )


def align(*states: Sequence[Part]) -> list[Sides]:
    """Parts that not all states share, in groups whose ranges of keys overlap, in order of key.

    What a group holds of one state need be compared with nothing outside the group.

    >>> a, b, c = Part("a", 2, 0, 9), Part("b", 2, 10, 19), Part("c", 3, 0, 12)
    >>> d = Part("d", 1, 30, 30)
    >>> [[[p.sha256 for p in side] for side in group] for group in align([a, b, d], [c, d])]
    [[['a', 'b'], ['c']]]
    """
    common = set.intersection(*({part.sha256 for part in state} for state in states))
    apart = sorted(
        ((p, i) for i, state in enumerate(states) for p in state if p.sha256 not in common),
        key=lambda pair: (pair[0].first_key, pair[1]),
    )
    groups: list[list[list[Part]]] = []
    last: Key | None = None
    for part, side in apart:
        if last is None or part.first_key > last:  # type: ignore[operator]  # keys of one type
            groups.append([[] for _ in states])
            last = part.last_key
        groups[-1][side].append(part)
        last = max(last, part.last_key)
    return [tuple(map(tuple, group)) for group in groups]


def within(parts: Sequence[Part], first: Key | None, last: Key | None) -> list[Part]:
    """Parts that may hold keys from `first` to `last`, both included; None: no bound.

    >>> parts = [Part("a", 2, 0, 9), Part("b", 2, 10, 19), Part("c", 2, 20, 29)]
    >>> [part.sha256 for part in within(parts, 9, 10)]
    ['a', 'b']
    """
    return [
        part
        for part in parts
        if (first is None or part.last_key >= first)  # type: ignore[operator]
        and (last is None or part.first_key <= last)  # type: ignore[operator]
    ]


def inside(part: Part, *, key: str) -> pl.Expr:
    """Whether a row's key lies between those of a part. A bare string would name a column.

    >>> rows = pl.DataFrame({"id": ["a", "id", "z"]})
    >>> rows.filter(inside(Part("p", 2, "b", "id"), key="id")).rows()
    [('id',)]
    """
    return pl.col(key).is_between(pl.lit(part.first_key), pl.lit(part.last_key))


def places(parts: Sequence[Part], keys: pl.Series) -> pl.Series:
    """For each key the number of the part that it lies in or would come into.

    >>> places([Part("a", 2, 0, 9), Part("b", 2, 10, 19)], pl.Series([3, 10, 99])).to_list()
    [0, 1, 1]
    """
    ends = pl.Series([part.last_key for part in parts], dtype=keys.dtype)
    numbers = ends.search_sorted(keys, side="left")
    return numbers.clip(upper_bound=len(parts) - 1)


def _threshold(share: float) -> np.uint64:
    return np.uint64(min(share, 1.0) * (2**64 - 2**11))


def key_hashes(keys: pl.Series) -> npt.NDArray[np.uint64]:
    """64 bits of each key, the same on every machine and in every version: never change this."""
    if keys.dtype.is_integer():
        values = keys.cast(pl.UInt64 if keys.dtype.is_unsigned_integer() else pl.Int64).to_numpy()
        return mix_bits(values.astype(np.uint64))
    hashes = map(zlib.crc32, keys.cast(pl.Binary).to_list())
    return mix_bits(np.fromiter(hashes, dtype=np.uint64, count=keys.len()))


def mix_bits(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """SplitMix64's finisher."""
    bits = values + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
