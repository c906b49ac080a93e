"""Soft labels by packed votes are those of Bayes' rule, row by row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datahub.core import evidence as module
from datahub.core.evidence import Packing, posterior
from datahub.core.labels import ABSTAIN

CASES = st.tuples(
    st.integers(0, 40), st.integers(0, 12), st.sampled_from([2, 3, 7, 40, 127]), st.integers(0, 99)
)


@settings(deadline=None)
@given(CASES)
def test_posterior_is_bayes_rule(case: tuple[int, int, int, int]) -> None:
    """For every number of rows, LFs and classes."""
    n, m, k, seed = case
    rng = np.random.default_rng(seed)
    votes = rng.integers(ABSTAIN, k, (n, m)).astype(np.int8)
    votes[rng.random((n, m)) < 0.5] = ABSTAIN
    likely = rng.uniform(0.01, 1, (m, k, k))
    prior = rng.dirichlet(np.ones(k) * 5)

    soft = posterior(votes, np.log(likely), prior)

    for row, line in zip(votes, soft, strict=True):
        voted = np.flatnonzero(row != ABSTAIN)
        expected = prior * likely[voted, row[voted]].prod(axis=0)
        if len(voted):
            np.testing.assert_allclose(line, expected / expected.sum(), atol=1e-12)
        else:
            assert np.isnan(line).all()


@given(CASES)
def test_totals_by_code_are_totals_by_vote(case: tuple[int, int, int, int]) -> None:
    """What is summed by packed codes can be told apart by LF again."""
    n, m, k, seed = case
    k = min(k, 7)
    votes = np.random.default_rng(seed).integers(ABSTAIN, k, (n, m)).astype(np.int8)
    packing = Packing(m, k)
    codes, base = packing.codes(votes), k + 1
    totals = [
        np.bincount(code, minlength=base ** len(group))[:, None].repeat(k, axis=1).astype(float)
        for code, group in zip(codes, packing.groups, strict=True)
    ]

    found = packing.by_vote(totals)

    for lf in range(m):
        np.testing.assert_array_equal(
            found[lf, :, 0], np.bincount(votes[:, lf] + 1, minlength=base)[1:]
        )


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    votes = np.random.default_rng(1).integers(ABSTAIN, 3, (100, 9)).astype(np.int8)
    evidence = np.log(np.random.default_rng(2).uniform(0.1, 1, (9, 3, 3)))
    whole = posterior(votes, evidence, np.ones(3) / 3)
    monkeypatch.setattr(module, "_BLOCK", 7)

    assert posterior(votes, evidence, np.ones(3) / 3).tobytes() == whole.tobytes()


def test_equal_evidence_is_a_tie_and_stays_one() -> None:
    """To the bit: who comes after can tell."""
    evidence = np.log(np.array([[[0.7, 0.3], [0.3, 0.7]]] * 2))

    soft = posterior(np.array([[0, 1]], dtype=np.int8), evidence, np.array([0.5, 0.5]))

    assert soft.tolist() == [[0.5, 0.5]]


def test_a_thousand_votes_do_not_underflow() -> None:
    evidence = np.log(np.array([[[0.9, 0.1], [0.1, 0.9]]] * 1000))

    soft = posterior(np.zeros((1, 1000), dtype=np.int8), evidence, np.array([0.5, 0.5]))

    assert soft[0, 0] == 1
    assert 0 <= soft[0, 1] < 1e-300
