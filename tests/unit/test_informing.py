"""A person's answer informs rows alike, and no others."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from datahub.core.informing import PRIOR, informed

CELLS = hnp.arrays(np.int64, st.integers(1, 30), elements=st.integers(0, 4))


@given(cell=CELLS, answers=st.dictionaries(st.integers(0, 29), st.integers(0, 2), max_size=10))
def test_only_rows_of_an_answered_cell_change(
    cell: npt.NDArray[np.int64], answers: dict[int, int]
) -> None:
    """And what changes stays a distribution; the order of answers does not matter."""
    answers = {row: said for row, said in answers.items() if row < len(cell)}
    soft = np.random.default_rng(0).dirichlet([1, 1, 1], len(cell))

    after, heard = informed(soft, cell, answers)

    touched = np.isin(cell, cell[list(answers)])
    np.testing.assert_array_equal(after[~touched], soft[~touched])
    np.testing.assert_allclose(after.sum(axis=1), 1)
    assert ((heard > 0) == touched).all()
    again, _ = informed(soft, cell, dict(reversed(answers.items())))
    np.testing.assert_array_equal(again, after)


def test_many_answers_outweigh_the_models() -> None:
    """With n answers the models count for PRIOR / (PRIOR + n)."""
    soft = np.tile([0.9, 0.1], (40, 1))

    after, heard = informed(soft, np.zeros(40, dtype=np.int64), dict.fromkeys(range(15), 1))

    assert heard.tolist() == [15] * 40
    np.testing.assert_allclose(after[:, 0], 0.9 * PRIOR / (PRIOR + 15))


def test_a_row_without_a_soft_label_keeps_none() -> None:
    """No vote, no label: answers to other such rows do not make one."""
    soft = np.array([[np.nan, np.nan], [np.nan, np.nan]])

    after, _ = informed(soft, np.array([0, 0]), {0: 1})

    assert np.isnan(after).all()
