"""The footer of a Parquet file, taken apart and put together again, byte for byte.

A footer is Thrift, in its compact form. Fields are kept as they come, also those that nothing here
knows: a struct is {field id: (wire type, value)}, in file order; a list is (wire type, values).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO

MAGIC = b"PAR1"
Struct = dict[int, tuple[int, Any]]

I64, LIST, STRUCT = 6, 9, 12  # wire types; a map, 11, is nowhere in a footer
_TRUE, _FALSE, _BYTE, _I16, _I32, _DOUBLE, _BINARY, _SET = 1, 2, 3, 4, 5, 7, 8, 10
_INTEGERS = (_I16, _I32, I64)


def footer_of(file: BinaryIO) -> Struct:
    """The footer of an open file. Raises ValueError, or LookupError: it is none, or broken."""
    size = file.seek(0, 2)
    file.seek(max(size - 8, 0))
    end = file.read(8)
    length = int.from_bytes(end[:4], "little")
    if end[4:] != MAGIC or length > size - 12:
        raise ValueError("it does not end as a Parquet file does")
    file.seek(size - 8 - length)
    return _Reader(file.read(length)).struct()


def ending(footer: Struct) -> bytes:
    """What stands at the end of a file with this footer."""
    out = bytearray()
    _write_struct(out, footer)
    return bytes(out) + len(out).to_bytes(4, "little") + MAGIC


class _Reader:
    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 0

    def struct(self) -> Struct:
        """All fields up to the stop."""
        fields: Struct = {}
        field = 0
        while head := self._byte():
            kind, step = head & 15, head >> 4
            field = field + step if step else _from_zigzag(self._varint())
            fields[field] = kind, self._value(kind)
        return fields

    def _value(self, kind: int) -> Any:
        return _READ[kind](self)

    def _byte(self) -> int:
        value = self._raw[self._at]
        self._at += 1
        return value

    def _varint(self) -> int:
        raw, at = self._raw, self._at
        value = shift = 0
        while (byte := raw[at]) & 128:
            value |= (byte & 127) << shift
            shift += 7
            at += 1
        self._at = at + 1
        return value | byte << shift

    def _integer(self) -> int:
        return _from_zigzag(self._varint())

    def _bytes(self, length: int) -> bytes:
        content = self._raw[self._at : self._at + length]
        if len(content) < length:
            raise IndexError(length)
        self._at += length
        return content

    def _list(self) -> tuple[int, list[Any]]:
        head = self._byte()
        kind, length = head & 15, head >> 4
        if length == 15:
            length = self._varint()
        if kind in (_TRUE, _FALSE):  # in a list, a truth is a byte
            return kind, [self._byte() for _ in range(length)]
        read = _READ[kind]
        return kind, [read(self) for _ in range(length)]


_READ: dict[int, Callable[[_Reader], Any]] = {
    _TRUE: lambda _: True,
    _FALSE: lambda _: False,
    _BYTE: lambda r: r._byte(),
    **dict.fromkeys(_INTEGERS, lambda r: r._integer()),
    _DOUBLE: lambda r: r._bytes(8),
    _BINARY: lambda r: r._bytes(r._varint()),
    LIST: lambda r: r._list(),
    _SET: lambda r: r._list(),
    STRUCT: lambda r: r.struct(),
}


def _write_struct(out: bytearray, fields: Struct) -> None:
    last = 0
    for field, (kind, value) in fields.items():
        step = field - last
        if 0 < step < 16:
            out.append(step << 4 | kind)
        else:
            out.append(kind)
            _write_varint(out, _to_zigzag(field))
        last = field
        _write_value(out, kind, value)
    out.append(0)


def _write_value(out: bytearray, kind: int, value: Any) -> None:
    if kind in _INTEGERS:
        _write_varint(out, _to_zigzag(value))
    elif kind == _BINARY:
        _write_varint(out, len(value))
        out += value
    elif kind == STRUCT:
        _write_struct(out, value)
    elif kind in (LIST, _SET):
        _write_list(out, *value)
    elif kind == _DOUBLE:
        out += value
    elif kind == _BYTE:
        out.append(value)


def _write_list(out: bytearray, kind: int, values: list[Any]) -> None:
    if len(values) < 15:
        out.append(len(values) << 4 | kind)
    else:
        out.append(0xF0 | kind)
        _write_varint(out, len(values))
    if kind in (_TRUE, _FALSE):
        out += bytes(values)
        return
    for value in values:
        _write_value(out, kind, value)


def _write_varint(out: bytearray, value: int) -> None:
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)


def _from_zigzag(value: int) -> int:
    return value >> 1 ^ -(value & 1)


def _to_zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1
