"""A whole table at once, as tests look at it: datahub itself reads a part at a time."""

from __future__ import annotations

import polars as pl

from datahub.flow.dataset.tables import check_table, dataset_at, read_parts
from datahub.ports import Rows, VersionStore


def read_table(
    store: VersionStore, rows: Rows, ref: str, dataset: str, table: str, *, made_by: str
) -> pl.DataFrame:
    """A whole table in part order. Raises NotFound, saying which step makes it."""
    check_table(store, ref, dataset, table, made_by=made_by)
    known = dataset_at(store, ref, dataset)
    frames = [frame for _, frame in read_parts(store, rows, ref, known, table)]
    return pl.concat(frames)
