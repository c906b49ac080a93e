"""Declarative LFs and prompts with settings that nothing can run: refused by name, at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from datahub.core.declarative import expression, keywords, lookup, regex, threshold
from datahub.core.errors import LabelingFunctionError
from datahub.core.labeling import apply
from datahub.core.prompt_lf import prompt

ANSWERS = {"yes": 1, "no": 0}


@pytest.mark.parametrize(
    "make",
    [
        lambda: keywords("x", ["a"], 1, column=None),  # type: ignore[arg-type]
        lambda: regex("x", "a", 1, column=7),  # type: ignore[arg-type]
        lambda: threshold("x", ["n"], 1, above=1),  # type: ignore[arg-type]
        lambda: lookup("x", {"a": 1}, column=b"n"),  # type: ignore[arg-type]
        lambda: regex("x", None, 1),  # type: ignore[arg-type]
        lambda: regex("x", b"a", 1),  # type: ignore[arg-type]
        lambda: regex("x", "(?:" * 1000 + "a" + ")" * 1000 + r"(?=\1)", 1),
        lambda: keywords("x", ["a", "b"], 1, at_least="1"),  # type: ignore[arg-type]
        lambda: keywords("x", ["a", "b"], 1, at_least=1.5),  # type: ignore[arg-type]
        lambda: keywords("x", ["a" * 10**6], 1),
        lambda: threshold("x", "n", 1, above=2**127),
        lambda: threshold("x", "n", 1, below=-(10**400)),
        lambda: lookup("x", {2**200: 1}, column="n"),
        lambda: lookup("x", ["a"], column="n"),  # type: ignore[arg-type]
        lambda: prompt("x", "{text}", answers=ANSWERS, model=5),  # type: ignore[arg-type]
        lambda: prompt("x", "{text}", answers=ANSWERS, endpoint=b"http://x"),  # type: ignore[arg-type]
        lambda: prompt("x", "{text}", answers=ANSWERS, system=["be brief"]),  # type: ignore[arg-type]
        lambda: prompt("x", "\ud800 {text}", answers=ANSWERS),
        lambda: prompt("x", b"{text}", answers=ANSWERS),  # type: ignore[arg-type]
        lambda: prompt("x", "{text}", answers=ANSWERS, max_tokens=10**5000),
        lambda: prompt("x", "{text}", answers=ANSWERS, max_tokens=True),
    ],
)
def test_it_is_refused_when_it_is_made(make: Callable[[], Any]) -> None:
    """With the LF's name and a hint; no other error, and nothing that fails later."""
    with pytest.raises(LabelingFunctionError, match="LF 'x'") as refused:
        make()
    assert refused.value.hint


def test_the_same_word_twice_is_not_two_words() -> None:
    """One "win" met `at_least=2` of ["win", "Win"]."""
    with pytest.raises(LabelingFunctionError, match="names a word twice"):
        keywords("x", ["win", "Win "], 1, at_least=2)
    keywords("x", ["win", "Win"], 1)


@pytest.mark.parametrize("kind", [pl.Float32, pl.Float64])
def test_a_lookup_of_whole_numbers_names_a_column_of_floats(kind: pl.DataType) -> None:
    """It was polars' own error about lists."""
    frame = pl.DataFrame({"n": pl.Series([1.0, 1.5], dtype=kind)})

    with pytest.raises(LabelingFunctionError, match=r"column .n., which is Float.* whole numbers"):
        lookup("x", {1: 1}, column="n").votes(frame)


@pytest.mark.parametrize(
    "expr", [pl.col("n").filter(pl.col("n") > 1), pl.col("n").head(2), pl.col("n").drop_nulls()]
)
def test_an_expression_that_loses_rows_is_named(expr: pl.Expr) -> None:
    """It ended in polars' error, which is a bug of datahub's to whoever reads it."""
    frame = pl.DataFrame({"id": [1, 2, 3], "n": [1, None, 2]})

    with pytest.raises(LabelingFunctionError, match=r"LF 'x' cannot run.* height of 3"):
        apply(frame, [expression("x", expr)], key="id", cardinality=3)
