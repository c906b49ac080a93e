"""ORC, which polars does not read: a polars source that goes stripe by stripe.

Only the columns a query needs are read, and one stripe is in memory at a time.
Footers are read here, data in child processes (orc_child.py says why).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.orc as orc
from polars.io.plugins import register_io_source

from datahub.adapters.rows_polars import orc_children
from datahub.adapters.rows_polars.elsewhere import Elsewhere
from datahub.adapters.rows_polars.opening import to_polars, translated
from datahub.core.errors import SourceError


def schema(path: Path | Elsewhere) -> pl.Schema:
    """The schema as polars has it. Raises SourceError for two columns of one name."""
    arrow = _opened(path).schema
    if len(set(arrow.names)) != len(arrow.names):
        twice = next(name for name in arrow.names if arrow.names.count(name) > 1)
        raise SourceError(
            f"{path} has two columns named {twice!r}.", hint="Rename one and write it again."
        )
    return to_polars(arrow.empty_table()).schema


def frames(path: Path | Elsewhere, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """One frame a stripe, the columns in the order asked for."""
    file = _opened(path)
    if file.nstripes == 0:
        return
    # pyarrow takes a dot in a name for a path into a struct: then all columns are read.
    dotted = any("." in name for name in file.schema.names)
    for batch in orc_children.batches(path, None if dotted else list(columns), file.nstripes):
        yield to_polars(batch)[list(columns)]  # `select` takes a name like * or ^a$ for a pattern


def _opened(path: Path | Elsewhere) -> Any:
    return orc.ORCFile(path.opened() if isinstance(path, Elsewhere) else path)


def scan(paths: Sequence[Path | Elsewhere], schema: pl.Schema) -> pl.LazyFrame:
    """These files of equal schema as one lazy frame, rows in file order."""

    def source(
        with_columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        _batch_size: int | None,
    ) -> Iterator[pl.DataFrame]:
        left = n_rows
        for frame in _all_frames(paths, with_columns or schema.names()):
            if left is not None:  # polars counts rows before it filters them
                frame = frame.head(left)
                left -= frame.height
            yield frame if predicate is None else frame.filter(predicate)
            if left == 0:
                return

    return register_io_source(source, schema=schema, is_pure=True, explain_name="ORC")


def _all_frames(
    paths: Sequence[Path | Elsewhere], columns: Sequence[str]
) -> Iterator[pl.DataFrame]:
    for path in paths:
        with translated(str(path)):
            yield from frames(path, columns)
