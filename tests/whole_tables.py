"""A whole table at once, as tests look at it: datahub itself reads a part at a time."""

from __future__ import annotations

import polars as pl

from datahub.flow.dataset.at import At
from datahub.ports import Rows, VersionStore


def read_table(
    store: VersionStore, rows: Rows, ref: str, dataset: str, table: str, *, made_by: str
) -> pl.DataFrame:
    """A whole table in part order. Raises NotFound, saying which step makes it."""
    at = At.of(store, rows, ref, dataset)
    at.check(table, made_by=made_by)
    return pl.concat(frame for _, frame in at.parts(table))
