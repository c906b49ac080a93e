"""`head` of a file in place gave but the rows of its first row group."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from datahub import Hub


def test_head_has_as_many_rows_as_are_asked_for(tmp_path: Path) -> None:
    """Whatever the row groups of the file."""
    hub = Hub.init(tmp_path / "project", dataset="x")[0]
    frame = pl.DataFrame({"id": range(20), "text": ["a"] * 20})
    frame.write_parquet(tmp_path / "rows.parquet", row_group_size=3)
    hub.import_rows(tmp_path / "rows.parquet", key="id", in_place=True, hard_link=True)

    assert hub.head("x", table="rows", count=10).equals(frame.head(10))
    assert hub.head("x", table="rows", count=100).equals(frame)
