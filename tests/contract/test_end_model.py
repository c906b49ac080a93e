"""The promises of the port EndModel, on every backend that hub knows."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import polars as pl
import pytest

from datahub.core.errors import InputError
from datahub.core.features import Features
from datahub.core.labels import SoftLabels
from datahub.hub import REGISTRY
from datahub.ports import EndModel

SPORT = ["the match was won", "cup final goal", "coach praises goal", "season opens with match"]
TECH = ["new software released", "users like the phone", "computer chip", "software for users"]


@pytest.fixture(params=sorted(REGISTRY["end_model"]))
def model(request: pytest.FixtureRequest) -> EndModel:
    """Each backend in turn, with its defaults; one that needs values fails here."""
    module, name = REGISTRY["end_model"][request.param].split(":")
    backend: EndModel = getattr(import_module(module), name)()
    assert backend.name == request.param
    return backend


def articles(count: int) -> tuple[list[str], SoftLabels]:
    """Texts about sport and tech in turn, all distinct, and soft labels that are 0.9 sure."""
    texts = [f"{(SPORT, TECH)[i % 2][i // 2 % 4]} no{i}" for i in range(count)]
    sport = np.where(np.arange(count) % 2 == 0, 0.9, 0.1)
    return texts, np.column_stack([sport, 1 - sport])


def out_of_fold(model: EndModel, features: Features, soft: SoftLabels, *, seed: int) -> SoftLabels:
    """Learn from the rows that have a soft label, and ask about all."""
    labeled = np.flatnonzero(~np.isnan(soft).any(axis=1))
    lessons = replace(features, frame=features.frame[labeled])
    return model.learn(lessons, soft[labeled], seed=seed).of(features)


def test_every_row_gets_probabilities_that_fit_its_text(model: EndModel) -> None:
    """Learned from the other folds."""
    texts, soft = articles(60)

    found = out_of_fold(model, Features.of_texts(texts), soft, seed=1)

    assert found.shape == (60, 2)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_array_equal(found.argmax(axis=1), soft.argmax(axis=1))


def test_a_row_does_not_see_its_own_label(model: EndModel) -> None:
    """Turning one row's label round leaves the answer for that row as it was."""
    texts, soft = articles(60)
    turned = soft.copy()
    turned[7] = turned[7, ::-1]

    found = out_of_fold(model, Features.of_texts(texts), turned, seed=1)

    assert found[7].argmax() == soft[7].argmax()
    assert turned[7].argmax() != soft[7].argmax()


def test_a_row_does_not_see_its_double(model: EndModel) -> None:
    """An outlandish text with a label of its own stays unknown, however often it stands there."""
    texts, soft = articles(60)
    texts += ["zyx wvu tsr"] * 6
    soft = np.vstack([soft, np.tile([0.0, 1.0], (6, 1))])

    found = out_of_fold(model, Features.of_texts(texts), soft, seed=1)

    assert found[60:, 1].max() < 0.75
    assert (found[60:] == found[60]).all()


def test_the_same_seed_gives_the_same_bits(model: EndModel) -> None:
    """And another seed other folds."""
    texts, soft = articles(60)

    one, two, other = (
        out_of_fold(model, Features.of_texts(texts), soft, seed=seed) for seed in (1, 1, 2)
    )

    assert one.tobytes() == two.tobytes()
    assert one.tobytes() != other.tobytes()


def test_asked_part_by_part_it_says_the_same(model: EndModel) -> None:
    """Of a row that it has learned from, too, whichever part it is asked about in."""
    features, soft = mixed(120)
    features = replace(features, texts=("title", "body"), numbers=("size",), embedding="vector")
    opinion = model.learn(replace(features, frame=features.frame[:90]), soft[:90], seed=1)

    parts = [replace(features, frame=features.frame[at : at + 7]) for at in range(0, 120, 7)]

    whole = opinion.of(features)
    np.testing.assert_array_equal(np.concatenate([opinion.of(part) for part in parts]), whole)


def test_random_state_is_left_alone(model: EndModel) -> None:
    """A seed is an argument, not a side effect."""
    texts, soft = articles(60)
    np.random.seed(3)
    expected = np.random.rand()
    np.random.seed(3)

    out_of_fold(model, Features.of_texts(texts), soft, seed=1)

    assert np.random.rand() == expected


def test_unlabeled_rows_are_scored_and_teach_nothing(model: EndModel) -> None:
    """Their words count for nothing in the answers for others."""
    texts, soft = articles(60)
    without = out_of_fold(model, Features.of_texts(texts), soft, seed=1)
    more_texts = [*texts, "a goal in the match", "software for the computer", "goal goal goal"]
    more_soft = np.vstack([soft, np.full((3, 2), np.nan)])

    found = out_of_fold(model, Features.of_texts(more_texts), more_soft, seed=1)

    assert found[60:].argmax(axis=1).tolist() == [0, 1, 0]
    np.testing.assert_allclose(found[:60], without, atol=1e-12)


def test_soft_labels_teach_in_proportion(model: EndModel) -> None:
    """Unsure labels give less sure answers."""
    texts, soft = articles(60)
    unsure = 0.5 + (soft - 0.5) / 4

    sure_found = out_of_fold(model, Features.of_texts(texts), soft, seed=1)
    unsure_found = out_of_fold(model, Features.of_texts(texts), unsure, seed=1)

    assert unsure_found.max(axis=1).mean() < sure_found.max(axis=1).mean()


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_rows_are_all_nan(model: EndModel, count: int) -> None:
    """Nothing can be learned, and none of it is an error."""
    texts, soft = articles(count)

    found = out_of_fold(model, Features.of_texts(texts), soft, seed=1)

    assert found.shape == (count, 2)
    assert np.isnan(found).all()


def test_one_class_or_no_label_is_all_nan(model: EndModel) -> None:
    """There is nothing to tell apart."""
    texts, soft = articles(60)

    for taught in (np.tile([0.9, 0.1], (60, 1)), np.full_like(soft, np.nan)):
        assert np.isnan(out_of_fold(model, Features.of_texts(texts), taught, seed=1)).all()


def test_texts_without_words_are_scored(model: EndModel) -> None:
    """Empty, missing or of signs alone, among texts that have words."""
    texts, soft = articles(60)
    hostile = ["", "\0", "!!! £", None]
    found = out_of_fold(
        model, Features.of_texts([*texts, *hostile]), np.vstack([soft, soft[:4]]), seed=1
    )

    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_nothing_but_empty_texts_is_all_nan(model: EndModel) -> None:
    """No word, no opinion."""
    _, soft = articles(60)

    assert np.isnan(out_of_fold(model, Features.of_texts([""] * 60), soft, seed=1)).all()


def test_a_class_that_one_row_has_is_no_trouble(model: EndModel) -> None:
    """The model that judges that row has never heard of the class: probability 0."""
    texts, soft = articles(60)
    soft = np.column_stack([soft, np.zeros(60), np.zeros(60)])
    soft[5] = [0, 0, 1, 0]

    found = out_of_fold(model, Features.of_texts(texts), soft, seed=1)

    assert found[5, 2] == 0
    assert found[:, 3].max() == 0
    np.testing.assert_allclose(found.sum(axis=1), 1)


@pytest.mark.parametrize(("rows", "folds"), [(59, 5), (60, 1), (60, 0)])
def test_what_does_not_fit_is_refused(model: EndModel, rows: int, folds: int) -> None:
    """With a hint."""
    texts, soft = articles(60)

    with pytest.raises(InputError) as caught:
        model.learn(Features.of_texts(texts), soft[:rows], seed=1, folds=folds)
    assert caught.value.hint


def mixed(count: int) -> tuple[Features, SoftLabels]:
    """Rows that texts say nothing of: a number, or an embedding, tells the classes apart."""
    rng = np.random.default_rng(0)
    soft = articles(count)[1]
    side = np.where(soft[:, 0] > 0.5, 1.0, -1.0)
    near = side[:, None] * np.array([1.0, 0.0, 0.0]) + 0.3 * rng.normal(size=(count, 3))
    frame = pl.DataFrame(
        {
            "title": ["the same words"] * count,
            "body": [f"word{i % 7}" for i in range(count)],
            "size": 1e6 + 1e3 * side + rng.normal(size=count),
            "constant": np.ones(count),
            "vector": pl.Series(near.tolist(), dtype=pl.List(pl.Float32)),
        }
    )
    return Features(frame), soft


@pytest.mark.parametrize("seen", [{"numbers": ("constant", "size")}, {"embedding": "vector"}])
@pytest.mark.parametrize("texts", [(), ("title", "body")])
def test_numbers_and_embeddings_teach(
    model: EndModel, seen: dict[str, Any], texts: tuple[str, ...]
) -> None:
    """Whatever their scale, beside several text columns or alone."""
    features, soft = mixed(120)

    found = out_of_fold(model, replace(features, texts=texts, **seen), soft, seed=1)

    assert (found.argmax(axis=1) == soft.argmax(axis=1)).mean() > 0.95


def test_missing_numbers_are_scored(model: EndModel) -> None:
    """Null, NaN and infinite are none of them an error."""
    features, soft = mixed(60)
    holes = pl.Series("size", [None, float("nan"), float("inf")] * 20)
    features = replace(features, numbers=("size", "holes"))
    features = replace(features, frame=features.frame.with_columns(holes.alias("holes")))

    np.testing.assert_allclose(out_of_fold(model, features, soft, seed=1).sum(axis=1), 1)


def test_no_column_is_all_nan(model: EndModel) -> None:
    """Nothing to see, no opinion."""
    features, soft = mixed(60)

    assert np.isnan(out_of_fold(model, features, soft, seed=1)).all()
