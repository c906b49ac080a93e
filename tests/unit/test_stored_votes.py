"""Votes that are read as they are asked for are the label matrix."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from datahub.core import patterns
from datahub.core.labels import LabelMatrix
from datahub.core.patterns import Numbering, vote_patterns
from datahub.flow.dataset import parts
from datahub.flow.dataset.at import At
from datahub.flow.dataset.votes import VotesAt, current_votes, read_votes
from datahub.hub.registry import REGISTRY, adapter
from tests.unit.test_lf_memory import lfs
from tests.unit.test_lf_reuse import Project

ROWS = 300


@pytest.fixture(scope="module")
def votes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[VotesAt, LabelMatrix]]:
    """As they lie in a commit, and in memory; in parts of seven rows, about."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "ROWS_PER_PART", 7)
        made = Project(tmp_path_factory.mktemp("votes"))
        texts = ("goal", "film", "goal film", "neither")
        made.take({i: texts[i * i % 11 % 4] for i in range(ROWS)})
        made.run(lfs()[:6])
        at = At.of(made.store, made.rows, "main", "mail")
        yield VotesAt(at, current_votes(at)), read_votes(at, current_votes(at))


@given(start=st.integers(-1, ROWS + 5), size=st.integers(0, ROWS))
def test_neighbours_are_those_of_the_matrix(
    votes: tuple[VotesAt, LabelMatrix], start: int, size: int
) -> None:
    """Within a part, across parts, none, and beyond the end."""
    stored, matrix = votes
    lines = slice(max(start, 0), start + size if start >= 0 else None)

    np.testing.assert_array_equal(stored[lines], matrix[lines])


@given(rows=st.sets(st.integers(0, ROWS - 1)).map(sorted))
def test_some_rows_are_those_of_the_matrix(
    votes: tuple[VotesAt, LabelMatrix], rows: list[int]
) -> None:
    """Drawn from many parts, or none."""
    stored, matrix = votes
    lines = np.array(rows, dtype=np.int64)

    np.testing.assert_array_equal(stored[lines], matrix[lines])


@pytest.mark.parametrize("name", sorted(REGISTRY["label_model"]))
def test_every_label_model_learns_the_same_from_them(
    votes: tuple[VotesAt, LabelMatrix], name: str
) -> None:
    """To the bit."""
    stored, matrix = votes
    model = adapter("label_model", name)()

    one, other = (model.fit(given, cardinality=2, seed=3) for given in (stored, matrix))

    assert one.weights.tobytes() == other.weights.tobytes()
    assert {key: array.tobytes() for key, array in one.arrays.items()} == {
        key: array.tobytes() for key, array in other.arrays.items()
    }


@given(
    hnp.arrays(
        np.int8, st.tuples(st.integers(1, 40), st.integers(1, 20)), elements=st.integers(-1, 5)
    )
)
def test_rows_of_equal_votes_have_equal_numbers_however_many_there_are(
    matrix: LabelMatrix,
) -> None:
    """Held and numbered in order, or too many to hold and known by a hash."""
    expected = vote_patterns(matrix)[1]

    held, hashed = (Numbering.of(matrix, most=most)(matrix) for most in (len(matrix), 0))

    np.testing.assert_array_equal(held, expected)
    assert len(set(zip(hashed.tolist(), expected.tolist(), strict=True))) == len(set(expected))
    assert len(set(hashed.tolist())) == len(set(expected.tolist()))


def test_numbers_do_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the rows before."""
    matrix = np.random.default_rng(0).integers(-1, 3, (100, 3)).astype(np.int8)
    expected = Numbering.of(matrix)(matrix)
    monkeypatch.setattr(patterns, "_BLOCK", 7)

    np.testing.assert_array_equal(Numbering.of(matrix)(matrix), expected)
