"""Files of rows, whole or absent, the same bytes for the same rows.

Rows are cut into slabs of one size however the frame was chunked; a slab is a
Parquet row group or an ORC stripe. Nothing written depends on time or process:
so categories, whose order is the process's own, become text.
"""

from __future__ import annotations

import io
import os
import signal
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.orc as orc
import pyarrow.parquet as pq

from datahub.adapters.rows_polars.opening import translate_errors
from datahub.adapters.rows_polars.storable import storable
from datahub.core.errors import SourceError, StorageError
from datahub.machine.sync import sync_folder

SLAB = 50_000  # rows

Slabs = Iterator[pl.DataFrame]


Table = pl.DataFrame | pl.LazyFrame | Iterable[pl.DataFrame]


def write(frame: Table, path: Path, *, slab: int = SLAB) -> int:
    """Write all rows to `path`, return how many."""
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        raise SourceError(
            f"{path} has no suffix of a known format.", hint="Name it .parquet, .orc or .csv."
        )
    if isinstance(frame, (pl.DataFrame, pl.LazyFrame)):
        with translate_errors():
            schema = frame.collect_schema()
    else:
        frames = iter(frame)
        first = next(frames, pl.DataFrame())
        frame, schema = chain([first], frames), first.schema
    if not schema:
        raise SourceError(f"A table without columns cannot be written to {path}.", hint="Add one.")
    slabs = _SlabCounter(storable(rows, path) for rows in _slabs(frame, schema, slab))
    with whole_file(path) as handle:
        writer(slabs, handle)
    return slabs.rows


def parquet_in_memory(frame: pl.DataFrame, path: Path) -> io.BytesIO:
    """The Parquet file that `write` would make of a frame for `path`."""
    slabs = _SlabCounter(storable(rows, path) for rows in _slabs(frame, frame.schema, SLAB))
    handle = io.BytesIO()
    _write_parquet(slabs, handle)
    return handle


class _SlabCounter:
    """Slabs on their way through, and the number of rows that went by."""

    def __init__(self, slabs: Slabs) -> None:
        self._slabs = slabs
        self.rows = 0

    def __iter__(self) -> Slabs:
        for slab in self._slabs:
            self.rows += slab.height
            yield slab


def _slabs(frame: Table, schema: pl.Schema, slab: int) -> Slabs:
    """Frames of exactly `slab` rows, but the last; one without rows where there are none."""
    rest = schema.to_frame()
    for batch in _frames(frame):
        rest = pl.concat([rest, batch])
        while rest.height > slab:
            yield rest.head(slab).rechunk()
            rest = rest.slice(slab)
    yield rest.rechunk()


def _frames(frame: Table) -> Slabs:
    if isinstance(frame, pl.DataFrame):
        yield from frame.iter_slices(SLAB)
    elif isinstance(frame, pl.LazyFrame):
        with translate_errors():
            yield from frame.collect_batches(chunk_size=SLAB, maintain_order=True)
    else:
        yield from frame


def _write_parquet(slabs: _SlabCounter, handle: BinaryIO) -> None:
    def writer_to(sink: _Unfailing, schema: Any) -> Any:
        return pq.ParquetWriter(sink, schema, compression="zstd", use_content_defined_chunking=True)

    _write_arrow(slabs, handle, writer_to)


def _write_orc(slabs: _SlabCounter, handle: BinaryIO) -> None:
    def writer_to(sink: _Unfailing, _schema: Any) -> Any:
        # ORC looks at the stripe size after each batch only, and overlooks up to 64 KB encoded in
        # each column: 1 byte makes a slab a stripe unless its columns are next to nothing.
        return orc.ORCWriter(sink, compression="zstd", stripe_size=1, batch_size=SLAB)

    _write_arrow(slabs, handle, writer_to)


def _write_arrow(
    slabs: _SlabCounter, handle: BinaryIO, writer_to: Callable[[_Unfailing, Any], Any]
) -> None:
    sink, writer = _Unfailing(handle), None
    try:
        for slab in slabs:
            table = slab.to_arrow(compat_level=pl.CompatLevel.oldest())
            with _delay_interrupts():
                writer = writer or writer_to(sink, table.schema)
                writer.write(table)  # a slab is at most one row group
            sink.check()
    except pa.ArrowException as error:
        raise SourceError(
            f"The rows cannot be written: {error}", hint="Cast the column it names."
        ) from error
    finally:
        if writer is not None:
            with _delay_interrupts():
                writer.close()
    sink.check()


@contextmanager
def _delay_interrupts() -> Iterator[None]:
    """Hold a Ctrl-C back for a moment: Arrow ends the whole process where one meets its write."""
    act = signal.getsignal(signal.SIGINT)
    if not callable(act) or threading.current_thread() is not threading.main_thread():
        yield  # nothing is raised here
        return
    signals: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda number, frame: signals.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, act)
        if signals:
            act(*signals[0])


class _Unfailing:
    """A file that swallows what the disk refuses; `check` tells.

    The ORC writer ends the whole process when a write fails while it is being closed.
    """

    closed = False

    def __init__(self, handle: BinaryIO) -> None:
        self._handle = handle
        self._error: OSError | None = None

    def write(self, content: bytes) -> int:
        """Write, or remember why not."""
        if self._error is None:
            try:
                self._handle.write(content)
            except OSError as error:
                self._error = error
        return len(content)

    def tell(self) -> int:
        """Where the next byte goes."""
        return self._handle.tell()

    def flush(self) -> None:
        """Nothing: the file is flushed when it is whole."""

    def close(self) -> None:
        """Nothing: it is not ours to close."""

    def check(self) -> None:
        """Raise the first OSError."""
        if self._error is not None:
            raise self._error


def _write_csv(slabs: _SlabCounter, handle: BinaryIO) -> None:
    for number, slab in enumerate(slabs):
        handle.write(_in_whole_minutes(slab).write_csv(include_header=number == 0).encode())


def _in_whole_minutes(slab: pl.DataFrame) -> pl.DataFrame:
    """Instants in UTC where the clock of their zone was off by seconds, as before 1900.

    The offset in a cell has no seconds.
    """
    for number, series in enumerate(slab.get_columns()):
        if not isinstance(series.dtype, pl.Datetime) or series.dtype.time_zone is None:
            continue
        offset = series.dt.base_utc_offset() + series.dt.dst_offset()
        if (offset.dt.total_seconds() % 60 != 0).any():
            slab = slab.clone().replace_column(number, series.dt.convert_time_zone("UTC"))
    return slab


_WRITERS: dict[str, Callable[[_SlabCounter, BinaryIO], None]] = {
    ".parquet": _write_parquet,
    ".orc": _write_orc,
    ".csv": _write_csv,
}


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, that is at `path` once all of it is. Raises StorageError."""
    # Of a staged file it has the name too, by which those of dead processes are known.
    beside = path.with_name(f".{path.name[:100]}.{uuid.uuid4().hex}.part")
    try:
        with beside.open("xb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        beside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written: {error.strerror or error}",
            hint="Nothing was left behind. Free some space, or check that you may write there.",
        ) from error
    finally:
        beside.unlink(missing_ok=True)
