"""What Snorkel's memoized preprocessors remember, copied for each call that is given it.

Snorkel hands the same object to every LF that shares a preprocessor: what one LF wrote into its
list the next one saw, so votes depended on which LFs happened to run. Pure.
"""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

LOOK_OF_MEMORY = (
    "2"  # part of what decides votes: another one, and LFs with preprocessors vote again
)

_IMMUTABLE = frozenset(
    (
        *(str, int, float, complex, bool, bytes, type(None), type, Decimal),
        *(dt.date, dt.datetime, dt.time, dt.timedelta),
    )
)


class CopyMemory(dict[Any, Any]):
    """A preprocessor's memory: whoever asks gets a copy, and so does the memory.

    What cannot be copied is not remembered.

    >>> memory = CopyMemory()
    >>> memory["a row"] = SimpleNamespace(words=["a"])
    >>> memory["a row"].words.append("b")
    >>> memory["a row"].words
    ['a']
    """

    def __setitem__(self, key: Any, value: Any) -> None:
        with suppress(Exception):  # its own way to be copied may raise whatever it likes: then it
            super().__setitem__(key, apart(value))  # is computed again for each LF; slower, right

    def __getitem__(self, key: Any) -> Any:
        return apart(super().__getitem__(key))


def remember_apart(mappers: object) -> None:
    """Give Snorkel's preprocessors, and those before them, such memories; empty."""
    for mapper in mappers if isinstance(mappers, list | tuple) else ():
        if isinstance(getattr(mapper, "_cache", None), dict):
            mapper._cache = CopyMemory()
        remember_apart(getattr(mapper, "_pre", ()))


def forget(mappers: object) -> None:
    """Empty their memories, which would keep every row of a dataset."""
    for mapper in mappers if isinstance(mappers, list | tuple) else ():
        reset = getattr(mapper, "reset_cache", None)
        if callable(reset):
            reset()
        forget(getattr(mapper, "_pre", ()))


def apart(value: Any) -> Any:
    """A copy that shares nothing that can be written to; what is one inside stays one.

    Common containers are copied here, as `copy.deepcopy` is ten times slower; a parsed document of
    spaCy by itself, as its vocabulary must not be copied along.

    >>> row = SimpleNamespace(words=["a"], pair=("a", 1))
    >>> row.also = row.words
    >>> new = apart(row)
    >>> new == row, new.words is row.words, new.also is new.words
    (True, False, True)
    """
    return _apart(value, {})


def _apart(value: Any, memo: dict[int, Any]) -> Any:
    """The same; `memo` are the copies so far by what they are of, as `copy.deepcopy` has them."""
    kind = type(value)
    if kind in _IMMUTABLE:
        return value
    if id(value) in memo:
        return memo[id(value)]
    copier = _COPIES.get(kind)
    if copier is not None:
        return copier(value, memo)
    if isinstance(value, SimpleNamespace):
        return _namespace(value, memo)
    if kind.__module__.startswith("spacy.tokens.doc"):
        memo[id(value)] = value.copy()
        return memo[id(value)]
    return copy.deepcopy(value, memo)


def _list(value: list[Any], memo: dict[int, Any]) -> list[Any]:
    memo[id(value)] = new = value.copy()
    if not _IMMUTABLE.issuperset(map(type, value)):
        new[:] = [_apart(item, memo) for item in value]
    return new


def _dict(value: dict[Any, Any], memo: dict[int, Any]) -> dict[Any, Any]:
    plain_keys = _IMMUTABLE.issuperset(map(type, value))
    if plain_keys and _IMMUTABLE.issuperset(map(type, value.values())):
        memo[id(value)] = new = value.copy()
        return new
    memo[id(value)] = new = {}
    new.update((_apart(key, memo), _apart(item, memo)) for key, item in value.items())
    return new


def _set(value: set[Any], memo: dict[int, Any]) -> set[Any]:
    if not _IMMUTABLE.issuperset(map(type, value)):
        return copy.deepcopy(value, memo)
    memo[id(value)] = new = value.copy()
    return new


def _tuple(value: tuple[Any, ...], memo: dict[int, Any]) -> tuple[Any, ...]:
    if _IMMUTABLE.issuperset(map(type, value)):
        return value
    new = tuple([_apart(item, memo) for item in value])
    memo.setdefault(id(value), new)  # it may hold itself, by a list
    again: tuple[Any, ...] = memo[id(value)]
    return again


def _namespace(value: SimpleNamespace, memo: dict[int, Any]) -> SimpleNamespace:
    new = SimpleNamespace.__new__(type(value))
    memo[id(value)] = new
    new.__dict__.update(value.__dict__)
    if not _IMMUTABLE.issuperset(map(type, value.__dict__.values())):
        for name, item in value.__dict__.items():
            if type(item) not in _IMMUTABLE:
                new.__dict__[name] = _apart(item, memo)
    return new


_COPIES: dict[type, Callable[[Any, dict[int, Any]], Any]] = {
    list: _list,
    dict: _dict,
    set: _set,
    tuple: _tuple,
}
