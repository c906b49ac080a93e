"""Telling what a file is, and saying clearly what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from datahub.core.errors import DatahubError, SourceError

pa.set_memory_pool(pa.system_memory_pool())  # pyarrow's own keeps some 20 MB of what it had

_MAGIC = {b"PAR1": "parquet", b"ORC": "orc"}
_TEXTS = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


def format_of(start: bytes) -> str | None:
    """Parquet or orc, by a file's first bytes; None: neither."""
    return next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)


def text_format_of(path: Path) -> str | None:
    """The csv or jsonl that a name promises; None: neither."""
    return _TEXTS.get(path.suffix.lower())


def recognise(path: Path, *, otherwise: str | None = None) -> str:
    """parquet, orc, csv or jsonl; `otherwise` where nothing tells. Raises SourceError."""
    with translate_errors(path):
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
    kind = text_format_of(path) or otherwise
    if kind is not None:
        return kind
    raise SourceError(
        f"{path} has an unknown format.",
        hint="datahub reads Parquet and ORC; files named .csv or .tsv; and .jsonl or .ndjson, with "
        "one JSON object a line. --separator says that a file of another name is CSV.",
    )


@contextmanager
def translate_errors(path: Path | str | None = None) -> Iterator[None]:
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
            f"{name} may not be read.",
            hint="Change its permissions, or name a copy that you can read.",
        ) from error
    except pl.exceptions.PanicException as error:
        raise SourceError(
            f"{name} cannot be read: polars failed ({_first_line(error)})",
            hint="It may be corrupt, or hold values that polars does not know: write it again, "
            "with columns of other types.",
        ) from error
    except (OSError, UnicodeDecodeError, pa.ArrowException, pl.exceptions.PolarsError) as error:
        raise corrupt(name, _first_line(error)) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


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


def to_polars(table: Any, where: Path | str = "", before: int = 0) -> pl.DataFrame:
    """An Arrow table as a frame; `before` rows of the file `where` came before it.

    A table, and no batch: of batches polars reads small decimals wrongly. Validated first: polars
    aborts with a panic on, say, text that is not UTF-8. Names are put back, for polars renames a
    column without a name. Raises SourceError.
    """
    try:
        table.validate(full=True)
    except pa.ArrowInvalid as error:
        raise _invalid(table, where, before) or error from error
    frame = pl.DataFrame(_whole(table))
    frame.columns = table.schema.names
    return frame


def _whole(table: Any) -> Any:
    """The table with lists of fixed size that are slices of nothing: polars takes no other."""
    if not any(map(_has_fixed_lists, table.schema.types)):
        return table
    sink = pa.BufferOutputStream()  # what goes over a wire is no slice of anything
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table.combine_chunks())
    return pa.ipc.open_stream(sink.getvalue()).read_all()


def _has_fixed_lists(kind: Any) -> bool:
    if isinstance(kind, pa.BaseExtensionType):
        return _has_fixed_lists(kind.storage_type)
    return pa.types.is_fixed_size_list(kind) or any(
        _has_fixed_lists(kind.field(number).type) for number in range(kind.num_fields)
    )


def _invalid(table: Any, where: Path | str, before: int) -> SourceError | None:
    """What is wrong with a value, by its column and row; None: with the table as such."""
    for name, column in zip(table.schema.names, table.columns, strict=True):
        reason = _why_invalid(column)
        if reason is None:
            continue
        start, length = 0, len(column)
        while length > 1:  # the half in which the first such row is
            half = length // 2
            if _why_invalid(column.slice(start, half)) is None:
                start, length = start + half, length - half
            else:
                length = half
        return SourceError(
            f"Row {before + start + 1} of {where} has no valid value in column {name!r}: {reason}",
            hint="Correct it, or write the column as bytes or numbers. If it was right once, the "
            "file is corrupt: fetch or write it again.",
        )
    return None


def _why_invalid(column: Any) -> str | None:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid as error:
        return str(error).strip().splitlines()[0]
    return None
