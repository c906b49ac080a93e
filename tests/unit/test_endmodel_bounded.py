"""The end model on more rows than it learns from: a sample teaches, chunks are scored."""

from __future__ import annotations

import numpy as np

from datahub.adapters.endmodel_sklearn import LogisticEndModel
from datahub.core.features import Features


def made(rows: int) -> tuple[Features, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    """Distinct texts of two classes in turn."""
    texts = [f"{('goal match', 'chip software')[i % 2]} no{i}" for i in range(rows)]
    sport = np.where(np.arange(rows) % 2 == 0, 0.9, 0.1)
    return Features.of_texts(texts), np.column_stack([sport, 1 - sport])


def test_chunks_change_no_answer() -> None:
    """However the rows are cut."""
    features, soft = made(101)
    soft[50:60] = np.nan

    whole = LogisticEndModel().out_of_fold(features, soft, seed=1)
    cut = LogisticEndModel(chunk=7).out_of_fold(features, soft, seed=1)

    np.testing.assert_allclose(cut, whole, atol=1e-12)


def test_a_sample_teaches_for_all() -> None:
    """Rows outside the sample are judged, too, and a row inside never by its own label."""
    features, soft = made(400)
    model = LogisticEndModel(max_rows=60, chunk=50)
    found = model.out_of_fold(features, soft, seed=1)
    turned = soft.copy()
    turned[::40] = soft[::40, ::-1]

    again = model.out_of_fold(features, turned, seed=1)

    assert (found.argmax(axis=1) == soft.argmax(axis=1)).all()
    assert (again.argmax(axis=1) == soft.argmax(axis=1)).all()
