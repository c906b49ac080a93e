"""Chosen columns of Parquet and ORC files as one pandas frame, in types that can be judged.

Dictionaries are read as their values, lists as tuples (which can be compared), and whole
numbers with nulls as Int64 (as floats they would lose digits past 2**53). Text, bytes and lists
are one type each, however long: files that datahub did not write have the short ones.

Where columns are held against each other (`Form.joint`), a null is what it is after
`pandas.read_parquet`: whole numbers with nulls are floats, and equal nothing where they are
null. Where these could lose a digit, they are Python's whole numbers. The column of
`Form.floats` has floats of 64 bits for numbers; whole ones past 2**53 are refused.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.orc as orc
import pyarrow.parquet as pq

from datahub.core import exact_numbers as numbers
from datahub.core.errors import GateError
from datahub.ports import Instead


@dataclass(frozen=True)
class Form:
    """In which types a frame is judged, where not in its own: see above."""

    joint: bool = False
    floats: str = ""  # a column


PLAIN = Form()


def schema_of(paths: Sequence[Path]) -> tuple[pa.Schema, int]:
    """The one schema of all files, dictionaries as their values, and the number of rows.

    Raises GateError: a file cannot be read, or the schemas differ.
    """
    if not paths:
        raise GateError("There is no file to check.")
    schemas, rows = [], 0
    for path in paths:
        with _reading(path) as file:
            is_orc = isinstance(file, orc.ORCFile)
            schemas.append(_plain_schema(file.schema if is_orc else file.schema_arrow))
            rows += file.nrows if is_orc else file.metadata.num_rows
    for path, schema in zip(paths, schemas, strict=True):
        if not schema.equals(schemas[0]):
            raise GateError(f"{path.name} has another schema than {paths[0].name}.")
    if len(set(schemas[0].names)) < len(schemas[0].names):
        raise GateError(f"{paths[0].name} has two columns of one name.")
    return schemas[0], rows


def frame_of(
    paths: Sequence[Path],
    columns: Collection[str],
    schema: pa.Schema,
    instead: Instead | None = None,
    form: Form = PLAIN,
) -> Any:
    """These columns of all rows, as a pandas frame in the schema's order of columns.

    Raises GateError for whole numbers that floats cannot hold.
    """
    names = [name for name in schema.names if name in columns]
    tables = []
    for path in paths:
        lines = instead.lines.get(path) if instead else None
        if instead is None or lines is None:
            tables.append(_read(path, names))
            continue
        names_and_key = [*names, *({instead.key} - set(names))]
        patch = lines.select(names_and_key).to_arrow(compat_level=pl.CompatLevel.oldest())
        own = _read(path, names_and_key)
        patch = patch.cast(own.schema)
        stays = pc.invert(pc.is_in(own[instead.key], value_set=patch[instead.key]))
        tables += [own.filter(stays).select(names), patch.select(names)]
    frame = _pandas(pa.concat_tables(tables))
    if form.joint:
        _make_joint(frame)
    if form.floats:
        _make_floats(frame, form.floats)
    return frame


def _read(path: Path, names: list[str]) -> pa.Table:
    with _reading(path) as file:
        # Parquet's `read` takes "a" to mean "a.b" as well, and ORC's "a.b" to lie in "a".
        has_dots = isinstance(file, orc.ORCFile) and any("." in name for name in names)
        read = file.read(columns=None if has_dots else names)
        return _plain_table(read.select(names))


def empty_frame(schema: pa.Schema) -> Any:
    """All columns and no row."""
    return _pandas(schema.empty_table())


@contextmanager
def _reading(path: Path) -> Iterator[Any]:
    """A Parquet file, or an ORC one: an object of the store, so its bytes are as they were read."""
    try:
        with path.open("rb") as handle:
            if handle.read(3) == b"ORC":
                yield orc.ORCFile(handle)
                return
        with pq.ParquetFile(path) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        text = " ".join(str(error).split())[:200]
        raise GateError(f"{path.name} cannot be read as Parquet or ORC: {text}") from error


def _plain_schema(schema: pa.Schema) -> pa.Schema:
    return pa.schema([field.with_type(_plain(field.type)) for field in schema]).remove_metadata()


def _plain(kind: pa.DataType) -> pa.DataType:
    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return _plain(kind.storage_type)
    if types.is_dictionary(kind):
        return _plain(kind.value_type)
    if types.is_string(kind) or types.is_string_view(kind):
        return pa.large_string()
    if types.is_binary(kind) or types.is_binary_view(kind):
        return pa.large_binary()
    if types.is_list(kind) or types.is_large_list(kind):
        return pa.large_list(_plain(kind.value_type))
    return kind


def _plain_table(table: pa.Table) -> pa.Table:
    if not table.num_columns:
        return table  # which has a number of rows all the same
    schema = _plain_schema(table.schema)
    columns = []
    for field, column in zip(schema, table.columns, strict=True):
        try:
            columns.append(column if column.type == field.type else column.cast(field.type))
        except pa.ArrowException as error:
            raise GateError(
                f"Column {field.name!r} holds values that expectations cannot read: {error}",
                hint="Check another column, or import this one as text or numbers.",
            ) from error
    return pa.table(columns, schema=schema)


def _pandas(table: pa.Table) -> Any:
    import pandas as pd

    frame = _values(table)
    for field in table.schema:
        column = table.column(field.name)
        if pa.types.is_integer(field.type) and column.null_count:
            dtype = "UInt64" if field.type == pa.uint64() else "Int64"
            frame[field.name] = pd.array(column.to_pandas(integer_object_nulls=True), dtype=dtype)
        elif _is_list(field.type):
            tuples = [None if value is None else _hashable(value) for value in column.to_pylist()]
            frame[field.name] = pd.Series(tuples, dtype=object, index=frame.index)
    return frame


def _make_joint(frame: Any) -> None:
    """Whole numbers in types in which neither comparisons nor sums of a row lose a digit."""
    import numpy as np

    whole = [name for name in frame if numbers.is_whole(frame[name])]
    limit = numbers.SAFE // max(len(frame.columns), 1)
    large = any(numbers.beyond(frame[name], limit) for name in whole)
    for name in whole:
        column = frame[name]
        if large:
            frame[name] = column.astype(object).where(column.notna(), np.nan)
        elif column.isna().any():
            frame[name] = column.astype("float64")
        else:
            frame[name] = column.astype("int64")


def _make_floats(frame: Any, name: str) -> None:
    column = frame[name]
    if numbers.is_whole(column) and numbers.beyond(column):
        raise GateError(
            f"Column {name!r} holds whole numbers past 2**53, with which this cannot be "
            "computed without losing digits.",
            hint="Bring the numbers closer to zero, for example by subtracting an offset.",
        )
    if numbers.is_whole(column) or column.dtype.kind == "f":
        frame[name] = column.astype("float64")


def _values(table: pa.Table) -> Any:
    try:
        return table.to_pandas(split_blocks=True, ignore_metadata=True)
    except pa.ArrowException:
        for name in table.column_names:
            try:
                table.select([name]).to_pandas(ignore_metadata=True)
            except pa.ArrowException as error:
                raise GateError(
                    f"Column {name!r} holds values that expectations cannot read: {error}",
                    hint="Check another column, or import this one as text or numbers.",
                ) from error
        raise


def _is_list(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _hashable(value: Any) -> Any:
    return tuple(map(_hashable, value)) if isinstance(value, list) else value
