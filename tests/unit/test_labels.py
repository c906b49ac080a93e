"""Statistics of the label matrix: Snorkel's LF table, and the corners where Snorkel fails."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from snorkel.labeling import LFAnalysis

from datahub.core.errors import InputError
from datahub.core.labels import (
    ABSTAIN,
    Gold,
    LabelMatrix,
    checked_votes,
    class_prior,
    coverage,
    summary,
)

matrices = hnp.arrays(
    np.int8,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=8),
    elements=st.integers(ABSTAIN, 3) | st.just(126),
)


@st.composite
def matrices_with_gold(draw: st.DrawFn) -> tuple[LabelMatrix, Gold]:
    """Votes, and the true class of every row."""
    votes = draw(matrices)
    gold = draw(hnp.arrays(np.int8, len(votes), elements=st.integers(0, 3)))
    return votes, gold


@given(matrices_with_gold())
def test_summary_is_snorkels_table(case: tuple[LabelMatrix, Gold]) -> None:
    """Coverage, overlaps, conflicts, polarity and empirical accuracy of every LF."""
    votes, gold = case
    names = [f"lf{j}" for j in range(votes.shape[1])]
    theirs = LFAnalysis(votes.astype(int)).lf_summary(gold.astype(int))

    ours = summary(votes, names, gold)

    assert [lf.name for lf in ours] == names
    np.testing.assert_allclose([lf.coverage for lf in ours], theirs["Coverage"])
    np.testing.assert_allclose([lf.overlaps for lf in ours], theirs["Overlaps"])
    np.testing.assert_allclose([lf.conflicts for lf in ours], theirs["Conflicts"])
    assert [list(lf.polarity) for lf in ours] == theirs["Polarity"].tolist()
    for lf, accuracy in zip(ours, theirs["Emp. Acc."], strict=True):
        # where an LF never voted Snorkel says 0; we say that it is not known
        assert accuracy == pytest.approx(0 if lf.accuracy is None else lf.accuracy)
        assert (lf.accuracy is None) == (lf.polarity == ())


@given(matrices)
def test_coverage_is_snorkels(votes: LabelMatrix) -> None:
    """The share of rows with a vote."""
    assert coverage(votes) == pytest.approx(LFAnalysis(votes.astype(int)).label_coverage())


@given(matrices)
def test_statistics_ignore_row_order(votes: LabelMatrix) -> None:
    """They are properties of the set of rows."""
    turned = votes[::-1]
    names = [str(j) for j in range(votes.shape[1])]

    assert coverage(turned) == coverage(votes)
    assert summary(turned, names) == summary(votes, names)


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_empty_matrices_have_statistics(shape: tuple[int, int]) -> None:
    """All of them zero; Snorkel raises."""
    votes = np.full(shape, ABSTAIN, dtype=np.int8)

    table = summary(votes, ["a", "b", "c"][: shape[1]], np.full(shape[0], ABSTAIN, dtype=np.int8))

    assert coverage(votes) == 0.0
    assert len(table) == shape[1]
    for lf in table:
        assert (lf.polarity, lf.coverage, lf.overlaps, lf.conflicts) == ((), 0.0, 0.0, 0.0)
        assert lf.accuracy is None


def test_accuracy_is_of_rows_with_gold_only() -> None:
    """Not of all; without gold there is none."""
    votes = np.array([[0], [0], [1], [ABSTAIN]], dtype=np.int8)
    gold = np.array([0, 1, ABSTAIN, 0], dtype=np.int8)

    assert summary(votes, ["a"], gold)[0].accuracy == 0.5
    assert summary(votes, ["a"])[0].accuracy is None


def test_the_last_class_is_no_overflow() -> None:
    """Class 126 of 127 against ABSTAIN and others, in int8."""
    votes = np.array([[126, ABSTAIN], [126, 126], [126, 0]], dtype=np.int8)

    first, second = summary(votes, ["a", "b"])

    assert (first.polarity, second.polarity) == ((126,), (0, 126))
    assert first.conflicts == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    "votes",
    [
        np.array([[2]], dtype=np.int8),
        np.array([[-2]], dtype=np.int8),
        np.array([0, 1], dtype=np.int8),
        np.array([[0.0]]),
    ],
)
def test_votes_that_are_none_are_refused(votes: LabelMatrix) -> None:
    """Outside the classes, of another shape, or not whole numbers."""
    with pytest.raises(InputError) as caught:
        checked_votes(votes, 2)
    assert caught.value.hint


def test_a_given_class_balance_is_taken_as_it_is() -> None:
    """Not scaled: a fit is to be the same bits as Snorkel's."""
    prior, where_from = class_prior([0.2, 0.8], 2)

    assert (prior.tolist(), where_from) == ([0.2, 0.8], "given")
