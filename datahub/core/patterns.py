"""Equal rows of the label matrix: counted once, for EM to walk over, and numbered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from datahub.core.evidence import Codes, Packing
from datahub.core.labels import LabelMatrix, Votes
from datahub.core.parts import mix_bits

_BLOCK = 1 << 17  # rows
_MOST = 1 << 18  # different rows that are held to number them

Counts = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.uint32] | npt.NDArray[np.uint64]


def patterns(votes: Votes, cardinality: int, *, most: int) -> tuple[Codes, Counts] | None:
    """Unique rows of votes with a vote in them, packed [groups, u] and in order, and how often.

    None when there are more than `most`: memory stays bounded.

    >>> votes = np.array([[0, 1], [-1, -1], [0, 1]], dtype=np.int8)
    >>> codes, times = patterns(votes, 2, most=9)
    >>> codes.tolist(), times.tolist()
    ([[5]], [2])
    """
    codec = Packing(votes.shape[1], cardinality)
    rows: pl.DataFrame | None = None
    for start in range(0, len(votes), _BLOCK):
        counts = _count_rows(_words(codec.codes(votes[start : start + _BLOCK])), pl.len())
        rows = (
            counts if rows is None else _count_rows(pl.concat([rows, counts]), pl.col("len").sum())
        )
        if rows.height > most:
            return None
    groups = len(codec.groups)
    if rows is None or groups == 0:
        return np.zeros((groups, 0), dtype=np.uint8), np.zeros(0, dtype=np.int64)
    words = np.column_stack([rows[name].to_numpy() for name in rows.columns[:-1]])
    codes = np.ascontiguousarray(words).view(np.uint8).reshape(len(words), -1)[:, :groups].T
    has_vote = codes.any(axis=0)
    times = rows["len"].to_numpy().astype(np.int64)
    return np.ascontiguousarray(codes[:, has_vote]), times[has_vote]


def patterns_or_drawn(
    votes: Votes, cardinality: int, *, most: int, seed: int
) -> tuple[int, tuple[Codes, Counts]]:
    """How many rows are learned from, and their patterns.

    All rows, or where there are more than `most` patterns as many rows as that, drawn by the seed.
    """
    whole = patterns(votes, cardinality, most=most)
    if whole is not None:
        return len(votes), whole
    rng = np.random.default_rng(seed)
    sample = np.sort(rng.choice(len(votes), most, replace=False, shuffle=False))
    sample_patterns = patterns(votes[sample], cardinality, most=most)
    assert sample_patterns is not None  # no more patterns than rows
    return most, sample_patterns


@dataclass(frozen=True)
class Numbering:
    """Numbers of rows of votes: equal votes, equal number.

    `rows` are all different rows in order, each with its place among them: that is its number.
    Where there are too many to hold, a row's number is 64 bits of its votes' hash.
    """

    rows: pl.DataFrame | None

    @classmethod
    def of(cls, votes: Votes, *, most: int = _MOST) -> Numbering:
        """Walk over the rows, and hold no more than `most` different ones."""
        if votes.shape[1] == 0:
            return cls(pl.DataFrame())
        rows = _in_order(votes[:1])
        for start in range(0, len(votes), _BLOCK):
            block = _in_order(votes[start : start + _BLOCK]).unique()
            rows = pl.concat([rows, block]).unique()
            if rows.height > most:
                return cls(None)
        return cls(rows.sort(rows.columns).with_row_index("number"))

    def __call__(self, votes: LabelMatrix) -> Numbers:
        """The number of each of these rows."""
        words = _in_order(votes)
        if self.rows is None:
            hashes: npt.NDArray[np.uint64] = np.zeros(len(votes), dtype=np.uint64)
            for name in words.columns:
                hashes = mix_bits(hashes ^ words[name].to_numpy())
            return hashes
        if not words.columns:
            return np.zeros(len(votes), dtype=np.uint32)
        matches = words.join(self.rows, on=words.columns, how="left", maintain_order="left")
        return matches["number"].to_numpy()


def vote_patterns(votes: LabelMatrix) -> tuple[LabelMatrix, npt.NDArray[np.uint32]]:
    """The different rows of the matrix in order, and the number of each row among them.

    >>> votes = np.array([[0, 1], [-1, -1], [0, 1]], dtype=np.int8)
    >>> found, number = vote_patterns(votes)
    >>> found.tolist(), number.tolist()
    ([[-1, -1], [0, 1]], [1, 0, 1])
    """
    n, m = votes.shape
    if n == 0 or m == 0:
        return votes[:1], np.zeros(n, dtype=np.uint32)
    numbering = Numbering.of(votes, most=n)
    number = np.zeros(n, dtype=np.uint32)
    for start in range(0, n, _BLOCK):
        number[start : start + _BLOCK] = numbering(votes[start : start + _BLOCK])
    assert numbering.rows is not None  # no more of them than rows
    rows = numbering.rows.drop("number")
    ranks = np.ascontiguousarray(rows.to_numpy().astype(">u8")).view(np.uint8)
    return (ranks.reshape(rows.height, -1)[:, :m] - np.uint8(1)).view(np.int8), number


def _in_order(votes: LabelMatrix) -> pl.DataFrame:
    """Votes of a row side by side in 64-bit words that sort as the votes do."""
    n, m = votes.shape
    ranks = np.zeros((n, -(-m // 8) * 8), dtype=np.uint8)
    ranks[:, :m] = votes.view(np.uint8) + np.uint8(1)  # ABSTAIN comes first
    words = ranks.view(">u8").astype(np.uint64)
    return pl.DataFrame({f"word{i}": words[:, i] for i in range(words.shape[1])})


def _words(codes: Codes) -> pl.DataFrame:
    """Codes of a row side by side in 64-bit words, which can be grouped by."""
    groups, n = codes.shape
    octets = np.zeros((n, -(-max(groups, 1) // 8) * 8), dtype=np.uint8)
    octets[:, :groups] = codes.T
    words = octets.view(np.uint64)
    return pl.DataFrame({f"word{i}": words[:, i] for i in range(words.shape[1])})


def _count_rows(words: pl.DataFrame, how: pl.Expr) -> pl.DataFrame:
    names = [name for name in words.columns if name != "len"]
    return words.group_by(names).agg(how.alias("len")).sort(names)
