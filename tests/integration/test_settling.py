"""Conflicts of a revert, a cherry-pick and of classes are settled as those of a merge."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from datahub import Hub
from datahub.core.errors import ChangedSince, MergeConflict
from tests.integration.conftest import Datahub, mail
from tests.integration.test_rowmerge import content, edit, labels, relabel


def wrong_texts(base: Path) -> str:
    """Rows 0 to 3 get a wrong text; then row 1 is changed again. The commit that was wrong."""
    early = pl.col("id") <= 3
    wrong = mail().with_columns(text=pl.when(early).then(pl.lit("wrong")).otherwise("text"))
    edit(base, "main", wrong)
    commit = Hub.open(base).log(limit=1)[0].id
    again = pl.when(pl.col("id") == 1).then(pl.lit("again")).otherwise("text")
    edit(base, "main", wrong.with_columns(text=again))
    return commit


@pytest.mark.parametrize(("flag", "kept"), [("--ours", "again"), ("--theirs", "before")])
def test_a_revert_takes_a_side_where_a_cell_was_changed_again(
    datahub: Datahub, base: Path, flag: str, kept: str
) -> None:
    """Ours is what the branch holds, theirs what was before; all other cells go back."""
    before = content(base, "main")
    wrong = wrong_texts(base)

    made = datahub("revert", wrong, flag)

    assert made.code == 0, made.err
    found = content(base, "main")
    assert found[1]["text"] == ("again" if kept == "again" else before[1]["text"])
    assert [found[key]["text"] for key in (0, 2, 3)] == [before[key]["text"] for key in (0, 2, 3)]


def test_a_revert_takes_a_file_of_decisions(datahub: Datahub, base: Path) -> None:
    """`--conflicts` writes the list; filled in, it is what `--decisions` takes."""
    wrong = wrong_texts(base)
    head = Hub.open(base).log(limit=1)[0].id

    refused = datahub("revert", wrong, "--conflicts", "left.csv")
    listed = pl.read_csv(base / "left.csv", infer_schema=False)
    decided = listed.with_columns(value=pl.lit("by hand"))
    decided.write_csv(base / "decided.csv")
    made = datahub("revert", wrong, "--decisions", "decided.csv")

    assert refused.code == 3
    assert "--ours" in refused.err
    assert listed.select("key", "column", "ours").rows() == [("1", "text", "again")]
    assert made.code == 0, made.err
    assert content(base, "main")[1]["text"] == "by hand"
    assert Hub.open(base).log(limit=2)[1].id == head


def test_a_decision_on_what_is_in_no_conflict_is_refused(datahub: Datahub, base: Path) -> None:
    """Nothing is committed."""
    wrong = wrong_texts(base)
    head = Hub.open(base).log(limit=1)[0].id
    (base / "d.csv").write_text("key,take\n1,ours\n2,theirs\n")

    ran = datahub("revert", wrong, "--decisions", "d.csv")

    assert ran.code == 2
    assert Hub.open(base).log(limit=1)[0].id == head


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "label"), [("latest", "spam"), ("gold", "spam")])
def test_a_cherry_pick_settles_tied_answers_by_a_rule(
    datahub: Datahub, base: Path, rule: str, label: str
) -> None:
    """As a merge would; without a rule the tie is listed and nothing is done."""
    relabel(base, "one", "ann", {0: "ham"})
    relabel(base, "two", "bob", {0: "spam"})

    refused = datahub("cherry-pick", "two", "--branch", "one")
    made = datahub("cherry-pick", "two", "--branch", "one", "--rule", rule)

    assert refused.code == 3
    assert made.code == 0, made.err
    assert labels(base, "one")[0] == (label, "annotated")


def test_a_decision_may_set_null(datahub: Datahub, base: Path) -> None:
    """A null is a value like others; a line that is not filled in decides nothing."""
    for branch, text in (("one", "a"), ("two", "b")):
        new = pl.when(pl.col("id") == 3).then(pl.lit(text)).otherwise("text")
        edit(base, branch, mail().with_columns(text=new))
    datahub("merge", "one", "--into", "main")
    (base / "blank.json").write_text('[{"key": 3, "take": null, "value": null}]')
    (base / "null.json").write_text('[{"key": 3, "take": "null"}]')

    blank = datahub("merge", "two", "--into", "main", "--decisions", "blank.json")
    ran = datahub("merge", "two", "--into", "main", "--decisions", "null.json")

    assert blank.code == 3
    assert ran.code == 0, ran.err
    assert content(base, "main")[3]["text"] is None


def test_a_tie_that_is_decided_as_null_stays_open(datahub: Datahub, base: Path) -> None:
    """Nobody's answer wins, and none is dropped: one more person decides."""
    relabel(base, "one", "ann", {0: "ham"})
    relabel(base, "two", "bob", {0: "spam"})
    datahub("merge", "one", "--into", "main")
    (base / "d.csv").write_text("key,take\n0,null\n")

    ran = datahub("merge", "two", "--into", "main", "--decisions", "d.csv")

    assert ran.code == 0, ran.err
    assert labels(base, "main")[0][1] == "open"
    assert not any(said.counts is False for said in Hub.open(base).why("0", ref="main").annotations)


def test_opposite_sides_and_unknown_rules_are_refused(datahub: Datahub, base: Path) -> None:
    for words in (["revert", "main"], ["cherry-pick", "main"], ["merge", "one", "--into", "main"]):
        assert datahub(*words, "--ours", "--theirs").code == 2
        assert datahub(*words, "--rule", "loudest").code == 2


def test_python_takes_the_same(base: Path) -> None:
    """`side`, `rule`, `decisions`, `conflicts`."""
    wrong = wrong_texts(base)
    hub = Hub.open(base)

    with pytest.raises(ChangedSince):
        hub.revert(wrong, conflicts=base / "left.json")
    hub.revert(wrong, side="theirs")

    assert (base / "left.json").exists()
    assert content(base, "main")[1]["text"] == mail()["text"][1]


def classes_on(base: Path, branch: str, classes: list[str]) -> None:
    mail().write_parquet(base / "mail.parquet")
    Hub.open(base, branch=branch).import_rows(
        base / "mail.parquet", dataset="mail", key="id", gold="kind", classes=classes
    )


def test_two_lists_of_classes_are_a_conflict_that_a_side_settles(
    datahub: Datahub, base: Path
) -> None:
    """Never a list that neither side has; a decision names the field by its column."""
    classes_on(base, "one", ["ham", "spam", "eggs"])
    classes_on(base, "two", ["ham", "spam", "bacon"])
    assert datahub("merge", "one", "--into", "main").code == 0
    hub = Hub.open(base)

    with pytest.raises(MergeConflict) as caught:
        hub.merge("two", into="main")
    (base / "d.csv").write_text("key,column,take\n,classes,theirs\n")
    merged = datahub("merge", "two", "--into", "main", "--decisions", "d.csv")

    (conflict,) = caught.value.conflicts
    assert (conflict.table, conflict.column) == ("dataset", "classes")
    assert (conflict.ours, conflict.theirs) == (
        ("ham", "spam", "eggs"),
        ("ham", "spam", "bacon"),
    )
    assert merged.code == 0, merged.err
    assert Hub.open(base, branch="main").dataset().classes == ("ham", "spam", "bacon")


def test_an_answer_goes_before_a_fit_of_the_other_branch(datahub: Datahub, base: Path) -> None:
    """In either direction, without a conflict: a person is asked because models err."""
    relabel(base, "one", "ann", {0: "ham"})
    Hub.open(base, branch="two", label_model="majority").label_fit()
    assert labels(base, "two")[0][0] == "spam"

    datahub("merge", "two", "--into", "one")
    ran = datahub("merge", "one", "--into", "two")

    assert ran.code == 0, ran.err
    assert labels(base, "one")[0] == labels(base, "two")[0] == ("ham", "annotated")


def test_a_rule_settles_people_and_says_what_is_left(datahub: Datahub, base: Path) -> None:
    """Between two fits a side has to be taken; the rule goes before it where people are tied."""
    relabel(base, "one", "ann", {0: "ham", 1: "ham"})
    Hub.open(base, branch="one", label_model="majority").label_fit()
    relabel(base, "two", "bob", {0: "spam", 2: "ham"})
    Hub.open(base, branch="two", label_model="weighted").label_fit()
    datahub("merge", "one", "--into", "main")

    bare = datahub("merge", "two", "--into", "main")
    ruled = datahub("merge", "two", "--into", "main", "--rule", "latest")
    both = datahub("merge", "two", "--into", "main", "--rule", "latest", "--ours")

    assert (bare.code, ruled.code) == (3, 3)
    assert "where people disagree a rule (--rule latest" in bare.err
    assert "people disagree" not in ruled.err
    assert "label_model of mail" in ruled.err
    assert "adding --ours or --theirs beside it" in ruled.err
    assert both.code == 0, both.err
    found = labels(base, "main")
    assert [found[key][0] for key in (0, 1, 2)] == ["spam", "ham", "ham"]
