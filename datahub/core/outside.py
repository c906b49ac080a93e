"""Values that no row in Python can show: looked for where rows come in, not met in a later step.

A row is shown to labeling functions, people and models as Python values: their calendar has the
years 1 to 9999, their spans of time 999,999,999 days, and of their maps a key stands for one value.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import polars as pl
from polars._typing import PolarsDataType

from datahub.core.errors import SourceError

_FIRST = dt.datetime(1, 1, 1)
_LAST = dt.datetime(9999, 12, 31, 23, 59, 59, 999_999)
_DAYS = (dt.date.min.toordinal(), dt.date.max.toordinal())
_EPOCH = dt.date(1970, 1, 1).toordinal()
_A_SECOND = {"ms": 10**3, "us": 10**6}
_MOST_DAYS = 999_999_999  # of a timedelta
_A_DAY = 86_400 * 10**3  # milliseconds
_CALENDAR = "a time outside the years 1 to 9999"

Check = Callable[[pl.Series], str | None]  # what is wrong with a value of it


def check_shown(frame: pl.DataFrame, where: object, before: int) -> None:
    """Raise SourceError for the first value that no row can show.

    `where` names the file; `before` rows of it came before these.
    """
    for series in frame.iter_columns():
        check = _check_of(series.dtype)
        wrong = check(series) if check is not None else None
        if check is not None and wrong is not None:
            row = before + _first(series, check) + 1
            raise SourceError(
                f"Column {series.name!r} of {where} holds {wrong} in row {row}.",
                hint="Write null there, or the column as text or numbers. An 'infinity' of "
                "PostgreSQL or DuckDB is such a time.",
            )


def _first(series: pl.Series, check: Check) -> int:
    """The place of the first value that is wrong, of which there is one."""
    start, length = 0, series.len()
    while length > 1:
        half = length // 2
        if check(series.slice(start, half)) is None:
            start, length = start + half, length - half
        else:
            length = half
    return start


def _check_of(dtype: PolarsDataType) -> Check | None:
    """What checks a column of a type; None: all its values can be shown."""
    if isinstance(dtype, pl.Date):
        return _date
    if isinstance(dtype, pl.Datetime):
        return None if dtype.time_unit == "ns" else _datetime
    if isinstance(dtype, pl.Duration):
        return _duration if dtype.time_unit == "ms" else None
    if isinstance(dtype, pl.Map):
        return _map
    if isinstance(dtype, pl.BaseExtension):
        return _check_inner(_check_of(dtype.ext_storage()), lambda series: series.ext.storage())
    if isinstance(dtype, (pl.List, pl.Array)):
        return _check_inner(
            _check_of(dtype.inner), lambda series: series.explode(empty_as_null=False)
        )
    if isinstance(dtype, pl.Struct):
        return _struct if any(_check_of(field.dtype) for field in dtype.fields) else None
    return None


def _date(series: pl.Series) -> str | None:
    least, most = _bounds(series)
    return _outside(least, most, _DAYS[0] - _EPOCH, _DAYS[1] - _EPOCH)


def _datetime(series: pl.Series) -> str | None:
    dtype = series.dtype
    assert isinstance(dtype, pl.Datetime)
    second = _A_SECOND[dtype.time_unit or "us"]
    first = round((_FIRST - dt.datetime(1970, 1, 1)).total_seconds()) * second
    last = (round((_LAST - dt.datetime(1970, 1, 1)).total_seconds())) * second - 1
    wrong = _outside(*_bounds(series), first, last)
    if wrong is None and dtype.time_zone is not None:  # the clock there may be a day ahead
        return _datetime(series.dt.replace_time_zone(None))
    return wrong


def _duration(series: pl.Series) -> str | None:
    least, most = _bounds(series)
    wrong = _outside(least, most, -_MOST_DAYS * _A_DAY, _MOST_DAYS * _A_DAY)
    return wrong and f"a span of time over {_MOST_DAYS:,} days"


def _map(series: pl.Series) -> str | None:
    whole = series.drop_nulls()
    keys = whole.map.keys()
    if (keys.list.n_unique() != keys.list.len()).any():
        return "a map with a repeated key"
    for inner in (keys, whole.map.values()):
        check = _check_of(inner.dtype)
        wrong = check(inner) if check is not None else None
        if wrong is not None:
            return wrong
    return None


def _check_inner(check: Check | None, inner: Callable[[pl.Series], pl.Series]) -> Check | None:
    return check and (lambda series: check(inner(series.drop_nulls())))


def _struct(series: pl.Series) -> str | None:
    fields = series.drop_nulls().struct.unnest()
    checks = ((field, _check_of(field.dtype)) for field in fields.iter_columns())
    return next((wrong for field, check in checks if check and (wrong := check(field))), None)


def _bounds(series: pl.Series) -> tuple[int | None, int | None]:
    numbers = series.to_physical()
    return numbers.min(), numbers.max()  # type: ignore[return-value]  # whole numbers


def _outside(least: int | None, most: int | None, first: int, last: int) -> str | None:
    if least is None or most is None or (least >= first and most <= last):
        return None
    return _CALENDAR
