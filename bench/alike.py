"""Texts that read alike: what `review push` does so that nobody is asked twice about one text.

10,000 texts of each kind are split into words, and each is compared with those before it. The long
ones have 3,500 words and are 1,000; "few words" draws ten of thirty.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.harness import Case, Figures, Watch

TEXTS, LONG_TEXTS = 10_000, 1_000

Numbers = npt.NDArray[np.int64]


def drawn(words: int, vocabulary: int) -> Callable[[Any, int], str]:
    """Texts of so many words, each as common as Zipf's law has it."""
    shares = 1 / np.arange(1, vocabulary + 1)
    cumulated = np.cumsum(shares / shares.sum())

    def text(chance: Any, number: int) -> str:
        places: Numbers = np.searchsorted(cumulated[:-1], chance.random(words))
        return " ".join(f"w{place:x}" for place in places)

    return text


def order(chance: Any, number: int) -> str:
    """One text with ever other numbers in it."""
    first, second, third = chance.integers(0, 1_000_000, size=3)
    return f"your order {number} of {first} worth {second} was sent today to number {third} thanks"


def prize(chance: Any, number: int) -> str:
    """One text with one other word in it."""
    return f"win a free prize today by calling the number below right now x{number}"


def few(chance: Any, number: int) -> str:
    """Ten of thirty words."""
    return " ".join(f"w{place}" for place in chance.choice(30, 10, replace=False))


KINDS: dict[str, tuple[int, Callable[[Any, int], str]]] = {
    "15 words": (TEXTS, drawn(15, 50_000)),
    "200 words": (TEXTS, drawn(200, 50_000)),
    "3,500 words": (LONG_TEXTS, drawn(3_500, 200_000)),
    "one text, other numbers": (TEXTS, order),
    "one text, one other word": (TEXTS, prize),
    "few words": (TEXTS, few),
    "one word": (TEXTS, lambda chance, number: f"w{chance.integers(20_000)}"),
    "empty": (TEXTS, lambda chance, number: ""),
}


def reading(watch: Watch) -> Figures:
    """Split and compare the texts of each kind."""
    from datahub.core.alike import Read, words

    table = []
    for name, (count, make) in KINDS.items():
        chance = np.random.default_rng(1)
        texts = [make(chance, number) for number in range(count)]
        start = time.process_time()
        with watch.timed():
            read = Read()
            new = sum(read.is_new(words(text)) for text in texts)
        table.append((name, count, new, round(time.process_time() - start, 2)))
    return {"columns": ("texts", "number", "read unlike", "CPU-s"), "table": table}


CASES = (Case("read_alike", "10,000 texts of each kind", reading, no_peer="a rule of our own"),)
