r"""Keyword LFs over one column, fused: one Aho-Corasick scan instead of one regex each.

The scan finds every place where a word stands in any ASCII case. Where the bytes beside it are
ASCII, they say whether it stands whole, exactly as the regex's `\b` does. Rows on which that
is not so (a neighbour beyond ASCII, a phrase, a character that folds to an ASCII letter) are
judged by the LF's own regex: there is one meaning, and the scan only saves looking for it.
"""

from __future__ import annotations

import string
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from datahub.core.declarative_lf import DeclarativeLF, Needle
from datahub.core.labels import ABSTAIN

FEWEST = 12  # LFs on one column; measured: fewer regexes are as fast as the scan
# What (?i) takes for an ASCII letter beside the two cases of it: Kelvin sign, long s.
STRANGERS = ("\u212a", "\u017f")
_WORD = np.zeros(256, dtype=bool)  # of ASCII bytes
_WORD[[ord(c) for c in string.ascii_letters + string.digits + "_"]] = True

Mask = npt.NDArray[np.bool_]


def fusible(lfs: Sequence[DeclarativeLF]) -> list[list[DeclarativeLF]]:
    """Groups of LFs that one scan can serve: same column, words known, enough of them."""
    groups: dict[str, list[DeclarativeLF]] = defaultdict(list)
    for lf in lfs:
        if lf.needles:
            groups[lf.text_columns[0]].append(lf)
    return [group for group in groups.values() if len(group) >= FEWEST]


def fused_votes(
    frame: pl.DataFrame, lfs: Sequence[DeclarativeLF]
) -> dict[str, npt.NDArray[np.int8]]:
    """Votes [n] by LF name of one group of `fusible`. Raises polars' errors."""
    column = lfs[0].text_columns[0]
    needles = sorted({needle.text for lf in lfs for needle in lf.needles})
    texts = frame.select(column)
    hits = _hits(texts[column].cast(pl.String).fill_null(""), needles)
    votes = {lf.name: _votes(texts, lf, hits) for lf in lfs}
    unsure = texts.filter(pl.Series(hits.unsure))
    if unsure.height:
        exact = unsure.select(lf.expression() for lf in lfs)
        for lf in lfs:
            votes[lf.name][hits.unsure] = lf.check_votes(exact[lf.name]).to_numpy()
    return votes


@dataclass(frozen=True)
class _Hits:
    """Where words stand: row of each place, and whether a word character stands beside it.

    `spans[word]` is the run of places of a word. `unsure` [n] are the rows where ASCII alone
    does not say whether one stands whole.
    """

    rows: npt.NDArray[np.int64]
    before: Mask
    after: Mask
    spans: dict[str, slice]
    unsure: Mask


def _hits(text: pl.Series, needles: Sequence[str]) -> _Hits:
    patterns = [*needles, *STRANGERS]
    where = text.str.find_many(patterns, ascii_case_insensitive=True, overlapping=True)
    words = text.str.extract_many(patterns, ascii_case_insensitive=True, overlapping=True)
    lengths = where.list.len().to_numpy()
    rows = np.repeat(np.arange(len(text), dtype=np.int64), lengths)
    ids = _numbers(words.filter(pl.Series(lengths > 0)).explode(), patterns)
    offsets = where.filter(pl.Series(lengths > 0)).explode().to_numpy().astype(np.int64)
    order = np.argsort(ids.astype(np.uint16 if len(patterns) < 2**16 else np.int64), kind="stable")
    rows, ids, offsets = rows[order], ids[order], offsets[order]
    # One text, a line feed around each row: it is no word character, as the end of a text.
    whole = np.frombuffer(f"\n{text.str.join(chr(10)).item()}\n".encode(), dtype=np.uint8)
    lines = text.str.len_bytes().to_numpy().astype(np.int64) + 1
    first = (np.cumsum(lines) - lines + 1)[rows] + offsets
    sizes = np.array([len(pattern.encode()) for pattern in patterns], dtype=np.int64)
    before, after = whole[first - 1], whole[first + sizes[ids]]
    bounds = np.searchsorted(ids, np.arange(len(patterns) + 1))
    spans = {p: slice(bounds[i], bounds[i + 1]) for i, p in enumerate(patterns)}
    unsure = np.zeros(len(text), dtype=bool)
    unsure[rows[(before >= 128) | (after >= 128)]] = True
    for stranger in STRANGERS:
        unsure[rows[spans[stranger]]] = True
    return _Hits(rows, _WORD[before], _WORD[after], spans, unsure)


def _numbers(words: pl.Series, patterns: Sequence[str]) -> npt.NDArray[np.int64]:
    """The number of each pattern that was found, as it was spelled in the text."""
    numbers = {pattern: i for i, pattern in enumerate(patterns)}
    spellings = words.unique().to_list()  # few: a word in the cases that texts have it in
    if not spellings:
        return np.empty(0, dtype=np.int64)
    ids = [numbers[word if word in STRANGERS else word.lower()] for word in spellings]
    return words.replace_strict(spellings, ids, return_dtype=pl.Int64).to_numpy()


def _votes(texts: pl.DataFrame, lf: DeclarativeLF, hits: _Hits) -> npt.NDArray[np.int8]:
    """The votes on all rows that are not unsure."""
    stand = np.zeros(texts.height, dtype=np.int16)  # how many of the words
    phrases = np.zeros(texts.height, dtype=bool)
    for needle in lf.needles:
        span = hits.spans[needle.text]
        rows = hits.rows[span]
        if needle.alone:
            has_word = np.zeros(texts.height, dtype=bool)
            has_word[rows[_is_whole(needle, hits.before[span], hits.after[span])]] = True
            stand += has_word
        else:
            phrases[rows] = True
    votes = np.where(stand >= lf.at_least, np.int8(lf.label or 0), np.int8(ABSTAIN))
    if phrases.any():
        votes[phrases] = lf.votes(texts.filter(pl.Series(phrases))).to_numpy()
    return votes


def _is_whole(needle: Needle, before: Mask, after: Mask) -> Mask:
    """Whether the regex's word boundaries hold, where it asks for them."""
    whole = np.ones(len(before), dtype=bool)
    if needle.text[0].isalnum():
        whole &= ~before
    if needle.text[-1].isalnum():
        whole &= ~after
    return whole
