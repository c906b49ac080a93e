"""A label model, class balance and temperature that a few labeled rows choose."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from datahub.core.choosing import FOLDS, Opinions, Setting, adjust, choose
from datahub.core.labels import SoftLabels

Ints = npt.NDArray[np.int64]


def opinion(labels: Ints, right: float, *, seed: int, sure: float = 0.8) -> SoftLabels:
    """A model of two classes that is right on such a share of rows."""
    rng = np.random.default_rng(seed)
    says = np.where(rng.random(len(labels)) < right, labels, 1 - labels)
    return np.where(np.eye(2)[says] == 1, sure, 1 - sure)


def alone(soft: SoftLabels) -> Opinions:
    return Opinions(soft, np.full_like(soft, np.nan))


def drawn(n: int, share: float, *, seed: int = 0) -> Ints:
    return (np.random.default_rng(seed).random(n) < share).astype(np.int64)


def test_fifty_rows_find_a_model_that_is_much_better() -> None:
    labels = drawn(50, 0.5)
    candidates = {
        "poor": alone(opinion(labels, 0.55, seed=1)),
        "good": alone(opinion(labels, 0.95, seed=2)),
    }

    choice = choose(candidates, labels, [0.5, 0.5], default="poor")

    assert (choice.setting.model, choice.folds, choice.rows) == ("good", FOLDS, 50)
    assert choice.gain[0] > 0
    assert choice.interval[0] < choice.right < choice.interval[1]


def test_the_default_stays_where_the_other_is_hardly_better() -> None:
    """Two rows of fifty prove nothing."""
    labels = drawn(50, 0.5)
    default = opinion(labels, 0.8, seed=1)
    other = default.copy()
    wrong = np.flatnonzero(default.argmax(axis=1) != labels)[:2]
    other[wrong] = other[wrong, ::-1]

    choice = choose({"a": alone(default), "b": alone(other)}, labels, [0.5, 0.5], default="a")

    assert choice.setting == Setting("a", "uniform", choice.setting.temperature)


def test_fifty_rows_find_that_one_class_is_rare() -> None:
    """Where models cannot tell classes apart, the balance decides."""
    labels = drawn(50, 0.06)
    undecided = np.full((50, 2), 0.5) + np.where(np.arange(50) % 2, 0.05, -0.05)[:, None] * [1, -1]

    choice = choose({"a": alone(undecided)}, labels, [0.5, 0.5], default="a")

    assert choice.setting.balance == "dev"
    assert choice.class_balance[0] > 0.85
    assert choice.right > choice.default_right + 0.3


def test_a_model_that_is_too_sure_is_cooled() -> None:
    labels = drawn(200, 0.5)
    choice = choose(
        {"a": alone(opinion(labels, 0.7, seed=3, sure=0.99))}, labels, [0.5, 0.5], default="a"
    )

    assert choice.setting.temperature > 1


def test_a_tie_is_half_right_and_no_opinion_stays_none() -> None:
    labels = drawn(40, 0.5)
    choice = choose({"a": alone(np.full((40, 2), 0.5))}, labels, [0.5, 0.5], default="a")

    assert choice.default_right == 0.5
    assert np.isnan(adjust(np.full((1, 2), np.nan), [0.9, 0.1], 2.0)).all()


def test_the_same_rows_choose_the_same() -> None:
    labels = drawn(60, 0.4)
    candidates = {name: alone(opinion(labels, 0.7, seed=i)) for i, name in enumerate("abc")}

    one, two = (choose(candidates, labels, [0.6, 0.4], default="a") for _ in range(2))

    assert one == two
