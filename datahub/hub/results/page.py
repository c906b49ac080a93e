"""docs/json.md, written from the declared shapes: `python -m datahub.hub.results.page`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from datahub.hub.results import COMMANDS, Failed
from datahub.hub.results.shape import Cell, Shape, Time, hints, is_union

_HEAD = """\
# JSON

Every command takes `--json` and prints one JSON document on stdout. This page lists the documents.
They are a part of the public API: fields keep their names and their types, and are always there.
A new version may add fields. In Python, the objects that `Hub` returns have attributes of the
same names.

Times are ISO 8601 with their zone. Ids are hexadecimal. A key is a number or a text, as in the
data; a value is what a cell of the data is, and bytes in it are hexadecimal digits. Numbers that
are not finite are null. This page is written by `python -m datahub.hub.results.page`; a test
compares the two, and each command's real output with its entry.

## Commands

| command | prints |
| --- | --- |
"""
_ERRORS = """\

A command that fails prints one `Failed` on stderr, and its exit code says why
([ci.md](ci.md)). Usage errors have only `code`, `message` and `hint`.

## Objects
"""
_PLAIN = {str: "text", int: "integer", float: "number", bool: "boolean", type(None): "null"}
_ALIASES = {Time: "time", Cell: "value", str | int: "key"}


def page() -> str:
    """The whole page."""
    rows = "".join(f"| `{name}` | {describe(hint)} |\n" for name, hint in COMMANDS.items())
    return _HEAD + rows + _ERRORS + "".join(_section(shape) for shape in shapes())


def shapes() -> list[type[Shape]]:
    """All shapes that a command or an error may print, by name."""
    unique = dict.fromkeys(shape for hint in (*COMMANDS.values(), Failed) for shape in _walk(hint))
    return sorted(unique, key=lambda shape: shape.__name__)


def describe(hint: Any) -> str:
    """How a type reads.

    >>> describe(list[int] | None), describe(dict[str, float])
    ('list of integer, or null', 'object of number')
    """
    if hint in _ALIASES:
        return _ALIASES[hint]
    if hint in _PLAIN:
        return _PLAIN[hint]
    arguments = get_args(hint)
    if is_union(hint):
        if {str, int} < set(arguments):  # typing flattens a key that may be null
            return "key, or null"
        return ", or ".join(describe(part) for part in arguments)
    if get_origin(hint) is list:
        return f"list of {describe(arguments[0])}"
    if get_origin(hint) is dict:
        return f"object of {describe(arguments[1])}"
    if get_origin(hint) is tuple:
        return f"[{'; '.join(describe(part) for part in arguments)}]"
    return f"[{hint.__name__}](#{hint.__name__.lower()})"


def _walk(hint: Any) -> Iterator[type[Shape]]:
    if isinstance(hint, type) and get_origin(hint) is None and issubclass(hint, Shape):
        yield hint
        for _, inner in hints(hint):
            yield from _walk(inner)
    for part in get_args(hint):
        yield from _walk(part)


def _section(shape: type[Shape]) -> str:
    rows = "".join(f"| `{name}` | {describe(hint)} |\n" for name, hint in hints(shape))
    text = inspect.cleandoc(shape.__doc__ or "")
    return f"\n### {shape.__name__}\n\n{text}\n\n| field | type |\n| --- | --- |\n{rows}"


if __name__ == "__main__":
    sys.stdout.write(page())
