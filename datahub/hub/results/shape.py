"""What a declared result is: a frozen dataclass whose fields are those of its JSON object.

`of` takes a value of the library that has attributes of these names; `to_json` gives JSON's own
kinds. Renaming an attribute of a use case therefore fails here, instead of renaming what a script
reads.
"""

from __future__ import annotations

import math
import threading
import types
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, time
from typing import Any, NewType, Self, TypeVar, Union, get_args, get_origin, get_type_hints

Time = NewType("Time", str)  # ISO 8601, with its zone
Key = str | int  # of a row
Cell = Any  # a value of a row: a number, a text, a boolean, null, a list or an object of these
S = TypeVar("S", bound="Shape")


@dataclass(frozen=True)
class Shape:
    """A JSON object with exactly the fields of the dataclass, in their order."""

    @classmethod
    def of(cls, value: Any, **more: Any) -> Self:
        """The result that a value of the library is, with fields that it does not have.

        Raises AttributeError for what is missing.
        """
        parts = {name: more[name] if name in more else getattr(value, name) for name in names(cls)}
        return cls(**{name: _convert(parts[name], hint) for name, hint in hints(cls)})

    @classmethod
    def list_of(cls, values: Any) -> list[Self]:
        """The results that values of the library are."""
        return [cls.of(value) for value in values]

    def to_json(self) -> dict[str, Any]:
        """The object as JSON's own kinds."""
        return {field.name: plain(getattr(self, field.name)) for field in fields(self)}


def names(shape: type[Shape]) -> list[str]:
    """The names of the fields of a shape."""
    return [field.name for field in fields(shape)]


_hints: dict[type[Shape], list[tuple[str, Any]]] = {}
_filling = threading.Lock()


def hints(shape: type[Shape]) -> list[tuple[str, Any]]:
    """The fields of a shape and their types."""
    with _filling:
        if shape not in _hints:
            kinds = get_type_hints(shape)
            _hints[shape] = [(name, kinds[name]) for name in names(shape)]
        return _hints[shape]


def plain(value: Any) -> Any:
    """The value as JSON can hold it: times as ISO 8601, NaN as null, bytes as hexadecimal digits.

    What JSON has no place for is text.
    """
    if isinstance(value, Shape):
        return value.to_json()
    if is_dataclass(value) and not isinstance(value, type):
        raise TypeError(f"{type(value).__name__} has no declared shape")
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, bytes):
        return value.hex()
    return value if value is None or isinstance(value, (str, int, float)) else str(value)


def without_null(hint: Any) -> Any:
    """The type that stands beside null, or the type itself."""
    if not is_union(hint):
        return hint
    rest = tuple(part for part in get_args(hint) if part is not type(None))
    return rest[0] if len(rest) == 1 else Union[rest]  # noqa: UP007  made of a tuple


def is_union(hint: Any) -> bool:
    """Whether the type is one of several."""
    return get_origin(hint) in (Union, types.UnionType)


def _convert(value: Any, hint: Any) -> Any:
    """A value of the library as a field of that type."""
    if value is None:
        return None
    kind = without_null(hint)
    if isinstance(kind, type) and issubclass(kind, Shape):
        return value if isinstance(value, kind) else kind.of(value)
    arguments = get_args(kind)
    if get_origin(kind) is list:
        return [_convert(item, arguments[0]) for item in value]
    if get_origin(kind) is dict:
        return {str(key): _convert(item, arguments[1]) for key, item in value.items()}
    if get_origin(kind) is tuple:
        return tuple(_convert(item, part) for item, part in zip(value, arguments, strict=True))
    return plain(value)
