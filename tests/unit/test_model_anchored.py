"""What is the default label model's own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.vote_sets import simulated, thresholds
from datahub.adapters.model_anchored import AnchoredLabelModel
from datahub.adapters.model_majority import MajorityLabelModel
from datahub.core.dependence import measure_dependence
from datahub.core.labels import ABSTAIN, LabelMatrix, SoftLabels

MODEL = AnchoredLabelModel()


def votes_of(m: int, k: int, n: int = 400, seed: int = 0) -> LabelMatrix:
    """LFs of different accuracies on rows whose class is row number modulo k."""
    rng = np.random.default_rng(seed)
    truth = (np.arange(n) % k)[:, None]
    wrong = (truth + rng.integers(1, k, (n, m))) % k
    votes = np.where(rng.random((n, m)) < rng.uniform(0.5, 0.95, m), truth, wrong)
    votes[rng.random((n, m)) < 0.4] = ABSTAIN
    return votes.astype(np.int8)


def soft_of(votes: LabelMatrix, k: int, shares: list[float] | None = None) -> SoftLabels:
    fit = MODEL.fit(votes, cardinality=k, seed=0, shares=shares)
    return MODEL.predict(fit, votes)


def by_hand(votes: LabelMatrix, k: int, rounds: int) -> SoftLabels:
    """The formulas of the decision, row by row and LF by LF."""
    votes = votes[(votes != ABSTAIN).any(axis=1)]
    n, m = votes.shape
    believed = np.where(np.eye(k), 0.7, 0.3 / (k - 1))
    cast = np.array([[(votes[:, j] == v).sum() for v in range(k)] for j in range(m)])
    joint, size = 4 * cast[:, :, None] * believed, np.full(k, 4 * n / k)
    for _ in range(rounds):
        theta = joint / size
        theta /= np.maximum(theta.sum(axis=1) / 0.95, 1)[:, None]
        logs = np.zeros((n, k))
        for i in range(n):
            for j in range(m):
                vote = votes[i, j]
                silent = 0.5 * np.log(1 - theta[j].sum(axis=0))
                logs[i] += silent if vote == ABSTAIN else np.log(np.maximum(theta[j, vote], 1e-12))
        soft = np.exp(logs - logs.max(axis=1, keepdims=True))
        soft /= soft.sum(axis=1, keepdims=True)
        joint, size = 4 * cast[:, :, None] * believed, 4 * n / k + soft.sum(axis=0)
        for i in range(n):
            for j in np.flatnonzero(votes[i] != ABSTAIN):
                joint[j, votes[i, j]] += soft[i]
    total = joint.sum(axis=2, keepdims=True)
    share = np.where(total > 0, joint / np.where(total > 0, total, 1), believed)
    logs = np.zeros((n, k))
    for i in range(n):
        for j in np.flatnonzero(votes[i] != ABSTAIN):
            logs[i] += 0.75 * (np.log(share[j, votes[i, j]]) - np.log(size / size.sum()))
    soft = np.exp(logs)
    return np.asarray(soft / soft.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("k", [2, 4])
def test_em_over_patterns_is_em_over_rows(k: int) -> None:
    """As the formulas are written."""
    votes = votes_of(5, k, n=120)
    model = AnchoredLabelModel(rounds=6, tolerance=1e-300)

    soft = model.predict(model.fit(votes, cardinality=k, seed=0), votes)

    has_vote = (votes != ABSTAIN).any(axis=1)
    np.testing.assert_allclose(soft[has_vote], by_hand(votes, k, 6), atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(k=st.integers(2, 20), m=st.integers(1, 12), seed=st.integers(0, 1000))
def test_names_of_classes_and_order_of_lfs_and_rows_do_not_matter(
    k: int, m: int, seed: int
) -> None:
    """Permuted votes have the permuted labels."""
    votes, rng = votes_of(m, k, n=120, seed=seed), np.random.default_rng(seed)
    classes, lfs, rows = (rng.permutation(size) for size in (k, m, len(votes)))
    renamed = np.where(votes == ABSTAIN, ABSTAIN, classes[votes]).astype(np.int8)

    soft = soft_of(votes, k)
    permuted = soft_of(renamed[rows][:, lfs], k)

    np.testing.assert_allclose(permuted[:, classes], soft[rows], atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(k=st.integers(2, 20), m=st.integers(2, 8), copies=st.integers(1, 5), seed=st.integers(0, 99))
def test_copies_that_share_a_vote_are_one_lf(k: int, m: int, copies: int, seed: int) -> None:
    """With shares of 1 / (1 + copies) each, they say what the LF alone says."""
    votes = votes_of(m, k, n=120, seed=seed)
    repeated = np.hstack([votes, np.repeat(votes[:, :1], copies, axis=1)])
    share = 1 / (1 + copies)

    alone = soft_of(votes, k)
    together = soft_of(repeated, k, [share, *[1.0] * (m - 1), *[share] * copies])

    np.testing.assert_allclose(together, alone, atol=1e-6)


@pytest.mark.parametrize("k", [2, 3, 20])
def test_a_constant_lf_leaves_the_others_their_word(k: int) -> None:
    """It votes on every row: where others agree against it, they win."""
    votes = np.hstack([votes_of(6, k, n=2000), np.zeros((2000, 1), dtype=np.int8)])
    truth = np.arange(2000) % k
    agreed = ((votes[:, :6] == truth[:, None]).sum(axis=1) >= 3) & (truth != 0)

    soft = soft_of(votes, k)

    assert (soft[agreed].argmax(axis=1) == truth[agreed]).mean() > 0.95


def test_one_lf_is_believed() -> None:
    votes = votes_of(1, 3)
    has_vote = votes[:, 0] != ABSTAIN

    soft = soft_of(votes, 3)

    np.testing.assert_array_equal(soft[has_vote].argmax(axis=1), votes[has_vote, 0])


def test_an_lf_of_one_class_is_worth_its_votes() -> None:
    """An LF that never votes for another class has nothing to be compared with."""
    votes = votes_of(2, 2)
    votes[votes == 0] = ABSTAIN

    soft = soft_of(votes, 2)

    assert (soft[(votes != ABSTAIN).any(axis=1), 1] > 0.6).all()


def test_a_class_balance_moves_labels_towards_its_larger_class() -> None:
    votes = votes_of(4, 2)
    even, uneven = (
        MODEL.predict(MODEL.fit(votes, cardinality=2, seed=0, class_balance=b), votes)
        for b in ([0.5, 0.5], [0.9, 0.1])
    )

    assert np.nanmean(uneven[:, 0]) > np.nanmean(even[:, 0]) + 0.05


def test_more_patterns_than_fit_are_learned_from_drawn_rows() -> None:
    """Nearly the same is learned, and the same by the same seed."""
    votes = votes_of(7, 2, n=3000)
    whole = MODEL.fit(votes, cardinality=2, seed=0).weights
    small = AnchoredLabelModel(most_patterns=700)

    drawn = small.fit(votes, cardinality=2, seed=4).weights

    assert 0 < np.abs(drawn - whole).max() < 0.06
    assert drawn.tobytes() == small.fit(votes, cardinality=2, seed=4).weights.tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["one-class", "many-class", "mixed"])
@pytest.mark.parametrize(("k", "m"), [(2, 40), (5, 12), (10, 30), (20, 60)])
def test_simulated_votes_do_not_collapse(kind: str, k: int, m: int) -> None:
    """Copies, groups, weak LFs and rare classes: no class takes all.

    Groups of LFs that repeat one wrong LF are the hardest: up to 7 points are lost there.
    """
    for seed in range(3):
        problem = simulated(k, m, kind, seed=[seed, k, m], rows=1000)

        ours, majority = right_shares(problem.votes, problem.truth, k)

        assert ours > majority - 0.1, problem.name


def test_thresholds_on_digits_do_not_collapse() -> None:
    """EM that divides by an LF's own votes gives every digit to one class here."""
    for problem in thresholds(seeds=3):
        ours, majority = right_shares(problem.votes, problem.truth, problem.cardinality)

        assert ours > majority - 0.05, problem.name


def right_shares(
    votes: LabelMatrix, truth: np.ndarray[tuple[int, ...], np.dtype[np.int8]], k: int
) -> tuple[float, float]:
    """Shares of right labels, ours and the majority's; a tie of t classes is 1/t right."""
    covered = (votes != ABSTAIN).any(axis=1)
    shares = measure_dependence(votes, k, seed=0).shares.tolist()
    plain = MajorityLabelModel()
    softs = (
        soft_of(votes, k, shares),
        plain.predict(plain.fit(votes, cardinality=k, seed=0), votes),
    )
    right = []
    for soft in softs:
        top = soft[covered] >= soft[covered].max(axis=1, keepdims=True) - 1e-9
        right.append(float((top[np.arange(len(top)), truth[covered]] / top.sum(axis=1)).mean()))
    return right[0], right[1]
