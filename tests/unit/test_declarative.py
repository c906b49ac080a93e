"""Declarative labeling functions: one meaning, on rows and on columns."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from snorkel.labeling import PandasLFApplier

from datahub import ABSTAIN, expression, keywords, lookup, regex, threshold
from datahub.core.declarative_lf import PYTHON_REGEX, DeclarativeLF
from datahub.core.errors import LabelingFunctionError
from datahub.core.labeling import apply

WORDS = ["goal", "free kick", "C++", "£5", "naïve", "(sic)"]


def votes(lf: DeclarativeLF, texts: Sequence[str | None]) -> list[int]:
    frame = pl.DataFrame({"text": texts}, schema={"text": pl.String})
    return lf.votes(frame).to_list()


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


@pytest.mark.parametrize("pattern", [r"(unclosed", r"(?P<a>x)(?P<a>y)", r"*"])
def test_a_pattern_that_cannot_run_is_refused_when_it_is_written(pattern: str) -> None:
    """The error names the LF and says what to do, before any row is read."""
    with pytest.raises(LabelingFunctionError, match="'bad'") as caught:
        regex("bad", pattern, 0)

    assert "labeling_function" in caught.value.hint


@given(st.lists(st.one_of(st.none(), st.text(alphabet="abAB x", max_size=8)), max_size=8))
def test_a_pattern_that_polars_cannot_run_runs_in_python(texts: list[str | None]) -> None:
    """Look-around and backreferences mean what Python says, on rows and on columns."""
    for pattern in (r"a(?=b)", r"(?<!x)b", r"(a|b)\1"):
        lf = regex("r", pattern, 0)
        plain = re.compile(pattern, re.IGNORECASE)

        expected = [0 if text and plain.search(text) else ABSTAIN for text in texts]

        assert lf.kind == PYTHON_REGEX
        assert votes(lf, texts) == expected
        assert [lf(SimpleNamespace(text=text)) for text in texts] == expected


def test_a_lookup_votes_several_classes() -> None:
    """Values that the table does not hold, and nulls, abstain."""
    lf = lookup("l", {"win": 1, "bank": 0, "prize": 1}, column="text")

    assert votes(lf, ["win", "bank", "prize", "Win", "", None]) == [1, 0, 1, -1, -1, -1]


@pytest.mark.parametrize(
    ("table", "values", "expected"),
    [
        ({1: 0, 300: 1}, pl.Series("v", [1, 2, None], dtype=pl.UInt8), [0, -1, -1]),
        ({True: 1, False: 0}, pl.Series("v", [True, False, None]), [1, 0, -1]),
        ({"a": 1}, pl.Series("v", ["a", "b", None], dtype=pl.Categorical), [1, -1, -1]),
    ],
)
def test_a_lookup_takes_numbers_booleans_and_categories(
    table: dict[str, int], values: pl.Series, expected: list[int]
) -> None:
    """On columns and on rows."""
    lf = lookup("l", table, column="v")

    assert lf.votes(pl.DataFrame([values])).to_list() == expected
    assert [lf(SimpleNamespace(v=v)) for v in values] == expected


@pytest.mark.parametrize("table", [{}, {"a": 0, 1: 1}, {1.5: 0}, {"a": -1}, {"a": ""}])
def test_a_table_that_cannot_be_looked_up_is_refused(table: dict[str, int]) -> None:
    """Nothing in it, values of several types, or what is no class."""
    with pytest.raises(LabelingFunctionError, match="'bad'"):
        lookup("bad", table, column="v")


@given(st.lists(st.one_of(st.none(), st.floats(width=32), st.integers(-5, 5)), max_size=8))
def test_a_threshold_votes_between_its_bounds(values: list[float | None]) -> None:
    """NaN is no number, though polars holds it the greatest."""
    lf = threshold("t", "v", 1, above=-1, below=3)
    numbers = pl.DataFrame({"v": values}, schema={"v": pl.Float64}, strict=False)

    expected = [1 if v is not None and -1 < v < 3 else ABSTAIN for v in values]

    assert lf.votes(numbers).to_list() == expected
    assert [lf(SimpleNamespace(v=v)) for v in values] == expected


@pytest.mark.parametrize("bounds", [{}, {"above": 2, "below": 2}, {"above": "1"}, {"below": True}])
def test_bounds_that_hold_nothing_are_refused(bounds: dict[str, Any]) -> None:
    """None, empty, or no numbers."""
    with pytest.raises(LabelingFunctionError, match="bounds"):
        threshold("bad", "v", 1, **bounds)


def test_an_expression_over_several_columns_gives_several_classes() -> None:
    """Without a label its numbers are the classes, and null abstains."""
    a, b = pl.col("a"), pl.col("b")
    lf = expression("larger", pl.when(a > b).then(2).when(a < b).then(5))
    numbers = pl.DataFrame({"a": [1, 2, 3, None], "b": [2, 2, 2, 2]})

    assert lf.votes(numbers).to_list() == [5, -1, 2, -1]
    assert [lf(SimpleNamespace(**row)) for row in numbers.to_dicts()] == [5, -1, 2, -1]


def test_an_expression_without_a_label_gives_whole_numbers() -> None:
    """True is no class, and neither is a half."""
    for expr in (pl.col("v") > 1, pl.col("v") / 2):
        with pytest.raises(LabelingFunctionError, match="'bad' has no label"):
            expression("bad", expr).votes(pl.DataFrame({"v": [1, 2]}))


@pytest.mark.parametrize(
    "lf",
    [
        keywords("k", ["a"], 1, where=pl.col("n") > 1),
        regex("r", "a", 1, where=pl.col("n") > 1),
        regex("p", "a(?=$)", 1, where=pl.col("n") > 1),
        lookup("l", {"a": 1}, column="text", where=pl.col("n") > 1),
        threshold("t", "n", 1, above=0, where=pl.col("n") > 1),
        expression("e", pl.col("text") == "a", 1, where=pl.col("n") > 1),
        expression("i", pl.col("text").str.len_chars(), where=pl.col("n") > 1),
    ],
    ids=lambda lf: lf.name,
)
def test_where_narrows_every_kind(lf: DeclarativeLF) -> None:
    """Where it is false or null, the LF abstains; and it is part of the fingerprint."""
    rows = pl.DataFrame({"text": ["a", "a", "a"], "n": [1, 2, None]})

    assert lf.votes(rows).to_list() == [ABSTAIN, 1, ABSTAIN]
    assert [lf(SimpleNamespace(**row)) for row in rows.to_dicts()] == [ABSTAIN, 1, ABSTAIN]
    assert "where" in lf.spec()


def test_where_must_be_an_expression_over_a_column() -> None:
    """A boolean of Python's would be true once and for all."""
    with pytest.raises(LabelingFunctionError, match="where"):
        keywords("bad", ["a"], 1, where=True)  # type: ignore[arg-type]


@pytest.mark.parametrize("label", [-1, 127, True, "", 1.0])
def test_a_label_that_can_be_no_class_is_refused(label: object) -> None:
    """Abstaining is not a label, and a name has a letter at least."""
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


@pytest.mark.parametrize(
    "lf",
    [
        expression("more", pl.col("n") > 3, 1),
        expression("none", pl.when(pl.col("n").is_null()).then(0)),
        lookup("table", {3: 0, 4: 1}, column="n"),
        threshold("above", "n", 1, above=3),
    ],
    ids=lambda lf: lf.name,
)
def test_a_null_in_whole_numbers_means_the_same_in_a_pandas_row(lf: DeclarativeLF) -> None:
    """It is NaN there, and floats of the numbers beside it."""
    frame = pl.DataFrame({"n": [None, 1, 3, 4, 9]})

    theirs = PandasLFApplier([lf]).apply(frame.to_pandas(), progress_bar=False)

    assert theirs[:, 0].tolist() == lf.votes(frame).to_list()


def test_ctrl_c_ends_what_python_searches_and_says_which_lf_was_where() -> None:
    """Inside polars' threads nothing could: a pattern may take years over one text."""
    lf = regex("slow", r"(?=.)(\w+\s?)+@", 1)
    assert lf.search is not None
    where = []

    def pressed(text: str) -> object:
        where.append(threading.current_thread())
        if text == "second":
            raise KeyboardInterrupt
        return None

    frame = pl.DataFrame({"id": [1, 2, 3], "text": ["first", "second", "third"]})
    with pytest.raises(KeyboardInterrupt) as stopped:
        apply(frame, [replace(lf, search=pressed)], key="id", cardinality=2)

    assert where == [threading.main_thread()] * 2
    assert stopped.value.__notes__ == ["LF 'slow' was at 'second'"]
