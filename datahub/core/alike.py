"""Rows that read nearly alike: nobody should be asked twice about what is one text.

Two rows are alike where they have four of five words in common (Jaccard's index of their sets of
words), which is `9 * shared >= 4 * (a + b)`. Bits that stand for the words of a row rule out most
of the rows before it, and the words themselves decide on the rest. Where that would be too many
bits, only rows are looked at that share some of the row's newest words, which is enough to miss
none (prefix filtering: Chaudhuri and others 2006; positions: Xiao and others 2008).
"""

from __future__ import annotations

import re
from array import array
from collections import defaultdict
from collections.abc import Sequence
from itertools import count

import numpy as np
import numpy.typing as npt

from datahub.core.wordbits import Bits, WordBits

Words = frozenset[str]
Numbers = npt.NDArray[np.int64]

_WORD = re.compile(r"\w+")
_ASCII = bytes(byte if chr(byte).isalnum() or chr(byte) == "_" else 32 for byte in range(256))

WORDS_PER_HIT = 25  # of so many words, one more of the newest must be shared
SHORT = 32  # words: rows of no more are looked up by them, which is faster than all bits
MOST_BITS = 1 << 16  # 64-bit words of all rows: to look at more takes longer than to look rows up
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


def alike(first: Words, second: Words) -> bool:
    """Whether they have four of five words in common; rows without a word are alike.

    >>> alike(words("a free prize for you"), words("A free prize, for you!")), alike(
    ...     words("a free prize"), words("a free gift"))
    (True, False)
    """
    return 9 * len(first & second) >= 4 * (len(first) + len(second))


class Read:
    """What a person has read so far: rows that read unlike each other.

    Words have numbers, the newest the least: a word that came late is a rare one. Of each row
    the numbers are kept, in order, and by each of the first of them, where the row has it.

    >>> read = Read()
    >>> [read.is_new(words(text)) for text in ("Win a free prize", "win a FREE prize!", "Lunch?")]
    [True, False, True]
    """

    def __init__(self) -> None:
        self._number: defaultdict[str, int] = defaultdict(count(0, -1).__next__)
        self._rows: list[Numbers] = []
        self._sizes: Numbers = np.zeros(64, dtype=np.int64)
        self._entries: dict[int, array[int]] = {}
        self._waiting: list[int] = []  # rows that are not in `_entries` yet
        self._bits = WordBits()
        self._in_row = np.zeros(1024, dtype=np.bool_)  # by word: whether the row at hand has it
        self._has_empty = False

    def is_new(self, row: Words) -> bool:
        """Whether it reads unlike all that were new before; if so, it is one of them now."""
        if not row:
            new, self._has_empty = not self._has_empty, True
            return new
        numbers = self._numbers(row)
        bits = self._bits.of(numbers)
        if self._any_alike(numbers, bits):
            return False
        self._add(numbers, bits)
        return True

    def _numbers(self, row: Words) -> Numbers:
        numbers = np.fromiter(map(self._number.__getitem__, row), np.int64, len(row))
        numbers.sort()
        if len(self._number) > len(self._in_row):
            self._in_row = np.zeros(2 * len(self._number), dtype=np.bool_)
        return numbers

    def _add(self, numbers: Numbers, bits: Bits) -> None:
        place = len(self._rows)
        if place == len(self._sizes):
            self._sizes = np.concatenate([self._sizes, np.zeros_like(self._sizes)])
        self._sizes[place] = len(numbers)
        self._rows.append(numbers)
        self._bits.add(bits, self._rows)
        self._waiting.append(place)
        if 4 * len(numbers) <= 5 * SHORT:
            self._enter([self._waiting.pop()])

    def _any_alike(self, numbers: Numbers, bits: Bits) -> bool:
        rows, size = len(self._rows), len(numbers)
        lookup = size <= SHORT or rows * self._bits.words > MOST_BITS
        candidates = self._sharing(numbers) if lookup else np.arange(rows)
        if len(candidates) > FEW:
            # words that only one of two alike rows has
            most = (size + self._sizes[candidates]) // 9
            candidates = candidates[self._bits.differing(bits, candidates) <= most]
        sizes = self._sizes[candidates]
        candidates = candidates[(5 * sizes >= 4 * size) & (4 * sizes <= 5 * size)]
        return len(candidates) > 0 and self._compare(numbers, candidates)

    def _sharing(self, numbers: Numbers) -> Numbers:
        """Rows that share as many of the telling words as a row that is alike would.

        The words that most rows share are left out: half of what must be shared is left then.
        """
        size = len(numbers)
        if size > SHORT:
            self._enter(self._waiting)
            self._waiting = []
        pairs = enumerate(numbers[: _telling(size)].tolist())
        lists = [(n, entries) for n, word in pairs if (entries := self._entries.get(word))]
        hits = _hits(-(-4 * size // 5))
        if len(lists) < hits:
            return np.zeros(0, dtype=np.int64)
        slack = hits // 2
        if slack:
            shortest = sorted(lists, key=lambda of: len(of[1]))[: len(lists) - slack]
            lists = sorted(shortest, key=lambda of: of[0])
        lengths = [len(entries) for _, entries in lists]
        if sum(lengths) > len(self._rows) // 4 * self._bits.words:
            return np.arange(len(self._rows))  # bits are faster
        postings = np.frombuffer(b"".join(entries for _, entries in lists), dtype=np.int64)
        rows, rest = postings // PLACES, postings % PLACES
        candidates, first, common = np.unique(rows, return_index=True, return_counts=True)
        before = np.repeat([n for n, _ in lists], lengths)[first]
        sizes = self._sizes[candidates]
        most = np.minimum(size - before, rest[first]) + slack  # words that can be shared
        enough = common >= 1 + np.minimum(size, sizes) // WORDS_PER_HIT - slack
        matches: Numbers = candidates[enough & (9 * most >= 4 * (size + sizes))]
        return matches

    def _enter(self, places: Sequence[int]) -> None:
        """Keep by each of its first words which rows have it."""
        for place in places:
            size = len(self._rows[place])
            for before, word in enumerate(self._rows[place][: _telling(size)].tolist()):
                entry = place * PLACES + size - before
                if word in self._entries:
                    self._entries[word].append(entry)
                else:
                    self._entries[word] = array("q", (entry,))

    def _compare(self, numbers: Numbers, candidates: Numbers) -> bool:
        """Whether one of the others is alike, by all its words."""
        self._in_row[-numbers] = True
        alike = False
        for start in range(0, len(candidates), TOGETHER):
            rows = [self._rows[place] for place in candidates[start : start + TOGETHER]]
            sizes = np.array([len(row) for row in rows])
            hits = self._in_row[-np.concatenate(rows)]
            common = np.add.reduceat(hits, np.cumsum(sizes) - sizes, dtype=np.int64)
            alike = bool((9 * common >= 4 * (len(numbers) + sizes)).any())
            if alike:
                break
        self._in_row[-numbers] = False
        return alike


def _hits(size: int) -> int:
    """How many telling words two alike rows share, of which the smaller has so many words."""
    return 1 + size // WORDS_PER_HIT


def _telling(size: int) -> int:
    """How many of its words, newest first, tell which rows may be alike."""
    return size - -(-4 * size // 5) + _hits(size)
