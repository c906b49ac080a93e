"""Declarative labeling functions: one meaning, on rows and on columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import SimpleNamespace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datahub import ABSTAIN, expression, keywords, regex
from datahub.core.declarative import DeclarativeLF
from datahub.core.errors import LabelingFunctionError

WORDS = ["goal", "free kick", "C++", "£5", "naïve", "(sic)"]


def votes(lf: DeclarativeLF, texts: Sequence[str | None]) -> list[int]:
    frame = pl.DataFrame({"text": texts}, schema={"text": pl.String})
    return frame.select(lf.expression()).to_series().to_list()


@given(st.lists(st.one_of(st.none(), st.text(), st.sampled_from(WORDS)), max_size=8))
def test_a_call_on_a_row_is_the_column_expression(texts: list[str | None]) -> None:
    """Snorkel's appliers and polars give the same votes."""
    for lf in (keywords("k", WORDS, 1), keywords("k2", WORDS, 1, at_least=2), regex("r", r"\d", 0)):
        assert [lf(SimpleNamespace(text=text)) for text in texts] == votes(lf, texts)


@given(st.lists(st.text(alphabet=" abgol.", max_size=12), max_size=8))
def test_keywords_find_what_a_plain_search_for_whole_words_finds(texts: list[str]) -> None:
    """The compiled pattern means: this word, whole, in any case."""
    plain = re.compile(r"\bgoal\b", re.IGNORECASE)

    expected = [1 if plain.search(text) else ABSTAIN for text in texts]

    assert votes(keywords("goal", ["goal"], 1), texts) == expected


def test_words_with_signs_are_found_as_they_are_written() -> None:
    """No sign in a word is read as a pattern."""
    lf = keywords("signs", WORDS, 1)

    assert votes(lf, ["I like C++.", "it cost £5", "well (sic)", "C--", "goalkeeper"]) == [
        1,
        1,
        1,
        ABSTAIN,
        ABSTAIN,
    ]


def test_a_phrase_is_found_across_a_line_break() -> None:
    """White space between words is any white space."""
    assert votes(keywords("kick", ["free kick"], 1), ["a free\n kick"]) == [1]


def test_at_least_counts_different_words() -> None:
    """The same word twice is one."""
    lf = keywords("two", ["cup", "goal"], 0, at_least=2)

    assert votes(lf, ["cup cup", "a goal in the cup", "nothing"]) == [ABSTAIN, 0, ABSTAIN]


def test_a_null_never_votes() -> None:
    """A missing text is no evidence, whatever the condition says of it."""
    negated = expression("no_link", ~pl.col("text").str.contains("http"), 1)

    assert votes(negated, [None, "plain"]) == [ABSTAIN, 1]


@pytest.mark.parametrize("pattern", [r"(?=ahead)", r"(unclosed", r"(a)\1"])
def test_a_pattern_that_cannot_run_is_refused_when_it_is_written(pattern: str) -> None:
    """The error names the LF and says what to do, before any row is read."""
    with pytest.raises(LabelingFunctionError, match="'bad'") as caught:
        regex("bad", pattern, 0)

    assert "labeling_function" in caught.value.hint


@pytest.mark.parametrize("label", [-1, 127, True, "spam", 1.0])
def test_a_label_that_is_no_class_number_is_refused(label: object) -> None:
    """Abstaining is not a label, and neither is a name."""
    with pytest.raises(LabelingFunctionError):
        keywords("bad", ["x"], label)  # type: ignore[arg-type]


@pytest.mark.parametrize("words", [[], [""], ["  "]])
def test_no_words_are_refused(words: list[str]) -> None:
    """An empty word would match everything."""
    with pytest.raises(LabelingFunctionError):
        keywords("bad", words, 0)


def test_an_expression_must_read_a_column() -> None:
    """A constant is no labeling function."""
    with pytest.raises(LabelingFunctionError, match="column"):
        expression("constant", pl.lit(value=True), 0)
