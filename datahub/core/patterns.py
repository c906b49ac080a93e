"""Equal rows of the label matrix: counted once, for EM to walk over, and numbered."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from datahub.core.evidence import Codes, Packing
from datahub.core.labels import LabelMatrix

_BLOCK = 1 << 19  # rows

Counts = npt.NDArray[np.int64]


def patterns(votes: LabelMatrix, cardinality: int, *, most: int) -> tuple[Codes, Counts] | None:
    """Unique rows of votes with a vote in them, packed [groups, u] and in order, and how often.

    None when there are more than `most`: memory stays bounded.

    >>> votes = np.array([[0, 1], [-1, -1], [0, 1]], dtype=np.int8)
    >>> codes, times = patterns(votes, 2, most=9)
    >>> codes.tolist(), times.tolist()
    ([[5]], [2])
    """
    packing = Packing(votes.shape[1], cardinality)
    seen: pl.DataFrame | None = None
    for start in range(0, len(votes), _BLOCK):
        found = _counted(_words(packing.codes(votes[start : start + _BLOCK])), pl.len())
        seen = found if seen is None else _counted(pl.concat([seen, found]), pl.col("len").sum())
        if seen.height > most:
            return None
    groups = len(packing.groups)
    if seen is None or groups == 0:
        return np.zeros((groups, 0), dtype=np.uint8), np.zeros(0, dtype=np.int64)
    words = np.column_stack([seen[name].to_numpy() for name in seen.columns[:-1]])
    codes = np.ascontiguousarray(words).view(np.uint8).reshape(len(words), -1)[:, :groups].T
    voted = codes.any(axis=0)
    times = seen["len"].to_numpy().astype(np.int64)
    return np.ascontiguousarray(codes[:, voted]), times[voted]


def vote_patterns(votes: LabelMatrix) -> tuple[LabelMatrix, npt.NDArray[np.uint32]]:
    """The different rows of the matrix in order, and the number of each row among them.

    >>> votes = np.array([[0, 1], [-1, -1], [0, 1]], dtype=np.int8)
    >>> found, number = vote_patterns(votes)
    >>> found.tolist(), number.tolist()
    ([[-1, -1], [0, 1]], [1, 0, 1])
    """
    n, m = votes.shape
    number = np.zeros(n, dtype=np.uint32)
    if n == 0 or m == 0:
        return votes[:1], number
    blocks = range(0, n, _BLOCK)
    seen = _in_order(votes[:1])
    for start in blocks:
        seen = pl.concat([seen, _in_order(votes[start : start + _BLOCK]).unique()]).unique()
    names = seen.columns
    seen = seen.sort(names)
    numbered = seen.with_row_index("number")
    for start in blocks:
        words = _in_order(votes[start : start + _BLOCK])
        found = words.join(numbered, on=names, how="left", maintain_order="left")["number"]
        number[start : start + _BLOCK] = found.to_numpy()
    ranks = np.ascontiguousarray(seen.to_numpy().astype(">u8")).view(np.uint8)
    return (ranks.reshape(seen.height, -1)[:, :m] - np.uint8(1)).view(np.int8), number


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
    padded = np.zeros((n, -(-max(groups, 1) // 8) * 8), dtype=np.uint8)
    padded[:, :groups] = codes.T
    words = padded.view(np.uint64)
    return pl.DataFrame({f"word{i}": words[:, i] for i in range(words.shape[1])})


def _counted(words: pl.DataFrame, how: pl.Expr) -> pl.DataFrame:
    names = [name for name in words.columns if name != "len"]
    return words.group_by(names).agg(how.alias("len")).sort(names)
