"""JSON, a logical type of Parquet: refused as "cut off or corrupt", with a panic on stderr."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datahub import Hub
from datahub.core.dataset import Dataset, Part
from tests.regression.ways_out import ways_out

DOCUMENTS = ['{"lang":"en"}', None, '[1, {"a": null}]']


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    """A new project."""
    return Hub.init(tmp_path / "project", dataset="x")[0]


def test_json_of_duckdb_is_its_text(hub: Hub, tmp_path: Path) -> None:
    """At the top and nested, by every way out, CSV as well."""
    path = tmp_path / "rows.parquet"
    duckdb.sql(
        """create or replace temp table t(id int, meta json, more struct(a json[]));
        insert into t values (1, '{"lang":"en"}', {'a': ['1', null]}), (2, null, null),
        (3, '[1, {"a": null}]', {'a': []})"""
    )
    duckdb.sql(f"copy t to '{path}'")

    hub.import_rows(path, key="id")

    for way, frame in ways_out(hub, tmp_path).items():
        assert frame["meta"].to_list() == DOCUMENTS, way
        assert frame["more"].to_list() == [{"a": ["1", None]}, None, {"a": []}], way


@pytest.mark.parametrize("store_schema", [True, False])
def test_json_of_arrow_is_its_text_whatever_stands_in_the_file(
    hub: Hub, tmp_path: Path, *, store_schema: bool
) -> None:
    """It came in as an extension type, which neither CSV nor ORC holds."""
    path = tmp_path / "rows.parquet"
    table = pa.table({"id": [1, 2, 3], "meta": pa.array(DOCUMENTS, pa.json_())})
    pq.write_table(table, path, store_schema=store_schema)

    imported = hub.import_rows(path, key="id")
    again = hub.import_rows(path, key="id", mode="upsert")
    hub.export_rows(tmp_path / "out.csv", table="rows")

    for way, frame in ways_out(hub, tmp_path).items():
        assert frame["meta"].to_list() == DOCUMENTS, way
    assert again.commit == imported.commit
    cell = json.dumps(json.dumps({"lang": "en"}, separators=(",", ":"))).replace('\\"', '""')
    assert (tmp_path / "out.csv").read_text().splitlines()[1] == f"1,{cell}"


def test_a_dataset_from_before_takes_json_as_text() -> None:
    """What an earlier datahub wrote down as another type lies in its parts as text."""
    kinds = {"id": "Int64", "meta": "Extension('arrow.json', String, '')", "c": "List(Categorical)"}
    old = Dataset("x", "id", tuple(kinds.items()), (Part("0" * 64, 1, 1, 1),))

    read = Dataset.from_json(old.to_json())

    assert [kind for _, kind in read.columns] == ["Int64", "String", "List(String)"]
