"""Rows that read nearly alike: nobody should be asked twice about what is one text.

Two rows are alike where they have four of five words in common (Jaccard's index of their sets of
words). Each is held against those that share one of its rarest words, which is enough to miss
none (prefix filtering: Chaudhuri and others 2006), not against all.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

Words = frozenset[str]

_WORD = re.compile(r"\w+")


def words(text: str) -> Words:
    """The different words of a text.

    >>> sorted(words("Win, win a FREE prize!"))
    ['a', 'free', 'prize', 'win']
    """
    return frozenset(_WORD.findall(text.casefold()))


def alike(one: Words, other: Words) -> bool:
    """Whether they have four of five words in common; rows without a word are alike.

    >>> alike(words("a free prize for you"), words("A free prize, for you!")), alike(
    ...     words("a free prize"), words("a free gift"))
    (True, False)
    """
    shared = len(one & other)
    return 5 * shared >= 4 * (len(one) + len(other) - shared)


class Read:
    """What a person has read so far; made for rows that are known beforehand.

    >>> texts = [words(text) for text in ("Win a free prize", "win a FREE prize!", "Lunch?")]
    >>> read = Read(texts)
    >>> [read.is_new(text) for text in texts]
    [True, False, True]
    """

    def __init__(self, rows: Iterable[Words]) -> None:
        self._times = Counter(word for row in rows for word in row)
        self._by_word: dict[str, list[Words]] = {}

    def is_new(self, row: Words) -> bool:
        """Whether it reads unlike all that were new before; if so, it is one of them now."""
        rarest = sorted(row, key=lambda word: (self._times[word], word))
        least = (4 * len(row) + 4) // 5  # words that it shares with any row that is alike
        telling = rarest[: len(row) - least + 1] or [""]
        if any(alike(row, other) for word in telling for other in self._by_word.get(word, ())):
            return False
        for word in telling:
            self._by_word.setdefault(word, []).append(row)
        return True
