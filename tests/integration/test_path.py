"""A row from source to merge, by the command line."""

from __future__ import annotations

import csv
from pathlib import Path

import polars as pl
import pytest
from pyarrow import orc

from datahub import Hub
from tests.integration.conftest import CARELESS, LFS, Datahub, mail


def test_a_row_walks_from_a_file_to_a_gated_merge(datahub: Datahub, labeled: Path) -> None:
    """Labeled, refused, repaired, doubted, relabeled, merged, exported: each step says so."""
    lfs = labeled / "labeling_functions" / "first.py"
    lfs.write_text(LFS.replace(*CARELESS))
    assert "LFs edited" in datahub("status").out
    assert datahub("lf", "run").code == datahub("label", "fit").code == 0
    judged = datahub("gate", "run", "work", "--into", "main", "--json")
    assert (judged.code, judged.json["passed"]) == (1, False)
    refused = datahub("merge", "work", "--into", "main")
    assert refused.code == 1
    assert "gate_refused" in refused.err
    assert '"spam"' in refused.err
    assert len(datahub("gate", "refusals", "--json").json) == 2

    lfs.write_text(LFS)
    assert datahub("lf", "run").code == datahub("label", "fit").code == 0

    pushed = datahub("review", "push", "--budget", "10", "--json").json
    assert (pushed["tasks"], pushed["audit"]) == (10, 2)
    waiting = datahub("review", "answer", "--list", "--json").json
    gold = dict(mail().select("id", "kind").iter_rows())
    with Path("answers.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [("id", "label"), *((task["key"], gold[task["key"]]) for task in waiting)]
        )
    assert datahub("review", "answer", "--csv", "answers.csv", "--annotator", "ann").code == 0
    pulled = datahub("review", "pull", "--json").json
    assert pulled["annotations"] == 10
    assert pulled["statuses"]["annotated"] == 10

    merged = datahub("merge", "work", "--into", "main", "--json")
    assert merged.code == 0, merged.err
    assert len(merged.json["commit"]["parents"]) == 2
    assert datahub("show", "main", "--json").json["verdict"]["passed"] is True

    assert datahub("export", "out.parquet", "--ref", "main").code == 0
    table = pl.read_parquet("out.parquet").join(mail(), on="id")
    answered = table.filter(pl.col("status") == "annotated")
    assert answered.height == 10
    assert (answered["label"] == answered["kind"]).all()


def test_orc_and_parquet_walk_the_same_path(
    datahub: Datahub, project: Path, tmp_path: Path
) -> None:
    """The same rows from either format make the same objects, byte by byte."""
    orc.write_table(mail().to_arrow(compat_level=pl.CompatLevel.oldest()), tmp_path / "mail.orc")
    datahub("switch", "-c", "from-orc")

    again = datahub("import", "mail.orc", "--key", "id", "--gold", "kind", "--json")

    assert again.code == 0, again.err
    assert datahub("diff", "main", "from-orc", "--exit-code").code == 0


def test_rows_in_another_order_make_the_same_dataset(datahub: Datahub, project: Path) -> None:
    """Parts are in canonical order, whatever the file's."""
    mail().sample(fraction=1.0, shuffle=True, seed=1).write_parquet("shuffled.parquet")
    datahub("switch", "-c", "shuffled")

    assert datahub("import", "shuffled.parquet", "--key", "id", "--gold", "kind").code == 0

    assert datahub("diff", "main", "shuffled", "--json").json["objects"] == []


def test_without_a_key_import_makes_one_from_content(datahub: Datahub, tmp_path: Path) -> None:
    """Equal rows get keys of their own; gold has no part in any key."""
    datahub("init", "--dataset", "mail")
    twice = pl.concat([mail(), mail()]).drop("id")
    twice.write_parquet("a.parquet")
    twice.with_columns(pl.col("kind").reverse()).write_parquet("b.parquet")

    datahub("import", "a.parquet", "--gold", "kind")
    datahub("export", "keys-a.parquet", "--table", "rows")
    datahub("import", "b.parquet", "--gold", "kind")
    datahub("export", "keys-b.parquet", "--table", "rows")

    a, b = pl.read_parquet("keys-a.parquet"), pl.read_parquet("keys-b.parquet")
    assert a.height == a["row_key"].n_unique() == twice.height
    assert a.equals(b)
    assert "kind" not in a.columns


def test_rows_imported_again_ask_again_for_answers_to_what_has_changed(
    datahub: Datahub, labeled: Path
) -> None:
    """An answer to the earlier text is refused with its reason, and the row is asked again."""
    datahub("review", "push", "--budget", "3")
    task = datahub("review", "answer", "--list", "--json").json[0]
    Path("answers.csv").write_text(f"id,label\n{task['key']},ham\n")
    datahub("review", "answer", "--csv", "answers.csv")
    changed = pl.when(pl.col("id") == task["key"]).then(pl.lit("Other words")).otherwise("text")
    mail().with_columns(text=changed).write_parquet("mail2.parquet")
    for words in (
        ["import", "mail2.parquet", "--gold", "kind", "--yes"],
        ["lf", "run"],
        ["label", "fit"],
    ):
        ran = datahub(*words)
        assert ran.code == 0, ran.err

    pulled = datahub("review", "pull", "--json")

    assert pulled.code == 1
    assert pulled.json["annotations"] == 0
    assert pulled.json["asked_again"] == [task["key"]]
    assert "changed" in pulled.json["refused"][0][1]
    texts = {
        t["key"]: t["fields"]["text"] for t in datahub("review", "answer", "--list", "--json").json
    }
    assert texts[task["key"]] == "Other words"
    assert datahub("review", "pull", "--json").json["asked_again"] == []


def test_a_push_after_a_lost_catalog_forgets_no_answer_to_what_has_changed(labeled: Path) -> None:
    """The pull after it asks the row again, as the pull of a catalog without a cursor does."""
    hub = Hub.open(labeled)
    hub.review_push(budget=3)
    tasks = hub.review_open()
    hub.review_answer([(task_id, "ham") for task_id, _ in tasks], annotator="ann")
    keys = {task.key for _, task in tasks}
    changed = pl.when(pl.col("id").is_in(keys)).then(pl.lit("Other words")).otherwise("text")
    mail().with_columns(text=changed).write_parquet("mail2.parquet")
    hub.import_rows("mail2.parquet", gold="kind", set_aside=True)
    hub.lf_run()
    hub.label_fit()
    Path(".datahub/catalog.db").unlink()
    again = Hub.open(labeled)
    again.review_push(budget=1)

    again.review_pull()

    asked = [task.key for _, task in again.review_open() if task.fields["text"] == "Other words"]
    assert sorted(map(str, asked)) == sorted(map(str, keys))
    assert again.review_pull().asked_again == ()


def test_pulling_twice_adds_nothing(datahub: Datahub, labeled: Path) -> None:
    """The log holds each answer once."""
    datahub("review", "push", "--budget", "2")
    for task in datahub("review", "answer", "--list", "--json").json:
        Path("answers.csv").write_text(f"id,label\n{task['key']},spam\n")
        assert datahub("review", "answer", "--csv", "answers.csv").code == 0
    first = datahub("review", "pull", "--json").json

    second = datahub("review", "pull", "--json").json

    assert first["annotations"] == 2
    assert second["annotations"] == 0
    assert second["commit"]["id"] == first["commit"]["id"]


def test_a_sample_run_commits_nothing(datahub: Datahub, project: Path) -> None:
    """Trying is free."""
    before = datahub("log", "--json").json

    tried = datahub("lf", "run", "--sample", "10", "--json")

    assert tried.json["rows"] == 10
    assert datahub("log", "--json").json == before


def test_lf_stats_shows_accuracy_only_where_gold_is_given(datahub: Datahub, labeled: Path) -> None:
    """Gold is read for the table, and can be left out of it."""
    with_gold = datahub("lf", "stats", "--json").json["table"]
    without = datahub("lf", "stats", "--no-gold", "--json").json["table"]

    assert any(lf["accuracy"] is not None for lf in with_gold)
    assert all(lf["accuracy"] is None for lf in without)


def test_gold_is_in_no_table_that_labeling_writes(datahub: Datahub, labeled: Path) -> None:
    """Permuting the gold labels changes not one object but gold itself."""
    before = datahub("show", "work", "--json").json["objects"]
    shuffled = mail().with_columns(pl.col("kind").reverse())
    shuffled.write_parquet("mail3.parquet")
    datahub("import", "mail3.parquet", "--gold", "kind")
    datahub("lf", "run")
    datahub("label", "fit")

    after = datahub("show", "work", "--json").json["objects"]

    differing = {path for path in before | after if before.get(path) != after.get(path)}
    assert {path.split("/")[2] for path in differing} == {"gold"}


def test_status_says_what_is_out_of_date(datahub: Datahub, labeled: Path) -> None:
    """Edited LFs, waiting rows, edited rules: each with what to do."""
    assert datahub("status", "--json").json["out_of_date"] == []
    on_main = datahub("status", "--branch", "main", "--json").json["out_of_date"]
    assert on_main[-1]["what"] == "The rules are newer than the last verdict"
    assert datahub("merge", "work", "--into", "main").code == 0
    assert datahub("status", "--branch", "main", "--json").json["out_of_date"] == []

    (labeled / "labeling_functions" / "first.py").write_text(LFS.replace("winner", "victor"))
    datahub("review", "push", "--budget", "4")
    (labeled / "expectations" / "extra.json").write_text("{}")
    stale = " ".join(entry["what"] for entry in datahub("status", "--json").json["out_of_date"])

    assert "LFs edited since the votes on mail: offer" in stale
    assert "Rows of mail that wait for an answer: 4" in stale
    assert "expectations/ holds rules" in stale


def test_the_same_work_gives_the_same_objects(datahub: Datahub, labeled: Path) -> None:
    """Nothing but time tells two runs apart: votes, models and labels are equal to the byte."""
    before = datahub("show", "work", "--json").json["objects"]
    datahub("switch", "main")
    datahub("switch", "-c", "again")

    datahub("lf", "run")
    datahub("label", "fit")

    assert datahub("show", "again", "--json").json["objects"] == before


@pytest.mark.parametrize("suffix", ["parquet", "orc", "csv"])
def test_rows_are_exported_in_every_format(datahub: Datahub, labeled: Path, suffix: str) -> None:
    """Each by its suffix."""
    ran = datahub("export", f"out.{suffix}", "--table", "rows")

    assert ran.code == 0, ran.err
    assert Path(f"out.{suffix}").stat().st_size > 0
