"""What is MAP Dawid-Skene's own."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from datahub.adapters.model_dawid_skene import DawidSkeneLabelModel
from datahub.adapters.model_majority import MajorityLabelModel
from datahub.core.errors import InputError
from datahub.core.labels import ABSTAIN, LabelMatrix, SoftLabels


def votes_of(accuracies: list[float], n: int = 3000, k: int = 2) -> LabelMatrix:
    """LFs of these accuracies on rows whose class is row number modulo k."""
    rng = np.random.default_rng(2)
    truth = (np.arange(n) % k)[:, None]
    m = len(accuracies)
    wrong = (truth + rng.integers(1, k, (n, m))) % k
    votes = np.where(rng.random((n, m)) < np.array(accuracies), truth, wrong)
    votes[rng.random((n, m)) < 0.3] = ABSTAIN
    return votes.astype(np.int8)


def by_hand(votes: LabelMatrix, k: int, rounds: int) -> SoftLabels:
    """The same EM written row by row, LF by LF."""
    n, m = votes.shape
    prior = np.where(np.eye(k), 0.7, 0.3 / (k - 1)) * n / 2 / k
    confusion = np.stack([prior / prior.sum(axis=1, keepdims=True)] * m)
    for _ in range(rounds):
        soft = np.ones((n, k)) / k
        for i, j in zip(*np.nonzero(votes != ABSTAIN), strict=True):
            soft[i] *= confusion[j, :, votes[i, j]]
        soft /= soft.sum(axis=1, keepdims=True)
        counts = np.stack([prior] * m)
        for i, j in zip(*np.nonzero(votes != ABSTAIN), strict=True):
            counts[j, :, votes[i, j]] += soft[i]
        confusion = counts / counts.sum(axis=2, keepdims=True)
    return np.asarray(soft)


@pytest.mark.parametrize("k", [2, 4])
def test_em_over_patterns_is_em_over_rows(k: int) -> None:
    """With the prior as it is written: right with 0.7, worth half a vote for each row."""
    votes = votes_of([0.9, 0.7, 0.6, 0.8, 0.55], n=150, k=k)
    model = DawidSkeneLabelModel(rounds=9, tolerance=0)

    fit = model.fit(votes, cardinality=k, seed=0)

    expected = by_hand(votes, k, 10)  # the tenth reads the confusion that the ninth wrote
    silent = (votes == ABSTAIN).all(axis=1)
    np.testing.assert_allclose(model.predict(fit, votes)[~silent], expected[~silent], atol=1e-9)


def test_row_order_does_not_matter() -> None:
    """To the bit: patterns are sorted."""
    votes = votes_of([0.9, 0.7, 0.6])
    model = DawidSkeneLabelModel()

    one, other = (model.fit(v, cardinality=2, seed=0) for v in (votes, votes[::-1]))

    assert one.arrays["confusion"].tobytes() == other.arrays["confusion"].tobytes()


def test_more_patterns_than_fit_are_learned_from_drawn_rows() -> None:
    """Nearly the same is learned, and the same by the same seed."""
    votes = votes_of([0.9, 0.7, 0.6, 0.8, 0.75, 0.65, 0.85])
    whole = DawidSkeneLabelModel().fit(votes, cardinality=2, seed=0).weights
    small = DawidSkeneLabelModel(most_patterns=700)

    one = small.fit(votes, cardinality=2, seed=4).weights

    assert 0 < np.abs(one - whole).max() < 0.06
    assert one.tobytes() == small.fit(votes, cardinality=2, seed=4).weights.tobytes()


def test_an_lf_of_one_class_is_worth_its_votes() -> None:
    """Without the prior its vote would be as likely under either class."""
    votes = votes_of([0.9, 0.9])
    votes[votes == 0] = ABSTAIN
    model = DawidSkeneLabelModel()

    soft = model.predict(model.fit(votes, cardinality=2, seed=0), votes)

    voted = (votes != ABSTAIN).any(axis=1)
    assert (soft[voted, 1] > 0.6).all()


def test_another_number_of_lfs_is_refused() -> None:
    votes = votes_of([0.9, 0.7, 0.6], n=60)
    model = DawidSkeneLabelModel()
    fit = model.fit(votes, cardinality=2, seed=0)

    with pytest.raises(InputError, match="3 LFs"):
        model.predict(fit, votes[:, :2])


def test_weak_lfs_of_many_classes_do_not_end_in_one_class() -> None:
    """On handwritten digits, three thresholds on pixels a class: about as right as a majority.

    By more rounds one class would draw nearly every row to itself, and a tenth would be right.
    """
    images, truth = load_digits(return_X_y=True)
    votes = np.full((len(truth), 30), ABSTAIN, dtype=np.int8)
    for j in range(30):
        known = (truth[::30] == j % 10) - 0.1  # sixty rows that somebody looked at
        pixels = images[::30] - images[::30].mean(axis=0)
        pixel = np.argsort(-(known @ pixels))[j // 10]
        votes[images[:, pixel] > np.percentile(images[:, pixel], 80), j] = j % 10
    covered = (votes != ABSTAIN).any(axis=1)

    right = {}
    for model in (DawidSkeneLabelModel(), MajorityLabelModel()):
        soft = model.predict(model.fit(votes, cardinality=10, seed=0), votes)[covered]
        right[model.name] = (soft.argmax(axis=1) == truth[covered]).mean()
        assert np.bincount(soft.argmax(axis=1)).max() < covered.sum() / 3

    assert right["dawid-skene"] > right["majority"] - 0.02, right
