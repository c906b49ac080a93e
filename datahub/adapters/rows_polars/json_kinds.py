"""The type of a column of JSON values: read off all of them, and refused where they are of several.

A whole number beside fractions is a fraction, for writers of JSON leave out `.0`; no other value
becomes what it was not.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from datahub.core.errors import SourceError

_NAMES: dict[type, str] = {
    bool: "a boolean",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "an object",
}
_EXACT = 2**53  # up to here every whole number is a float
_MOST_FIELDS = 1000  # of an object


class Kind:
    """What was seen of a column, or of what lists in it hold: which types, and on which lines."""

    def __init__(self) -> None:
        self._lines: dict[type, int] = {}  # type -> the line that had it first
        self._low = self._high = 0
        self._inner: Kind | None = None
        self._fields: dict[str, Kind] = {}

    def see(self, value: Any, line: int) -> None:
        """Look at a value of JSON's own kinds that stands on a line, counted from 1."""
        kind = type(value)
        if value is None:
            return
        if kind not in self._lines:
            self._lines[kind] = line
        if kind is int:
            if value < self._low:
                self._low = value
            elif value > self._high:
                self._high = value
        elif kind is list:
            self._inner = self._inner or Kind()
            for item in value:
                self._inner.see(item, line)
        elif kind is dict:
            self.see_fields(value, line)

    def see_fields(self, value: dict[str, Any], line: int) -> None:
        """Look at the fields of an object; those of a line are the columns."""
        fields = self._fields
        for name, item in value.items():
            field = fields.get(name)
            if field is None:
                field = fields[name] = Kind()
            field.see(item, line)

    def schema(self, where: object) -> pa.Schema:
        """The columns, in the order in which they came first. Raises SourceError."""
        return pa.schema([(name, kind.type_of(name, where)) for name, kind in self._fields.items()])

    def type_of(self, name: str, where: object) -> pa.DataType:
        """The type of a column, or of what is in it. Raises SourceError, which names it."""
        kinds = dict(self._lines)
        if kinds.keys() == {int, float}:
            self._check_exact(name, where)
            del kinds[int]
        if len(kinds) > 1:
            (first, a), (second, b) = sorted(kinds.items(), key=lambda item: item[1])[:2]
            raise SourceError(
                f"Column {name!r} of {where} holds {_NAMES[first]} in line {a} and "
                f"{_NAMES[second]} in line {b}.",
                hint="A column holds values of one type: write all of them as texts, or as "
                "numbers, or as lists.",
            )
        return self._arrow_type(next(iter(kinds), type(None)), name, where)

    def _arrow_type(self, kind: type, name: str, where: object) -> pa.DataType:
        if kind is list:
            return pa.list_((self._inner or Kind()).type_of(f"{name}[]", where))
        if kind is dict:
            self._check_fields(name, where)
            fields = self._fields.items()
            return pa.struct([(f, own.type_of(f"{name}.{f}", where)) for f, own in fields])
        if kind is int:
            return self._whole(name, where)
        return {bool: pa.bool_(), float: pa.float64(), str: pa.large_string()}.get(kind, pa.null())

    def _whole(self, name: str, where: object) -> pa.DataType:
        if self._low >= -(2**63) and self._high < 2**63:
            return pa.int64()
        if self._low >= 0 and self._high < 2**64:
            return pa.uint64()
        raise SourceError(
            f"Column {name!r} of {where} holds whole numbers of more than 64 bits.",
            hint="Write them as texts.",
        )

    def _check_exact(self, name: str, where: object) -> None:
        if not -_EXACT <= self._low <= self._high <= _EXACT:
            raise SourceError(
                f"Column {name!r} of {where} holds fractions, and whole numbers beyond 2^53, which "
                "would be rounded beside them.",
                hint="Write them as texts, or in two columns.",
            )

    def _check_fields(self, name: str, where: object) -> None:
        if not self._fields:
            raise SourceError(
                f"Column {name!r} of {where} holds objects without a field.",
                hint="Leave the column out, or write null.",
            )
        if len(self._fields) > _MOST_FIELDS:
            raise SourceError(
                f"Column {name!r} of {where} holds objects of more than {_MOST_FIELDS} fields "
                "together.",
                hint='Write a list of {"name": ..., "value": ...}: names that differ from row to '
                "row are values.",
            )
