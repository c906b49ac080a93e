"""Chosen columns of Parquet files as one pandas frame, in the types Great Expectations can judge.

Dictionaries are read as their values, lists as tuples (which can be compared), and whole
numbers with nulls as Int64 (as floats they would lose digits past 2**53).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from datahub.core.errors import GateError


def schema_of(paths: Sequence[Path]) -> tuple[pa.Schema, int]:
    """The one schema of all files, dictionaries as their values, and the number of rows.

    Raises GateError: a file cannot be read, or the schemas differ.
    """
    if not paths:
        raise GateError("There is no file to judge.")
    schemas, rows = [], 0
    for path in paths:
        with _reading(path) as file:
            schemas.append(_plain_schema(file.schema_arrow))
            rows += file.metadata.num_rows
    for path, schema in zip(paths, schemas, strict=True):
        if not schema.equals(schemas[0]):
            raise GateError(f"{path.name} has another schema than {paths[0].name}.")
    if len(set(schemas[0].names)) < len(schemas[0].names):
        raise GateError(f"{paths[0].name} has two columns of one name.")
    return schemas[0], rows


def frame_of(paths: Sequence[Path], columns: Collection[str], schema: pa.Schema) -> Any:
    """These columns of all rows, as a pandas frame in the schema's order of columns."""
    names = [name for name in schema.names if name in columns]
    tables = []
    for path in paths:
        with _reading(path) as file:
            # `read` takes "a" to mean "a.b" as well, so select once more.
            tables.append(_plain_table(file.read(columns=names).select(names)))
    return _pandas(pa.concat_tables(tables))


def empty_frame(schema: pa.Schema) -> Any:
    """All columns and no row."""
    return _pandas(schema.empty_table())


@contextmanager
def _reading(path: Path) -> Iterator[Any]:
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        text = " ".join(str(error).split())[:200]
        raise GateError(f"{path.name} cannot be read as Parquet: {text}") from error


def _plain_schema(schema: pa.Schema) -> pa.Schema:
    return pa.schema(
        [
            field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
            for field in schema
        ]
    ).remove_metadata()


def _plain_table(table: pa.Table) -> pa.Table:
    return table.cast(_plain_schema(table.schema))


def _pandas(table: pa.Table) -> Any:
    import pandas as pd

    frame = table.to_pandas(split_blocks=True, ignore_metadata=True)
    for field in table.schema:
        column = table.column(field.name)
        if pa.types.is_integer(field.type) and column.null_count:
            frame[field.name] = pd.array(column.to_pandas(integer_object_nulls=True), dtype="Int64")
        elif _is_list(field.type):
            tuples = [None if value is None else _hashable(value) for value in column.to_pylist()]
            frame[field.name] = pd.Series(tuples, dtype=object, index=frame.index)
    return frame


def _is_list(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _hashable(value: Any) -> Any:
    return tuple(map(_hashable, value)) if isinstance(value, list) else value
