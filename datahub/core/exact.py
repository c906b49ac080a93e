"""Whether two cells are the very same value, and the same value in another type.

`==` is too kind: to it 0.0 is -0.0, and a cast makes 1 of "1", of 1.0 and of True. Here those are
different, as they are in the hash of a row's content. NaN is NaN, and null is null of any type.
Pure.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from datahub.core.errors import InputError
from datahub.core.nulltypes import common_type

_TEXT = (pl.String, pl.Enum, pl.Categorical)
_NUMBERS = (pl.datatypes.IntegerType, pl.datatypes.FloatType, pl.Decimal)
_PER_SECOND = {"ms": 10**3, "us": 10**6, "ns": 10**9}


def equal_cells(a: pl.Series, b: pl.Series) -> pl.Series:
    """Which cells hold the same.

    Of two types they can only where those differ in size: integers, floats, texts, instants of
    one time zone, durations, decimals with as many places.

    >>> equal_cells(pl.Series([0.0, 1.5]), pl.Series([-0.0, 1.5])).to_list()
    [False, True]
    >>> equal_cells(pl.Series([1, None]), pl.Series(["1", None])).to_list()
    [False, True]
    >>> equal_cells(pl.Series([1], dtype=pl.Int8), pl.Series([1])).to_list()
    [True]
    """
    if a.dtype != b.dtype:
        pair = _as_one_type(a, b)
        if pair is None:
            return a.is_null() & b.is_null()
        a, b = pair
    equal = a.eq_missing(b)
    if _has_negative_zero(a) or _has_negative_zero(b):
        pairs = zip(equal, a, b, strict=True)
        alike = [is_equal and repr(x) == repr(y) for is_equal, x, y in pairs]
        return pl.Series(a.name, alike, dtype=pl.Boolean)
    return equal


def cast_exactly(column: pl.Series, kind: pl.DataType) -> tuple[pl.Series, pl.Series]:
    """The same values in another type, null where there is none; and which of them are lost.

    A number, text and a truth value have texts that stand for them, a day is its midnight; nothing
    else is a value of another kind: no number is a date, and no instant is without its time zone.

    >>> cast, lost = cast_exactly(pl.Series([1.5, 2.0, None]), pl.Int64())
    >>> cast.to_list(), lost.to_list()
    ([None, 2, None], [True, False, False])
    """
    if common_type(column.dtype, kind) == kind:  # they differ in nulls, if at all
        no_loss = pl.Series([False], dtype=pl.Boolean).new_from_index(0, len(column))
        return column.cast(kind), no_loss
    try:
        if not _has_counterparts(column.dtype, kind):
            raise pl.exceptions.InvalidOperationError
        result = column.cast(kind, strict=False)
        losses = ~equal_cells(result.cast(column.dtype, strict=False), column)
    except pl.exceptions.PolarsError:  # no value of the one type is of the other
        return pl.Series(column.name, [None] * len(column), dtype=kind), column.is_not_null()
    return (
        result.zip_with(~losses, pl.Series([None], dtype=kind)) if losses.any() else result
    ), losses


def check_exact(column: pl.Series, losses: pl.Series, kind: pl.DataType) -> None:
    """Raise InputError for values of a column that its type to be has not."""
    if losses.any():
        value = column.filter(losses)[0]
        raise InputError(
            f"Column {column.name!r} is {column.dtype} on one side and {kind} on the other, and "
            f"{value!r} is no value of {kind}.",
            hint="Nothing was changed. Import the rows of one side again with the type of the "
            "other.",
        )


def _has_counterparts(kind: pl.DataType, target: pl.DataType) -> bool:
    """Whether values of the one type can be values of the other."""
    if pl.Null() in (kind, target) or kind.is_nested() or target.is_nested():
        return True  # what is in them is cast, and compared
    if any(isinstance(family, _TEXT) for family in (kind, target)):
        return pl.Binary() not in (kind, target)
    if isinstance(kind, pl.Datetime) and isinstance(target, pl.Datetime):
        return kind.time_zone == target.time_zone
    pair = {type(kind), type(target)}
    if pair == {pl.Date, pl.Datetime}:
        return getattr(kind, "time_zone", None) is getattr(target, "time_zone", None) is None
    return len(pair) == 1 or (isinstance(kind, _NUMBERS) and isinstance(target, _NUMBERS))


def _as_one_type(a: pl.Series, b: pl.Series) -> tuple[pl.Series, pl.Series] | None:
    """Both in a type that holds all values of both as they are; None where there is none."""
    kinds = (a.dtype, b.dtype)
    if all(kind.is_integer() for kind in kinds):
        return a.cast(pl.Int128), b.cast(pl.Int128)
    if all(kind.is_float() for kind in kinds):
        return a.cast(pl.Float64), b.cast(pl.Float64)
    if all(isinstance(kind, _TEXT) for kind in kinds):
        return a.cast(pl.String), b.cast(pl.String)
    first, second = kinds
    if isinstance(first, pl.Decimal) and isinstance(second, pl.Decimal):
        if first.scale != second.scale:
            return None
        widest = pl.Decimal(38, first.scale)
        return a.cast(widest), b.cast(widest)
    is_time = any(
        all(isinstance(k, family) for k in kinds) for family in (pl.Datetime, pl.Duration)
    )
    if is_time and getattr(first, "time_zone", "") == getattr(second, "time_zone", ""):
        return _nanoseconds(a), _nanoseconds(b)
    return None


def _nanoseconds(times: pl.Series) -> pl.Series:
    unit: Any = times.dtype
    factor = 10**9 // _PER_SECOND[unit.time_unit]
    counts = pl.lit(times.to_physical()).cast(pl.Int128) * pl.lit(factor).cast(pl.Int128)
    return pl.select(counts).to_series()


def _has_negative_zero(values: pl.Series) -> bool:
    """Whether a float in it, at whatever depth, is -0.0."""
    kind = values.dtype
    if kind.is_float():
        return bool(((values == 0) & (1 / values < 0)).any())
    if isinstance(kind, (pl.List, pl.Array)):
        return _has_floats(kind) and _has_negative_zero(values.explode())
    if isinstance(kind, pl.Struct):
        return _has_floats(kind) and any(
            _has_negative_zero(values.struct.field(field.name)) for field in kind.fields
        )
    return False


def _has_floats(kind: Any) -> bool:
    if isinstance(kind, (pl.List, pl.Array)):
        return _has_floats(kind.inner)
    if isinstance(kind, pl.Struct):
        return any(_has_floats(field.dtype) for field in kind.fields)
    return bool(kind.is_float())
