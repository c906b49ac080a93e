"""Expectations about drift, splits, personal data and people, in suites of a gate."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from datahub import Hub
from tests.integration.conftest import Datahub

Judge = Callable[..., dict[str, Any]]
DRIFT = "expect_column_drift_to_be_at_most"
SPLITS = "expect_splits_to_be_disjoint"
PERSONAL = "expect_no_personal_data"
AGREEMENT = "expect_annotator_agreement_to_be_at_least"
SHIFT = "expect_label_shift_to_be_at_most"


def table(rows: int = 600, *, of: str = "web", lift: float = 0.0, start: int = 0) -> pl.DataFrame:
    """Texts with a number, a source and a split."""
    return pl.DataFrame(
        {
            "id": range(start, start + rows),
            "text": [f"note {n} about the {n % 7} thing of {start}" for n in range(rows)],
            "score": [float(n % 50 + lift) for n in range(rows)],
            "source": [of if n % 3 else "mail" for n in range(rows)],
            "split": ["test" if n % 4 == 0 else "train" for n in range(rows)],
            "kind": ["note"] * rows,
        }
    )


@pytest.fixture
def judge(datahub: Datahub, tmp_path: Path) -> Judge:
    """Judge rows on a branch by one expectation of main's rules, on top of 600 rows."""
    assert datahub("init", "--dataset", "notes").code == 0
    table().write_parquet("first.parquet")
    assert datahub("import", "first.parquet", "--key", "id").code == 0

    def run(kind: str, rows: pl.DataFrame | None = None, code: int = 1, **kwargs: Any) -> Any:
        suite = {"expectations": [{"type": kind, "kwargs": kwargs}]}
        (tmp_path / "expectations" / "rows.json").write_text(json.dumps(suite))
        (tmp_path / "expectations" / "gates.toml").write_text(
            '[[gate]]\nbranch = "main"\ndataset = "notes"\ntable = "rows"\nsuite = "rows.json"\n'
        )
        ran = datahub("gate", "set", "--reason", "as the rows are")
        assert ran.code == 0, ran.err
        hub = Hub.open(tmp_path)
        if "next" in hub.store.branches():
            hub.store.delete_branch("next")
        hub.switch("next", create=True)
        more = table(600, start=600) if rows is None else rows
        more.write_parquet("more.parquet")
        ran = datahub("import", "more.parquet", "--append")
        assert ran.code == 0, ran.err
        ran = datahub("gate", "run", "--json")
        assert ran.code == code, ran.out[-900:] + ran.err
        hub.switch("main")
        return ran.json["results"][-1] if code < 2 else ran.err

    return run


def test_a_column_that_moves_is_refused_and_one_that_stays_is_not(judge: Judge) -> None:
    """Also where only the new rows are looked at, and in a slice of them."""
    assert judge(DRIFT, code=0, column_list=["score", "source"])["state"] == "passed"

    moved = judge(DRIFT, table(lift=30, start=600), column="score")
    assert "mean shift in standard deviations" in moved["message"]
    assert moved["engine"] == "datahub"
    assert judge(DRIFT, table(of="app", start=600), column="source", of="new")["state"] == "failed"
    few = judge(DRIFT, table(90, lift=40, start=600), column="score", slice={"source": "app"})
    assert "200 more needed" in few["message"]
    few = judge(
        DRIFT, table(90, start=600), code=0, column="score", slice={"source": "app"}, unclear="pass"
    )
    assert few["state"] == "passed"


def test_what_is_kept_of_parts_answers_as_they_did(judge: Judge, tmp_path: Path) -> None:
    """A profile that is cut off is measured again."""
    rows = table(lift=30, start=600)
    first = judge(DRIFT, rows, column="score")
    kept = [path for path in (tmp_path / ".datahub/profiles/measures").rglob("*") if path.is_file()]
    assert len(kept) >= 2
    for path in kept:
        path.write_bytes(path.read_bytes()[:-20])

    again = judge(DRIFT, rows, column="score", against="main")

    assert again["message"] == first["message"]


def test_rows_in_two_splits_are_named(judge: Judge) -> None:
    """Exactly, and nearly: the keys of the smaller split."""
    twice = pl.DataFrame(
        {
            "id": [900, 901],
            "text": ["note 1 about the 1 thing of 0", "note 2 about the 2 thing of 0 too"],
            "score": [0.0, 0.0],
            "source": ["web", "web"],
            "split": ["test", "test"],
            "kind": ["note", "note"],
        }
    )

    found = judge(SPLITS, twice, column="split", text="text", near=[0.9, 0.95])

    assert "also in another split" in found["message"]
    assert "900" in found["keys"]


def test_personal_data_refuses_by_its_kind_and_shows_none_of_it(judge: Judge) -> None:
    """The message counts; who may look has the keys."""
    rows = table(5, start=600).with_columns(
        text=pl.Series(["write to ann@example.org", *["fine"] * 4])
    )

    found = judge(PERSONAL, rows)

    assert "rows of text with email: 1" in found["message"]
    assert found["keys"] == ["600"]
    assert "ann@" not in json.dumps(found)
    assert judge(PERSONAL, rows, code=0, kinds=["card"])["state"] == "passed"


@pytest.mark.parametrize(
    ("kind", "kwargs", "told"),
    [
        (AGREEMENT, {}, "0 rows have two answers: 50 more needed"),
        ("expect_text_drift_to_be_at_most", {"column": "text"}, "more needed"),
    ],
)
def test_what_cannot_be_told_yet_says_what_is_missing(
    judge: Judge, kind: str, kwargs: dict[str, Any], told: str
) -> None:
    """And refuses, unless the suite says that it passes."""
    assert told in judge(kind, **kwargs)["message"]
    assert judge(kind, code=0, unclear="pass", **kwargs)["state"] == "passed"


def test_labels_that_are_not_there_could_not_run(judge: Judge) -> None:
    """A gate on rows may ask about labels; without labels there is no answer."""
    assert "has no labels" in judge(SHIFT, code=7)


def test_a_suite_that_asks_nothing_or_of_no_column_is_no_rule(
    datahub: Datahub, judge: Judge, tmp_path: Path
) -> None:
    for kwargs, told in (
        ({}, "names no column"),
        ({"column": "scoer"}, "Did you mean 'score'?"),
        ({"column": "score", "w1": 3}, "must be [warn, refuse]"),
        ({"column": "score", "slice": {}}, "an object of columns"),
    ):
        suite = {"expectations": [{"type": DRIFT, "kwargs": kwargs}]}
        (tmp_path / "expectations" / "rows.json").write_text(json.dumps(suite))
        (tmp_path / "expectations" / "gates.toml").write_text(
            '[[gate]]\nbranch = "main"\ndataset = "notes"\ntable = "rows"\nsuite = "rows.json"\n'
        )

        ran = datahub("gate", "set", "--reason", "a slip")

        assert ran.code in (2, 7)
        assert told in ran.err


def test_a_column_of_one_value_makes_no_splits(judge: Judge) -> None:
    """What judged nothing has not passed."""
    rows = table(3, start=600)
    judge(SPLITS, rows, column="split", text="text", near=[1.0, 1.0], exact=1.0, code=0)

    told = judge(SPLITS, rows, code=7, column="kind", text="text")

    assert "no splits" in told
