"""Where rows are cut into parts."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datahub.core.dataset import Part
from datahub.core.parts import Cutter, align

KEYS = st.one_of(
    st.sets(st.integers(-(2**63), 2**63 - 1), max_size=300),
    st.sets(st.integers(0, 500), max_size=300),
    st.sets(st.text(max_size=6), max_size=200),
)


def cut(keys: list[object], *, sizes: list[int], target: int = 8) -> list[list[object]]:
    """The parts of these keys in order, pushed in frames of these sizes."""
    kind = pl.String if keys and isinstance(keys[0], str) else pl.Int64
    frame = pl.DataFrame({"id": pl.Series(keys, dtype=kind)}).sort("id")
    cutter, start = Cutter("id", target), 0
    parts: list[pl.DataFrame] = []
    while start < frame.height:
        size = sizes[len(parts) % len(sizes)]
        parts += cutter.push(frame.slice(start, size))
        start += size
    return [part["id"].to_list() for part in (*parts, *cutter.rest())]


@settings(deadline=None)
@given(KEYS, st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_cuts_depend_on_the_keys_alone(keys: set[object], sizes: list[int]) -> None:
    """However the rows came, and every part has a sensible size."""
    parts = cut(list(keys), sizes=sizes)

    assert parts == cut(list(keys), sizes=[1000])
    assert sum(map(len, parts)) == len(keys)
    assert all(4 <= len(part) <= 16 for part in parts[:-1])
    assert all(1 <= len(part) <= 16 for part in parts[-1:])


@pytest.mark.slow
@settings(deadline=None)
@given(st.sets(st.integers(0, 3000), min_size=500, max_size=900), st.integers(0, 3000))
def test_one_row_more_leaves_the_parts_before_it(keys: set[int], more: int) -> None:
    """Parts that end before the new row stay, byte for byte."""
    before = cut(list(keys), sizes=[1000])

    after = cut(list(keys | {more}), sizes=[1000])

    passed = [part for part in before if isinstance(part[-1], int) and part[-1] < more]
    assert after[: len(passed)] == passed


def test_cuts_come_together_again_after_a_change() -> None:
    """A row in the middle of many changes a few parts, not all that follow."""
    keys: list[object] = list(range(0, 20_000, 2))
    before = {tuple(part) for part in cut(keys, sizes=[1000])}

    after = {tuple(part) for part in cut([*keys, 10_001], sizes=[1000])}

    assert 1 <= len(after - before) <= 10
    assert len(before) > 1000


def test_the_hash_of_a_key_never_changes() -> None:
    """Parts on disk were cut by it: this test fails where a release cuts elsewhere."""
    numbers = [len(part) for part in cut(list(range(60)), sizes=[1000])]
    texts = [len(part) for part in cut([f"row-{i:03d}" for i in range(60)], sizes=[1000])]

    assert (numbers, texts) == ([4, 7, 8, 15, 7, 8, 9, 2], [4, 16, 6, 8, 6, 4, 4, 12])


def test_parts_that_all_share_need_no_look() -> None:
    """Three states of which one differs in one part."""
    a, b, c = Part("a", 5, 0, 9), Part("b", 5, 10, 19), Part("c", 6, 10, 19)

    assert align([a, b], [a, b], [a, c]) == [((b,), (b,), (c,))]
    assert align([a, b], [a, b]) == []
    assert align([], [a]) == [((), (a,))]
