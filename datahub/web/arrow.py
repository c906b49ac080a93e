"""Frames as one Arrow stream, a batch in memory at a time."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

STREAM = "application/vnd.apache.arrow.stream"


def stream(frames: Iterator[pl.DataFrame]) -> Iterator[bytes]:
    """The stream, piece by piece. What is wrong with the first frame is raised at once."""
    first = next(frames, None)
    return iter(()) if first is None else _pieces(chain([first], frames), first)


def _pieces(frames: Iterator[pl.DataFrame], first: pl.DataFrame) -> Iterator[bytes]:
    import pyarrow as pa  # on use: a third of a second

    schema = first.to_arrow().schema
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, schema, options=options) as writer:
        for frame in frames:
            writer.write_table(frame.to_arrow().cast(schema))
            yield _taken(sink)
    yield _taken(sink)


def _taken(sink: io.BytesIO) -> bytes:
    """What was written since it was last asked."""
    piece = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return piece
