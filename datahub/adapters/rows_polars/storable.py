"""Which polars types a file format holds, and what the others become before they are written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
from polars._typing import PolarsDataType

from datahub.core.errors import SourceError

_WIDER: dict[type[pl.DataType], pl.DataType] = {
    pl.UInt8: pl.Int16(),
    pl.UInt16: pl.Int32(),
    pl.UInt32: pl.Int64(),
    pl.UInt64: pl.Int64(),  # strictly: a value past 63 bits is refused
    pl.Float16: pl.Float32(),
    pl.Enum: pl.String(),
    pl.Null: pl.String(),
}
_NOT_IN_PARQUET = (pl.Int128, pl.UInt128, pl.Object, pl.Unknown)
_NOT_IN_ORC = (*_NOT_IN_PARQUET, pl.Time, pl.Duration, pl.BaseExtension)
_NESTED_TYPES = (pl.List, pl.Array, pl.Struct, pl.Map)
_NOT_IN_CSV = (*_NESTED_TYPES, pl.Binary, pl.Duration, pl.Object, pl.Unknown, pl.BaseExtension)


def without_categories(dtype: PolarsDataType) -> pl.DataType:
    """The type with text in the place of categories, whose order is each process's own."""
    kind = _instance(dtype)
    if isinstance(kind, pl.Categorical):
        return pl.String()
    if isinstance(kind, pl.Array):
        return pl.Array(without_categories(kind.inner), kind.size)
    return _inside(kind, without_categories)


def storable(frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Return the rows in types that a file of this suffix holds. Raises SourceError."""
    kind = path.suffix.lower()
    casts = {}
    for name, dtype in frame.schema.items():
        try:
            target = _CONVERSIONS[kind](dtype)
        except _NotHeldError as error:
            raise SourceError(
                f"Column {name!r} holds {error}, which {kind} cannot hold.",
                hint="Cast it, or leave it out.",
            ) from error
        if target != dtype:
            casts[name] = target
    return _cast(frame, casts, path)


class _NotHeldError(Exception):
    """A type that a format has no place for."""


def _cast(frame: pl.DataFrame, types: dict[str, pl.DataType], path: Path) -> pl.DataFrame:
    for name, dtype in types.items():
        try:
            frame = frame.with_columns(frame[name].cast(dtype))
        except pl.exceptions.PolarsError as error:
            raise SourceError(
                f"Column {name!r} holds values that do not fit {path.suffix}, "
                f"where {frame.schema[name]} becomes {dtype}.",
                hint="Cast it to text, or write .parquet.",
            ) from error
    return frame


def _in_parquet(dtype: pl.DataType) -> pl.DataType:
    if isinstance(dtype, _NOT_IN_PARQUET) or dtype == pl.Struct([]):
        raise _NotHeldError(str(dtype))
    if isinstance(dtype, pl.Categorical):
        return pl.String()
    if isinstance(dtype, pl.Array):
        return pl.Array(_in_parquet(_inner(dtype)), dtype.size)
    return _inside(dtype, _in_parquet)


def _in_orc(dtype: pl.DataType) -> pl.DataType:
    if isinstance(dtype, _NOT_IN_ORC) or dtype == pl.Struct([]):
        raise _NotHeldError(str(dtype))
    if isinstance(dtype, pl.Categorical):
        return pl.String()
    if isinstance(dtype, pl.Datetime):
        return pl.Datetime("ns", dtype.time_zone and "UTC")
    if isinstance(dtype, pl.Array):
        return pl.List(_in_orc(_inner(dtype)))
    return _WIDER.get(type(dtype)) or _inside(dtype, _in_orc)


def _in_csv(dtype: pl.DataType) -> pl.DataType:
    if isinstance(dtype, _NOT_IN_CSV):
        raise _NotHeldError(str(dtype))
    return dtype


def _inside(dtype: pl.DataType, convert: Callable[[pl.DataType], pl.DataType]) -> pl.DataType:
    if isinstance(dtype, pl.List):
        return pl.List(convert(_inner(dtype)))
    if isinstance(dtype, pl.Struct):
        return pl.Struct({field.name: convert(_instance(field.dtype)) for field in dtype.fields})
    if isinstance(dtype, pl.Map):
        return pl.Map(convert(_instance(dtype.key)), convert(_instance(dtype.value)))
    return dtype


def _inner(dtype: pl.List | pl.Array) -> pl.DataType:
    return _instance(dtype.inner)


def _instance(dtype: PolarsDataType) -> pl.DataType:
    return dtype if isinstance(dtype, pl.DataType) else dtype()


_CONVERSIONS: dict[str, Callable[[pl.DataType], pl.DataType]] = {
    ".parquet": _in_parquet,
    ".orc": _in_orc,
    ".csv": _in_csv,
}
