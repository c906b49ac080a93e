"""What is the weighted vote's and the triplet method's own."""

from __future__ import annotations

import numpy as np
import pytest

from datahub.adapters.model_bayes import BayesLabelModel
from datahub.adapters.model_weighted import WeightedLabelModel
from datahub.core.errors import InputError
from datahub.core.labels import ABSTAIN, LabelMatrix
from datahub.core.paircounts import count

MODELS = [BayesLabelModel(), WeightedLabelModel()]


def keywords(precise: list[float], n: int = 40_000) -> LabelMatrix:
    """LFs that vote class 1 only, on a tenth of its rows and some of the others; half are 1."""
    rng = np.random.default_rng(3)
    truth = np.arange(n) % 2
    votes = np.full((n, len(precise)), ABSTAIN, dtype=np.int8)
    for lf, right in enumerate(precise):
        rate = np.where(truth == 1, 0.2 * right, 0.2 * (1 - right))
        votes[rng.random(n) < rate, lf] = 1
    return votes


def test_triplets_find_the_precision_of_lfs_of_one_class() -> None:
    """Out of where they vote together, without a conflict among them."""
    precise = [0.95, 0.85, 0.75, 0.9]

    fit = BayesLabelModel().fit(keywords(precise), cardinality=2, seed=0)

    np.testing.assert_allclose(fit.arrays["precision"][:, 1], precise, atol=0.06)
    assert np.isnan(fit.arrays["precision"][:, 0]).all()


def test_counts_that_are_there_are_not_counted_again() -> None:
    """The same fit, to the bit."""
    votes = keywords([0.9, 0.8, 0.7], n=2000)

    one = BayesLabelModel().fit(votes, cardinality=2, seed=0)
    two = BayesLabelModel().fit(votes, cardinality=2, seed=0, counts=count(votes, 2))

    assert one.weights.tobytes() == two.weights.tobytes()


def test_too_few_lfs_for_a_triplet_have_the_prior() -> None:
    fit = BayesLabelModel().fit(keywords([0.9, 0.6], n=2000), cardinality=2, seed=0)

    np.testing.assert_allclose(fit.weights, 0.7)


def test_one_good_lf_outweighs_two_poor_ones() -> None:
    """What majority vote cannot do."""
    rng = np.random.default_rng(1)
    truth = np.arange(6000) % 2
    accuracies = np.array([0.97, 0.97, 0.97, 0.58, 0.58])
    votes = np.where(rng.random((6000, 5)) < accuracies, truth[:, None], 1 - truth[:, None])
    model = WeightedLabelModel()

    fit = model.fit(votes.astype(np.int8), cardinality=2, seed=0)

    row = np.array([[1, ABSTAIN, ABSTAIN, 0, 0]], dtype=np.int8)
    assert model.predict(fit, row)[0, 1] > 0.7


@pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model.name))
def test_another_number_of_lfs_is_refused(model: BayesLabelModel | WeightedLabelModel) -> None:
    votes = keywords([0.9, 0.8, 0.7], n=100)
    fit = model.fit(votes, cardinality=2, seed=0)

    with pytest.raises(InputError, match="3 LFs"):
        model.predict(fit, votes[:, :2])
