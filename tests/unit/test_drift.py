"""Drift of columns and texts, near duplicates, personal data, words that give a label away."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from datahub.core.column_drift import Sketch, drift, merged, sketch_part
from datahub.core.near_duplicates import shared, text_hashes
from datahub.core.personal_data import PATTERNS, kinds_in, masked, rows_with
from datahub.core.shortcut_tokens import added, count_tokens, shortcuts
from datahub.core.text_drift import discrepancy, mean_features

RANDOM = np.random.default_rng(3)


def sketch(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]], parts: int = 4) -> Sketch:
    return merged([sketch_part(pl.Series(piece)) for piece in np.array_split(values, parts)])


def test_a_shift_of_numbers_is_measured_as_all_rows_would_say() -> None:
    """Exact to the resolution of a sketch, however the rows are cut into parts."""
    before = RANDOM.normal(50, 10, 40_000)
    after = RANDOM.normal(50, 10, 40_000) + 2

    found = drift(sketch(before), sketch(after, parts=7))

    x, y = np.sort(before), np.sort(after)
    grid = np.concatenate([x, y])
    ks = np.abs(
        np.searchsorted(x, grid, side="right") / len(x)
        - np.searchsorted(y, grid, side="right") / len(y)
    ).max()
    assert found["ks"] == pytest.approx(ks, abs=0.004)
    assert found["w1"] == pytest.approx(np.abs(x - y).mean() / before.std(), abs=0.01)
    assert found["nulls"] == 0


def test_rows_of_one_distribution_do_not_drift() -> None:
    numbers = RANDOM.normal(0, 1, 80_000)

    found = drift(sketch(numbers[:40_000]), sketch(numbers[40_000:]))

    assert max(found["ks"], found["w1"]) < 0.02
    assert found["psi"] < 0.01


def test_columns_without_values_or_of_another_type_compare_only_nulls() -> None:
    """Neither a crash nor a pass by NaN."""
    nothing = merged([sketch_part(pl.Series([None, None], dtype=pl.Float64))])
    numbers = merged([sketch_part(pl.Series([1.0, float("nan")]))])
    texts = merged([sketch_part(pl.Series(["a", "b"]))])

    assert drift(nothing, numbers) == {"nulls": 0.5}
    assert drift(numbers, texts) == {"nulls": 0.5}
    assert drift(merged([]), nothing) == {"nulls": 1.0}


def test_a_constant_that_moves_drifts() -> None:
    """Its standard deviation is 0."""
    sides = [merged([sketch_part(pl.Series([value] * 9))]) for value in (1.0, 2.0)]

    assert drift(sides[0], sides[0])["w1"] == 0
    found = drift(*sides)
    assert (found["w1"], found["ks"]) == (1, 1)
    assert found["psi"] > 0.25


def test_categories_are_compared_by_their_shares() -> None:
    before = merged([sketch_part(pl.Series(["a"] * 6 + ["b"] * 4))])
    after = merged([sketch_part(pl.Series(["a"] * 3)), sketch_part(pl.Series(["c"] * 7))])

    found = drift(before, after)

    assert found["linf"] == pytest.approx(0.7)
    assert 0.5 < found["js"] <= 1


def test_near_duplicates_are_found_and_others_are_not() -> None:
    words = [f"w{number}" for number in range(4_000)]
    texts = [" ".join(RANDOM.choice(words, 60)) for _ in range(300)]
    near = [f"{text} and more" for text in texts[:100]]

    exact, found = shared(
        text_hashes(pl.Series([*near, *texts[100:]])), text_hashes(pl.Series(texts))
    )

    assert exact.tolist() == [False] * 100 + [True] * 200
    assert found[:100].mean() > 0.95
    fresh = pl.Series([" ".join(RANDOM.choice(words, 60)) for _ in range(300)])
    assert shared(text_hashes(fresh), text_hashes(pl.Series(texts)))[1].sum() == 0


@pytest.mark.parametrize("texts", [[], [None, ""], ["one"], ["日本語 テキスト", "é"]])
def test_texts_of_no_words_have_hashes_too(texts: list[str | None]) -> None:
    series = pl.Series(texts, dtype=pl.String)

    assert text_hashes(series).shape == (9, len(texts))
    assert mean_features(series).shape == (512,)


PERSONAL = {
    "email": "write to ann.b+c@mail.example.org today",
    "phone": "call +44 20 7946 0958",
    "card": "card 4111-1111-1111-1111",
    "iban": "pay GB82 WEST 1234 5698 7654 32",
    "ip": "from 192.168.0.12",
    "ssn": "ssn 078-05-1120",
}
INNOCENT = ["version 1.2.3", "4111 1111 1111 1112", "@home 3-2 win", "order 123456789", "12.5%", ""]


@pytest.mark.parametrize("kind", PATTERNS)
def test_each_kind_of_personal_data_is_found_in_one_text_and_in_many(kind: str) -> None:
    """The two ways are one."""
    assert kinds_in(PERSONAL[kind]) == [kind]
    rows = rows_with(pl.Series([*INNOCENT, PERSONAL[kind], None]))
    assert rows == {**{name: list[int]() for name in PATTERNS}, kind: [len(INNOCENT)]}
    assert masked(PERSONAL[kind]) == PERSONAL[kind] or f"[{kind}]" in masked(PERSONAL[kind])


def test_a_word_that_came_with_one_class_is_a_shortcut() -> None:
    labels = ["spam", "ham"] * 600
    texts = [f"text {number} of the set" for number in range(1_200)]
    marked = [f"{text} zebra" if label == "spam" else text for text, label in zip(texts, labels)]  # noqa: B905

    def found(rows: list[str], leave_out: frozenset[str] = frozenset()) -> list[str]:
        other = pl.Series(["other"] * 1_200), pl.Series(["rest"] * 1_200)
        parts = [count_tokens(pl.Series(rows), pl.Series(labels)), count_tokens(*other)]
        return [one.token for one in shortcuts(added(parts), leave_out=leave_out)]

    assert found(texts) == []
    assert found(marked) == ["zebra"]
    assert found(marked, frozenset({"zebra"})) == []


def test_texts_of_another_kind_are_further_than_parts_are_from_each_other() -> None:
    def part(words: list[str]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        return mean_features(pl.Series([" ".join(RANDOM.choice(words, 12)) for _ in range(500)]))

    first = [f"a{number}" for number in range(200)]
    second = [f"b{number}" for number in range(200)]
    before = [part(first) for _ in range(5)]

    distance, usual = discrepancy(before, [part(first)])
    assert distance < 1.5 * usual
    distance, usual = discrepancy(before, [part(second)])
    assert distance > 3 * usual
