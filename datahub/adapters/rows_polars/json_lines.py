"""JSONL, on the way in: an object a line. No value comes in as another than it is written as.

Types are read off all lines. A field that a line leaves out is null. What has no such type (numbers
beyond 64 bits, texts beside numbers, a name that stands twice) is refused by line or column.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, NoReturn

import polars as pl
import pyarrow as pa

from datahub.adapters.rows_polars.delimited import Delimited
from datahub.adapters.rows_polars.json_kinds import Kind
from datahub.adapters.rows_polars.opening import to_polars
from datahub.core.errors import SourceError

_BOM = b"\xef\xbb\xbf"
_STAMP = tuple[int, int]  # size, and when it was written


def schema(file: Delimited) -> pl.Schema:
    """Column names and types, of all lines. Raises SourceError."""
    return pl.Schema(to_polars(_arrow_schema(file).empty_table()).schema)


def frames(file: Delimited, columns: Sequence[str], size: int) -> Iterator[pl.DataFrame]:
    """Frames of `size` rows, the columns in the order asked for."""
    whole = _arrow_schema(file)
    projection = pa.schema([whole.field(name) for name in columns])
    rows = (row for _, row in _objects(file))
    while batch := list(islice(rows, size)):
        yield to_polars(pa.Table.from_pylist(batch, projection))


def _arrow_schema(file: Delimited) -> pa.Schema:
    status = file.content.stat()
    return _read_schema(file, (status.st_size, status.st_mtime_ns))


@lru_cache(maxsize=64)  # it is asked for once to check, and once to read
def _read_schema(file: Delimited, _stamp: _STAMP) -> pa.Schema:
    kind = Kind()
    for line, row in _objects(file):
        kind.see_fields(row, line)
    columns = kind.schema(file.path)
    if not columns.names:
        raise SourceError(
            f"{file.path} holds no object with a field.", hint='Write one a line: {"text": "hello"}'
        )
    return columns


def _objects(file: Delimited) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each line's object, with its number from 1. Raises SourceError."""
    with file.content.open("rb") as handle:
        for number, line in enumerate(handle, start=1):
            text = line.removeprefix(_BOM) if number == 1 else line
            if not text.strip():
                continue
            try:
                yield number, _object(text)
            except (ValueError, RecursionError) as error:
                raise SourceError(
                    f"Line {number} of {file.path} cannot be read: {_reason(error)}",
                    hint="JSONL holds one JSON object a line, in UTF-8 (--encoding names another).",
                ) from error


def _object(text: bytes) -> dict[str, Any]:
    row = json.loads(
        text.decode(), object_pairs_hook=_once, parse_float=_finite, parse_constant=_refuse
    )
    if type(row) is not dict:
        raise ValueError("it is no object")
    if b"\\u" in text:
        json.dumps(row, ensure_ascii=False).encode()  # which half of a sign is not
    return row


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} stands twice in one object")
    return row


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text[:40]} is beyond the numbers that a float holds")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON: write null")


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.object[error.start]:#04x} is not UTF-8"
    if isinstance(error, UnicodeEncodeError):
        return "a text in it ends or begins with half of a sign (a surrogate alone)"
    if isinstance(error, json.JSONDecodeError):
        return f"it is no JSON ({error.msg} at character {error.pos + 1})"
    return str(error)
