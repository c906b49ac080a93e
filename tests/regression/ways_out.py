"""Every way in which rows that came in are seen again, as frames in order of the key."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from datahub import Hub


def ways_out(
    hub: Hub, folder: Path, dataset: str = "x", key: str = "id"
) -> dict[str, pl.DataFrame]:
    """Way -> all rows."""
    path = folder / f"out-{dataset}.parquet"
    hub.export_rows(path, dataset=dataset, table="rows")
    return {
        "scan": hub.scan(dataset, table="rows").sort(key).collect(),
        "batches": pl.concat(hub.batches(dataset, table="rows", size=2)),
        "head": hub.head(dataset, table="rows", count=1_000),
        "export": pl.read_parquet(path),
    }
