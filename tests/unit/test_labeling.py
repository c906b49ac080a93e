"""LFs on rows: votes, faults, and LFs that break faith."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from snorkel.labeling import LFApplier, PandasLFApplier, labeling_function
from snorkel.labeling.lf import LabelingFunction as SnorkelLF
from snorkel.preprocess import preprocessor

from datahub import ABSTAIN, expression, keywords, lookup, regex, threshold
from datahub.core.errors import LabelingFunctionError
from datahub.core.labeling import apply
from datahub.core.lf_rows import Row


@preprocessor(memoize=True)
def with_length(x: Row) -> Row:
    x.length = len(x.text or "")
    return x


@labeling_function(pre=[with_length])
def long(x: Row) -> int:
    return 1 if x.length > 5 else ABSTAIN


@labeling_function(resources={"words": {"a", "b"}})
def starts(x: Row, words: set[str]) -> int:
    return 0 if (x["text"] or " ")[:1] in words else ABSTAIN


@labeling_function()
def breaks_on_b(x: Row) -> int:
    if x.text == "b":
        raise ZeroDivisionError("no b")
    return 1


LFS = [
    *(long, starts, keywords("kw", ["abba"], 1), regex("rx", r"\d", 0), regex("py", "a(?=b)", 1)),
    *(lookup("lk", {"a": 1, "b": 0}, column="text"), threshold("th", "id", 1, above=2)),
    expression("ex", pl.when(pl.col("id") > 1).then(pl.col("text").str.len_chars() % 2)),
]


def frame(texts: list[str]) -> pl.DataFrame:
    return pl.DataFrame(
        {"id": range(len(texts)), "text": texts}, schema_overrides={"text": pl.String}
    )


@pytest.mark.slow
@given(st.lists(st.text(alphabet="ab 1", max_size=9), min_size=1, max_size=12))
def test_votes_are_those_of_snorkels_own_appliers(texts: list[str]) -> None:
    """The same LFs, unmodified, give the same matrix over pandas rows and over ours."""
    rows = frame(texts)

    ours = apply(rows, LFS, key="id", cardinality=2).votes

    theirs = PandasLFApplier(LFS).apply(rows.to_pandas(), progress_bar=False)
    light = LFApplier(LFS).apply([Row(**r) for r in rows.to_dicts()], progress_bar=False)
    assert np.array_equal(ours, theirs)
    assert np.array_equal(ours, light)


def test_an_lf_that_raises_is_a_fault_and_no_vote() -> None:
    """The fault names LF, key, error and the line that raised."""
    applied = apply(frame(["a", "b", "c"]), [breaks_on_b], key="id", cardinality=2)

    assert applied.votes[:, 0].tolist() == [1, ABSTAIN, 1]
    assert applied.fault_counts == (1,)
    (fault,) = applied.faults
    assert (fault.lf, fault.key, fault.error) == ("breaks_on_b", 1, "ZeroDivisionError: no b")
    file, _, line = fault.where.rpartition(":")
    assert file == __file__
    assert "raise" in open(file).read().splitlines()[int(line) - 1]  # noqa: PTH123, SIM115


@pytest.mark.parametrize("vote", [7, -2, None, "tech", 0.5])
def test_a_vote_that_is_no_class_stops_the_run(vote: object) -> None:
    """The error names the LF, the key and the classes there are."""
    lf = SnorkelLF("strange", f=lambda x: vote)

    with pytest.raises(LabelingFunctionError, match="'strange'") as caught:
        apply(frame(["a"]), [lf], key="id", cardinality=5)

    assert (caught.value.lf, caught.value.key) == ("strange", 0)
    assert "0..4" in caught.value.hint


def test_a_declarative_vote_beyond_the_classes_stops_the_run() -> None:
    """It need not match a row to be wrong."""
    with pytest.raises(LabelingFunctionError, match="returned 7"):
        apply(frame(["a"]), [keywords("seven", ["zzz"], 7)], key="id", cardinality=5)


def test_a_column_that_is_not_there_is_named_with_those_that_are() -> None:
    """The hint lists the columns."""
    with pytest.raises(LabelingFunctionError, match="'kw'") as caught:
        apply(frame(["a"]), [keywords("kw", ["a"], 0, column="body")], key="id", cardinality=2)

    assert "text" in caught.value.hint


def test_no_rows_and_no_lfs_give_empty_matrices() -> None:
    """The empty cases have shapes."""
    assert apply(frame([]), LFS, key="id", cardinality=2).votes.shape == (0, len(LFS))
    assert apply(frame(["a"]), [], key="id", cardinality=2).votes.shape == (1, 0)


def test_whole_floats_and_numpy_integers_are_votes_as_in_snorkel() -> None:
    """What Snorkel would take, we take."""
    lfs = [SnorkelLF("f", f=lambda x: 1.0), SnorkelLF("n", f=lambda x: np.int64(0))]

    assert apply(frame(["a"]), lfs, key="id", cardinality=2).votes.tolist() == [[1, 0]]


def test_a_number_that_is_null_is_what_snorkels_pandas_applier_shows() -> None:
    """It is NaN: no fault where Snorkel has none. Whole numbers beside it stay whole."""
    rows = pl.DataFrame({"id": [1, 2, 3], "n": [None, 1, 30], "share": [0.5, None, None]})
    lfs = [
        SnorkelLF("many", f=lambda x: 1 if x.n > 5 else 0),
        SnorkelLF("unknown", f=lambda x: 1 if pd.isna(x.share) else -1),
        SnorkelLF("shown", f=lambda x: 1 if repr(x.n) in ("1", "30") else 0),
    ]

    ours = apply(rows, lfs, key="id", cardinality=2)
    theirs = PandasLFApplier(lfs[:2]).apply(rows.to_pandas(), progress_bar=False)

    assert ours.fault_counts == (0, 0, 0)
    assert ours.votes[:, :2].tolist() == theirs.tolist() == [[0, -1], [0, 1], [1, 1]]
    assert ours.votes[:, 2].tolist() == [0, 1, 1]


def test_a_row_is_asked_for_its_columns_as_a_pandas_row_is() -> None:
    """And a column may be named as a way of asking is."""
    values = {"text": "a goal", "n": 3}
    light, theirs = Row(**values), pd.Series(values)
    named: Any = Row(items="two")

    assert list(light.keys()) == list(theirs.keys())
    assert list(light.items()) == list(theirs.items())
    assert light.to_dict() == theirs.to_dict() == values
    assert len(light) == len(theirs)
    assert named.items == "two"


def test_what_an_lf_writes_on_a_row_no_other_lf_sees() -> None:
    """Else a vote would depend on which other LFs ran, and no vote could be used again."""

    def write(x: Row) -> int:
        x.text = "written"
        x["tags"].append("written")
        return 0

    lfs = [
        SnorkelLF("writes", f=write),
        SnorkelLF("reads", f=lambda x: 1 if x.text == "a" and "text" in x else ABSTAIN),
        SnorkelLF("reads_tags", f=lambda x: 1 if not x.tags else ABSTAIN),
    ]
    rows = frame(["a"]).with_columns(tags=pl.lit([], dtype=pl.List(pl.String)))

    assert apply(rows, lfs, key="id", cardinality=2).votes.tolist() == [[0, 1, 1]]


def test_memories_of_preprocessors_are_emptied_after_each_batch() -> None:
    """Snorkel's grow with the rows."""
    apply(frame(["a", "b", "c"]), [long], key="id", cardinality=2)

    assert with_length._cache == {}


def test_an_lf_that_raises_often_is_called_once_a_row() -> None:
    """Going on after a fault neither repeats a row nor leaves one out."""
    seen: list[int] = []

    def every_second(x: Row) -> int:
        seen.append(x.id)
        if x.id % 2:
            raise KeyError(x.id)
        return 1

    applied = apply(
        frame(["a"] * 100), [SnorkelLF("half", f=every_second)], key="id", cardinality=2
    )

    assert seen == list(range(100))
    assert applied.votes[:, 0].tolist() == [1, ABSTAIN] * 50
    assert applied.fault_counts == (50,)
    assert [fault.key for fault in applied.faults] == list(range(1, 41, 2))


def test_a_class_of_the_users_own_is_called_as_it_is() -> None:
    """The short cut past Snorkel's wrapper is not for those that changed it."""

    class Inverted(SnorkelLF):  # type: ignore[misc]  # Snorkel has no types
        def __call__(self, x: Row) -> int:
            return 1 - int(super().__call__(x))

    lfs = [Inverted("inverted", f=lambda x: 1), SnorkelLF("plain", f=lambda x: 1)]

    assert apply(frame(["a"]), lfs, key="id", cardinality=2).votes.tolist() == [[0, 1]]


def test_a_class_that_an_expression_gives_is_checked_row_by_row() -> None:
    """The first row whose number is no class is named."""
    lf = expression("numbers", pl.col("id") - 1)

    assert apply(frame(["a"] * 3), [lf], key="id", cardinality=2).votes[:, 0].tolist() == [-1, 0, 1]
    for strange in (pl.col("id"), pl.col("id") - 2, pl.col("id") + 254):
        with pytest.raises(LabelingFunctionError, match="'numbers' returned") as caught:
            apply(frame(["a"] * 3), [expression("numbers", strange)], key="id", cardinality=2)
        assert caught.value.key in (0, 2)


@preprocessor()
def lowered(x: Row) -> Row:
    x.text = (x.text or "").lower()
    return x


@preprocessor(pre=[lowered], memoize=True)
def split(x: Row) -> Row:
    x.words = x.text.split()
    return x


STEPS = [[], [lowered], [split], [with_length], [lowered, with_length], [with_length, split]]
RULES = [
    lambda x, word, label: label if word in (x.text or "") else ABSTAIN,
    lambda x, word, label: label if x["text"] == word else ABSTAIN,
    lambda x, word, label: label if word in getattr(x, "words", []) else ABSTAIN,
    lambda x, word, label: np.int64(label) if x.id % 2 else float(ABSTAIN),
]
snorkel_lfs = st.lists(
    st.tuples(st.sampled_from(RULES), st.sampled_from(STEPS), st.sampled_from(["a", "b a", "A"])),
    min_size=1,
    max_size=6,
)


@given(snorkel_lfs, st.lists(st.text(alphabet="abA ", max_size=6), min_size=1, max_size=10))
def test_any_mix_of_snorkels_lfs_votes_as_under_its_own_applier(
    made: list[tuple[Any, list[Any], str]], texts: list[str]
) -> None:
    """Resources, preprocessors that share, chain and remember, in any number and order."""
    lfs = [
        SnorkelLF(f"lf{i}", f=rule, resources={"word": word, "label": i % 3}, pre=pre)
        for i, (rule, pre, word) in enumerate(made)
    ]
    rows = frame(texts)

    ours = apply(rows, lfs, key="id", cardinality=3).votes

    theirs = PandasLFApplier(lfs).apply(rows.to_pandas(), progress_bar=False)
    assert np.array_equal(ours, theirs.reshape(ours.shape))


@pytest.mark.usefixtures("no_pipeline_yet")
def test_lfs_over_spacy_documents_vote_as_under_snorkels_applier(tmp_path: Path) -> None:
    """Snorkel's NLP LFs and its SpacyPreprocessor as they are, over a pipeline made on the spot."""
    from snorkel.labeling.lf.nlp import NLPLabelingFunction, nlp_labeling_function
    from snorkel.preprocess.nlp import SpacyPreprocessor

    english = spacy.blank("en")
    english.add_pipe("entity_ruler").add_patterns(  # type: ignore[attr-defined]
        [{"label": "CLUB", "pattern": "united"}]
    )
    english.to_disk(tmp_path / "clubs")
    language = str(tmp_path / "clubs")

    @nlp_labeling_function(language=language)
    def has_number(x: Row) -> int:
        return 1 if any(token.like_num for token in x.doc) else ABSTAIN

    def of_a_club(x: Row) -> int:
        return 0 if any(one.label_ == "CLUB" for one in x.doc.ents) else ABSTAIN

    documents = SpacyPreprocessor("text", "parsed", language=language, memoize=True)

    @labeling_function(pre=[documents])
    def short(x: Row) -> int:
        return 1 if len(x.parsed) < 2 else ABSTAIN

    lfs = [has_number, NLPLabelingFunction("of_a_club", of_a_club, language=language), short]
    rows = frame(["ten goals", "united win", "", "3 cups for united", "ten goals"])

    ours = apply(rows, lfs, key="id", cardinality=2).votes

    theirs = PandasLFApplier(lfs).apply(rows.to_pandas(), progress_bar=False)
    assert ours.tolist() == [[1, -1, -1], [-1, 0, -1], [-1, -1, 1], [1, 0, -1], [1, -1, -1]]
    assert np.array_equal(ours, theirs)
