"""The end model on vectors: soft labels as they are, and noise that explains nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression

from datahub.adapters.endmodel_sklearn import LogisticEndModel
from datahub.adapters.endmodel_sklearn.soft_logistic import SoftLogistic
from datahub.core.features import Features
from datahub.core.labels import SoftLabels
from datahub.core.looks import LOOKS, choose_looks, likelihood
from datahub.core.vectors import Vectors, unit


def seen(vectors: Vectors, texts: list[str] | None = None) -> Features:
    frame = pl.DataFrame({"v": pl.Series(vectors)})
    if texts is None:
        return Features(frame, vectors="v")
    return Features(frame.with_columns(text=pl.Series(texts)), ("text",), vectors="v")


def made(rows: int = 300, k: int = 3) -> tuple[Vectors, SoftLabels]:
    """Vectors around one center a class, and soft labels that are 0.8 sure."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(k, 16))
    classes = np.arange(rows) % k
    vectors = unit((centers[classes] + rng.normal(size=(rows, 16))).astype(np.float32))
    soft = np.full((rows, k), 0.2 / (k - 1))
    soft[np.arange(rows), classes] = 0.8
    return vectors, soft


def test_it_learns_what_copies_of_rows_would_teach() -> None:
    """As scikit-learn with one weighted copy of a row for each class."""
    vectors, soft = made()
    rows, classes = np.nonzero(soft)

    ours = SoftLogistic.fit([vectors], soft, regularization=1.0, max_iter=500)
    theirs = LogisticRegression(C=1.0, max_iter=500, tol=1e-6)
    theirs.fit(vectors[rows], classes, sample_weight=soft[rows, classes])

    np.testing.assert_allclose(
        ours.predict_proba([vectors]), theirs.predict_proba(vectors), atol=2e-3
    )


def test_rows_are_judged_by_models_of_other_rows_whatever_the_chunk() -> None:
    vectors, soft = made()
    turned = soft.copy()
    turned[7] = soft[8]

    found = LogisticEndModel().learn(seen(vectors), soft, seed=1).of(seen(vectors))
    cut = LogisticEndModel(chunk=7).learn(seen(vectors), soft, seed=1).of(seen(vectors))
    again = LogisticEndModel().learn(seen(vectors), soft, seed=1).of(seen(vectors))

    np.testing.assert_allclose(cut, found, atol=1e-5)
    np.testing.assert_array_equal(again, found)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert (found.argmax(axis=1) == soft.argmax(axis=1)).mean() > 0.9


def test_a_row_without_text_is_told_class_sizes() -> None:
    """Its vector is zeros: it is not a text far from all others."""
    vectors, soft = made()
    vectors[:30] = 0

    found = LogisticEndModel().learn(seen(vectors), soft, seed=1).of(seen(vectors))

    np.testing.assert_allclose(found[:30], 1 / 3, atol=0.1)


def test_vectors_are_chosen_where_they_explain_labels_and_noise_is_not() -> None:
    vectors, soft = made()
    noise = unit(np.random.default_rng(1).normal(size=vectors.shape).astype(np.float32))
    words = [f"word{label} no{i}" for i, label in enumerate(soft.argmax(axis=1))]

    assert chosen(seen(vectors, words), soft) == "vectors"
    assert chosen(seen(noise, words), soft) != "vectors"


def chosen(features: Features, soft: SoftLabels) -> str:
    model = LogisticEndModel()
    values = {}
    for looks in LOOKS:
        some = features.looking_at(looks)
        value = likelihood(soft, model.learn(some, soft, seed=1).of(some))
        assert value is not None
        values[looks] = value
    sizes = likelihood(soft, np.tile(soft.mean(axis=0), (len(soft), 1)))
    assert sizes is not None
    return choose_looks(values, nothing=sizes)


def test_looking_at_words_alone_is_as_without_vectors() -> None:
    """To the bit."""
    vectors, soft = made()
    words = [f"word{label} no{i}" for i, label in enumerate(soft.argmax(axis=1))]
    both = seen(vectors, words)
    plain = Features.of_texts(words)

    with_vectors = both.looking_at("words")
    model = LogisticEndModel()
    found = model.learn(with_vectors, soft, seed=1).of(with_vectors)

    np.testing.assert_array_equal(found, model.learn(plain, soft, seed=1).of(plain))
    assert replace(with_vectors, frame=plain.frame) == replace(plain)
