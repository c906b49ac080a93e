"""Branches that relabel and edit rows merge by row; what is left is listed, and settled."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from datahub import Hub
from datahub.core.errors import InputError, MergeConflict
from tests.integration.conftest import LFS, Datahub, mail

pytestmark = pytest.mark.slow


def relabel(project: Path, branch: str, who: str, answers: dict[int, str]) -> None:
    """Ask everything on a branch, give these answers, take them in."""
    hub = Hub.open(project, branch=branch)
    if not hub.review_open():
        hub.review_push(budget=40)
    tasks = {task.key: task_id for task_id, task in hub.review_open()}
    hub.review_answer([(tasks[key], label) for key, label in answers.items()], annotator=who)
    hub.review_pull()


def labels(project: Path, ref: str) -> dict[int, tuple[str | None, str]]:
    Hub.open(project).export_rows(project / "out.parquet", ref=ref)
    frame = pl.read_parquet(project / "out.parquet")
    return {row["id"]: (row["label"], row["status"]) for row in frame.iter_rows(named=True)}


def content(project: Path, ref: str) -> dict[int, dict[str, object]]:
    """Rows by key."""
    Hub.open(project).export_rows(project / "rows.parquet", ref=ref, table="rows")
    return {row["id"]: row for row in pl.read_parquet(project / "rows.parquet").to_dicts()}


def edit(project: Path, branch: str, frame: pl.DataFrame) -> None:
    """Import these rows on a branch."""
    frame.write_parquet(project / "mail.parquet")
    Hub.open(project, branch=branch).import_rows(
        project / "mail.parquet", dataset="mail", key="id", gold="kind"
    )


def test_branches_that_relabel_different_rows_merge_cleanly(datahub: Datahub, base: Path) -> None:
    """Both sets of answers are in the labels, though they lie in one part."""
    relabel(base, "one", "ann", {0: "ham", 1: "ham"})
    relabel(base, "two", "bob", {2: "ham", 20: "spam"})

    first, second = (
        datahub("merge", "one", "--into", "main"),
        datahub("merge", "two", "--into", "main"),
    )

    assert (first.code, second.code) == (0, 0), second.err
    found = labels(base, "main")
    assert {key: found[key] for key in (0, 1, 2, 20)} == {
        0: ("ham", "annotated"),
        1: ("ham", "annotated"),
        2: ("ham", "annotated"),
        20: ("spam", "annotated"),
    }


def test_the_merged_labels_are_what_the_union_of_answers_gives(
    datahub: Datahub, base: Path
) -> None:
    """A pull on the merged branch finds nothing to change: labels are of the joint log."""
    relabel(base, "one", "ann", {0: "ham", 1: "spam"})
    relabel(base, "one", "cleo", {})
    relabel(base, "two", "bob", {1: "spam", 3: "ham"})
    datahub("merge", "one", "--into", "main")
    datahub("merge", "two", "--into", "main")
    before = labels(base, "main")
    hub = Hub.open(base, branch="main")

    hub.label_fit()

    assert labels(base, "main") == before
    assert before[1] == ("spam", "annotated")


def test_one_row_with_two_answers_is_a_conflict_with_its_provenance(
    datahub: Datahub, base: Path
) -> None:
    """Listed with key, values and who said so; nothing lands; exit 3."""
    relabel(base, "one", "ann", {0: "ham", 1: "ham"})
    relabel(base, "two", "bob", {0: "spam", 2: "ham"})
    datahub("merge", "one", "--into", "main")
    head = datahub("log", "main", "--json").json[0]["id"]

    ran = datahub("merge", "two", "--into", "main", "--conflicts", "left.csv")

    assert ran.code == 3
    assert "1 conflict" in ran.err
    assert "mail labels 0 label: people disagree" in ran.err
    assert "ann" in ran.err
    assert "bob" in ran.err
    listed = pl.read_csv(base / "left.csv")
    wanted = [(0, "label", "spam", "ham", "spam")]
    assert listed.select("key", "column", "base", "ours", "theirs").rows() == wanted
    assert datahub("log", "main", "--json").json[0]["id"] == head


@pytest.mark.parametrize(
    ("words", "label"),
    [
        (["--ours"], ("ham", "annotated")),
        (["--theirs"], ("spam", "annotated")),
        (["--rule", "latest"], ("spam", "annotated")),
        (["--rule", "gold"], ("spam", "annotated")),
    ],
)
def test_a_flag_or_a_rule_settles_it_for_good(
    datahub: Datahub, base: Path, words: list[str], label: tuple[str, str]
) -> None:
    """What settles a row is an answer in the log: a later fit does not undo it."""
    relabel(base, "one", "ann", {0: "ham"})
    relabel(base, "two", "bob", {0: "spam"})
    datahub("merge", "one", "--into", "main")

    ran = datahub("merge", "two", "--into", "main", *words)

    assert ran.code == 0, ran.err
    assert labels(base, "main")[0] == label
    why = Hub.open(base).why("0", ref="main")
    assert [said.counts for said in why.annotations] == [False, False, True]
    Hub.open(base, branch="main").label_fit()
    assert labels(base, "main")[0] == label


def test_by_majority_a_tie_stays_open_and_more_people_decide(datahub: Datahub, base: Path) -> None:
    """As on one branch: two against one is a label, one against one is open."""
    relabel(base, "one", "ann", {0: "ham", 1: "ham"})
    relabel(base, "two", "bob", {0: "spam", 1: "spam"})
    datahub("branch", "create", "three", "--from", "main")
    datahub("merge", "one", "--into", "main")

    ran = datahub("merge", "two", "--into", "main", "--rule", "majority")
    assert ran.code == 0, ran.err
    assert labels(base, "main")[0] == (labels(base, "three")[0][0], "open")
    relabel(base, "three", "cleo", {0: "ham"})
    third = datahub("merge", "three", "--into", "main")

    assert third.code == 0, third.err
    assert labels(base, "main")[0] == ("ham", "annotated")
    assert labels(base, "main")[1][1] == "open"


def test_decisions_from_a_file_settle_rows_one_by_one(datahub: Datahub, base: Path) -> None:
    """A value of one's own, or a side; unknown keys and classes are refused."""
    relabel(base, "one", "ann", {0: "ham", 1: "ham"})
    relabel(base, "two", "bob", {0: "spam", 1: "spam"})
    datahub("merge", "one", "--into", "main")
    (base / "wrong.csv").write_text("key,value\n0,ham\n1,eggs\n")
    (base / "unknown.csv").write_text("key,value\n0,ham\n1,ham\n99,ham\n")
    (base / "right.csv").write_text("key,take,value\n0,,ham\n1,theirs,\n")
    (base / "half.csv").write_text("key,value\n0,ham\n")

    wrong = datahub("merge", "two", "--into", "main", "--decisions", "wrong.csv")
    unknown = datahub("merge", "two", "--into", "main", "--decisions", "unknown.csv")
    half = datahub("merge", "two", "--into", "main", "--decisions", "half.csv")
    right = datahub("merge", "two", "--into", "main", "--decisions", "right.csv")

    assert (wrong.code, unknown.code, half.code) == (2, 2, 3)
    assert "eggs" in wrong.err
    assert "99" in unknown.err
    assert right.code == 0, right.err
    found = labels(base, "main")
    assert (found[0][0], found[1][0]) == ("ham", "spam")


def test_rows_merge_by_key_and_column(datahub: Datahub, base: Path) -> None:
    """Different rows and different columns of one row; added and removed rows; one conflict."""
    wide = mail().with_columns(channel=pl.lit("sms"))
    edit(base, "main", wide)
    for name in ("three", "four"):
        datahub("branch", "create", name, "--from", "main")
    one = wide.with_columns(
        text=pl.when(pl.col("id") == 3).then(pl.lit("edited")).otherwise("text")
    ).filter(pl.col("id") != 7)
    two = wide.with_columns(
        channel=pl.when(pl.col("id").is_in([3, 4])).then(pl.lit("mail")).otherwise("channel")
    )
    edit(base, "three", one)
    edit(base, "four", pl.concat([two, two.head(1).with_columns(id=pl.lit(900, pl.Int64))]))

    datahub("merge", "three", "--into", "main")
    ran = datahub("merge", "four", "--into", "main")

    assert ran.code == 0, ran.err
    rows = content(base, "main")
    assert (rows[3]["text"], rows[3]["channel"]) == ("edited", "mail")
    assert rows[4]["channel"] == "mail"
    assert 7 not in rows
    assert 900 in rows
    assert datahub("lf", "run").code == datahub("label", "fit").code == 0


def test_a_cell_both_sides_changed_is_settled_by_a_value_of_its_type(
    datahub: Datahub, base: Path
) -> None:
    """Listed with its column; the decided value is in the merged rows."""
    for branch, text in (("one", "from one"), ("two", "from two")):
        new = pl.when(pl.col("id") == 3).then(pl.lit(text)).otherwise("text")
        edit(base, branch, mail().with_columns(text=new))
    datahub("merge", "one", "--into", "main")
    hub = Hub.open(base)

    with pytest.raises(MergeConflict) as caught:
        hub.merge("two", into="main")
    (base / "d.csv").write_text("key,column,value\n3,text,from both\n")
    hub.merge("two", into="main", decisions=base / "d.csv")

    (conflict,) = caught.value.conflicts
    assert (conflict.table, conflict.key, conflict.column) == ("rows", 3, "text")
    assert (conflict.ours, conflict.theirs) == ("from one", "from two")
    assert conflict.ours_by.commit
    assert content(base, "main")[3]["text"] == "from both"


def test_a_column_added_on_one_branch_meets_rows_changed_on_the_other(
    datahub: Datahub, base: Path
) -> None:
    """The column is there for all rows; the changed row keeps its change."""
    edit(base, "one", mail().with_columns(length=pl.col("text").str.len_chars().cast(pl.Int64)))
    new = pl.when(pl.col("id") == 3).then(pl.lit("edited")).otherwise("text")
    edit(base, "two", mail().with_columns(text=new))
    datahub("merge", "one", "--into", "main")

    ran = datahub("merge", "two", "--into", "main")

    assert ran.code == 0, ran.err
    rows = content(base, "main")
    assert rows[3]["text"] == "edited"
    assert rows[4]["length"] == len(str(rows[4]["text"]))


def test_a_column_of_two_types_and_other_classes_are_conflicts(
    datahub: Datahub, base: Path
) -> None:
    """Fields of the dataset are listed, and a side settles them."""
    edit(base, "one", mail().with_columns(size=pl.lit(1)))
    edit(base, "two", mail().with_columns(size=pl.lit("big")))
    datahub("merge", "one", "--into", "main")
    hub = Hub.open(base)

    with pytest.raises(MergeConflict) as caught:
        hub.merge("two", into="main")
    merged = hub.merge("two", into="main", side="theirs")

    (conflict,) = caught.value.conflicts
    assert (conflict.table, conflict.column) == ("dataset", "size")
    assert merged.report.conflicts >= 1
    assert content(base, "main")[0]["size"] == "big"


def test_answers_to_rows_that_the_other_side_changed_do_not_count(
    datahub: Datahub, base: Path
) -> None:
    """The log keeps them; labels follow the rows, and the merge says what to run."""
    relabel(base, "one", "ann", {3: "ham", 4: "ham"})
    new = pl.when(pl.col("id") == 3).then(pl.lit("edited")).otherwise("text")
    edit(base, "two", mail().with_columns(text=new))
    datahub("merge", "one", "--into", "main")

    refused = datahub("merge", "two", "--into", "main")
    ran = datahub("merge", "two", "--into", "main", "--yes")

    assert (refused.code, "answers_set_aside" in refused.err) == (3, True)
    assert ran.code == 0, ran.err
    assert "set aside: 1 answer of 1 person about 1 row of mail" in ran.out
    assert "lf run" in ran.out
    assert datahub("lf", "run").code == datahub("label", "fit").code == 0
    found = labels(base, "main")
    assert found[4] == ("ham", "annotated")
    assert found[3][1] != "annotated"


def test_two_fits_are_a_conflict_that_lists_the_rows_that_differ(
    datahub: Datahub, base: Path
) -> None:
    """Models cannot be merged: a side is taken, people's answers of both stay."""
    relabel(base, "one", "ann", {0: "ham"})
    Hub.open(base, branch="one", label_model="majority").label_fit()
    (base / "labeling_functions" / "first.py").write_text(LFS.replace("< 25", "< 60"))
    hub = Hub.open(base, branch="two")
    hub.lf_run()
    hub.label_fit()
    relabel(base, "two", "bob", {1: "ham"})
    datahub("merge", "one", "--into", "main")

    with pytest.raises(MergeConflict) as caught:
        hub.merge("two", into="main")
    ran = datahub("merge", "two", "--into", "main", "--theirs")

    tables = [conflict.table for conflict in caught.value.conflicts]
    assert "label_model" in tables
    assert ran.code == 0, ran.err
    found = labels(base, "main")
    assert (found[0], found[1]) == (("ham", "annotated"), ("ham", "annotated"))


def test_a_decision_without_a_conflict_is_refused(datahub: Datahub, base: Path) -> None:
    """Whoever wrote it meant something: nothing is merged before that is clear."""
    relabel(base, "one", "ann", {0: "ham"})
    (base / "d.csv").write_text("key,value\n5,ham\n")

    with pytest.raises(InputError):
        Hub.open(base).merge("one", into="main", decisions=base / "d.csv")


def test_answers_that_a_restore_took_away_do_not_come_back(datahub: Datahub, base: Path) -> None:
    """The labels of a merge are of the log that the merge has."""
    relabel(base, "one", "ann", {0: "ham"})
    datahub("merge", "one", "--into", "main")
    datahub("branch", "create", "back", "--from", "main")
    datahub("branch", "create", "on", "--from", "main")
    Hub.open(base, branch="back").restore("mail", ref="two", set_aside=True)
    relabel(base, "on", "bob", {2: "ham"})
    datahub("merge", "on", "--into", "main")

    refused = datahub("merge", "back", "--into", "main")
    ran = datahub("merge", "back", "--into", "main", "--yes")

    assert (refused.code, "the answer leaves the log: 1" in refused.err) == (3, True)
    assert ran.code == 0, ran.err
    found = labels(base, "main")
    assert (found[0], found[2]) == (("spam", "unmeasured"), ("ham", "annotated"))


def test_gold_merges_by_row_with_rows_that_the_other_side_changed(
    datahub: Datahub, base: Path
) -> None:
    """Gold corrected on one branch, also of rows that stay, and rows corrected on the other."""
    other = pl.when(pl.col("id") == 2).then(pl.lit("ham")).otherwise("kind")
    edit(base, "one", mail().with_columns(kind=other))
    again = pl.when(pl.col("id") == 4).then(pl.lit("ham")).otherwise("kind")
    new = pl.when(pl.col("id") == 3).then(pl.lit("edited")).otherwise("text")
    edit(base, "two", mail().with_columns(kind=again, text=new))
    datahub("merge", "one", "--into", "main")

    ran = datahub("merge", "two", "--into", "main")

    assert ran.code == 0, ran.err
    gold = Hub.open(base).gold()
    assert (gold[2], gold[4], gold[6]) == ("ham", "ham", "spam")
    assert content(base, "main")[3]["text"] == "edited"


def test_the_list_can_be_filled_in_as_json(datahub: Datahub, base: Path) -> None:
    """What is written is what is read; a file that is none is refused."""
    relabel(base, "one", "ann", {0: "ham"})
    relabel(base, "two", "bob", {0: "spam"})
    datahub("merge", "one", "--into", "main")
    datahub("merge", "two", "--into", "main", "--conflicts", "left.json")
    (line,) = json.loads((base / "left.json").read_text())
    (base / "left.json").write_text(json.dumps([{**line, "take": "theirs"}]))
    (base / "none.json").write_text("{")

    broken = datahub("merge", "two", "--into", "main", "--decisions", "none.json")
    ran = datahub("merge", "two", "--into", "main", "--decisions", "left.json")

    assert broken.code == 2
    assert ran.code == 0, ran.err
    assert labels(base, "main")[0] == ("spam", "annotated")


def test_a_relabel_is_taken_back_though_other_rows_of_its_part_were_relabeled_since(
    datahub: Datahub, base: Path
) -> None:
    """Only the reverted answers go; what was answered later stays, and a pull changes nothing."""
    before = labels(base, "main")
    relabel(base, "main", "ann", {0: "ham", 1: "ham", 2: "ham"})
    wrong = Hub.open(base).log(limit=1)[0].id
    relabel(base, "main", "bob", {3: "ham", 20: "spam"})

    made = datahub("revert", wrong, "--json")

    assert made.code == 0, made.err
    found = labels(base, "main")
    assert {key for key, (_, status) in found.items() if status == "annotated"} == {3, 20}
    assert [found[key][0] for key in (0, 1, 2)] == [before[key][0] for key in (0, 1, 2)]
    assert datahub("revert", made.json["id"]).code == 0
    again = labels(base, "main")
    assert {k for k, (_, status) in again.items() if status == "annotated"} == {0, 1, 2, 3, 20}


def test_a_relabel_is_picked_onto_a_branch_that_relabeled_other_rows(
    datahub: Datahub, base: Path
) -> None:
    relabel(base, "one", "ann", {0: "ham", 1: "ham"})
    relabel(base, "one", "cleo", {4: "ham"})
    relabel(base, "two", "bob", {2: "ham", 20: "spam"})

    made = datahub("cherry-pick", "one", "--branch", "two")

    assert made.code == 0, made.err
    found = labels(base, "two")
    assert {k for k, (_, status) in found.items() if status == "annotated"} == {2, 4, 20}


def test_a_revert_lists_the_cells_that_were_changed_again(datahub: Datahub, base: Path) -> None:
    """The rows' conflicts, as a merge lists them; edits of other rows stand in no one's way."""
    early = pl.col("id") <= 3
    wrong_text = mail().with_columns(text=pl.when(early).then(pl.lit("wrong")).otherwise("text"))
    edit(base, "main", wrong_text)
    wrong = Hub.open(base).log(limit=1)[0].id
    again = pl.when(pl.col("id").is_in([1, 30])).then(pl.lit("again")).otherwise("text")
    edit(base, "main", wrong_text.with_columns(text=again))
    head = Hub.open(base).log(limit=1)[0].id

    refused = datahub("revert", wrong, "--json")

    assert refused.code == 3
    listed = json.loads(refused.err)["error"]["conflicts"]
    assert [(one["key"], one["column"], one["ours"]) for one in listed] == [(1, "text", "again")]
    assert Hub.open(base).log(limit=1)[0].id == head
