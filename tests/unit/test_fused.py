"""Fused keyword LFs mean what their regexes mean, over hostile text."""

from __future__ import annotations

import sys

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datahub import keywords, regex
from datahub.core.declarative_lf import DeclarativeLF
from datahub.core.fused import FEWEST, STRANGERS, fused_votes, fusible
from datahub.core.labeling import apply

# Turkish i, sharp s, combining marks, Kelvin and long s, digits, underscore, other white space
PIECES = [
    *("kiss", "KISS", "\u212aiss", "ki\u017f\u017f", "k\u0130ss", "k\u0131ss", "ki\u00df"),
    *("straße", "STRASSE", "kick", "free kick", "free\u00a0kick", "free\n\tkick", "freekick"),
    *("C++", "c+", "e\u0301", "\u0301", "_", "1", "\u0661", "-", " ", "\u200b", "\U0001f600"),
    *("ick", "kic", "k"),
]
WORDS = ["kiss", "kick", "free kick", "ick", "C++", "strasse", "k", "e\u0301t k", "(sic)", "9"]
texts = st.lists(
    st.one_of(
        st.none(),
        st.text(max_size=6),
        st.lists(st.sampled_from(PIECES), max_size=4).map("".join),
    ),
    max_size=10,
)
word_lists = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4)


def column(values: list[str | None]) -> pl.DataFrame:
    return pl.DataFrame({"text": values}, schema={"text": pl.String})


def most(words: list[str]) -> int:
    """How many of the words may be asked for: of words that are there twice, one."""
    distinct = {" ".join(word.lower().split()) for word in words}
    return len(words) if len(distinct) == len(words) else 1


@given(texts, st.lists(word_lists, min_size=1, max_size=6), st.data())
def test_fused_votes_are_those_of_each_regex(
    values: list[str | None], lists: list[list[str]], data: st.DataObject
) -> None:
    """One scan or one regex each: the same votes, on every row."""
    lfs = [
        keywords(f"k{i}", words, i, at_least=data.draw(st.integers(1, most(words))))
        for i, words in enumerate(lists)
    ]
    rows = column(values)

    fused = fused_votes(rows, lfs)

    assert {name: found.tolist() for name, found in fused.items()} == {
        lf.name: lf.votes(rows).to_list() for lf in lfs
    }


def test_no_other_character_is_taken_for_an_ascii_letter() -> None:
    """Over all of Unicode: what (?i) lets stand for a-z is A-Z and the two strangers."""
    everything = [chr(i) for i in range(128, sys.maxunicode + 1) if not 0xD800 <= i < 0xE000]

    taken = column([*everything]).filter(pl.col("text").str.contains("(?i)[a-z]"))

    assert sorted(taken["text"]) == sorted(STRANGERS)


def test_what_cannot_be_scanned_for_is_left_out() -> None:
    """A word without an ASCII part, a `where`, another kind, another column: not in the group."""
    plain = [keywords(f"k{i}", ["goal"], 0) for i in range(FEWEST)]
    others: list[DeclarativeLF] = [
        keywords("foreign", ["goal", "naïve"], 0),
        keywords("narrowed", ["goal"], 0, where=pl.col("text") != ""),
        keywords("elsewhere", ["goal"], 0, column="title"),
        regex("regex", "goal", 0),
    ]

    assert fusible([*plain, *others]) == [plain]
    assert fusible([*plain[1:], *others]) == []


@pytest.mark.parametrize("kind", [pl.String, pl.Categorical])
def test_apply_takes_the_short_way_and_says_the_same(kind: type[pl.DataType]) -> None:
    """Fused LFs stand in their columns, beside those that are not."""
    lfs = [keywords(f"k{i}", [word], 1) for i, word in enumerate([*WORDS, *WORDS])]
    rows = column([*PIECES, None]).cast({"text": kind}).with_row_index("id")

    assert len(lfs) >= FEWEST
    together = apply(rows, lfs, key="id", cardinality=2).votes

    alone = [apply(rows, [lf], key="id", cardinality=2).votes[:, 0].tolist() for lf in lfs]
    assert together.T.tolist() == alone
