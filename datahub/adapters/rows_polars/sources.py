"""A polars source of our own: frames of files that polars does not scan itself, as a lazy frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import polars as pl
from polars.io.plugins import register_io_source

Frames = Callable[[Sequence[str]], Iterator[pl.DataFrame]]  # of these columns, in file order


def scan(frames: Frames, schema: pl.Schema, name: str) -> pl.LazyFrame:
    """What these frames hold, lazily; only the columns a query needs are asked for."""

    def source(
        with_columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        _batch_size: int | None,
    ) -> Iterator[pl.DataFrame]:
        budget = n_rows
        for frame in frames(with_columns or schema.names()):
            if budget is not None:  # polars counts rows before it filters them
                frame = frame.head(budget)
                budget -= frame.height
            yield frame if predicate is None else frame.filter(predicate)
            if budget == 0:
                return

    return register_io_source(source, schema=schema, is_pure=True, explain_name=name)
