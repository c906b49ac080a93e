"""Labels over an append and a re-import: rows that stay keep theirs, and every reader copes."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from datahub import Hub
from datahub.core.dataset import Key
from tests.integration.conftest import CARELESS, LFS, Datahub, mail
from tests.integration.test_rowmerge import relabel

NEXT = "`datahub lf run`, then `datahub label fit`"
COMES = "id,text\n100,FREE PRIZE NOW\n101,thanks for dinner\n"


def lines(project: Path, ref: str) -> dict[Key, dict[str, object]]:
    """Lines of labels by key."""
    frame = Hub.open(project).scan("mail", ref=ref, table="labels").collect()
    return {line["id"]: line for line in frame.iter_rows(named=True)}


def run(datahub: Datahub, *words: str) -> str:
    """A command that must work; what it prints."""
    ran = datahub(*words)
    assert ran.code == 0, (words, ran.err)
    return ran.out


@pytest.fixture
def appended(datahub: Datahub, labeled: Path) -> Path:
    """Labels, two answers of ann, and two rows appended since, on the branch `work`."""
    relabel(labeled, "work", "ann", {0: "ham", 1: "ham"})
    (labeled / "new.csv").write_text(COMES)
    run(datahub, "branch", "create", "before", "--from", "work")
    run(datahub, "import", "new.csv", "--append")
    return labeled


def test_rows_that_stay_keep_their_labels_and_who_gave_them(
    datahub: Datahub, appended: Path
) -> None:
    """Model or person, lines are to the letter what they were; what came has none."""
    before, now = lines(appended, "before"), lines(appended, "work")

    assert {key: now[key] for key in before} == before
    assert now[0]["source"] == "annotation"
    assert [(now[key]["label"], now[key]["status"]) for key in (100, 101)] == [(None, "new")] * 2


def test_what_has_no_label_yet_is_said_with_what_to_run(datahub: Datahub, appended: Path) -> None:
    """By import, status, log, show, diff and why."""
    total = mail().height + 2
    said = f"2 of {total} rows"
    status = run(datahub, "status")
    assert f"{said} of mail have no label yet" in status
    assert NEXT in status
    assert "labeled but for 2 rows" in status
    assert said in run(datahub, "log", "-n", "1")
    assert "rows without a label: 2" in run(datahub, "show")
    diff = run(datahub, "diff", "before", "work")
    assert f"rows of mail without a label yet: 2 ({NEXT})" in diff
    assert "2 added" in diff
    assert "label (none): new" in run(datahub, "why", "100")
    assert "kept from a fit of earlier rows (LFs " in run(datahub, "why", "2")
    (appended / "again.csv").write_text("id,text\n0,Other words\n")
    upserted = run(datahub, "import", "again.csv", "--upsert", "--yes")
    assert f"labels: {total - 3} rows keep theirs, 3 have none yet: {NEXT}" in upserted
    moved = run(datahub, "diff", "work~1", "work", "--rows")
    assert "ham -> (none)" in moved
    why = run(datahub, "why", "0")
    assert "the row has changed since: it does not count" in why


def test_what_needs_models_of_all_rows_asks_for_them(datahub: Datahub, appended: Path) -> None:
    """Nothing is asked, pulled or promised of rows that no model has seen."""
    for words in (["review", "push"], ["review", "pull"], ["review", "report"]):
        ran = datahub(*words)
        assert ran.code == 5, words
        assert "No label model is fitted to the rows of 'mail'" in ran.err
        assert NEXT in ran.err


def test_readers_of_labels_see_rows_without_one(datahub: Datahub, appended: Path) -> None:
    """Scores count them as not labeled; exports and scans have them with nulls."""
    score = datahub("label", "score", "--json")
    assert score.code == 0, score.err
    run(datahub, "export", "out.csv")
    out = pl.read_csv(appended / "out.csv")
    assert out.height == mail().height + 2
    assert out.filter(pl.col("id") >= 100)["label"].null_count() == 2
    labeled = Hub.open(appended).scan("mail", ref="work").collect()
    assert labeled.filter(pl.col("status") == "new")["id"].sort().to_list() == [100, 101]


def test_a_gate_refuses_while_rows_have_no_label(datahub: Datahub, appended: Path) -> None:
    """Its suite might pass by what is there; it has not judged all rows."""
    ran = datahub("merge", "work", "--into", "main")
    assert ran.code == 1
    assert f"2 of {mail().height + 2} rows of mail have no label yet" in ran.err

    run(datahub, "lf", "run")
    voted = run(datahub, "status")
    assert "no label yet\n    `datahub label fit`" in voted
    run(datahub, "label", "fit")

    run(datahub, "merge", "work", "--into", "main")
    after = lines(appended, "main")
    assert after[0]["label"] == "ham"
    assert after[100]["label"] == "spam"
    assert "no label yet" not in run(datahub, "status")


def test_answers_given_before_an_append_are_pulled_after_the_fit(
    datahub: Datahub, appended: Path
) -> None:
    """A pull that had to be refused has lost nothing."""
    run(datahub, "lf", "run")
    run(datahub, "label", "fit")
    run(datahub, "review", "push", "--budget", "3")
    hub = Hub.open(appended)
    task, asked = hub.review_open()[0]
    hub.review_answer([(task, "spam")], annotator="bob")
    (appended / "more.csv").write_text("id,text\n200,ok see you\n")
    run(datahub, "import", "more.csv", "--append")
    assert datahub("review", "pull").code == 5

    run(datahub, "lf", "run")
    run(datahub, "label", "fit")
    run(datahub, "review", "pull")

    assert lines(appended, "work")[asked.key]["source"] == "annotation"


def test_a_reimport_without_some_rows_takes_their_labels_alone(
    datahub: Datahub, appended: Path
) -> None:
    """Every row that is left has its label; they are still not those of a fit of these rows."""
    before = lines(appended, "before")
    mail()[5:].write_parquet(appended / "less.parquet")

    said = run(datahub, "import", "less.parquet", "--gold", "kind", "--yes")

    assert f"labels: {mail().height - 5} rows keep theirs, 0 have none yet" in said
    assert lines(appended, "work") == {key: before[key] for key in mail()["id"][5:]}
    assert "kept from a fit that had other rows, too" in run(datahub, "status")
    assert datahub("merge", "work", "--into", "main").code == 1


def test_an_append_that_is_reverted_leaves_all_as_it_was(datahub: Datahub, appended: Path) -> None:
    """Labels, models and thresholds: to the object."""
    run(datahub, "revert", "work")

    store = Hub.open(appended).store
    assert store.content_of("work") == store.content_of("before")
    run(datahub, "fsck")


def test_a_merge_of_new_rows_and_of_answers_has_both(datahub: Datahub, base: Path) -> None:
    """One branch appends, the other is reviewed: in either direction nothing is lost."""
    (base / "new.csv").write_text(COMES)
    first = lines(base, "main")
    relabel(base, "one", "ann", {0: "ham", 1: "ham"})
    reviewed = lines(base, "one")
    run(datahub, "switch", "two")
    run(datahub, "import", "new.csv", "--append")
    run(datahub, "branch", "create", "three", "--from", "two")

    into_rows = run(datahub, "merge", "one", "--into", "two")
    into_answers = run(datahub, "merge", "three", "--into", "one")

    said = f"{len(first)} rows of mail keep their labels, 2 have none yet: {NEXT}"
    for told, ref in ((into_rows, "two"), (into_answers, "one")):
        assert said in told
        found = lines(base, ref)
        assert {key: found[key] for key in first} == reviewed
        assert [found[key]["status"] for key in (100, 101)] == ["new", "new"]
    assert lines(base, "one") == lines(base, "two")
    run(datahub, "lf", "run")
    run(datahub, "label", "fit")
    assert lines(base, "two")[0]["source"] == "annotation"


def test_people_who_disagree_are_a_conflict_also_where_rows_came(
    datahub: Datahub, base: Path
) -> None:
    """Listed and settled as ever, and the settled label is there before a model is."""
    (base / "new.csv").write_text(COMES)
    relabel(base, "one", "ann", {0: "ham", 1: "ham"})
    relabel(base, "two", "bob", {0: "spam", 2: "ham"})
    run(datahub, "switch", "two")
    run(datahub, "import", "new.csv", "--append")

    ran = datahub("merge", "one", "--into", "two")
    assert ran.code == 3
    assert "mail labels 0 label: people disagree" in ran.err
    run(datahub, "merge", "one", "--into", "two", "--rule", "latest")

    found = lines(base, "two")
    assert [(found[key]["label"], found[key]["status"]) for key in (0, 1, 2)] == [
        ("spam", "annotated"),
        ("ham", "annotated"),
        ("ham", "annotated"),
    ]
    assert found[100]["status"] == "new"
    run(datahub, "lf", "run")
    run(datahub, "label", "fit")
    assert lines(base, "two")[0]["label"] == "spam"


def test_models_that_disagree_leave_no_label_where_rows_of_both_changed(
    datahub: Datahub, base: Path
) -> None:
    """The merge says of how many rows; a row that a person answered has that answer."""
    relabel(base, "one", "ann", {3: "spam"})
    (base / "labeling_functions" / "first.py").write_text(LFS.replace("< 25", "< 60"))
    for branch, key in (("one", 100), ("two", 200)):
        run(datahub, "switch", branch)
        (base / "new.csv").write_text(f"id,text\n{key},FREE PRIZE NOW\n")
        run(datahub, "import", "new.csv", "--append")
        run(datahub, "lf", "run")
        run(datahub, "label", "fit", *(["--model", "majority"] if branch == "two" else []))
        swap = CARELESS if branch == "one" else ("x", "x")
        (base / "labeling_functions" / "first.py").write_text(LFS.replace(*swap))
    ours, theirs = lines(base, "two"), lines(base, "one")
    apart = [
        key
        for key in ours.keys() & theirs.keys()
        if ours[key]["label"] != theirs[key]["label"] and theirs[key]["source"] != "annotation"
    ]

    said = run(datahub, "merge", "one", "--into", "two", "--ours")  # both edited the LFs' file

    found = lines(base, "two")
    assert apart
    assert f"on {len(apart)} of those rows the models of both sides disagree" in said
    assert {found[key]["status"] for key in apart} == {"new"}
    assert (found[3]["label"], found[3]["source"]) == ("spam", "annotation")
    assert found[100] == theirs[100]
    assert found[200] == ours[200]
