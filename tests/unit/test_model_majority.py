"""Majority vote against a count by hand, and against Snorkel's."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from snorkel.labeling.model import MajorityLabelVoter

from datahub.adapters.model_majority import MajorityLabelModel
from datahub.core.labels import ABSTAIN, LabelMatrix

matrices = hnp.arrays(
    np.int8, hnp.array_shapes(min_dims=2, max_dims=2), elements=st.integers(ABSTAIN, 3)
)


def counted(row: list[int]) -> list[float]:
    """The share of each of 4 classes in one row, counted naively."""
    counts = Counter(vote for vote in row if vote != ABSTAIN)
    winners = [c for c in counts if counts[c] == max(counts.values())]
    return [float("nan") if not winners else (c in winners) / len(winners) for c in range(4)]


@given(matrices)
def test_majority_is_a_count(votes: LabelMatrix) -> None:
    """Tied classes share the row equally; a row without votes is NaN."""
    model = MajorityLabelModel()

    soft = model.predict(model.fit(votes, cardinality=4, seed=0), votes)

    np.testing.assert_allclose(soft, [counted(row) for row in votes.tolist()])


@given(matrices)
def test_majority_is_snorkels_where_there_is_a_vote(votes: LabelMatrix) -> None:
    """Without its loop over rows."""
    model = MajorityLabelModel()
    voted = (votes != ABSTAIN).any(axis=1)

    soft = model.predict(model.fit(votes, cardinality=4, seed=0), votes)

    np.testing.assert_allclose(
        soft[voted], MajorityLabelVoter(cardinality=4).predict_proba(votes.astype(int))[voted]
    )


def test_weight_is_the_share_of_agreement() -> None:
    """A tie of two agrees by half."""
    votes = np.array([[0, 0, 1], [1, 0, -1]], dtype=np.int8)

    weights = MajorityLabelModel().fit(votes, cardinality=2, seed=0).weights

    assert weights.tolist() == [0.75, 0.75, 0.0]
