"""What Snorkel's memoized preprocessors remember, copied for each call that is given it.

Snorkel hands the same object to every LF that shares a preprocessor: what one LF wrote into its
list the next one saw, so votes depended on which LFs happened to run. Pure.
"""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

LOOK_OF_MEMORY = (
    "2"  # part of what decides votes: another one, and LFs with preprocessors vote again
)

_SHARED = (
    *(str, int, float, complex, bool, bytes, type(None), type, Decimal),
    *(dt.date, dt.time, dt.timedelta),
)


class Remembered(dict[Any, Any]):
    """A preprocessor's memory: whoever asks gets a copy, and so does the memory.

    >>> memory = Remembered()
    >>> memory["a row"] = SimpleNamespace(words=["a"])
    >>> memory["a row"].words.append("b")
    >>> memory["a row"].words
    ['a']
    """

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, apart(value))

    def __getitem__(self, key: Any) -> Any:
        return apart(super().__getitem__(key))


def remember_apart(mappers: object) -> None:
    """Give Snorkel's preprocessors, and those before them, such memories; empty."""
    for mapper in mappers if isinstance(mappers, list | tuple) else ():
        if isinstance(getattr(mapper, "_cache", None), dict):
            mapper._cache = Remembered()
        remember_apart(getattr(mapper, "_pre", ()))


def forget(mappers: object) -> None:
    """Empty their memories, which would keep every row of a dataset."""
    for mapper in mappers if isinstance(mappers, list | tuple) else ():
        reset = getattr(mapper, "reset_cache", None)
        if callable(reset):
            reset()
        forget(getattr(mapper, "_pre", ()))


def apart(value: Any) -> Any:
    """A copy that shares nothing that can be written to.

    Common containers are copied here, as `copy.deepcopy` is ten times slower; a parsed document of
    spaCy by itself, as its vocabulary must not be copied along.
    """
    kind = type(value)
    if kind in _SHARED:
        return value
    if kind is list:
        return _all(value)
    if kind is dict:
        return {key: apart(item) for key, item in value.items()}
    if kind is tuple:
        return tuple(_all(value))
    if isinstance(value, SimpleNamespace):
        new = SimpleNamespace.__new__(kind)
        new.__dict__.update({name: apart(item) for name, item in value.__dict__.items()})
        return new
    if kind.__module__.startswith("spacy.tokens.doc"):
        return value.copy()
    return copy.deepcopy(value)


def _all(values: Iterable[Any]) -> list[Any]:
    return [value if type(value) in _SHARED else apart(value) for value in values]
