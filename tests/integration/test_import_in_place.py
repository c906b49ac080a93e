"""A dataset of the user's own files, from import to merge, by the command line."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
from pyarrow import orc

from datahub.hub import Hub
from tests.integration.conftest import LFS, SUITE, Datahub, mail

ROWS_GATE = '[[gate]]\nbranch = "main"\ndataset = "mail"\ntable = "rows"\nsuite = "rows.json"\n'
ROWS_SUITE = {
    "name": "rows",
    "expectations": [
        {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "id"}},
        {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 40}},
    ],
}


def test_a_row_goes_the_whole_path_from_a_file_that_stays_where_it_is(
    datahub: Datahub, tmp_path: Path
) -> None:
    """Parquet beside ORC: votes, labels, a gate over rows, a corrected row, an export."""
    mine = tmp_path / "mine"
    mine.mkdir()
    texts = mail().drop("kind")
    texts[:20].write_parquet(mine / "a.parquet")
    orc.write_table(texts[20:].to_arrow(compat_level=pl.CompatLevel.oldest()), mine / "b.orc")
    assert datahub("init", "--dataset", "mail").code == 0
    (tmp_path / "labeling_functions" / "first.py").write_text(LFS)
    (tmp_path / "expectations" / "labels.json").write_text(json.dumps(SUITE))
    (tmp_path / "expectations" / "rows.json").write_text(json.dumps(ROWS_SUITE))
    (tmp_path / "expectations" / "gates.toml").write_text(ROWS_GATE)
    words = ["import", "mine", "--key", "id", "--classes", "ham,spam", "--in-place"]

    made = datahub(*words, "--hard-link", "--json")

    assert made.code == 0, made.err
    assert len(made.json["dataset"]["parts"]) == 2
    (tmp_path / "new.csv").write_text("id,text\n3,FREE PRIZE NOW\n99,thanks\n")
    for step in (
        ["gate", "set", "--reason", "rows are to be there"],
        ["switch", "-c", "work"],
        ["import", "new.csv", "--upsert"],
        ["lf", "run"],
        ["label", "fit"],
        ["merge", "work", "--into", "main"],
        ["export", "out.parquet", "--ref", "main"],
        ["fsck"],
    ):
        ran = datahub(*step)
        assert ran.code == 0, (step, ran.err)
    found = pl.read_parquet(tmp_path / "out.parquet")
    assert found["id"].to_list() == [*range(texts.height), 99]
    assert found["text"][3] == "FREE PRIZE NOW"


def test_branches_that_change_rows_of_one_file_merge_by_row(
    datahub: Datahub, tmp_path: Path
) -> None:
    """Also where another program wrote it; what neither touched stays the file that it was."""
    mine = tmp_path / "mine"
    mine.mkdir()
    texts = mail().drop("kind")
    for number, start in enumerate((0, 14, 28)):
        table = texts[start : start + 14].to_arrow(compat_level=pl.CompatLevel.oldest())
        if number == 1:
            orc.write_table(table, mine / f"{number}.orc")
        else:
            pq.write_table(table, mine / f"{number}.parquet", compression="snappy")
    datahub("init", "--dataset", "mail")
    words = ["import", "mine", "--key", "id", "--classes", "ham,spam", "--in-place", "--hard-link"]
    assert datahub(*words).code == 0
    for branch, key in (("a", 3), ("a2", 15), ("b", 5), ("b2", 17)):
        (tmp_path / "new.csv").write_text(f"id,text\n{key},by {branch}\n")
        for step in (
            ["switch", "main"],
            ["switch", "-c", branch],
            ["import", "new.csv", "--upsert"],
        ):
            assert datahub(*step).code == 0

    for branch in ("a", "a2", "b", "b2"):
        ran = datahub("merge", branch, "--into", "main")
        assert ran.code == 0, ran.err

    assert (
        datahub("export", "out", "--table", "rows", "--format", "parquet", "--ref", "main").code
        == 0
    )
    found = pl.concat([pl.read_parquet(path) for path in sorted((tmp_path / "out").iterdir())])
    changed = {3: "by a", 15: "by a2", 5: "by b", 17: "by b2"}
    keys = texts["id"].to_list()
    assert found["text"].to_list() == [
        changed.get(key, text) for key, text in zip(keys, texts["text"], strict=True)
    ]
    assert found["id"].to_list() == keys
    last = hashlib.sha256((mine / "2.parquet").read_bytes()).hexdigest()
    assert Hub.open(tmp_path).dataset("mail", ref="main").parts[-1].sha256 == last


def test_a_hard_link_is_a_way_to_take_files_in_place(datahub: Datahub, project: Path) -> None:
    """Alone it says nothing."""
    ran = datahub("import", "mail.parquet", "--hard-link")

    assert ran.code == 2
    assert "--in-place" in ran.err


def test_files_that_come_in_place_leave_the_labels_that_are_there(
    datahub: Datahub, tmp_path: Path
) -> None:
    """An append beside other files, and rows that changed in the place of some of one."""
    mine = tmp_path / "mine"
    mine.mkdir()
    texts = mail().drop("kind")
    texts[:20].write_parquet(mine / "a.parquet")
    orc.write_table(texts[20:].to_arrow(compat_level=pl.CompatLevel.oldest()), tmp_path / "b.orc")
    datahub("init", "--dataset", "mail")
    (tmp_path / "labeling_functions" / "first.py").write_text(LFS)
    place = ["--in-place", "--hard-link"]
    assert datahub("import", "mine", "--key", "id", "--classes", "ham,spam", *place).code == 0
    assert datahub("lf", "run").code == datahub("label", "fit").code == 0
    before = Hub.open(tmp_path).scan(table="labels").collect()

    added = datahub("import", "b.orc", "--append", *place, "--json")
    (tmp_path / "new.csv").write_text("id,text\n3,FREE PRIZE NOW\n")
    changed = datahub("import", "new.csv", "--upsert", "--json")

    new = texts.height - 20
    assert (added.json["kept"], added.json["unlabeled"]) == (20, new)
    assert (changed.json["kept"], changed.json["unlabeled"]) == (19, new + 1)
    after = Hub.open(tmp_path).scan(table="labels").filter(pl.col("status") != "new").collect()
    assert after.sort("id").equals(before.filter(pl.col("id") != 3).sort("id"))
