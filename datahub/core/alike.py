"""Rows that read nearly alike: nobody should be asked twice about what is one text.

Two rows are alike where they have four of five words in common (Jaccard's index of their sets of
words), which is `9 * shared >= 4 * (a + b)`. A row is compared only with rows that share some of
its newest words, which is enough to miss none (prefix filtering: Chaudhuri and others 2006;
positions: Xiao and others 2008). Where that leaves many, bits that stand for the words of a row
rule most of them out, and the words themselves decide on the rest.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from datahub.core.wordbits import WordBits

Words = frozenset[str]
Numbers = npt.NDArray[np.int64]

_WORD = re.compile(r"\w+")
_ASCII = bytes(byte if chr(byte).isalnum() or chr(byte) == "_" else 32 for byte in range(256))

WORDS_PER_HIT = 25  # of so many words, one more of the newest must be shared
FEW = 24  # rows that are compared one by one
TOGETHER = 1000  # rows that are compared at once
PLACES = 1 << 24  # more than a row has words: an entry is `row * PLACES + words left`


def words(text: str) -> Words:
    """The different words of a text.

    >>> sorted(words("Win, win a FREE prize!")), sorted(words("Groß, GROSS"))
    (['a', 'free', 'prize', 'win'], ['gross'])
    """
    if text.isascii():  # the same in a fifth of the time
        return frozenset(text.lower().encode().translate(_ASCII).decode().split())
    return frozenset(_WORD.findall(text.casefold()))


def alike(one: Words, other: Words) -> bool:
    """Whether they have four of five words in common; rows without a word are alike.

    >>> alike(words("a free prize for you"), words("A free prize, for you!")), alike(
    ...     words("a free prize"), words("a free gift"))
    (True, False)
    """
    return 9 * len(one & other) >= 4 * (len(one) + len(other))


class Read:
    """What a person has read so far: rows that read unlike each other.

    Words have numbers, the newest the least: a word that came late is a rare one. Of each row
    the numbers are kept, in order, and by each of the first of them, where the row has it.

    >>> read = Read()
    >>> [read.is_new(words(text)) for text in ("Win a free prize", "win a FREE prize!", "Lunch?")]
    [True, False, True]
    """

    def __init__(self) -> None:
        self._number: dict[str, int] = {}
        self._rows: list[Numbers] = []
        self._sizes: Numbers = np.zeros(64, dtype=np.int64)
        self._entries: dict[int, array[int]] = {}
        self._bits = WordBits()
        self._in_row = np.zeros(1024, dtype=np.bool_)  # by word: whether the row at hand has it
        self._has_empty = False

    def is_new(self, row: Words) -> bool:
        """Whether it reads unlike all that were new before; if so, it is one of them now."""
        if not row:
            new, self._has_empty = not self._has_empty, True
            return new
        numbers = self._numbers(row)
        telling = numbers[: _telling(len(row))].tolist()
        if self._any_alike(numbers, telling):
            return False
        self._add(numbers, telling)
        return True

    def _numbers(self, row: Words) -> Numbers:
        known = self._number
        numbers = np.array([known.setdefault(word, -len(known)) for word in row], dtype=np.int64)
        numbers.sort()
        if len(known) > len(self._in_row):
            self._in_row = np.zeros(2 * len(known), dtype=np.bool_)
        return numbers

    def _add(self, numbers: Numbers, telling: Sequence[int]) -> None:
        place, size = len(self._rows), len(numbers)
        if place == len(self._sizes):
            self._sizes = np.concatenate([self._sizes, np.zeros_like(self._sizes)])
        self._sizes[place] = size
        self._rows.append(numbers)
        for before, word in enumerate(telling):
            entry = place * PLACES + size - before
            if word in self._entries:
                self._entries[word].append(entry)
            else:
                self._entries[word] = array("q", (entry,))

    def _any_alike(self, numbers: Numbers, telling: Sequence[int]) -> bool:
        size = len(numbers)
        lists = [
            (n, self._entries[word]) for n, word in enumerate(telling) if word in self._entries
        ]
        if len(lists) < _hits(-(-4 * size // 5)):
            return False
        others = self._sharing(size, lists)
        sizes = self._sizes[others]
        others = others[(5 * sizes >= 4 * size) & (4 * sizes <= 5 * size)]
        if len(others) > FEW:
            most = (size + self._sizes[others]) // 9  # words that only one of two alike rows has
            others = others[self._bits.differing(numbers, self._rows, others) <= most]
        return len(others) > 0 and self._compared(numbers, others)

    def _sharing(self, size: int, lists: list[tuple[int, array[int]]]) -> Numbers:
        """Rows that share as many of the telling words as a row that is alike would.

        The words that most rows share are left out: half of what must be shared is left then.
        """
        spared = _hits(-(-4 * size // 5)) // 2
        if spared:
            shortest = sorted(lists, key=lambda of: len(of[1]))[: len(lists) - spared]
            lists = sorted(shortest, key=lambda of: of[0])
        lengths = [len(entries) for _, entries in lists]
        if sum(lengths) > len(self._rows) // 4 * self._bits.words:
            return np.arange(len(self._rows))  # bits are faster
        found = np.frombuffer(b"".join(entries for _, entries in lists), dtype=np.int64)
        if len(found) == 0:
            return found
        rows, left = found // PLACES, found % PLACES
        others, first, hits = np.unique(rows, return_index=True, return_counts=True)
        before = np.repeat([n for n, _ in lists], lengths)[first]
        sizes = self._sizes[others]
        most = np.minimum(size - before, left[first]) + spared  # words that can be shared
        enough = hits >= 1 + np.minimum(size, sizes) // WORDS_PER_HIT - spared
        kept: Numbers = others[enough & (9 * most >= 4 * (size + sizes))]
        return kept

    def _compared(self, numbers: Numbers, others: Numbers) -> bool:
        """Whether one of the others is alike, by all its words."""
        self._in_row[-numbers] = True
        found = False
        for start in range(0, len(others), TOGETHER):
            rows = [self._rows[place] for place in others[start : start + TOGETHER]]
            sizes = np.array([len(row) for row in rows])
            there = self._in_row[-np.concatenate(rows)]
            shared = np.add.reduceat(there, np.cumsum(sizes) - sizes, dtype=np.int64)
            found = bool((9 * shared >= 4 * (len(numbers) + sizes)).any())
            if found:
                break
        self._in_row[-numbers] = False
        return found


def _hits(size: int) -> int:
    """How many telling words two alike rows share, of which the smaller has so many words."""
    return 1 + size // WORDS_PER_HIT


def _telling(size: int) -> int:
    """How many of its words, newest first, tell which rows may be alike."""
    return size - -(-4 * size // 5) + _hits(size)
