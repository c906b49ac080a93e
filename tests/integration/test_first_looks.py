"""What a stranger sees between the first import and the first labels."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import polars as pl

from datahub.cli.output import short_ids
from tests.integration.conftest import Datahub


def test_head_shows_the_rows_before_there_are_labels(datahub: Datahub, project: Path) -> None:
    """It says so on stderr; a table that is named is taken at its word."""
    ran = datahub("head", "-n", "2")

    assert ran.code == 0
    assert "WINNER" in ran.out
    assert ran.err == "No labels yet: these are the rows alone.\n"
    assert datahub("head", "--table", "labeled").code == 5
    assert datahub("head", "--ref", "nowhere").code == 5


def test_export_says_what_makes_labels(datahub: Datahub, project: Path) -> None:
    """A file of labels is never filled with rows alone unless that is asked for."""
    ran = datahub("export", "labels.parquet")

    assert ran.code == 5
    assert "no labels" in ran.err
    assert "`datahub lf run`" in ran.err
    assert "--table rows" in ran.err
    assert datahub("export", "rows.parquet", "--table", "rows").code == 0


def test_cells_are_shown_as_people_write_them(datahub: Datahub, project: Path) -> None:
    """Dates and times as ISO 8601, also in lists."""
    times = [datetime(2024, 5, 1, 12, 30, tzinfo=UTC)]
    pl.DataFrame(
        {"id": [1], "day": [date(2024, 5, 1)], "times": [times], "at": times}
    ).write_parquet("d.parquet")
    assert datahub("import", "d.parquet", "--key", "id", "-d", "days").code == 0

    ran = datahub("head", "-d", "days")

    assert "2024-05-01" in ran.out
    assert "datetime" not in ran.out


def test_an_index_that_only_counts_rows_is_no_key(datahub: Datahub, project: Path) -> None:
    """The hint says how to make it a column."""
    pd.DataFrame({"text": ["a", "b"]}).to_parquet("p.parquet")

    ran = datahub("import", "p.parquet", "--key", "__index_level_0__", "-d", "pandas")

    assert ran.code == 2
    assert "reset_index()" in ran.err


def test_a_refused_ref_is_short_for_people_and_whole_for_programs(
    datahub: Datahub, project: Path
) -> None:
    """Twelve digits do on a terminal."""
    whole = "ab" * 32

    assert "abababababab'" in datahub("show", whole).err
    assert whole not in datahub("show", whole).err
    assert whole in datahub("show", whole, "--json").err
    assert short_ids(f"objects/{whole}.parquet") == f"objects/{whole}.parquet"


def test_nothing_is_said_of_rows_without_a_vote_where_there_are_none(
    datahub: Datahub, project: Path
) -> None:
    """A promise about 0 rows says nothing."""
    every = 'from datahub import regex\nall_of_them = regex("all_of_them", ".", 0)\n'
    (project / "labeling_functions" / "every.py").write_text(every)
    assert datahub("lf", "run").code == 0

    ran = datahub("label", "fit")

    assert ran.code == 0
    assert "have no vote" not in ran.out


def test_status_names_labels_before_answers(datahub: Datahub, project: Path) -> None:
    """Where a second import took the votes and the model away, a pull alone would be refused."""
    for words in (["lf", "run"], ["label", "fit"], ["review", "push", "--budget", "4"]):
        assert datahub(*words).code == 0
    pl.read_parquet("mail.parquet")[1:].write_parquet("new.parquet")
    ran = datahub("import", "new.parquet", "--key", "id", "--gold", "kind", "--yes")
    assert ran.code == 0, ran.err

    stale = datahub("status", "--json").json["out_of_date"]

    hints = [line["hint"] for line in stale if "wait for an answer" in line["what"]]
    assert hints
    assert all("`datahub lf run`, then `datahub label fit`, then" in hint for hint in hints)
