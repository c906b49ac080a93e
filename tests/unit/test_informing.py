"""A person's answer informs rows alike, and no others."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from datahub.core.informing import PRIOR, cells, trust_after, trust_in, update_soft
from datahub.core.labels import combine

CELLS = hnp.arrays(np.int64, st.integers(1, 30), elements=st.integers(0, 4))


@given(cell=CELLS, answers=st.dictionaries(st.integers(0, 29), st.integers(0, 2), max_size=10))
def test_only_rows_of_an_answered_cell_change(
    cell: npt.NDArray[np.int64], answers: dict[int, int]
) -> None:
    """And what changes stays a distribution; the order of answers does not matter."""
    answers = {row: said for row, said in answers.items() if row < len(cell)}
    soft = np.random.default_rng(0).dirichlet([1, 1, 1], len(cell))

    after, said = update_soft(soft, cell, answers)

    touched = np.isin(cell, cell[list(answers)])
    np.testing.assert_array_equal(after[~touched], soft[~touched])
    np.testing.assert_allclose(after.sum(axis=1), 1)
    assert ((said.sum(axis=1) > 0) == touched).all()
    again, _ = update_soft(soft, cell, dict(reversed(answers.items())))
    np.testing.assert_array_equal(again, after)


def test_many_answers_outweigh_the_models() -> None:
    """With n answers the models count for PRIOR / (PRIOR + n)."""
    soft = np.tile([0.9, 0.1], (40, 1))

    after, said = update_soft(soft, np.zeros(40, dtype=np.int64), dict.fromkeys(range(15), 1))

    assert said.tolist() == [[0, 15]] * 40
    np.testing.assert_allclose(after[:, 0], 0.9 * PRIOR / (PRIOR + 15))


def test_a_row_without_a_soft_label_keeps_none() -> None:
    """No vote, no label: answers to other such rows do not make one."""
    soft = np.array([[np.nan, np.nan], [np.nan, np.nan]])

    after, _ = update_soft(soft, np.array([0, 0]), {0: 1})

    assert np.isnan(after).all()


def test_an_answer_does_not_inform_rows_that_are_trusted_otherwise() -> None:
    """Doubted rows are asked, and are not like the rest of their pattern: on the rest, silence."""
    sure = np.linspace(0.5, 1, 100)
    end = np.column_stack([sure, 1 - sure])
    soft = np.tile([0.8, 0.2], (100, 1))
    cell = cells(np.zeros(100, dtype=np.uint32), soft, end)
    doubted = dict.fromkeys(range(5), 1)  # people contradict on the five that are trusted least

    after, said = update_soft(combine(soft, end), cell, doubted)

    assert (after[:5].argmax(axis=1) == 1).any()
    assert (after[20:] == combine(soft, end)[20:]).all()
    assert said[20:].sum() == 0


@given(st.integers(0, 9), st.integers(0, 9), st.floats(0, 1))
def test_trust_follows_the_answers(right: int, wrong: int, before: float) -> None:
    """It is the models' at none, and goes to the share that people confirm."""
    after = trust_after(np.array([before]), np.array([0]), np.array([[right, wrong]], dtype=float))

    share = right / (right + wrong) if right + wrong else before
    low, high = sorted((before, share))
    assert low - 1e-9 <= after[0] <= high + 1e-9


def test_trust_where_both_models_are_silent_is_none() -> None:
    """And where one is, it is that of the other, with chance for the label model's word."""
    nothing = np.full((1, 2), np.nan)
    sure = np.array([[0.9, 0.1]])
    label = np.array([0])

    assert trust_in(nothing, nothing, label) == [0]
    assert trust_in(sure, nothing, label) == [0.9]
    np.testing.assert_allclose(trust_in(nothing, sure, label), 0.7)
