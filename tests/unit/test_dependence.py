"""LFs that repeat one another are found, and only those."""

from __future__ import annotations

import numpy as np
import pytest

from datahub.core import dependence
from datahub.core.dependence import measure_dependence
from datahub.core.labels import ABSTAIN, LabelMatrix


def independent(
    n: int, accuracies: list[float], *, k: int = 2, covered: float = 0.8
) -> LabelMatrix:
    """LFs that know of one another only through the class, which is row number modulo k."""
    rng = np.random.default_rng(5)
    truth = (np.arange(n) % k)[:, None]
    m = len(accuracies)
    wrong = (truth + rng.integers(1, k, (n, m))) % k
    votes = np.where(rng.random((n, m)) < np.array(accuracies), truth, wrong)
    votes[rng.random((n, m)) >= covered] = ABSTAIN
    return votes.astype(np.int8)


@pytest.mark.parametrize("k", [2, 5, 40])
def test_copies_are_found_among_independent_lfs(k: int) -> None:
    """Five copies share one vote; good LFs that they outnumber keep theirs."""
    votes = independent(2000, [0.85, 0.85, 0.85, 0.6], k=k)
    votes = np.hstack([votes, np.repeat(votes[:, 3:], 4, axis=1)])

    found = measure_dependence(votes, k, seed=0)

    assert found.groups == ((3, 4, 5, 6, 7),)
    np.testing.assert_allclose(found.shares, [1, 1, 1, 0.2, 0.2, 0.2, 0.2, 0.2], atol=0.01)


def test_a_near_copy_is_found() -> None:
    """The same LF with a few votes of its own."""
    votes = independent(2000, [0.8, 0.8, 0.8])
    near = votes[:, :1].copy()
    near[::25] = ABSTAIN

    found = measure_dependence(np.hstack([votes, near]), 2, seed=0)

    assert found.groups == ((0, 3),)
    assert 0.5 <= found.shares[0] < 0.67


@pytest.mark.parametrize("accuracy", [0.55, 0.75, 0.95, 0.99])
@pytest.mark.parametrize("k", [2, 5])
def test_independent_lfs_are_left_alone(accuracy: float, k: int) -> None:
    """However good: agreeing because both are right is no dependence."""
    found = measure_dependence(independent(2000, [accuracy] * 6, k=k), k, seed=0)

    assert found.groups == ()
    assert found.shares.tolist() == [1.0] * 6


def test_a_few_rows_prove_nothing() -> None:
    """Two LFs that vote once, on the same row, may have met by chance."""
    votes = np.full((20, 3), ABSTAIN, dtype=np.int8)
    votes[:, 0] = 1
    votes[3, 1:] = 1

    assert measure_dependence(votes, 2, seed=0).groups == ()


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (5, 0), (5, 3)])
def test_no_votes_no_groups(shape: tuple[int, int]) -> None:
    found = measure_dependence(np.full(shape, ABSTAIN, dtype=np.int8), 2, seed=0)

    assert found.groups == ()
    assert found.shares.tolist() == [1.0] * shape[1]


def test_a_sample_of_many_rows_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same seed draws the same rows."""
    monkeypatch.setattr(dependence, "SAMPLE", 500)
    votes = independent(5000, [0.8, 0.7, 0.7])
    votes = np.hstack([votes, votes[:, :1]])

    one, two = measure_dependence(votes, 2, seed=3), measure_dependence(votes, 2, seed=3)

    assert one.groups == ((0, 3),)
    assert one.strength.tobytes() == two.strength.tobytes()


def test_lfs_that_avoid_one_another_repeat_nothing() -> None:
    """Two LFs of one class that cover most of it between them: a row has the one or the other."""
    rng = np.random.default_rng(3)
    votes = np.full((4000, 3), ABSTAIN, dtype=np.int8)
    truth = rng.random(4000) < 0.5
    first = truth & (rng.random(4000) < 0.7)
    second = truth & ~(first & (rng.random(4000) < 0.8))
    votes[first, 0] = votes[second, 1] = 1
    votes[~truth, 2] = 0

    found = measure_dependence(votes, 2, seed=0)

    assert found.groups == ()
    assert found.shares.tolist() == [1.0, 1.0, 1.0]


def test_loose_relatives_share_votes_and_are_no_group() -> None:
    """Three LFs mostly vote as a hidden one does; independent LFs keep their votes."""
    rng = np.random.default_rng(5)
    votes = independent(4000, [0.8, 0.8, 0.8, 0.8, 0.6])
    family = [np.where(rng.random(4000) < 0.7, votes[:, 4], votes[:, 0]) for _ in range(3)]
    votes = np.column_stack([votes[:, 1:4], *family]).astype(np.int8)

    found = measure_dependence(votes, 2, seed=0)

    assert found.groups == ()
    assert found.shares[:3].tolist() == [1.0] * 3
    assert (found.shares[3:] < 0.9).all()
