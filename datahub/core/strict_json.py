"""Values of JSON as the dataclasses they are said to be; anything else is an error. Pure.

For what comes from a place that is not trusted: no field too many, none of another type, nothing
that is too long.
"""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

MOST_ITEMS = 10_000
MOST_LETTERS = 20_000


class NotAsDeclared(ValueError):
    """What is not as it was declared, and where."""


def as_declared(kind: Any, value: Any, where: str = "it") -> Any:
    """A value of JSON as a type: a dataclass, or what one is made of.

    >>> as_declared(tuple[int, ...], [1, 2])
    (1, 2)
    >>> as_declared(int, "1", "n")
    Traceback (most recent call last):
    datahub.core.strict_json.NotAsDeclared: n is no int
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if is_dataclass(kind) and isinstance(kind, type):
        return _dataclass(kind, value, where)
    if origin in (Union, types.UnionType):
        return _one_of(arguments, value, where)
    if origin is Literal:
        return _checked(value, value in arguments and isinstance(value, str), kind, where)
    if origin is tuple:
        return _tuple(arguments, value, where)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        _checked(value, isinstance(value, dict) and len(value) <= MOST_ITEMS, kind, where)
        inner = arguments[1]
        return {
            as_declared(str, name, where): as_declared(inner, item, f"{where}.{name[:40]}")
            for name, item in value.items()
        }
    return _plain(kind, value, where)


def _plain(kind: Any, value: Any, where: str) -> Any:
    if kind is float and type(value) is int:
        value = float(value)
    good = type(value) is kind
    if kind is type(None):
        good = value is None
    elif kind is str:
        good = good and len(value) <= MOST_LETTERS
    elif kind is float:
        good = good and math.isfinite(value)
    elif kind is int:
        good = good and abs(value) < 2**63
    return _checked(value, good, kind, where)


def _checked(value: Any, good: bool, kind: Any, where: str) -> Any:
    if not good:
        name = kind.__name__ if isinstance(kind, type) else str(kind)
        raise NotAsDeclared(f"{where} is no {name}")
    return value


def _one_of(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    for kind in kinds:
        try:
            return as_declared(kind, value, where)
        except NotAsDeclared as error:
            last = error
    raise last


def _tuple(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    _checked(value, isinstance(value, list) and len(value) <= MOST_ITEMS, list, where)
    if kinds[-1] is not Ellipsis:
        _checked(value, len(value) == len(kinds), list, where)
        return tuple(as_declared(k, v, where) for k, v in zip(kinds, value, strict=True))
    return tuple(as_declared(kinds[0], item, f"{where}[{n}]") for n, item in enumerate(value))


def _dataclass(kind: Any, value: Any, where: str) -> Any:
    _checked(value, isinstance(value, dict), kind, where)
    hints = _hints(kind)
    unknown = sorted(set(value) - set(hints))
    missing = sorted(
        field.name
        for field in fields(kind)
        if field.name not in value and field.default is MISSING and field.default_factory is MISSING
    )
    if unknown or missing:
        words = f"has no field {missing[0]}" if missing else f"does not know {unknown[0][:40]}"
        raise NotAsDeclared(f"{where} {words}")
    parts = {name: as_declared(hints[name], value[name], f"{where}.{name}") for name in value}
    return kind(**parts)


@cache
def _hints(kind: Any) -> Mapping[str, Any]:
    return get_type_hints(kind)
