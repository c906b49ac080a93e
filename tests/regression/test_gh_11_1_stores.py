"""Files committed by hand: their columns are what an import takes them for, on every store."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datahub import Hub
from tests.lakefs_server import LakeFSServer

FAR = dt.datetime(9999, 12, 31)
ID = UUID(int=7)


@pytest.fixture(params=["embedded", "lakefs"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """What a project on this store is made of."""
    if request.param == "embedded":
        return {}
    server: LakeFSServer = request.getfixturevalue("lakefs")
    access = server.new_repository(tmp_path)
    return {
        "store": "lakefs",
        "lakefs_endpoint": access["endpoint"],
        "lakefs_repository": access["repository"],
        "lakefs_access_key_id": access["access_key_id"],
        "lakefs_secret_access_key": access["secret_access_key"],
    }


def written(path: Path) -> Path:
    """A row that two readers take for two things."""
    columns = {
        "far": pa.array([FAR], pa.timestamp("us")),
        "price": pa.array([Decimal("14.99")], pa.decimal32(6, 2)),
        "uuid": pa.array([ID.bytes], pa.uuid()),
        "json": pa.array(["{}"], pa.json_()),
        "kind": pa.array(["a"]).dictionary_encode(),
    }
    pq.write_table(pa.table(columns), path, use_deprecated_int96_timestamps=True)
    return path


@pytest.mark.parametrize("checked", [False, True])
def test_committed_files_are_read_alike_on_every_store(
    tmp_path: Path, settings: dict[str, str], *, checked: bool
) -> None:
    """The second of two as well: each file has a footer of its own."""
    hub, _ = Hub.init(tmp_path / "project", dataset="x", **settings)
    plain = pl.DataFrame(
        {
            "far": [FAR],
            "price": [Decimal("14.99")],
            "uuid": [str(ID)],
            "json": ["{}"],
            "kind": ["a"],
        },
        schema_overrides={"price": pl.Decimal(6, 2)},
    )
    plain.write_parquet(tmp_path / "plain.parquet")
    files = {"a.parquet": tmp_path / "plain.parquet", "b.parquet": written(tmp_path / "b.parquet")}
    hub.store.commit(
        "main",
        {f"extra/{name}": hub.store.put(path) for name, path in files.items()},
        message="by hand",
        author="ann",
        time=hub.clock(),
        expected=hub.store.commit_at("main").id,
    )
    paths = [f"extra/{name}" for name in files]

    batched = pl.concat(hub.file_batches(paths, checked=checked))
    scanned = hub.scan_files(paths, checked=checked).collect()

    assert batched.equals(pl.concat([plain, plain]))
    assert scanned.equals(batched)
