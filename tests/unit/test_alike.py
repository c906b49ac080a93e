"""What reads nearly alike is found, whatever it is held against."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datahub.core import alike as rule
from datahub.core.alike import Read, alike, words

LETTERS = st.lists(st.frozensets(st.sampled_from("abcdefghij"), max_size=10), max_size=30)


def drawn(seed: int, *, common: int, size: int, rows: int) -> list[frozenset[str]]:
    """Rows of one text with ever other words in it, so that many are nearly alike."""
    numbers = np.random.default_rng(seed)
    text = [f"common{i}" for i in range(size)]
    found = []
    for _ in range(rows):
        kept = numbers.choice(text, size=numbers.integers(common, size + 1), replace=False)
        others = numbers.integers(0, 3 * size, size=numbers.integers(0, size // 4 + 2))
        found.append(frozenset([*map(str, kept), *(f"other{i}" for i in others)]))
    return found


def new_by_pairs(rows: list[frozenset[str]]) -> list[bool]:
    """The rule itself: a row is new if no new row before it is alike."""
    new, answers = list[frozenset[str]](), []
    for row in rows:
        answers.append(not any(5 * len(row & one) >= 4 * len(row | one) for one in new))
        new += [row] if answers[-1] else []
    return answers


WAYS = {"bits first": {"SHORT": 0}, "by words": {"SHORT": 9**9}, "words wait": {"MOST_BITS": 0}}


@pytest.fixture(params=["as it comes", *WAYS], scope="module")
def way(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each way to the rows that may be alike, whatever the size of a row or their number."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in WAYS.get(request.param, {}).items():
            patch.setattr(rule, name, value)
        yield


@pytest.mark.usefixtures("way")
@given(rows=LETTERS)
def test_a_row_is_new_exactly_if_no_new_row_before_it_is_alike(rows: list[frozenset[str]]) -> None:
    """The short way finds what comparing with every row before would."""
    read = Read()

    assert [read.is_new(row) for row in rows] == new_by_pairs(rows)


@pytest.mark.usefixtures("way")
@settings(max_examples=8)
@given(seed=st.integers(0, 2**32 - 1), size=st.sampled_from([3, 12, 30, 60, 130]))
def test_nothing_alike_is_missed_among_many_texts_of_any_length(seed: int, size: int) -> None:
    """Also where bits decide, where the commonest words are left out, and where texts grow."""
    rows = drawn(seed, common=(3 * size) // 4, size=size, rows=150)
    rows += drawn(seed, common=size, size=2 * size, rows=20)
    read = Read()

    assert [read.is_new(row) for row in rows] == new_by_pairs(rows)


@given(text=st.text() | st.text(alphabet=st.characters(max_codepoint=127)))
def test_words_are_those_of_the_pattern(text: str) -> None:
    """The quick way for ASCII splits as the slow way for every text."""
    assert words(text) == frozenset(re.findall(r"\w+", text.casefold()))


def test_case_and_stops_do_not_matter_and_other_words_do() -> None:
    """One more word of five is still the same text; two are not."""
    text = words("Claim your free prize today")

    assert alike(text, words("claim YOUR free... prize, today!"))
    assert alike(text, words("claim your free prize today please"))
    assert not alike(text, words("claim your free prize today please sir"))
    assert alike(words("???"), words(""))


def test_a_thousand_long_texts_take_few_comparisons(monkeypatch: pytest.MonkeyPatch) -> None:
    """Words that all texts share tell nothing: only rare ones are looked up."""
    monkeypatch.setattr(rule, "MOST_BITS", 0)
    common = frozenset(f"common{i}" for i in range(80))
    rows = [common | {f"rare{n}-{i}" for i in range(40)} for n in range(1000)]

    read = Read()

    assert all(read.is_new(row) for row in rows)
    assert not any(read.is_new(row - {"common1"}) for row in rows[:50])
    assert 0 < sum(map(len, read._entries.values())) <= 1050 * 29
