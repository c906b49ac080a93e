"""`head` of an ORC file in place gave but the rows of its first stripe."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from pyarrow import orc

from datahub import Hub


def test_head_has_as_many_rows_as_are_asked_for(tmp_path: Path) -> None:
    """Whatever the stripes of the file."""
    hub = Hub.init(tmp_path / "project", dataset="x")[0]
    frame = pl.DataFrame({"id": range(20), "text": ["a"] * 20})
    table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    orc.write_table(table, tmp_path / "rows.orc", stripe_size=1, batch_size=3)
    hub.import_rows(tmp_path / "rows.orc", key="id", in_place=True, hard_link=True)

    assert hub.head("x", table="rows", count=10).equals(frame.head(10))
    assert hub.head("x", table="rows", count=100).equals(frame)
