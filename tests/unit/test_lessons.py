"""The rows that an end model learns from: chosen by their keys, whatever the parts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datahub.core.features import Features
from datahub.core.labels import SoftLabels
from datahub.core.lessons import Lessons

ROWS = 500
NUMBERS = pl.Series("id", range(ROWS))
TEXTS = Features.of_texts([f"text {i}" for i in range(ROWS)])
RNG = np.random.default_rng(2)
SOFT: SoftLabels = RNG.dirichlet([1, 1, 1], ROWS)
SOFT[RNG.random(ROWS) < 0.3] = np.nan
LABELED = np.flatnonzero(~np.isnan(SOFT).any(axis=1))


def collected(keys: pl.Series, cuts: list[int], *, most: int, seed: int = 0) -> list[str]:
    """Texts of the rows that stay, of rows that come in parts."""
    lessons = Lessons(TEXTS, 3, most=most, seed=seed)
    for start, end in zip([0, *cuts], [*cuts, ROWS], strict=True):
        part = replace(TEXTS, frame=TEXTS.frame[start:end])
        lessons.add(keys[start:end], part, SOFT[start:end])
    features, soft = lessons.contents()
    texts: list[str] = features.frame["text"].to_list()
    np.testing.assert_array_equal(soft, SOFT[[int(text.split()[1]) for text in texts]])
    return texts


@given(
    st.lists(st.integers(0, ROWS), max_size=9).map(sorted),
    st.integers(1, ROWS),
    st.sampled_from([NUMBERS, NUMBERS.cast(pl.String), NUMBERS // 3]),
)
def test_however_rows_are_cut_the_same_stay(cuts: list[int], most: int, keys: pl.Series) -> None:
    """As many as may, in their order; also where ranks are equal."""
    stay = collected(keys, cuts, most=most)

    assert stay == collected(keys, [], most=most)
    assert len(stay) == min(most, len(LABELED))
    assert stay == sorted(stay, key=lambda text: int(text.split()[1]))


def test_rows_that_fit_all_stay() -> None:
    """Those without a soft label teach nothing."""
    assert collected(NUMBERS, [100], most=ROWS) == [f"text {i}" for i in LABELED]


@pytest.mark.parametrize("keys", [NUMBERS, NUMBERS.cast(pl.String)])
def test_the_seed_draws_and_another_draws_others(keys: pl.Series) -> None:
    """The same seed the same rows."""
    one, same, other = (collected(keys, [], most=50, seed=seed) for seed in (1, 1, 2))

    assert one == same
    assert len(set(one) & set(other)) < 40


def test_rows_that_come_later_have_the_same_chance() -> None:
    """Neither neighbours nor the end are preferred."""
    stay = [text for seed in range(40) for text in collected(NUMBERS, [250], most=40, seed=seed)]

    early = sum(int(text.split()[1]) < ROWS // 2 for text in stay) / len(stay)
    assert abs(early - (LABELED < ROWS // 2).mean()) < 0.05


def test_no_rows_are_no_lessons() -> None:
    """Nothing to learn from is no error."""
    features, soft = Lessons(TEXTS, 3, most=5, seed=0).contents()

    assert soft.shape == (0, 3)
    assert features.texts == ("text",)
