"""What a cell of an Arrow column means, whoever wrote or read it: canonical values to compare.

Equal by meaning: decimals by value, times and instants as whole nanoseconds, floats by their bits
(every NaN is one, -0.0 is not 0.0), a dictionary or run by its values, a map as its list of pairs,
a UUID and JSON as their text. Zones have no part in an instant; whether there is one has.
"""

from __future__ import annotations

import math
import struct
import uuid
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

_NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_DAY = 86_400 * 10**9
_EXTENSIONS: dict[str, Callable[[Any], Any]] = {
    "arrow.uuid": lambda raw: str(uuid.UUID(bytes=raw)),
    "arrow.bool8": bool,
}


def values(column: pa.Array | pa.ChunkedArray) -> list[Any]:
    """The canonical value of each cell, None where there is none."""
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    return [value for chunk in chunks for value in _values(chunk)]


def _values(array: pa.Array) -> list[Any]:
    kind = array.type
    for fits, read in _READ:
        if fits(kind):
            found: list[Any] = read(array)
            return found
    raise TypeError(f"no canonical value of {kind}")


def _plain(made: Callable[[Any], Any]) -> Callable[[pa.Array], list[Any]]:
    return lambda array: [None if v is None else made(v) for v in array.to_pylist()]


def float_value(value: float) -> str:
    """The bits of a float, all NaN as one."""
    return "nan" if math.isnan(value) else struct.pack(">d", value).hex()


def _wholes(array: pa.Array) -> list[Any]:
    """The numbers that stand in the cells of a column of times."""
    width = pa.int32() if array.type.bit_width == 32 else pa.int64()
    raw: list[Any] = array.view(width).to_pylist()
    return raw


def _counted(name: str) -> Callable[[pa.Array], list[Any]]:
    def read(array: pa.Array) -> list[Any]:
        kind = array.type
        zoned = name == "instant" and kind.tz is not None
        unit = _NANOSECONDS[kind.unit]
        words = f"{name} with zone" if zoned else name
        return [None if v is None else (words, v * unit) for v in _wholes(array)]

    return read


def _dates(array: pa.Array) -> list[Any]:
    """Days; a date64 that is no whole day stays a time."""
    unit = _DAY if kinds.is_date32(array.type) else 10**6
    return [
        None if v is None else ("day", v * unit // _DAY, v * unit % _DAY) for v in _wholes(array)
    ]


def _lists(array: pa.Array) -> list[Any]:
    return [None if not cell.is_valid else _of(cell.values) for cell in array]


def _of(inner: pa.Array) -> Any:
    return ("list", tuple(_values(inner)))


def _maps(array: pa.Array) -> list[Any]:
    """As a list of structs of two fields, which is what a map is."""
    found: list[Any] = []
    for cell in array:
        if not cell.is_valid:
            found.append(None)
            continue
        entries = cell.values
        pairs = zip(_values(entries.field(0)), _values(entries.field(1)), strict=True)
        found.append(("list", tuple(("struct", (("key", k), ("value", v))) for k, v in pairs)))
    return found


def _structs(array: pa.Array) -> list[Any]:
    names = [array.type.field(number).name for number in range(array.type.num_fields)]
    fields = [_values(column) for column in array.flatten()]
    rows: Iterable[tuple[Any, ...]] = zip(*fields, strict=True) if fields else [()] * len(array)
    there = array.is_valid().to_pylist()
    return [
        ("struct", tuple(zip(names, row, strict=True))) if is_there else None
        for row, is_there in zip(rows, there, strict=True)
    ]


def _encoded(array: pa.Array) -> list[Any]:
    words = _values(array.dictionary)
    return [None if v is None else words[v] for v in array.indices.to_pylist()]


def _runs(array: pa.Array) -> list[Any]:
    import pyarrow.compute as pc

    return _values(pc.run_end_decode(array))


def _extension(array: pa.Array) -> list[Any]:
    made = _EXTENSIONS.get(array.type.extension_name, lambda value: value)
    return [None if v is None else made(v) for v in _values(array.storage)]


def _intervals(array: pa.Array) -> list[Any]:
    return [None if v is None else ("interval", tuple(v)) for v in array.to_pylist()]


_READ: list[tuple[Callable[[Any], bool], Callable[[pa.Array], list[Any]]]] = [
    (lambda kind: isinstance(kind, pa.BaseExtensionType), _extension),
    (kinds.is_null, lambda array: [None] * len(array)),
    (kinds.is_boolean, _plain(bool)),
    (kinds.is_integer, _plain(int)),
    (kinds.is_floating, _plain(float_value)),
    (kinds.is_decimal, _plain(lambda value: ("decimal", Decimal(value).normalize()))),
    (kinds.is_date, _dates),
    (kinds.is_timestamp, _counted("instant")),
    (kinds.is_time, _counted("time")),
    (kinds.is_duration, _counted("duration")),
    (kinds.is_interval, _intervals),
    (
        lambda k: kinds.is_string(k) or kinds.is_large_string(k) or kinds.is_string_view(k),
        _plain(str),
    ),
    (
        lambda k: (
            kinds.is_binary(k)
            or kinds.is_large_binary(k)
            or kinds.is_binary_view(k)
            or kinds.is_fixed_size_binary(k)
        ),
        _plain(bytes),
    ),
    (kinds.is_dictionary, _encoded),
    (kinds.is_run_end_encoded, _runs),
    (kinds.is_map, _maps),
    (kinds.is_struct, _structs),
    (kinds.is_nested, _lists),
]
