"""Hold a JSON value against a declared type: the kinds of its parts, and exactly its fields."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, get_args, get_origin

from datahub.hub.results.shape import Cell, Shape, Time, hints, is_union

PLAIN: dict[Any, tuple[type, ...]] = {str: (str,), bool: (bool,), type(None): (type(None),)}


def breaches(value: Any, hint: Any, at: str = "$") -> Iterator[str]:
    """Where the value is not of the type, in words."""
    if hint is Cell:
        return
    if is_union(hint):
        if all(any(True for _ in breaches(value, part)) for part in get_args(hint)):
            yield f"{at} is {value!r}, none of {hint}"
    elif get_origin(hint) is list:
        yield from _items(value, get_args(hint) * len(value) if isinstance(value, list) else (), at)
    elif get_origin(hint) is tuple:
        yield from _items(value, get_args(hint), at)
    elif get_origin(hint) is dict:
        if not isinstance(value, dict):
            yield f"{at} is {value!r}, no object"
            return
        for name, item in value.items():
            yield from breaches(item, get_args(hint)[1], f"{at}.{name}")
    elif isinstance(hint, type) and issubclass(hint, Shape):
        yield from _fields(value, hint, at)
    elif not _is_plain(value, hint):
        yield f"{at} is {value!r}, no {hint}"


def _items(value: Any, parts: tuple[Any, ...], at: str) -> Iterator[str]:
    if not isinstance(value, list) or len(value) != len(parts):
        yield f"{at} is {value!r}, no list of {len(parts)}"
        return
    for number, (item, part) in enumerate(zip(value, parts, strict=True)):
        yield from breaches(item, part, f"{at}[{number}]")


def _fields(value: Any, shape: type[Shape], at: str) -> Iterator[str]:
    names = [name for name, _ in hints(shape)]
    if not isinstance(value, dict) or list(value) != names:
        yield f"{at} has {list(value) if isinstance(value, dict) else value!r}, not {names}"
        return
    for name, hint in hints(shape):
        yield from breaches(value[name], hint, f"{at}.{name}")


def _is_plain(value: Any, hint: Any) -> bool:
    if hint is Time:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    if hint is int:
        return type(value) is int
    if hint is float:
        return type(value) in (int, float)
    return isinstance(value, PLAIN[hint])
