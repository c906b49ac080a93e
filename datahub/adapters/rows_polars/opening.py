"""Telling what a file is, and saying clearly what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from polars import selectors

from datahub.core.errors import DatahubError, SourceError

pa.set_memory_pool(pa.system_memory_pool())  # pyarrow's own keeps some 20 MB of what it had

_MAGIC = {b"PAR1": "parquet", b"ORC": "orc"}


def format_of(start: bytes) -> str | None:
    """Parquet or orc, by a file's first bytes; None: neither."""
    return next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)


def recognise(path: Path) -> str:
    """parquet, orc or csv. Raises SourceError."""
    with translated(path):
        if path.is_dir():
            raise SourceError(f"{path} is a folder.", hint="Name the files in it.")
        with path.open("rb") as handle:
            start = handle.read(4)
    if not start:
        raise SourceError(
            f"{path} is empty: 0 bytes.",
            hint="Write it again; a table without rows still has a header.",
        )
    kind = format_of(start)
    if kind is not None:
        return kind
    if path.suffix.lower() == ".csv":
        return "csv"
    raise SourceError(
        f"{path} is of no known format.",
        hint="datahub reads Parquet and ORC, and CSV in a file that is named .csv.",
    )


@contextmanager
def translated(path: Path | str | None = None) -> Iterator[None]:
    """Turn what polars, pyarrow and the system say of a file into SourceError."""
    name = path or "The file"
    try:
        yield
    except DatahubError:
        raise
    except FileNotFoundError as error:
        raise SourceError(
            f"{path or error.filename or 'A file'} does not exist.", hint="Check the path."
        ) from error
    except PermissionError as error:
        raise SourceError(
            f"{name} may not be read.", hint="Give yourself the right to read it."
        ) from error
    except (
        OSError,
        UnicodeDecodeError,
        pa.ArrowException,
        pl.exceptions.PolarsError,
        pl.exceptions.PanicException,
    ) as error:
        raise corrupt(name, str(error) or type(error).__name__) from error


def corrupt(path: Path | str, reason: str) -> SourceError:
    """The error for a file that is not what its first bytes say; `reason` in its first line."""
    return SourceError(
        f"{path} cannot be read: {reason.strip().splitlines()[0]}",
        hint="It may be cut off or corrupt: fetch or write it again.",
    )


def check_columns(columns: Sequence[str], schema: pl.Schema, path: Path) -> list[str]:
    """Return the columns if the table has each of them and none is asked for twice."""
    for name in columns:
        if name not in schema:
            raise SourceError(
                f"{path} has no column {name!r}.", hint=f"It has {', '.join(schema.names())}."
            )
    if not columns or len(set(columns)) != len(columns):
        raise SourceError(
            f"These columns were asked of {path}: {list(columns)}.",
            hint="Ask for one or more, each once.",
        )
    return list(columns)


def parquet_schema(path: Path) -> pl.Schema:
    """The schema as polars has it; reads the whole footer, twice, by both readers."""
    pq.ParquetFile(path).close()
    return scan_parquet([path]).collect_schema()


def scan_parquet(paths: Sequence[Path]) -> pl.LazyFrame:
    """Scan exactly these files: no glob patterns, no columns out of folder names."""
    return pl.scan_parquet(list(paths), glob=False, hive_partitioning=False)


def parquet_batches(path: Any, columns: list[str], size: int) -> Iterator[pl.DataFrame]:
    """Frames of at most `size` rows, the columns in the order asked for."""
    with pq.ParquetFile(path, pre_buffer=False) as file:  # else all of the file is in memory
        # one thread: batches are small, and pyarrow's hand-over between threads costs a third more
        for batch in file.iter_batches(batch_size=size, columns=columns, use_threads=False):
            yield to_polars(batch)[columns]  # `select` takes a name like * or ^a$ for a pattern


def read_parquet(paths: Sequence[Path], columns: list[str]) -> pl.DataFrame:
    """All rows of these files, the columns in the order asked for.

    By polars' own reader, at half the cost of pyarrow's. It promises no order of rows, so their
    numbers come with them.
    """
    number = next(
        name for name in map("_{}".format, range(len(columns) + 1)) if name not in columns
    )
    scanned = pl.scan_parquet(
        list(paths), glob=False, hive_partitioning=False, row_index_name=number
    )
    frame = scanned.select(selectors.by_name(number, *columns)).collect(engine="in-memory")
    if not frame[number].is_sorted():
        frame = frame.sort(number)
    return frame[columns]


def to_polars(table: Any) -> pl.DataFrame:
    """An Arrow table or batch as a frame.

    Validated first: polars aborts with a panic on, say, text that is not UTF-8. Names are put
    back, for polars renames a column without a name.
    """
    table.validate(full=True)
    frame = pl.DataFrame(table)
    frame.columns = table.schema.names
    return frame
