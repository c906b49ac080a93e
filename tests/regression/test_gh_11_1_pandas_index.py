"""An index of pandas without a name is no content; one with a name is a column like others."""

from __future__ import annotations

import tempfile
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.orc as orc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datahub.core.errors import InputError
from tests.integration.conftest import Datahub
from tests.regression.imports import Imports

TEXTS = ["free prize now", "see you at home", "win a car", "dinner tonight"]


def test_rows_that_were_shuffled_are_the_same_rows(datahub: Datahub, tmp_path: Path) -> None:
    """No commit is made; the index is named, as what could be the key."""
    frame = pd.DataFrame({"text": TEXTS})
    frame.to_parquet(tmp_path / "in_order.parquet")
    frame.sample(frac=1, random_state=3).to_parquet(tmp_path / "shuffled.parquet")
    assert datahub("init", "--dataset", "mail").code == 0
    first = datahub("import", "in_order.parquet", "--json").json

    ran = datahub("import", "shuffled.parquet", "--json")

    assert ran.json["commit"]["id"] == first["commit"]["id"]
    assert ran.json["index"]["columns"] == ["__index_level_0__"]
    assert "--key __index_level_0__ makes it the key" in ran.err
    assert (
        datahub("import", "shuffled.parquet", "--upsert", "--json").json["commit"]
        == (first["commit"])
    )


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.integers(1, 3), st.booleans())
def test_any_order_and_cut_of_a_frame_is_the_same_rows(
    picked: list[int], files: int, levels: bool
) -> None:
    """Some files keep an index, some do not need one; two levels are as one."""
    frame = pd.DataFrame({"text": [TEXTS[number] for number in picked]})
    if levels:
        frame.index = pd.MultiIndex.from_arrays([frame.index % 2, frame.index])
    shuffled = frame.sample(frac=1, random_state=len(picked))
    with tempfile.TemporaryDirectory() as name:
        here = Imports(Path(name) / "here")
        frame.reset_index(drop=True).to_parquet(Path(name) / "plain.parquet")
        came = Path(name) / "came"
        came.mkdir()
        size = -(-len(shuffled) // files)
        for start in range(0, len(shuffled), size):
            shuffled[start : start + size].to_parquet(came / f"{start}.parquet")
        frame.reset_index(drop=True)[:0].to_parquet(came / "none.parquet")

        first = here.take(Path(name) / "plain.parquet", None)

        assert here.take(came, None).commit == first.commit
        assert here.table().columns == ["row_key", "text"]


def test_it_can_be_the_key(tmp_path: Path) -> None:
    """From then on it is a column of the dataset, with the values that DuckDB reads."""
    frame = pd.DataFrame({"text": TEXTS}).sample(frac=1, random_state=3)
    frame.to_parquet(tmp_path / "rows.parquet")
    here = Imports(tmp_path / "here")

    first = here.take(tmp_path / "rows.parquet", "__index_level_0__")

    assert here.take(tmp_path / "rows.parquet", None).commit == first.commit
    assert here.take(tmp_path / "rows.parquet", None, mode="upsert").commit == first.commit
    with duckdb.connect() as db:
        theirs = db.read_parquet(str(tmp_path / "rows.parquet")).fetchall()
    assert here.table().rows() == sorted(theirs, key=lambda row: row[1])


def test_a_named_index_is_a_column(datahub: Datahub, tmp_path: Path) -> None:
    """Its user chose it; it is said that it could be the key."""
    frame = pd.DataFrame({"text": TEXTS}, index=pd.Index([7, 5, 3, 1], name="mail"))
    frame.to_parquet(tmp_path / "rows.parquet")
    assert datahub("init", "--dataset", "mail").code == 0

    ran = datahub("import", "rows.parquet", "--json")

    assert dict(ran.json["dataset"]["columns"]) == {
        "row_key": "String",
        "text": "String",
        "mail": "Int64",
    }
    assert "'mail' is the index of pandas: --key mail makes it the key" in ran.err
    ran = datahub("import", "rows.parquet", "--key", "mail", "--dataset", "keyed")
    assert "4 rows in keyed, key mail (given)" in ran.out
    assert "index" not in ran.err
    ran = datahub("import", "rows.parquet", "--gold", "mail", "--dataset", "judged")
    assert "classes: 1, 3, 5, 7" in ran.out
    assert "index" not in ran.err


def test_a_named_range_is_said_not_to_be_there(datahub: Datahub, tmp_path: Path) -> None:
    """Only pandas sees it: no column holds it."""
    frame = pd.DataFrame({"text": TEXTS}, index=pd.RangeIndex(4, name="mail"))
    frame.to_parquet(tmp_path / "rows.parquet")
    assert datahub("init", "--dataset", "mail").code == 0

    ran = datahub("import", "rows.parquet")

    assert "'mail' is no column: pandas kept its index as a mere range" in ran.err


def test_it_is_told_by_its_name_where_others_wrote_the_file(tmp_path: Path) -> None:
    """DuckDB and ORC keep the column, and nothing that pandas said of it."""
    frame = pd.DataFrame({"text": TEXTS}).sample(frac=1, random_state=3)
    frame.to_parquet(tmp_path / "pandas.parquet")
    with duckdb.connect() as db:
        db.read_parquet(str(tmp_path / "pandas.parquet")).write_parquet(
            str(tmp_path / "duckdb.parquet")
        )
    orc.write_table(pa.Table.from_pandas(frame), tmp_path / "pyarrow.orc")
    here = Imports(tmp_path / "here")

    commits = {
        here.take(tmp_path / name, None).commit.id
        for name in ("pandas.parquet", "duckdb.parquet", "pyarrow.orc")
    }

    assert len(commits) == 1
    assert here.table().columns == ["row_key", "text"]


def test_in_place_it_cannot_be_left_out(tmp_path: Path) -> None:
    """It stands in the file, which would be the part: that is said, with what would do."""
    frame = pd.DataFrame({"id": [1, 2, 3, 4], "text": TEXTS}).iloc[[0, 1, 3]]
    frame.to_parquet(tmp_path / "rows.parquet")
    here = Imports(tmp_path / "here")

    with pytest.raises(InputError, match="is an index of pandas, which is no content") as raised:
        here.take(tmp_path / "rows.parquet", in_place=True)

    assert "--key __index_level_0__" in raised.value.hint
    here.take(tmp_path / "rows.parquet", "__index_level_0__", in_place=True)
    assert here.table()["id"].to_list() == [1, 2, 4]
