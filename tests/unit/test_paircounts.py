"""Pair counts are exact, however they were got."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from datahub.core import paircounts
from datahub.core.errors import InputError
from datahub.core.labels import ABSTAIN, LabelMatrix
from datahub.core.paircounts import PairCounts, count

K = 3


def matrices(side: int = 7) -> st.SearchStrategy[LabelMatrix]:
    """Any votes of some LFs on some rows, none included."""
    shapes = st.tuples(st.integers(0, 200), st.integers(0, side))
    return shapes.flatmap(
        lambda shape: hnp.arrays(np.int8, shape, elements=st.integers(ABSTAIN, K - 1))
    )


def one_hot(votes: LabelMatrix) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """What Snorkel counts: L_aug.T @ L_aug."""
    hot = (votes[:, :, None] == np.arange(K)).reshape(len(votes), votes.shape[1] * K)
    counted: np.ndarray[tuple[int, int], np.dtype[np.int64]] = hot.T.astype(np.int64) @ hot
    return counted


@given(matrices())
def test_counts_are_those_of_the_one_hot_matrix(votes: LabelMatrix) -> None:
    np.testing.assert_array_equal(count(votes, K).counts, one_hot(votes))


def test_blocks_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that fill no block, and no word of 64, are counted too."""
    votes = np.random.default_rng(1).integers(ABSTAIN, K, (1000, 4)).astype(np.int8)
    monkeypatch.setattr(paircounts, "_MOST_ROWS", 64)

    np.testing.assert_array_equal(count(votes, K).counts, one_hot(votes))


@given(matrices(), st.data())
def test_an_update_equals_a_full_count(votes: LabelMatrix, data: st.DataObject) -> None:
    """However many LFs changed, and into whatever."""
    counts = count(votes, K)
    changed = data.draw(
        st.sets(st.integers(0, votes.shape[1] - 1)) if votes.shape[1] else st.just(set())
    )
    for lf in changed:
        votes[:, lf] = data.draw(
            hnp.arrays(np.int8, len(votes), elements=st.integers(ABSTAIN, K - 1))
        )

    counts.update(votes, changed)

    np.testing.assert_array_equal(counts.counts, count(votes, K).counts)


@given(matrices(), st.data())
def test_lfs_can_leave_come_and_move(votes: LabelMatrix, data: st.DataObject) -> None:
    """What stays is not counted again; what is new is."""
    m = votes.shape[1]
    order = data.draw(st.lists(st.integers(ABSTAIN, m - 1), max_size=6))
    new = [place for place, lf in enumerate(order) if lf == ABSTAIN]
    after = np.zeros((len(votes), len(order)), dtype=np.int8)
    for place, lf in enumerate(order):
        after[:, place] = 1 if lf == ABSTAIN else votes[:, lf]

    counts = count(votes, K).select(order)
    counts.update(after, new)

    np.testing.assert_array_equal(counts.counts, count(after, K).counts)


@given(matrices())
def test_counts_come_back_from_bytes(votes: LabelMatrix) -> None:
    counts = count(votes, K)

    read, made_from = PairCounts.from_bytes(counts.to_bytes(columns=["a"]))

    assert (read.rows, read.cardinality, made_from) == (len(votes), K, {"columns": ["a"]})
    np.testing.assert_array_equal(read.counts, counts.counts)


@pytest.mark.parametrize(
    "content", [b'{"format": 2, "lfs": 0}\n', b'{"format": 1, "lfs": 1, "cardinality": 2}\n1234']
)
def test_bytes_of_another_format_are_refused(content: bytes) -> None:
    """A later version, or half a file."""
    with pytest.raises(InputError, match="format"):
        PairCounts.from_bytes(content)


def test_votes_of_another_shape_are_refused() -> None:
    counts = count(np.zeros((5, 2), dtype=np.int8), K)

    with pytest.raises(InputError, match="5 rows and 2 LFs"):
        counts.update(np.zeros((6, 2), dtype=np.int8), [0])


@pytest.mark.parametrize("bad", [-2, K])
def test_a_vote_outside_the_classes_is_refused(bad: int) -> None:
    """It would be counted nowhere."""
    votes = np.zeros((5, 2), dtype=np.int8)
    counts = count(votes, K)
    votes[2, 1] = bad

    with pytest.raises(InputError, match="3 classes"):
        count(votes, K)
    with pytest.raises(InputError, match="3 classes"):
        counts.update(votes, [1])
