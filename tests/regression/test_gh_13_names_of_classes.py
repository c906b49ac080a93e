"""Issue 13: LFs vote by class names, so that a list of classes in another order mislabels none."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import polars as pl
import pytest
from snorkel.labeling import PandasLFApplier, labeling_function

from datahub import ABSTAIN, Hub, expression, keywords, lookup, regex, threshold
from datahub.core.errors import LabelingFunctionError
from datahub.core.labeling import apply, with_numbers
from datahub.core.plain_lfs import describe, rebuild
from tests.integration.conftest import mail

NAMED = """\
import polars as pl
from datahub import ABSTAIN, expression, keywords, lookup, regex, threshold
from snorkel.labeling import labeling_function

offer = keywords("offer", ["winner", "prize", "free"], "spam")
link = regex("link", r"http(?=s?://)", "spam")
kind = lookup("kind", {1: "spam", 2: "ham"}, column="id")
late = threshold("late", "id", "ham", above=17)
size = expression("size", pl.when(pl.col("text").str.len_chars() < 25).then(pl.lit("ham")))


@labeling_function()
def shouting(x):
    return "spam" if x.text.isupper() else ABSTAIN
"""


MIXED: dict[str, int | str] = {"win": "spam", "x": 0}


class Kind(StrEnum):
    """Names as people keep them in code."""

    SPAM = "spam"
    HAM = "ham"


def rows(*texts: str) -> pl.DataFrame:
    return pl.DataFrame({"id": range(len(texts)), "text": list(texts), "n": range(len(texts))})


def votes(frame: pl.DataFrame, lf: Any, classes: list[str]) -> list[int]:
    named = with_numbers(lf, classes)
    output = apply(frame, [named], key="id", cardinality=len(classes), classes=classes)
    return [int(vote) for vote in output.votes[:, 0]]


@pytest.mark.parametrize(
    "lf",
    [
        keywords("lf", ["win"], "spam"),
        keywords("lf", ["win"], "spam", where=pl.col("n") >= 0),
        regex("lf", r"w(?=in)", "spam"),
        lookup("lf", {"win": "spam"}, column="text"),
        lookup("lf", MIXED, column="text", where=pl.col("n") >= 0),
        threshold("lf", "n", "spam", below=1),
        expression("lf", pl.col("text") == "win", "spam"),
        expression("lf", pl.when(pl.col("text") == "win").then(pl.lit("spam"))),
        expression("lf", pl.when(pl.col("n") < 1).then(pl.lit("spam").cast(pl.Categorical))),
        labeling_function(name="lf")(lambda x: "spam" if x.text == "win" else ABSTAIN),
        labeling_function(name="lf")(lambda x: Kind.SPAM if x.text == "win" else ABSTAIN),
    ],
    ids=lambda lf: getattr(lf, "kind", "snorkel"),
)
def test_a_name_is_the_class_wherever_it_stands_in_the_list(lf: Any) -> None:
    """Each kind of LF votes spam: number 1 in one list, 0 in the other."""
    frame = rows("win", "lose")

    assert votes(frame, lf, ["ham", "spam"]) == [1, ABSTAIN]
    assert votes(frame, lf, ["spam", "ham"]) == [0, ABSTAIN]
    assert votes(frame[:0], lf, ["spam", "ham"]) == []


def test_a_name_that_is_no_class_is_a_fault_with_the_nearest_one() -> None:
    """Never an abstain, and never the vote of another class."""
    lfs = [
        labeling_function(name="called")(lambda x: "Spam" if x.text == "win" else 1 / x.n),
        expression("texts", pl.when(pl.col("n") == 0).then(pl.lit("spma"))).for_classes(
            ["ham", "spam"]
        ),
    ]

    output = apply(rows("win"), lfs, key="id", cardinality=2, classes=["ham", "spam"])

    assert (output.votes.tolist(), output.fault_counts) == ([[ABSTAIN, ABSTAIN]], (1, 1))
    by_lf = {fault.lf: fault for fault in output.faults}
    assert "'Spam', which is not a class. Did you mean 'spam'?" in by_lf["called"].error
    assert by_lf["called"].where.startswith(f"{__file__}:")
    assert "'spma', which is not a class. Did you mean 'spam'?" in by_lf["texts"].error
    with pytest.raises(LabelingFunctionError, match="'kw' votes 'spma'") as told:
        keywords("kw", ["a"], "spma").for_classes(["ham", "spam"])
    assert "Did you mean 'spam'?" in told.value.hint


def test_faults_of_names_and_of_code_stand_in_the_order_of_rows() -> None:
    """The first one is told when there are too many."""
    lf = labeling_function(name="lf")(lambda x: {0: "sp", 2: "sp"}.get(x.n) or 1 // 0)

    output = apply(rows("a", "b", "c"), [lf], key="id", cardinality=2, classes=["ham", "spam"])

    assert [fault.key for fault in output.faults] == [0, 1, 2]
    assert output.fault_counts == (3,)


@pytest.mark.parametrize("label", ["", None, True, -1, 1.0])
def test_what_names_no_class_is_refused_where_it_is_written(label: Any) -> None:
    """When the file is imported, and not on some row."""
    with pytest.raises(LabelingFunctionError, match="not a class"):
        keywords("bad", ["a"], label)


def test_a_call_without_a_dataset_says_that_names_have_no_numbers() -> None:
    """Snorkel's appliers would else take a text for a vote."""
    texts = expression("texts", pl.when(pl.col("text") == "win").then(pl.lit("spam")))
    for lf in (keywords("named", ["win"], "spam"), texts):
        with pytest.raises(LabelingFunctionError, match="votes by class names"):
            lf(SimpleNamespace(text="win"))
    strange = texts.for_classes(["ham", "junk"])
    with pytest.raises(LabelingFunctionError, match="'spam', which is not a class"):
        strange(SimpleNamespace(text="win"))
    assert strange(SimpleNamespace(text="lose")) == ABSTAIN


def test_classes_without_a_likeness_are_listed_and_not_all_of_them() -> None:
    """120 names are no hint."""
    names = [f"class {number}" for number in range(120)]

    with pytest.raises(LabelingFunctionError) as told:
        keywords("kw", ["a"], "zzz").for_classes(names)

    assert told.value.hint.endswith("class 11 and 108 more.")


def test_a_named_lf_comes_back_from_its_description() -> None:
    """It runs as a column in the process that has no user code."""
    for lf in (
        keywords("lf", ["win"], "spam"),
        regex("lf", "win", "spam"),
        lookup("lf", MIXED, column="text"),
        threshold("lf", "n", "spam", above=1),
        expression("lf", pl.col("n") > 1, "spam"),
    ):
        plain = describe(lf)
        assert plain is not None
        assert rebuild("lf", lf.kind, plain) == lf


def test_reordered_classes_move_no_label(tmp_path: Path) -> None:
    """All LFs vote again, by all doors; a vote for spam stays one."""
    hub, _ = Hub.init(tmp_path, dataset="mail")
    (tmp_path / "labeling_functions" / "first.py").write_text(NAMED)
    mail().write_parquet(tmp_path / "mail.parquet")
    names = {}
    for classes in (["ham", "spam"], ["spam", "ham"]):
        hub.import_rows(tmp_path / "mail.parquet", key="id", gold="kind", classes=classes)
        ran = hub.lf_run()
        assert ran.reuse is not None
        assert set(ran.reuse.ran.values()) == {1}
        assert ran.fault_counts == (0,) * 6
        matrix = hub.votes()
        assert hub.lf_test("offer").votes == {"spam": 18}
        own = [
            [None if vote == ABSTAIN else matrix.classes[vote] for vote in line]
            for line in matrix.matrix.tolist()
        ]
        applier = PandasLFApplier(hub.labeling_functions())
        theirs = applier.apply(pd.read_parquet(tmp_path / "mail.parquet"), progress_bar=False)
        assert theirs.tolist() == matrix.matrix.tolist()
        names[classes[0]] = own
    assert names["ham"] == names["spam"]
    assert {vote for line in names["ham"] for vote in line} == {None, "ham", "spam"}


def test_a_wrong_name_stops_the_run_and_says_the_right_one(tmp_path: Path) -> None:
    """Declared ones before any row is read; those that are called by their faults."""
    hub, _ = Hub.init(tmp_path, dataset="mail")
    mail().write_parquet(tmp_path / "mail.parquet")
    hub.import_rows(tmp_path / "mail.parquet", key="id", gold="kind")
    first = tmp_path / "labeling_functions" / "first.py"
    first.write_text(NAMED.replace('"free"], "spam"', '"free"], "Spam"'))
    with pytest.raises(LabelingFunctionError, match="'Spam'") as told:
        hub.lf_run()
    assert "Did you mean 'spam'?" in told.value.hint
    first.write_text(NAMED.replace('return "spam"', 'return "Spam"'))
    with pytest.raises(LabelingFunctionError, match=r"'Spam', which is not a class\. Did you mean"):
        hub.lf_run()
