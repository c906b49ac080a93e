"""Vote sets that no way of choosing rows was made on: halves of LFs, and made texts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bench.accuracy import Set, Votes
from bench.harness import Watch

ROWS = 4000
WORDS = 600


def half(read: Callable[[Watch], Set], seed: int) -> Callable[[Watch], Set]:
    """The same rows with a random half of the LFs: other patterns, more rows without a vote."""

    def side(watch: Watch) -> Set:
        votes, gold, texts, k = read(watch)
        order = np.random.default_rng(100 + seed).permutation(votes.shape[1])
        return votes[:, np.sort(order[: (len(order) + 1) // 2])], gold, texts, k

    return side


def made(seed: int, *, k: int, lfs: int) -> Callable[[Watch], Set]:
    """Texts of words that each class is more or less fond of; an LF is three of its words.

    A fifth of the texts is of a manner of its own, in which a third of the LFs err together.
    """

    def side(_: Watch) -> Set:
        rng = np.random.default_rng(seed)
        gold = rng.choice(k, ROWS, p=rng.dirichlet([3] * k)).astype(np.int8)
        common, manner = rng.dirichlet([0.3] * WORDS), rng.dirichlet([0.05] * WORDS)
        fond = [0.65 * common + 0.35 * rng.dirichlet([0.05] * WORDS) for _ in range(k)]
        strange = rng.random(ROWS) < 0.2
        held, texts = np.zeros((ROWS, WORDS), dtype=bool), list[str]()
        for row in range(ROWS):
            said = fond[gold[row]]
            said = 0.6 * said + 0.4 * manner if strange[row] else said
            drawn = rng.choice(WORDS, rng.integers(6, 25), p=said)
            held[row, drawn] = True
            texts.append(" ".join(f"w{word}" for word in drawn))
        votes = np.full((ROWS, lfs), -1, dtype=np.int8)
        for lf in range(lfs):
            votes[:, lf] = _by_words(held, gold, lf % k, rng)
        for lf in rng.choice(lfs, lfs // 3, replace=False):
            errs = strange & (votes[:, lf] >= 0) & (rng.random(ROWS) < 0.5)
            votes[errs, lf] = (votes[errs, lf] + 1) % k
        return votes, gold, texts, k

    return side


def _by_words(held: Votes, gold: Votes, label: int, rng: np.random.Generator) -> Votes:
    """Votes of an LF by three words that an author would take from two hundred texts read."""
    read = rng.choice(len(gold), 200, replace=False)
    telling = (held[read][gold[read] == label].mean(axis=0) + 0.01) / (
        held[read].mean(axis=0) + 0.02
    )
    words = rng.choice(np.argsort(-telling)[:25], 3, replace=False)
    return np.where(held[:, words].any(axis=1), label, -1).astype(np.int8)
