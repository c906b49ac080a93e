"""Trust becomes a probability by audited rows, and no row changes its place by it."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datahub.core.calibrating import (
    Calibration,
    calibrate,
    calibrated,
    calibration_by,
    raw_trust,
    reliability,
)

RNG = np.random.default_rng(0)


@given(
    trusts=st.lists(st.floats(0, 1), min_size=2, max_size=30),
    right=st.integers(0, 2**30),
    more=st.floats(0.001, 0.999),
)
def test_calibration_never_turns_the_order_of_rows(
    trusts: list[float], right: int, more: float
) -> None:
    """Whatever was answered: else answers would choose the rows that they are to measure."""
    trust = np.array([*trusts, more])
    said = np.array([bool(right >> i & 1) for i in range(len(trust))])

    after = calibrate(trust, said).of(np.sort(trust))

    assert (np.diff(after) >= 0).all()
    assert ((after >= 0) & (after <= 1)).all()


def test_many_answers_make_trust_true_and_few_hardly_move_it() -> None:
    """Labels of a trust of 0.3 to 0.5 that are right on nine of ten rows."""
    trust = RNG.uniform(0.3, 0.5, 2000)
    right = RNG.random(2000) < 0.9

    many, few = calibrate(trust, right), calibrate(trust[:2], right[:2])

    assert many.of(trust).mean() == pytest.approx(0.9, abs=0.03)
    assert few.of(trust).mean() < 0.7
    before, after = reliability(trust, right), reliability(many.of(trust), right)
    assert before is not None
    assert after is not None
    assert before.error > 0.4
    assert after.error < 0.05


@pytest.mark.parametrize("right", [True, False])
def test_answers_that_all_say_the_same_and_trusts_at_the_ends_are_borne(right: bool) -> None:
    """No likelihood is infinite: neither a sure label that is wrong, nor only right ones."""
    trust = np.array([0.0, 1.0, 1.0, 0.5] * 50)

    found = calibrate(trust, np.full(200, right))

    assert np.isfinite([found.shift, found.log_slope]).all()
    assert (found.of(trust) > 0.5).mean() >= 0.5 if right else (found.of(trust) < 0.5).any()


def test_only_labels_of_rows_with_a_vote_are_calibrated() -> None:
    """What the end model says of a row without a vote has a threshold of its own."""
    scores = pl.DataFrame(
        {"id": [1, 2], "label": ["spam", None], "trust": [0.5, 0.5]},
        schema_overrides={"id": pl.Int64},
    )

    assert calibrated(scores, Calibration(2.0, 0.0))["trust"].round(2).to_list() == [0.88, 0.5]
    assert calibration_by(scores, {2: "spam", 3: "ham"}, key="id") == Calibration()
    assert calibration_by(scores, {1: "spam"}, key="id").shift > 0


def test_the_end_model_outweighs_votes_that_taught_it() -> None:
    """Of two rows that both models together are equally sure of, it is more sure of the second."""
    final = np.array([[0.9, 0.1]] * 2)

    less, more = raw_trust(final, np.array([[0.5, 0.5], [0.8, 0.2]]), np.array([0, 0]))

    assert less < more < 0.9


def test_no_row_and_few_rows_tell_no_reliability() -> None:
    """Nine rows make no bin."""
    assert reliability(np.empty(0), np.empty(0, dtype=bool)) is None
    assert reliability(np.full(9, 0.5), np.ones(9, dtype=bool)) is None
