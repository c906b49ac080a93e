"""The promises of the port LabelModel, on every backend that hub knows."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from datahub.core.dependence import measure_dependence
from datahub.core.errors import InputError
from datahub.core.labels import ABSTAIN, LabelMatrix
from datahub.core.paircounts import count
from datahub.hub import REGISTRY
from datahub.ports import LabelModel


@pytest.fixture(params=sorted(REGISTRY["label_model"]), scope="module")
def model(request: pytest.FixtureRequest) -> LabelModel:
    """Each backend in turn, with its defaults; one that needs values fails here."""
    module, name = REGISTRY["label_model"][request.param].split(":")
    backend: LabelModel = getattr(import_module(module), name)()
    assert backend.name == request.param
    return backend


def planted(n: int = 400, m: int = 6, k: int = 2, accuracy: float = 0.8) -> LabelMatrix:
    """Votes of m independent LFs on n rows whose class is row number modulo k."""
    rng = np.random.default_rng(7)
    truth = (np.arange(n) % k)[:, None]
    wrong = (truth + rng.integers(1, k, (n, m))) % k
    votes = np.where(rng.random((n, m)) < accuracy, truth, wrong)
    votes[rng.random((n, m)) < 0.4] = ABSTAIN
    return votes.astype(np.int8)


@pytest.mark.parametrize("k", [2, 5, 127])
def test_soft_labels_are_probabilities_that_find_the_class(model: LabelModel, k: int) -> None:
    """Rows sum to 1, and the planted class wins mostly; int8 holds 127 classes."""
    votes = planted(n=381, k=k)
    if k == 127 and model.name == "snorkel":
        votes = votes[:, :3]  # 20,000 entries of mu are enough
    voted = (votes != ABSTAIN).any(axis=1)

    soft = model.predict(model.fit(votes, cardinality=k, seed=1), votes)

    assert soft.shape == (381, k)
    assert soft.dtype == np.float64
    np.testing.assert_allclose(soft[voted].sum(axis=1), 1)
    assert soft[voted].min() >= 0
    assert (soft[voted].argmax(axis=1) == (np.arange(381) % k)[voted]).mean() > 0.65


def test_a_row_without_a_vote_is_nan(model: LabelModel) -> None:
    """Never the prior, and no row but those."""
    votes = planted()
    votes[[0, 17]] = ABSTAIN
    silent = (votes == ABSTAIN).all(axis=1)

    soft = model.predict(model.fit(votes, cardinality=2, seed=1), votes)

    np.testing.assert_array_equal(np.isnan(soft), np.column_stack([silent, silent]))


@pytest.mark.parametrize("shape", [(0, 0), (0, 4), (4, 0), (4, 4)])
def test_nothing_to_learn_from_predicts_nan(model: LabelModel, shape: tuple[int, int]) -> None:
    """No rows, no LFs, or no votes."""
    votes = np.full(shape, ABSTAIN, dtype=np.int8)

    fit = model.fit(votes, cardinality=3, seed=1)

    assert fit.weights.shape == (shape[1],)
    assert np.isnan(fit.weights).all()
    soft = model.predict(fit, votes)
    assert soft.shape == (shape[0], 3)
    assert np.isnan(soft).all()


def test_an_lf_that_never_votes_has_no_weight_and_no_effect(model: LabelModel) -> None:
    """The others are judged as if it were not there."""
    votes = planted()
    with_silent = np.insert(votes, 2, ABSTAIN, axis=1)

    fit = model.fit(with_silent, cardinality=2, seed=1)
    alone = model.fit(votes, cardinality=2, seed=1)

    assert np.isnan(fit.weights[2])
    np.testing.assert_array_equal(np.delete(fit.weights, 2), alone.weights)
    np.testing.assert_array_equal(model.predict(fit, with_silent), model.predict(alone, votes))


def test_better_lfs_weigh_more(model: LabelModel) -> None:
    """Weights are estimates of being right where the LF votes."""
    good, bad = planted(accuracy=0.9), planted(accuracy=0.6)

    weights = model.fit(np.hstack([good, bad[:, ::-1]]), cardinality=2, seed=1).weights

    assert weights[:6].min() > weights[6:].max()
    assert ((weights >= 0) & (weights <= 1)).all()


def test_the_same_seed_gives_the_same_bits(model: LabelModel) -> None:
    """Also from votes that lie otherwise in memory."""
    votes = planted(k=3)
    one = model.fit(votes, cardinality=3, seed=5)
    two = model.fit(np.asfortranarray(votes), cardinality=3, seed=5)

    assert one.weights.tobytes() == two.weights.tobytes()
    assert model.predict(one, votes).tobytes() == model.predict(two, votes).tobytes()


def global_state() -> tuple[object, ...]:
    """Of the three random generators that a model may seed."""
    legacy = np.random.get_state(legacy=False)["state"]["key"].tolist()
    return random.getstate(), legacy, torch.get_rng_state().tolist()


def test_global_state_is_left_alone(model: LabelModel) -> None:
    """Random generators and the number of torch threads."""
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    before = global_state()
    threads = torch.get_num_threads()

    model.fit(planted(), cardinality=2, seed=9)

    assert global_state() == before
    assert torch.get_num_threads() == threads


def test_fitting_is_silent(model: LabelModel, capfd: pytest.CaptureFixture[str]) -> None:
    """No progress bar, no log line, no warning: stdout belongs to results."""
    model.fit(planted(), cardinality=2, seed=9)

    assert capfd.readouterr() == ("", "")


def test_a_fit_survives_json(model: LabelModel) -> None:
    """Its arrays are all that `predict` needs."""
    votes = planted(k=5)
    fit = model.fit(votes, cardinality=5, seed=1)
    saved = json.loads(json.dumps({name: array.tolist() for name, array in fit.arrays.items()}))

    loaded = replace(fit, arrays={name: np.array(array) for name, array in saved.items()})

    np.testing.assert_array_equal(model.predict(loaded, votes), model.predict(fit, votes))


def test_class_balance_is_kept_with_where_it_came_from(model: LabelModel) -> None:
    """Given or uniform."""
    votes = planted()

    given_ = model.fit(votes, cardinality=2, seed=1, class_balance=[0.9, 0.1])
    uniform = model.fit(votes, cardinality=2, seed=1)

    assert (given_.class_balance.tolist(), given_.balance_from) == ([0.9, 0.1], "given")
    assert (uniform.class_balance.tolist(), uniform.balance_from) == ([0.5, 0.5], "uniform")


@pytest.mark.parametrize("k", [2, 5])
def test_copies_of_one_lf_do_not_outvote_good_ones(model: LabelModel, k: int) -> None:
    """Of the models that take shares, which must then be right where the copies are wrong."""
    votes = planted(n=3000, m=4, k=k, accuracy=0.85)
    truth = np.arange(3000) % k
    rng = np.random.default_rng(1)
    votes[:, 3] = np.where(rng.random(3000) < 0.6, truth, (truth + 1) % k)
    votes = np.hstack([votes, np.repeat(votes[:, 3:], 4, axis=1)])
    right = votes[:, :3] == truth[:, None]
    told = (right.sum(axis=1) >= 2) & (right | (votes[:, :3] == ABSTAIN)).all(axis=1)
    misled = told & (votes[:, 3] != truth)  # two or three good LFs against the five
    shares = measure_dependence(votes, k, seed=0).shares.tolist()

    fit = model.fit(votes, cardinality=k, seed=1, shares=shares)

    if "shares" in fit.arrays:
        soft = model.predict(fit, votes)
        assert (soft[misled].argmax(axis=1) == truth[misled]).all()
        assert fit.weights[:3].min() > fit.weights[3:].max()
    else:
        assert model.name in ("majority", "snorkel")


@pytest.mark.parametrize("balanced", [None, [0.3, 0.7]])
def test_pair_counts_change_nothing(model: LabelModel, balanced: list[float] | None) -> None:
    """They only save the counting."""
    votes = planted()

    counted = model.fit(
        votes, cardinality=2, seed=1, class_balance=balanced, counts=count(votes, 2)
    )
    fit = model.fit(votes, cardinality=2, seed=1, class_balance=balanced)

    assert model.predict(counted, votes).tobytes() == model.predict(fit, votes).tobytes()


def test_a_single_lf_is_believed_or_too_few_told(model: LabelModel) -> None:
    """There is nobody to hold it against."""
    votes = planted(m=1, accuracy=0.9)
    voted = votes[:, 0] != ABSTAIN
    try:
        fit = model.fit(votes, cardinality=2, seed=1)
    except InputError as error:
        assert "majority" in error.hint  # noqa: PT017 - an error is one of two right answers
        return

    soft = model.predict(fit, votes)

    np.testing.assert_array_equal(soft[voted].argmax(axis=1), votes[voted, 0])


@pytest.mark.parametrize(
    "balance", [[1.0], [0.5, 0.6], [1.0, 0.0], [1.5, -0.5], [float("nan"), 0.5], [0.2, 0.3, 0.5]]
)
def test_a_class_balance_that_is_none_is_refused(model: LabelModel, balance: list[float]) -> None:
    """With a hint."""
    with pytest.raises(InputError, match="class balance") as caught:
        model.fit(planted(), cardinality=2, seed=1, class_balance=balance)
    assert caught.value.hint


@pytest.mark.parametrize("bad", [2, 7, -2, 127])
def test_a_vote_outside_the_classes_is_refused(model: LabelModel, bad: int) -> None:
    """In fitting and in predicting."""
    votes = planted()
    fit = model.fit(votes, cardinality=2, seed=1)
    votes[3, 1] = bad

    with pytest.raises(InputError, match="2 classes"):
        model.fit(votes, cardinality=2, seed=1)
    with pytest.raises(InputError, match="2 classes"):
        model.predict(fit, votes)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    votes=hnp.arrays(
        np.int8,
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=3, max_side=6),
        elements=st.integers(ABSTAIN, 2),
    ),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_votes_give_probabilities_or_a_clear_error(
    model: LabelModel, votes: LabelMatrix, seed: int
) -> None:
    """However few and contrary they are."""
    try:
        fit = model.fit(votes, cardinality=3, seed=seed)
    except InputError as error:
        assert "majority" in error.hint  # noqa: PT017 - an error is one of two right answers
        return
    soft = model.predict(fit, votes)
    voted = (votes != ABSTAIN).any(axis=1)

    assert np.isnan(soft[~voted]).all()
    np.testing.assert_allclose(soft[voted].sum(axis=1), 1)
