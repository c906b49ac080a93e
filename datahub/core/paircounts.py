"""How often two LFs vote a pair of classes on the same row: all that some label models need.

`counts[i * k + a, j * k + b]` is on how many rows LF i votes a and LF j votes b: int64,
symmetric, exact. Counted over blocks of rows, one bit column for each LF and class, by
the population count of their ANDs; never a one-hot matrix. Changing one LF recounts
only the pairs that it is in.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from datahub.core.errors import InputError
from datahub.core.labels import Votes, checked_votes

PAIR_COUNTS_FORMAT = 1

_CACHE = 1 << 20  # bytes of bit columns that are worked on at a time
_MOST_ROWS = 1 << 17  # of a block; a multiple of 64

Counts = npt.NDArray[np.int64]
Bits = npt.NDArray[np.uint64]


@dataclass(eq=False)
class PairCounts:
    """Pair counts of the votes of m LFs on `rows` rows; `update` changes them in place."""

    rows: int
    cardinality: int
    counts: Counts  # [m * k, m * k]

    @property
    def lfs(self) -> int:
        """How many LFs there are."""
        return len(self.counts) // self.cardinality

    @property
    def vote_counts(self) -> Counts:
        """On how many rows each LF voted: [m]."""
        return np.asarray(self.counts.diagonal().reshape(-1, self.cardinality).sum(axis=1))

    def update(self, votes: Votes, lfs: Collection[int]) -> None:
        """Make these the counts of `votes`, where only the votes of `lfs` have changed.

        Raises InputError when the votes have another shape than those that were counted.
        """
        if votes.shape != (self.rows, self.lfs):
            raise InputError(
                f"Pair counts of {self.rows} rows and {self.lfs} LFs cannot be brought to votes "
                f"of shape {votes.shape}.",
                hint="Count these votes again.",
            )
        columns = _columns(sorted(lfs), self.cardinality)
        fresh = np.zeros((len(columns), len(self.counts)), dtype=np.int64)
        for bits in _bits(votes, self.cardinality):
            for line, column in zip(fresh, columns, strict=True):
                line += _popcount(bits & bits[column])
        self.counts[columns] = fresh
        self.counts[:, columns] = fresh.T

    def select(self, lfs: Sequence[int]) -> PairCounts:
        """The counts of these LFs alone, in this order; -1 stands for an LF that is to come.

        The pairs of one to come are 0 until `update` counts them.
        """
        columns = np.array(_columns([max(lf, 0) for lf in lfs], self.cardinality), dtype=np.intp)
        to_come = np.repeat(np.array(lfs, dtype=np.int64) < 0, self.cardinality)
        d = len(columns)
        counts = self.counts[np.ix_(columns, columns)] if self.lfs else np.zeros((d, d), np.int64)
        counts[to_come] = 0
        counts[:, to_come] = 0
        return PairCounts(self.rows, self.cardinality, counts)

    def to_bytes(self, **made_from: object) -> bytes:
        """A line of JSON, then the upper triangle as little-endian int64.

        `made_from` is kept in the line, for `made_from` below to read.
        """
        head = {"format": PAIR_COUNTS_FORMAT, "rows": self.rows, "cardinality": self.cardinality}
        line = json.dumps({**head, "lfs": self.lfs, "made_from": made_from}, sort_keys=True)
        triangle = self.counts[np.triu_indices(len(self.counts))]
        return line.encode() + b"\n" + triangle.astype("<i8").tobytes()

    @classmethod
    def from_bytes(cls, content: bytes) -> tuple[PairCounts, dict[str, object]]:
        """Read what `to_bytes` wrote: the counts, and what they were made from.

        Raises InputError for another format version, or bytes that do not fit it.
        """
        line, _, rest = content.partition(b"\n")
        raw = json.loads(line)
        d = raw.get("lfs", 0) * raw.get("cardinality", 0)
        if raw.get("format") != PAIR_COUNTS_FORMAT or len(rest) != 4 * d * (d + 1):
            raise InputError(
                "Pair counts are of a format that this datahub does not know.",
                hint="Upgrade datahub, or run `datahub label fit` again.",
            )
        counts = np.zeros((d, d), dtype=np.int64)
        counts[np.triu_indices(d)] = np.frombuffer(rest, dtype="<i8")
        counts += np.triu(counts, 1).T
        return cls(raw["rows"], raw["cardinality"], counts), raw["made_from"]


def check_size(lfs: int, cardinality: int, *, model: str, bytes_a_pair: int, most: int) -> None:
    """Raise InputError where a model of pairs of votes would need more than `most` bytes.

    >>> check_size(120, 10, model="snorkel", bytes_a_pair=32, most=1 << 31)
    """
    pairs = (lfs * cardinality) ** 2
    if pairs * bytes_a_pair > most:
        raise InputError(
            f"{model} learns from pairs of votes: {lfs} LFs that vote and {cardinality} classes "
            f"are {pairs:,} pairs, which take about {pairs * bytes_a_pair / 1e9:.1f} GB. At most "
            f"{most / 1e9:.1f} GB is allowed.",
            hint="Use `--model anchored` or `--model majority`, which learn from the votes "
            "themselves, or fit fewer LFs.",
        )


def count(votes: Votes, cardinality: int) -> PairCounts:
    """Count all pairs of votes [n, m].

    >>> votes = np.array([[0, 1], [0, -1], [1, 1]], dtype=np.int8)
    >>> count(votes, 2).counts.tolist()
    [[2, 0, 0, 1], [0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 0, 2]]
    """
    checked_votes(votes[:0], cardinality)
    d = votes.shape[1] * cardinality
    counts = np.zeros((d, d), dtype=np.int64)
    for bits in _bits(votes, cardinality):
        for column in range(d):
            counts[column, column:] += _popcount(bits[column:] & bits[column])
    counts += np.triu(counts, 1).T
    return PairCounts(len(votes), cardinality, counts)


def _columns(lfs: Sequence[int], cardinality: int) -> list[int]:
    return [lf * cardinality + a for lf in lfs for a in range(cardinality)]


def _bits(votes: Votes, cardinality: int) -> Iterator[Bits]:
    """Bit columns [m * k, words of 64 rows] of one block of rows after another."""
    n, m = votes.shape
    d = max(m * cardinality, 1)
    size = min(max(_CACHE * 8 // d, 64) // 64 * 64, _MOST_ROWS)
    classes = np.arange(cardinality, dtype=np.int8)[None, :, None]
    for start in range(0, n if m else 0, size):
        rows = checked_votes(votes[start : start + size], cardinality)
        block = np.ascontiguousarray(rows.T, dtype=np.int8)
        octets = np.packbits(block[:, None, :] == classes, axis=2).reshape(d, -1)
        words = np.zeros((d, -(-octets.shape[1] // 8) * 8), dtype=np.uint8)
        words[:, : octets.shape[1]] = octets
        yield words.view(np.uint64)


def _popcount(bits: Bits) -> Counts:
    return np.asarray(np.bitwise_count(bits).sum(axis=1, dtype=np.int64))
