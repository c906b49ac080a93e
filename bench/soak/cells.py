"""The canonical value that the text of a CSV cell says, for a column of an Arrow type."""

from __future__ import annotations

import datetime as dt
import re
import struct
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

from bench.soak.values import float_value

_EPOCH = dt.date(1970, 1, 1)
_CLOCK = r"(\d\d):(\d\d):(\d\d)(?:\.(\d+))?"
_AHEAD = r"(?:([+-])(\d\d):?(\d\d)(?::(\d\d))?)?"
_INSTANT = re.compile(rf"(\d{{4}}-\d\d-\d\d)[T ]{_CLOCK}{_AHEAD}")
_SECOND = 10**9  # nanoseconds


def of_cells(kind: Any, cells: Sequence[str | None]) -> list[Any]:
    """A canonical value for each cell."""
    read = _reader(kind)
    return [None if cell is None else read(cell) for cell in cells]


def _reader(kind: Any) -> Callable[[str], Any]:
    if isinstance(kind, pa.BaseExtensionType):
        is_flag = kind.extension_name == "arrow.bool8"
        return (lambda cell: cell == "true") if is_flag else str
    if kinds.is_dictionary(kind):
        return _reader(kind.value_type)
    if kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_list_view(kind):
        item = _reader(kind.value_type)
        return lambda cell: ("list", tuple(map(item, cell.split(";"))) if cell else ())
    return next((read(kind) for fits, read in _READ if fits(kind)), str)


def _float(kind: Any) -> Callable[[str], Any]:
    form = {16: "e", 32: "f", 64: "d"}[kind.bit_width]
    return lambda cell: float_value(struct.unpack(form, struct.pack(form, float(cell)))[0])


def _day(cell: str) -> Any:
    return ("day", dt.date.fromisoformat(cell).toordinal() - _EPOCH.toordinal(), 0)


def _time(cell: str) -> Any:
    found = re.fullmatch(_CLOCK, cell)
    assert found, cell
    return ("time", _nanoseconds(found.groups()))


def _instant(kind: Any) -> Callable[[str], Any]:
    def read(cell: str) -> Any:
        found = _INSTANT.fullmatch(cell)
        assert found, cell
        day, *clock, sign, hours, minutes, seconds = found.groups()
        days = dt.date.fromisoformat(day).toordinal() - _EPOCH.toordinal()
        ahead = _nanoseconds((hours, minutes, seconds, None)) if sign else 0
        whole = days * 86_400 * _SECOND + _nanoseconds(clock)
        name = "instant" if kind.tz is None else "instant with zone"
        return (name, whole - (ahead if sign != "-" else -ahead))

    return read


def _nanoseconds(clock: Sequence[str | None]) -> int:
    hours, minutes, seconds, fraction = clock
    whole = (int(hours or 0) * 60 + int(minutes or 0)) * 60 + int(seconds or 0)
    return whole * _SECOND + int((fraction or "").ljust(9, "0"))


_READ: list[tuple[Callable[[Any], bool], Callable[[Any], Callable[[str], Any]]]] = [
    (kinds.is_boolean, lambda _kind: lambda cell: cell == "true"),
    (kinds.is_integer, lambda _kind: int),
    (kinds.is_floating, _float),
    (kinds.is_decimal, lambda _kind: lambda cell: ("decimal", Decimal(cell).normalize())),
    (kinds.is_date, lambda _kind: _day),
    (kinds.is_time, lambda _kind: _time),
    (kinds.is_timestamp, _instant),
]
