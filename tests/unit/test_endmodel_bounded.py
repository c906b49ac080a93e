"""The end model on more rows than it learns from: a sample teaches, chunks are scored."""

from __future__ import annotations

import tracemalloc

import numpy as np
import polars as pl
import pytest

from datahub.adapters.endmodel_sklearn import LogisticEndModel
from datahub.core.features import Features
from datahub.core.labels import SoftLabels
from datahub.flow.dataset.features import out_of_fold


def made(rows: int) -> tuple[pl.Series, Features, SoftLabels]:
    """Distinct texts of two classes in turn."""
    texts = [f"{('goal match', 'chip software')[i % 2]} no{i}" for i in range(rows)]
    sport = np.where(np.arange(rows) % 2 == 0, 0.9, 0.1)
    keys = pl.int_range(rows, eager=True)
    return keys, Features.of_texts(texts), np.column_stack([sport, 1 - sport])


def test_chunks_change_no_answer() -> None:
    """However the rows are cut."""
    keys, features, soft = made(101)
    soft[50:60] = np.nan

    whole = out_of_fold(LogisticEndModel(), keys, features, soft, seed=1)
    cut = out_of_fold(LogisticEndModel(chunk=7), keys, features, soft, seed=1)

    np.testing.assert_allclose(cut, whole, atol=1e-12)


def test_a_sample_teaches_for_all() -> None:
    """Rows outside the sample are judged, too, and a row inside never by its own label."""
    keys, features, soft = made(400)
    model = LogisticEndModel(most_rows=60, chunk=50)
    found = out_of_fold(model, keys, features, soft, seed=1)
    turned = soft.copy()
    turned[::40] = soft[::40, ::-1]

    again = out_of_fold(model, keys, features, turned, seed=1)

    assert (found.argmax(axis=1) == soft.argmax(axis=1)).all()
    assert (again.argmax(axis=1) == soft.argmax(axis=1)).all()


def test_a_double_of_a_row_in_the_sample_is_judged_as_that_row_is() -> None:
    """By the one fold's model that has seen neither; any other row by the mean of all five."""
    _, features, soft = made(100)
    opinion = LogisticEndModel().learn(features, soft, seed=1)
    inside = opinion.of(features)

    doubles = opinion.of(Features.of_texts([*features.frame["text"].to_list()[::-1], "goal chip"]))

    np.testing.assert_array_equal(doubles[:-1], inside[::-1])
    assert 0.1 < doubles[-1, 0] < 0.9


@pytest.mark.slow
def test_what_it_has_learned_holds_no_rows() -> None:
    """Ten times the rows are scored in the same memory, but for what is returned."""
    _, features, soft = made(500)
    opinion = LogisticEndModel(chunk=500).learn(features, soft, seed=1)

    def held(rows: int) -> int:
        more = made(rows)[1]
        tracemalloc.start()
        try:
            said = opinion.of(more)
            return tracemalloc.get_traced_memory()[1] - 2 * said.nbytes
        finally:
            tracemalloc.stop()

    held(500)
    assert held(20_000) < 1.5 * held(2_000)
