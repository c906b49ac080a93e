"""Vectors as they are stored."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from datahub.core.errors import InputError
from datahub.core.vectors import (
    Vectors,
    VectorsManifest,
    by_similarity,
    from_bytes,
    space_of,
    to_bytes,
    unit,
)

SHAPES = st.tuples(st.integers(0, 20), st.integers(1, 8))


@given(SHAPES.flatmap(lambda shape: arrays(np.float32, shape, elements=st.floats(-1, 1, width=16))))
def test_vectors_of_half_precision_come_back_as_they_were(vectors: Vectors) -> None:
    back = from_bytes(to_bytes(vectors), rows=len(vectors), dimension=vectors.shape[1])

    assert np.array_equal(back, vectors)


@given(st.binary(max_size=64))
def test_bytes_that_are_cut_off_are_told(content: bytes) -> None:
    if len(content) == 24:
        return
    with pytest.raises(InputError, match="Vectors of 3 rows take 24 bytes"):
        from_bytes(content, rows=3, dimension=4)


def test_a_row_without_text_is_like_nothing() -> None:
    vectors = unit(np.array([[0, 0], [3, 4]], dtype=np.float32))

    assert by_similarity(vectors, vectors[1]).tolist() == pytest.approx([0, 1])
    assert not np.isnan(vectors).any()


def test_a_manifest_comes_back_and_a_later_format_is_refused() -> None:
    manifest = VectorsManifest(space_of("m", "text"), "m", "mini", "text", 4)

    assert VectorsManifest.from_json(manifest.to_json()) == manifest
    with pytest.raises(InputError, match="format version"):
        VectorsManifest.from_json(manifest.to_json().replace('"format": 1', '"format": 2'))


def test_another_column_is_another_space() -> None:
    assert space_of("m", "text") != space_of("m", "title") != space_of("n", "title")
