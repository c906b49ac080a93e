"""A column of CSV without a value has no type yet; it was taken for text."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.integration.conftest import Datahub
from tests.regression.imports import Imports


def put(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def test_an_empty_column_does_not_rival_the_text(tmp_path: Path) -> None:
    """The only column with text is the text column."""
    here = Imports(tmp_path)

    made = here.take(put(tmp_path / "a.csv", "id,text,note\n1,a,\n2,b,\n"))

    assert made.dataset.text == "text"
    assert here.table()["note"].to_list() == [None, None]


@pytest.mark.parametrize(("cell", "kind"), [("7", pl.Int64), ("a", pl.String), ("1.5", pl.Float64)])
def test_it_takes_the_type_that_comes(tmp_path: Path, cell: str, kind: pl.DataType) -> None:
    """Of another file of the folder, and of rows that are appended."""
    folder = put(tmp_path / "in" / "a.csv", "id,note\n1,\n").parent
    put(folder / "b.csv", f"id,note\n2,{cell}\n")
    both = Imports(tmp_path / "both")
    both.take(folder)
    later = Imports(tmp_path / "later")
    later.take(folder / "a.csv")

    later.take(folder / "b.csv", mode="append")

    for here in (both, later):
        assert here.table().schema["note"] == kind
        assert here.table()["note"].to_list()[0] is None


def test_a_quoted_empty_text_is_a_text(tmp_path: Path) -> None:
    """It is a value; only what is missing is none."""
    here = Imports(tmp_path)

    here.take(put(tmp_path / "a.csv", 'id,note\n1,""\n2,\n'))

    assert here.table()["note"].to_list() == ["", None]


@pytest.mark.parametrize("name", ["x.*", "^a", "a b", '"q"', "1"])
def test_any_name(tmp_path: Path, name: str) -> None:
    """Columns are looked at by their place: leading zeros stay whatever the column is called."""
    header = '"' + name.replace('"', '""') + '"'
    here = Imports(tmp_path)

    here.take(put(tmp_path / "a.csv", f"id,{header},e\n1,007,\n2,8,\n"))

    assert here.table()[name].to_list() == ["007", "8"]


def test_from_the_command_line(tmp_path: Path, datahub: Datahub) -> None:
    """`head` shows the rows before there are labels."""
    assert datahub("init", "--dataset", "mail").code == 0
    put(tmp_path / "a.csv", "id,text,note\n1,a,\n")

    assert datahub("import", "a.csv", "--key", "id", "--classes", "x,y").code == 0

    assert datahub("head", "--json").json == [{"id": 1, "text": "a", "note": None}]
