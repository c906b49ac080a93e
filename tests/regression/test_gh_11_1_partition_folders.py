"""Columns that stand in the names of folders come in, by every way of import."""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import pandas as pd
import polars as pl
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datahub.core.errors import InputError
from tests.integration.conftest import Datahub
from tests.regression.imports import Imports

NULL = "__HIVE_DEFAULT_PARTITION__"


def put(folder: Path, below: str, **columns: list[Any]) -> Path:
    """A file of rows in a folder of a lake; returns the lake."""
    (folder / below).mkdir(parents=True, exist_ok=True)
    pl.DataFrame(columns).write_parquet(folder / below / "part-0.parquet")
    return folder


def by_duckdb(lake: Path, *options: str) -> list[dict[str, Any]]:
    """Its rows as DuckDB reads them."""
    said = ", ".join([f"'{lake}/**/*.parquet'", "hive_partitioning = true", *options])
    with duckdb.connect() as db:
        frame: pl.DataFrame = db.sql(f"select * from read_parquet({said}) order by id").pl()
    return frame.to_dicts()


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """What pandas writes with partition_cols, and Spark's mark of success."""
    frame = pd.DataFrame(
        {
            "id": [1, 2, 3, 4],
            "text": ["win", "prize", "hi", "bye"],
            "klass": ["spam", "spam", "ham", "ham"],
            "day": ["2024-01-01", "2024-01-02"] * 2,
        }
    )
    frame.to_parquet(tmp_path / "lake", partition_cols=["klass", "day"], index=False)
    (tmp_path / "lake" / "_SUCCESS").touch()
    return tmp_path / "lake"


def test_columns_of_folders_are_columns_gold_among_them(datahub: Datahub, lake: Path) -> None:
    """And a switch leaves them out."""
    assert datahub("init", "--dataset", "mail").code == 0

    ran = datahub("import", "lake", "--key", "id", "--gold", "klass")

    assert ran.code == 0, ran.err
    assert "classes: ham, spam" in ran.out
    assert "left out, as no file of rows: _SUCCESS" in ran.err
    shown = datahub("head", "--table", "rows", "--json").json
    assert shown[1] == {"id": 2, "text": "prize", "day": "2024-01-02"}
    again = datahub("import", "lake", "--gold", "klass", "--json").json
    assert again["commit"]["id"][:12] in ran.out
    assert again["left_out"] == ["_SUCCESS"]
    ran = datahub("import", "lake", "--no-partitions", "--dataset", "bare", "--json")
    assert [name for name, _ in ran.json["dataset"]["columns"]] == ["row_key", "id", "text"]


def test_it_is_what_duckdb_reads(tmp_path: Path, lake: Path) -> None:
    """Values and their types."""
    here = Imports(tmp_path / "here")

    here.take(lake)

    assert here.table().sort("id").to_dicts() == by_duckdb(lake)
    assert here.table()["day"].dtype == pl.Date


VALUES: dict[str, st.SearchStrategy[str]] = {
    "whole": st.integers(-(2**63), 2**63 - 1).map(str),
    "date": st.dates(dt.date(1, 1, 1)).map(str),
    "text": st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).filter(
        lambda text: text != NULL
    ),
    "zeros": st.sampled_from(["007", "-0", "+1", "1.50", "1e3", "true", "NULL", "1_000", "a=b"]),
}


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(list(VALUES)), st.data())
def test_odd_values_are_what_duckdb_and_pyarrow_read(kind: str, data: st.DataObject) -> None:
    """Text as it was escaped; a number or a date only where it says just that text."""
    texts = data.draw(st.lists(st.none() | VALUES[kind], min_size=1, max_size=5))
    with tempfile.TemporaryDirectory() as name:
        lake = Path(name) / "lake"
        for number, text in enumerate(texts):
            said = NULL if text is None else quote(text, safe=" +'")
            put(lake, f"n={number}/v={said}", id=[number])
        here = Imports(Path(name) / "here")

        here.take(lake)

        found = here.table().to_dicts()
        assert [None if row["v"] is None else str(row["v"]) for row in found] == texts
        assert all(row["n"] == row["id"] for row in found)
        if "a=b" not in texts:  # which DuckDB takes for no column
            plain = by_duckdb(lake, "hive_types_autocast = false")
            assert [row["v"] for row in plain] == texts
        if kind in ("whole", "date"):
            assert found == by_duckdb(lake)
        if any(text is not None for text in texts):
            read = ds.dataset(lake, partitioning="hive").to_table().sort_by("id")["v"]
            shown = [None if value is None else str(value) for value in read.to_pylist()]
            assert shown == texts or kind in ("zeros", "text")  # it drops zeros of numbers


@settings(max_examples=5, deadline=None)
@given(st.lists(st.sampled_from(["1", "2", "x", "2024-01-01", None]), min_size=2, max_size=4))
def test_it_means_the_same_in_one_import_and_in_upserts(days: list[str | None]) -> None:
    """A column that was text stays text, though the next folder has numbers alone."""
    with tempfile.TemporaryDirectory() as name:
        here, there = Imports(Path(name) / "here"), Imports(Path(name) / "there")
        whole = Path(name) / "whole"
        for number, day in enumerate(["text", *days]):
            for lake in (whole, Path(name) / str(number)):
                put(lake, f"day={NULL if day is None else day}/{number}", id=[number])

        here.take(whole)
        for number in range(len(days) + 1):
            there.take(Path(name) / str(number), mode="upsert" if number % 2 else "append")

        assert here.table().columns == ["id", "day"]
        assert here.objects() == there.objects()
        assert there.take(whole, mode="upsert").commit == there.take(whole).commit


def test_the_key_and_a_made_key_see_them(tmp_path: Path) -> None:
    """Rows that differ in their folders alone are two rows; a folder can name a row."""
    lake = tmp_path / "lake"
    for day in ("a%20b", "c"):
        put(lake, f"day={day}", text=["same"])
    here, there = Imports(tmp_path / "here"), Imports(tmp_path / "there")

    here.take(lake, key=None)
    there.take(lake, key="day")

    assert len({key[:16] for key in here.table()["row_key"]}) == 2
    assert there.table()["day"].to_list() == ["a b", "c"]


def test_a_column_that_is_in_the_files_too_is_taken_once(tmp_path: Path) -> None:
    """As polars writes it; where they contradict one another, neither is believed."""
    frame = pl.LazyFrame({"id": [1, 2], "day": [dt.date(2024, 1, 1), dt.date(2024, 1, 2)]})
    frame.sink_parquet(pl.PartitionBy(tmp_path / "lake", key="day", include_key=True), mkdir=True)
    here = Imports(tmp_path / "here")

    here.take(tmp_path / "lake")

    assert here.table().rows() == [(1, dt.date(2024, 1, 1)), (2, dt.date(2024, 1, 2))]
    put(tmp_path / "lake", "day=2024-01-09", id=[3], day=[dt.date(2024, 1, 3)])
    with pytest.raises(InputError, match="holds other values in 'day' than the name") as raised:
        here.take(tmp_path / "lake")
    assert "--no-partitions" in raised.value.hint
    here.take(tmp_path / "lake", partitions=False)
    assert here.table()["day"].to_list()[2] == dt.date(2024, 1, 3)


@pytest.mark.parametrize(
    ("folders", "says"),
    [
        (["a=1", "b=2"], "other columns of a=1/part-0.parquet \\('a'\\) than of b=2/"),
        (["a=1", "plain"], "\\('a'\\) than of plain/part-0.parquet \\(none\\)"),
        (["a=1", "a=1/b=2"], "than of .* \\('a' and 'b'\\)|\\('a' and 'b'\\) than of"),
        (["a=1/a=2"], "has the column 'a' in two folders"),
        (["a=%FF"], "a name that is no UTF-8"),
    ],
)
def test_folders_that_say_no_one_thing_are_refused(
    folders: list[str], says: str, tmp_path: Path
) -> None:
    """With the way around it; nothing is guessed."""
    for number, folder in enumerate(folders):
        put(tmp_path / "lake", folder, id=[number])
    here = Imports(tmp_path / "here")

    with pytest.raises(InputError, match=says) as raised:
        here.take(tmp_path / "lake")

    assert "--no-partitions" in raised.value.hint
    here.take(tmp_path / "lake", partitions=False)
    assert here.known().rows == len(folders)


def test_only_folders_below_the_one_that_was_named_count(tmp_path: Path) -> None:
    """And appending a part of the lake says which folder to name."""
    lake = put(tmp_path / "root=x", "klass=spam/day=1", id=[1])
    put(lake, "klass=ham/day=2", id=[2])
    here = Imports(tmp_path / "here")

    here.take(lake)

    assert here.table().columns == ["id", "klass", "day"]
    with pytest.raises(InputError, match="have no column 'klass'") as raised:
        here.take(lake / "klass=ham", mode="upsert")
    assert raised.value.hint.endswith("name the folder above klass=...")


def test_they_cannot_stay_in_place(tmp_path: Path) -> None:
    """They are in no file; where they are left out, files stay where they are."""
    lake = put(tmp_path / "lake", "klass=spam", id=[1, 2])
    here = Imports(tmp_path / "here")

    with pytest.raises(InputError, match="'klass' is in no file: it comes from the names of"):
        here.take(lake, in_place=True)

    here.take(lake, in_place=True, partitions=False)
    assert here.table()["id"].to_list() == [1, 2]


def test_a_folder_whose_name_begins_with_a_line_is_one_if_it_says_a_column(tmp_path: Path) -> None:
    """As Spark has it; others of that kind are passed over."""
    lake = put(tmp_path / "lake", "_day=1", id=[1])
    put(lake, "_temporary", id=[2])
    here = Imports(tmp_path / "here")

    made = here.take(lake)

    assert here.table().rows() == [(1, 1)]
    assert made.left_out == ("_temporary/",)
    assert pq.read_table(lake / "_day=1" / "part-0.parquet").num_rows == 1
