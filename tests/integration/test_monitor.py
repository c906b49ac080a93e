"""Suites that a history suggests, and what new rows ask for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.integration.conftest import Datahub

LFS = '''"""LFs."""
from datahub import keywords

spam = keywords("spam", ["prize"], "spam")
ham = keywords("ham", ["meeting", "notes"], "ham")
'''


def mails(rows: int, *, start: int = 0, spam: int = 3, lift: int = 0) -> pl.DataFrame:
    """Every `spam`-th mail is about a prize."""
    words = ["you win a prize", "the meeting is moved", "notes of today"]
    return pl.DataFrame(
        {
            "id": range(start, start + rows),
            "text": [f"{words[0 if n % spam == 0 else 1 + n % 2]} no {n}" for n in range(rows)],
            "size": [n % 40 + lift for n in range(rows)],
            "source": ["web" if n % 2 else "app" for n in range(rows)],
        }
    )


@pytest.fixture
def tagged(datahub: Datahub, tmp_path: Path) -> Path:
    """600 labeled mails, with a tag."""
    assert datahub("init", "--dataset", "mail").code == 0
    (tmp_path / "labeling_functions").mkdir(exist_ok=True)
    for file in (tmp_path / "labeling_functions").glob("*.py"):
        file.unlink()
    (tmp_path / "labeling_functions" / "first.py").write_text(LFS)
    mails(600).write_parquet("first.parquet")
    assert datahub("import", "first.parquet", "--key", "id", "--classes", "ham,spam").code == 0
    label(datahub)
    assert datahub("tag", "create", "v1").code == 0
    return tmp_path


def label(datahub: Datahub) -> None:
    for command in (("lf", "run"), ("label", "fit")):
        ran = datahub(*command)
        assert ran.code == 0, ran.err


def append(datahub: Datahub, rows: pl.DataFrame) -> None:
    rows.write_parquet("more.parquet")
    ran = datahub("import", "more.parquet", "--append")
    assert ran.code == 0, ran.err


def monitor(datahub: Datahub, code: int) -> Any:
    ran = datahub("monitor", "--against", "v1", "--json")
    assert ran.code == code, ran.out + ran.err
    return ran.json


def test_rows_like_those_before_are_fine_once_they_are_labeled(
    datahub: Datahub, tagged: Path
) -> None:
    assert monitor(datahub, 0)["new_rows"] == 0

    append(datahub, mails(600, start=600))
    waiting = monitor(datahub, 1)
    assert (waiting["state"], waiting["new_rows"], waiting["unlabeled"]) == ("refit", 600, 600)
    assert waiting["reasons"][0] == "600 new rows have no label."

    label(datahub)
    settled = monitor(datahub, 0)
    assert (settled["state"], settled["unlabeled"], settled["reasons"]) == ("fine", 0, [])
    assert {one["state"] for one in settled["results"]} == {"passed"}


def test_a_column_that_moved_asks_for_a_fit_and_classes_that_moved_for_people(
    datahub: Datahub, tagged: Path
) -> None:
    append(datahub, mails(600, start=600, lift=90))
    label(datahub)
    moved = monitor(datahub, 1)
    assert moved["state"] == "refit"
    assert "size" in moved["reasons"][0]

    append(datahub, mails(600, start=1200, spam=1))
    label(datahub)
    shifted = monitor(datahub, 1)
    assert shifted["state"] == "relabel"
    text = datahub("monitor", "--against", "v1")
    assert text.out.startswith("relabel: `datahub review push`")


def test_what_is_not_there_is_told(datahub: Datahub, tagged: Path) -> None:
    assert datahub("monitor", "--against", "v2").code == 5
    assert datahub("gate", "suggest", "--dataset", "letters").code == 5
    assert datahub("gate", "suggest", "--table", "votes").code == 2


def test_a_suggested_suite_takes_what_it_came_from_and_refuses_what_is_not_like_it(
    datahub: Datahub, tagged: Path
) -> None:
    """For rows and for labels; written once, and never over a file."""
    (tagged / "expectations").mkdir(exist_ok=True)
    gates = ""
    for table in ("rows", "labels"):
        out = f"expectations/{table}_suggested.json"
        ran = datahub("gate", "suggest", "--table", table, "--out", out)
        assert ran.code == 0, ran.err
        assert datahub("gate", "suggest", "--table", table, "--out", out).code == 3
        assert all(one["notes"] for one in json.loads(Path(out).read_text())["expectations"])
        gates += (
            f'[[gate]]\nbranch = "main"\ndataset = "mail"\ntable = "{table}"\n'
            f'suite = "{table}_suggested.json"\n'
        )
    (tagged / "expectations" / "gates.toml").write_text(gates)
    ran = datahub("gate", "set", "--reason", "as it was")
    assert ran.code == 0, ran.err

    assert datahub("switch", "--create", "alike").code == 0
    append(datahub, mails(600, start=600))
    label(datahub)
    ran = datahub("gate", "run", "--json")
    assert ran.code == 0, [one for one in ran.json["results"] if one["state"] != "passed"]

    append(datahub, mails(600, start=1200, lift=500).with_columns(source=pl.lit("fax")))
    label(datahub)
    ran = datahub("gate", "run", "--json")
    assert ran.code == 1
    refused = {one["expectation"] for one in ran.json["results"] if one["state"] == "failed"}
    assert {
        "expect_column_values_to_be_between",
        "expect_column_values_to_be_in_set",
        "expect_column_drift_to_be_at_most",
    } <= refused
