"""What differs between two refs, row by row, and why labels moved."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from datahub import Hub
from tests.integration.conftest import LFS, Datahub, mail
from tests.integration.test_rowmerge import edit, relabel


@pytest.fixture
def base(datahub: Datahub, project: Path) -> Path:
    """A project with labels on main, and a branch `work` that is the current one."""
    for words in (["lf", "run"], ["label", "fit"], ["switch", "-c", "work"]):
        ran = datahub(*words)
        assert ran.code == 0, ran.err
    return project


def test_the_default_is_short_and_rows_are_listed_on_demand(datahub: Datahub, base: Path) -> None:
    """Counts by column; with --rows the rows themselves, old and new, at most --limit."""
    new = pl.when(pl.col("id").is_in([3, 4])).then(pl.lit("edited")).otherwise("text")
    frame = mail().with_columns(text=new).filter(pl.col("id") != 7)
    edit(base, "work", pl.concat([frame, frame.head(1).with_columns(id=pl.lit(900, pl.Int64))]))

    short, long = datahub("diff"), datahub("diff", "--rows", "--limit", "3", "--exit-code")
    found = datahub("diff", "--rows", "--json").json["rows"][0]

    assert "rows of mail: 1 added, 1 removed, 2 changed (text 2)" in short.out
    assert "edited" not in short.out
    assert long.code == 1
    assert "-> edited" in long.out
    lines = {line["key"]: line for line in found["lines"]}
    assert {key: line["kind"] for key, line in lines.items()} == {
        3: "changed",
        4: "changed",
        7: "removed",
        900: "added",
    }
    assert lines[3]["columns"]["text"][1] == "edited"
    assert sum(line.startswith(("added", "removed", "changed  ")) for line in long.out.split("\n"))


def test_an_answer_moves_a_label_and_the_diff_says_who(datahub: Datahub, base: Path) -> None:
    """Only that row is listed, with what the person said."""
    relabel(base, "work", "ann", {0: "ham"})

    found = datahub("diff", "--rows", "--json").json["rows"][0]

    assert found["labels"] == {"spam -> ham": 1}
    (line,) = found["lines"]
    assert (line["key"], line["kind"], line["label"]) == (0, "label", ["spam", "ham"])
    assert "ann said ham" in line["why"]
    assert "because ann said ham" in datahub("diff", "--rows").out


def test_an_edited_lf_is_named_where_it_moved_a_label(datahub: Datahub, base: Path) -> None:
    """Edit an LF, see only it rerun, and what changed in the labels and why."""
    (base / "labeling_functions" / "first.py").write_text(
        LFS.replace('"thanks", "tomorrow", "dinner"', '"thanks", "tomorrow"')
    )
    ran = datahub("lf", "run")
    datahub("label", "fit")

    found = datahub("diff", "--rows", "--limit", "100", "--json").json["rows"][0]

    assert "thanks" in ran.out
    assert sum(found["labels"].values()) == len(found["lines"]) > 0
    dinner = set(mail().filter(pl.col("text").str.contains("dinner"))["id"])
    assert {line["key"] for line in found["lines"]} >= dinner
    moved = [line for line in found["lines"] if line["key"] in dinner]
    assert all("LF thanks: ham -> abstain" in line["why"] for line in moved)


def test_nothing_differs_between_a_ref_and_itself(datahub: Datahub, base: Path) -> None:
    """Empty, and exit 0 with --exit-code."""
    ran = datahub("diff", "work", "work", "--rows", "--exit-code")

    assert (ran.code, ran.out) == (0, "")
    assert Hub.open(base).diff("work", "main", lines=5).rows == ()


def test_first_labels_are_counted_as_coming_from_none(datahub: Datahub, base: Path) -> None:
    """What a first merge would bring is told like any other; the way back likewise."""
    unlabeled, fitted = "main~2", "main"

    there = datahub("diff", unlabeled, fitted, "--json").json["rows"][0]["labels"]
    back = datahub("diff", fitted, unlabeled, "--json").json["rows"][0]["labels"]

    counted = {row["label"]: row["count"] for row in _labels_of(base, datahub)}
    assert there == {f"(none) -> {label}": count for label, count in counted.items() if label}
    assert back == {f"{label} -> (none)": count for label, count in counted.items() if label}
    assert f"labels of mail: {sum(there.values())} moved" in datahub("diff", unlabeled, fitted).out


def _labels_of(base: Path, datahub: Datahub) -> list[dict[str, object]]:
    out = base / "labels.parquet"
    assert datahub("export", str(out), "--ref", "main").code == 0
    return pl.read_parquet(out).group_by("label").len("count").to_dicts()
