"""UUIDs: refused as a key, 16 raw bytes as a column, and CSV could not be written."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datahub import Hub
from datahub.core.errors import InputError
from tests.regression.ways_out import ways_out

IDS = [str(UUID(int=2**127 + n)) for n in range(4)]
BYTES = [UUID(text).bytes for text in IDS]


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    """A new project."""
    return Hub.init(tmp_path / "project", dataset="x")[0]


def test_a_uuid_is_a_key_as_its_text(hub: Hub, tmp_path: Path) -> None:
    """Import, the same rows again, further rows, and CSV."""
    path, more = tmp_path / "rows.parquet", tmp_path / "more.parquet"
    all_of = ", ".join(f"('{text}'::uuid, {n})" for n, text in enumerate(IDS))
    for name, where in ((path, "n < 2"), (more, "n >= 2")):
        duckdb.sql(f"copy (select * from (values {all_of}) t(id, n) where {where}) to '{name}'")

    imported = hub.import_rows(path, key="id")
    again = hub.import_rows(path, key="id", mode="upsert")
    hub.import_rows(more, key="id", mode="append")
    hub.export_rows(tmp_path / "out.csv", table="rows")

    assert again.commit == imported.commit
    for way, frame in ways_out(hub, tmp_path).items():
        assert frame["id"].to_list() == IDS, way
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines == ["id,n", *(f"{text},{n}" for n, text in enumerate(IDS))]


@pytest.mark.parametrize("store_schema", [True, False])
def test_uuids_are_text_wherever_they_are_nested(
    hub: Hub, tmp_path: Path, *, store_schema: bool
) -> None:
    """In lists, structs and maps, with nulls, in any number of row groups."""
    ids = pa.array([*BYTES, None, *BYTES], pa.uuid())
    few = ids.slice(0, 4)
    columns = {
        "id": pa.array(range(4)),
        "list": pa.ListArray.from_arrays([0, 2, None, 5, 9], ids),
        "fixed": pa.FixedSizeListArray.from_arrays(ids.slice(1, 8), 2),
        "struct": pa.StructArray.from_arrays(
            [few, few], ["*", "^a$"], mask=pa.array([False, True, False, False])
        ),
        "map": pa.MapArray.from_arrays([0, 1, 2, 2, 4], few, ids.slice(1, 4)),
    }
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=3, store_schema=store_schema)

    hub.import_rows(path, key="id")

    for way, frame in ways_out(hub, tmp_path).items():
        assert frame["list"].to_list() == [IDS[:2], [*IDS[2:], None], None, IDS], way
        assert [list(pair) for pair in frame["fixed"]] == [
            IDS[1:3],
            [IDS[3], None],
            IDS[:2],
            IDS[2:],
        ], way
        assert frame["struct"].to_list()[:2] == [{"*": IDS[0], "^a$": IDS[0]}, None], way
        assert frame["map"].to_list() == [
            {IDS[0]: IDS[1]},
            {IDS[1]: IDS[2]},
            {},
            {IDS[2]: IDS[3], IDS[3]: None},
        ], way


def test_a_file_with_uuids_is_no_part_as_it_is(hub: Hub, tmp_path: Path) -> None:
    """In the file they are bytes."""
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"id": [1], "u": pa.array(BYTES[:1], pa.uuid())}), path)

    with pytest.raises(
        InputError, match=r"'u' is .*arrow\.uuid.* in the file; datahub stores String"
    ):
        hub.import_rows(path, key="id", in_place=True, hard_link=True)
