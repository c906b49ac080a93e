"""Random Arrow columns of every type that a file can hold, nested up to three deep, odd names."""

from __future__ import annotations

import datetime as dt
import random
import struct
import uuid
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as kinds

NAMES = (
    *(
        "a",
        "b",
        "c d",
        "a.b",
        "A",
        "größe",
        "名前",
        "x" * 300,
        "line\nbreak",
        'quo"te',
        "semi;",
        "%s",
    ),
    *(
        "label",
        "text",
        "null",
        "Größe",
        "c.d.e",
        "$ref",
        "{x}",
        " padded ",
        "👍",
        "a.b.c",
        "-",
        "1",
    ),
)
HOSTILE_NAMES = ("*", "^x$", "", "_gold")
_TEXTS = (
    *(
        "",
        "plain",
        "näher",
        "名前 👍",
        "two\nlines",
        "a,b;c",
        'say "so"',
        "x\0y",
        "\r",
        "NULL",
        "nan",
    ),
    *(" padded ", "007", "true", "2024-01-01", "-0.0", "e\u0301", "\u202eright", "y" * 2000),
)
_ZONES = (
    None,
    None,
    None,
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "+02:00",
    "+05:30",
    "Mars/Base",
)
_FLOATS = (0.0, -0.0, 1.5, float("nan"), float("inf"), -float("inf"), 5e-324, 0.1)
_EPOCH = dt.date(1970, 1, 1)
_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_ODD = 0.004  # how often a value is one that no calendar has

Random = random.Random
Leaf = Callable[[Random], pa.DataType]

_INTEGERS = (
    *(pa.int8(), pa.int16(), pa.int32(), pa.int64()),
    *(pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
)


def _decimal(rng: Random) -> pa.DataType:
    made, most = rng.choice(
        ((pa.decimal32, 9), (pa.decimal64, 18), (pa.decimal128, 38), (pa.decimal256, 38))
    )
    if made is pa.decimal256 and rng.random() < 0.2:
        most = 76
    digits = rng.randint(1, most)
    return made(digits, rng.randint(0, digits))


_LEAVES: tuple[Leaf, ...] = (
    lambda rng: rng.choice(_INTEGERS),
    lambda rng: rng.choice((pa.float16(), pa.float32(), pa.float64())),
    lambda rng: pa.bool_(),
    _decimal,
    lambda rng: rng.choice((pa.date32(), pa.date32(), pa.date64())),
    lambda rng: rng.choice((pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns"))),
    lambda rng: pa.timestamp(rng.choice(tuple(_UNITS)), rng.choice(_ZONES)),
    lambda rng: pa.duration(rng.choice(tuple(_UNITS))),
    lambda rng: rng.choice((pa.string(), pa.large_string(), pa.string_view())),
    lambda rng: rng.choice((pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(12))),
    lambda rng: pa.dictionary(rng.choice(_INTEGERS), rng.choice((pa.string(), pa.int64()))),
    lambda rng: rng.choice((pa.uuid(), pa.json_(), pa.bool8())),
)
_RARE: tuple[Leaf, ...] = (
    lambda rng: pa.null(),
    lambda rng: pa.opaque(pa.binary(), "geometry", "postgis"),
    lambda rng: pa.fixed_shape_tensor(pa.int32(), [2]),
    lambda rng: pa.dictionary(pa.int16(), pa.large_binary()),
    lambda rng: pa.list_(pa.int8(), 0),
)
_ORC_LEAVES: tuple[Leaf, ...] = (
    lambda rng: rng.choice(_INTEGERS[:4]),
    lambda rng: rng.choice((pa.float32(), pa.float64())),
    lambda rng: pa.bool_(),
    lambda rng: pa.decimal128(p := rng.randint(1, 38), rng.randint(0, p)),
    lambda rng: pa.date32(),
    lambda rng: pa.timestamp(rng.choice(tuple(_UNITS)), rng.choice((None, "UTC", "Asia/Tokyo"))),
    lambda rng: pa.string(),
    lambda rng: pa.binary(),
)


def kind(rng: Random, *, orc: bool = False, depth: int = 3) -> pa.DataType:
    """A random type, nested ones among them."""
    if depth and rng.random() < 0.3:
        return _nested(rng, orc=orc, depth=depth)
    if not orc and rng.random() < 0.05:
        return rng.choice(_RARE)(rng)
    return rng.choice(_ORC_LEAVES if orc else _LEAVES)(rng)


def _nested(rng: Random, *, orc: bool, depth: int) -> pa.DataType:
    def inner() -> pa.DataType:
        return kind(rng, orc=orc, depth=depth - 1)

    form = rng.choice(
        ("list", "struct", "map")
        if orc
        else ("list", "struct", "struct", "map", "view", "large", "fixed")
    )
    if form == "struct":
        names = rng.sample(NAMES, rng.randint(1, 3))
        return pa.struct([(name, inner()) for name in names])
    if form == "map":
        key = rng.choice((pa.string(), pa.int32(), pa.date32(), pa.string()))
        return pa.map_(key, inner())
    made = {"view": pa.list_view, "large": pa.large_list, "list": pa.list_}
    return pa.list_(inner(), rng.randint(1, 3)) if form == "fixed" else made[form](inner())


def column(kind: Any, rows: int, rng: Random, *, nulls: float | None = None) -> pa.Array:
    """Random values of a type."""
    share = (
        rng.choice((0.0, 0.2, 0.2, 1.0 if rng.random() < 0.1 else 0.5)) if nulls is None else nulls
    )
    gone = [rng.random() < share for _ in range(rows)]
    mask = pa.array(gone, pa.bool_())
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, _storage(kind, rows, rng, share))
    if kinds.is_null(kind):
        return pa.nulls(rows)
    if kinds.is_struct(kind):
        fields = [column(field.type, rows, rng) for field in kind]
        return pa.StructArray.from_arrays(fields, fields=list(kind), mask=mask)
    if kinds.is_fixed_size_list(kind) and not kind.list_size:  # pyarrow divides by the size
        return pa.array([None if is_gone else [] for is_gone in gone], kind)
    if kinds.is_fixed_size_list(kind):
        values = column(kind.value_type, rows * kind.list_size, rng)
        return pa.FixedSizeListArray.from_arrays(values, type=kind, mask=mask)
    if kinds.is_nested(kind):
        return _of_lengths(kind, gone, mask, rng)
    if kinds.is_dictionary(kind):
        return _dictionary(kind, gone, rng)
    return _flat(kind, gone, rng)


def _of_lengths(kind: Any, gone: Sequence[bool], mask: pa.Array, rng: Random) -> pa.Array:
    lengths = [0 if is_gone else rng.choice((0, 1, 2, 5)) for is_gone in gone]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    total = int(offsets[-1])
    if kinds.is_map(kind):
        keys = _keys(kind.key_type, lengths, rng)
        items = column(kind.item_type, total, rng)
        return pa.MapArray.from_arrays(pa.array(offsets, pa.int32()), keys, items, mask=mask)
    values = column(kind.value_type, total, rng)
    if kinds.is_list_view(kind):
        starts, sizes = pa.array(offsets[:-1], pa.int32()), pa.array(lengths, pa.int32())
        return pa.ListViewArray.from_arrays(starts, sizes, values, type=kind, mask=mask)
    if kinds.is_large_list(kind):
        starts = pa.array(offsets, pa.int64())
        return pa.LargeListArray.from_arrays(starts, values, type=kind, mask=mask)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values, type=kind, mask=mask)


def _keys(kind: Any, lengths: Sequence[int], rng: Random) -> pa.Array:
    """Keys of maps, each once in a map, but for a few that no Python mapping can hold."""
    found: list[int] = []
    for length in lengths:
        numbers = rng.sample(range(100), length)
        if length > 1 and rng.random() < _ODD:
            numbers[0] = numbers[1]
        found += numbers
    numbers = pa.array(found, pa.int32())
    return numbers.cast(kind) if kinds.is_date(kind) else numbers.cast(pa.int32()).cast(kind)


def _dictionary(kind: Any, gone: Sequence[bool], rng: Random) -> pa.Array:
    words = _flat(kind.value_type, [False] * rng.randint(1, 5), rng)
    places = [None if is_gone else rng.randrange(len(words)) for is_gone in gone]
    return pa.DictionaryArray.from_arrays(pa.array(places, kind.index_type), words)


def _storage(kind: Any, rows: int, rng: Random, share: float) -> pa.Array:
    name = kind.extension_name
    if name == "arrow.json":
        made = [
            None if rng.random() < share else rng.choice(('{"a": 1}', "[]", '"x"', "{ }"))
            for _ in range(rows)
        ]
        return pa.array(made, kind.storage_type)
    if name == "arrow.bool8":
        return pa.array(
            [None if rng.random() < share else rng.choice((0, 1)) for _ in range(rows)], pa.int8()
        )
    return column(kind.storage_type, rows, rng, nulls=share)


def _flat(kind: Any, gone: Sequence[bool], rng: Random) -> pa.Array:
    return next(made for fits, made in _MADE if fits(kind))(kind, gone, rng)


def _each(value: Callable[[Any, Random], Any]) -> Callable[[Any, Sequence[bool], Random], pa.Array]:
    def made(kind: Any, gone: Sequence[bool], rng: Random) -> pa.Array:
        return pa.array([None if is_gone else value(kind, rng) for is_gone in gone], kind)

    return made


def _whole(
    value: Callable[[Any, Random], int],
) -> Callable[[Any, Sequence[bool], Random], pa.Array]:
    """Times, made of the whole numbers they are."""

    def made(kind: Any, gone: Sequence[bool], rng: Random) -> pa.Array:
        width = pa.int32() if kind.bit_width == 32 else pa.int64()
        return pa.array([None if is_gone else value(kind, rng) for is_gone in gone], width).view(
            kind
        )

    return made


def _integer(kind: Any, rng: Random) -> int:
    bits = kind.bit_width
    low = -(2 ** (bits - 1)) if kinds.is_signed_integer(kind) else 0
    high = low + 2**bits - 1
    return rng.choice((low, high, 0, 1, rng.randint(low, high), rng.randint(low, high)))


def _float(kind: Any, rng: Random) -> Any:
    value = rng.choice((*_FLOATS, rng.uniform(-1000, 1000), rng.uniform(-1, 1)))
    if kinds.is_float32(kind):
        return struct.unpack("f", struct.pack("f", value))[0]
    return np.float16(value) if kinds.is_float16(kind) else value


def _number(kind: Any, rng: Random) -> Decimal:
    sign, digits = rng.choice((0, 1)), rng.randint(1, kind.precision)
    figures = tuple(rng.randint(0, 9) for _ in range(digits))
    return Decimal((sign, figures, -kind.scale))


def _day(kind: Any, rng: Random) -> int:
    if rng.random() < _ODD:
        day = rng.choice((2**31 - 1, -(2**31) + 2, -735_000, 3_000_000))
    else:
        day = rng.choice((rng.randint(-30_000, 30_000), -719_162, 2_932_896, 0))
    return day if kinds.is_date32(kind) else day * 86_400_000


def _instant(kind: Any, rng: Random) -> int:
    unit = _UNITS[kind.unit]
    if rng.random() < _ODD:
        return rng.choice((2**63 - 1, -(2**63) + 1, 253_402_300_800 * unit)) % 2**63
    if kind.unit == "ns" or rng.random() < 0.8:
        return rng.randint(-(4 * 10**9) * unit, 4 * 10**9 * unit)
    return rng.choice((-62_135_500_000, 253_402_200_000)) * unit


def _time(kind: Any, rng: Random) -> int:
    unit = _UNITS[kind.unit]
    return rng.choice((0, 86_400 * unit - 1, rng.randrange(86_400 * unit)))


def _span(_kind: Any, rng: Random) -> int:
    if rng.random() < _ODD:
        return 2**62
    return rng.choice((0, 1, -1, rng.randint(-(10**12), 10**12)))


def _bytes(kind: Any, rng: Random) -> bytes:
    fixed = kind.byte_width if kinds.is_fixed_size_binary(kind) else None
    if fixed == 16:
        return uuid.UUID(int=rng.getrandbits(128)).bytes
    return rng.randbytes(rng.choice((0, 1, 3, 40)) if fixed is None else fixed)


def _is_bytes(kind: Any) -> bool:
    return bool(
        kinds.is_binary(kind)
        or kinds.is_large_binary(kind)
        or kinds.is_binary_view(kind)
        or kinds.is_fixed_size_binary(kind)
    )


_MADE: list[tuple[Callable[[Any], bool], Callable[[Any, Sequence[bool], Random], pa.Array]]] = [
    (kinds.is_boolean, _each(lambda _kind, rng: rng.random() < 0.5)),
    (kinds.is_integer, _each(_integer)),
    (kinds.is_floating, _each(_float)),
    (kinds.is_decimal, _each(_number)),
    (kinds.is_date, _whole(_day)),
    (kinds.is_timestamp, _whole(_instant)),
    (kinds.is_time, _whole(_time)),
    (kinds.is_duration, _whole(_span)),
    (_is_bytes, _each(_bytes)),
    (lambda _kind: True, _each(lambda _kind, rng: rng.choice(_TEXTS))),
]
