"""When labels deserve distrust, and when nothing is said."""

from __future__ import annotations

import numpy as np

from datahub.core.label_warnings import LabelSample, below_chance, takes_over
from datahub.core.labels import ABSTAIN, LabelMatrix, SoftLabels


def one_hot(classes: np.ndarray[tuple[int, ...], np.dtype[np.int64]], k: int) -> SoftLabels:
    return np.asarray(np.eye(k)[classes])


def good_votes(n: int = 400) -> LabelMatrix:
    """Three LFs that are mostly right about two classes."""
    rng = np.random.default_rng(0)
    truth = (np.arange(n) % 2)[:, None]
    return np.where(rng.random((n, 3)) < 0.85, truth, 1 - truth).astype(np.int8)


def codes(
    votes: LabelMatrix, final: SoftLabels, plain: SoftLabels, *, supported: bool
) -> list[str]:
    sample = LabelSample(len(votes))
    for start in range(0, len(votes), 64):
        rows = slice(start, start + 64)
        flags = np.full(len(votes[rows]), supported)
        sample.add(votes[rows], final[rows], plain[rows], flags)
    warnings = sample.warnings(["a", "b", "c"], ["ham", "spam"], [0.5, 0.5], "uniform")
    assert all(warning.message and warning.hint for warning in warnings)
    return [warning.code for warning in warnings]


def test_labels_that_follow_the_votes_are_not_warned_of() -> None:
    votes = good_votes()
    majority = one_hot((votes.sum(axis=1) >= 2).astype(np.int64), 2)

    assert codes(votes, 0.9 * majority + 0.05, majority, supported=False) == []


def test_labels_against_a_clear_majority_need_support() -> None:
    """The end model's word is support."""
    votes = good_votes()
    majority = one_hot((votes.sum(axis=1) >= 2).astype(np.int64), 2)
    final = majority.copy()
    final[::10] = 1 - final[::10]

    assert codes(votes, final, majority, supported=False) == ["departs_from_majority"]
    assert codes(votes, final, majority, supported=True) == []


def test_a_class_that_takes_over_is_named() -> None:
    majority = one_hot(np.arange(300) % 3, 3)
    final = one_hot(np.where(np.arange(300) % 4 == 0, np.arange(300) % 3, 2), 3)

    (warning,) = takes_over(final, majority, ["x", "y", "z"])

    assert warning.names == ("z",)
    assert warning.share > 0.7
    assert takes_over(majority, majority, ["x", "y", "z"]) == ()


def test_an_lf_that_says_less_than_chance_is_named() -> None:
    """One that votes the wrong class; not one that guesses, and not one that hardly votes."""
    votes = good_votes()
    rng = np.random.default_rng(1)
    reversed_lf, guess = 1 - votes[:, 0], rng.integers(0, 2, len(votes))
    rare = np.full(len(votes), ABSTAIN)
    rare[:5] = 1 - votes[:5, 0]
    columns = [votes, *(x[:, None].astype(np.int8) for x in (reversed_lf, guess, rare))]

    (warning,) = below_chance(np.hstack(columns), 2, ["a", "b", "c", "reversed", "guess", "rare"])

    assert warning.names == ("reversed",)
    assert below_chance(votes, 2, ["a", "b", "c"]) == ()


def test_labels_that_hang_on_the_class_balance_are_warned_of() -> None:
    """Undecided labels under a uniform balance, where votes say that one class is rare."""
    votes = good_votes()
    rare = np.arange(400) % 10 == 0
    majority = one_hot(rare.astype(np.int64), 2)
    final = np.where((np.arange(400) % 2 == 0)[:, None], [0.4, 0.6], [0.9, 0.1])

    assert "balance_decides" in codes(votes, final, majority, supported=True)


def test_a_handful_of_rows_says_nothing() -> None:
    votes = good_votes(20)
    majority = one_hot((votes.sum(axis=1) >= 2).astype(np.int64), 2)

    assert codes(votes, 1 - majority, majority, supported=False) == []
