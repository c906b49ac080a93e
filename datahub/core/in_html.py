"""Results as HTML, for notebooks. Every value in it is text: nothing of data or LFs can run.

Also no formula: MathJax is told to leave the text alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from html import escape
from typing import Any

_ROWS = 50  # of a table
_ITEMS = 20  # of a list in a cell
_LENGTH = 300  # characters of a text
_IGNORED = 'class="tex2jax_ignore mathjax_ignore"'


class InHTML:
    """A result that a notebook shows as tables: its fields, in their order."""

    def _repr_html_(self) -> str:
        return html_of(self)


def html_of(value: object) -> str:
    """A value as HTML, its texts escaped.

    >>> print(html_of({"<b>": 1.5}))
    <div class="tex2jax_ignore mathjax_ignore"><table><tr><th>&lt;b&gt;</th><td>1.500</td></tr></table></div>
    """  # noqa: E501  as it is
    return f"<div {_IGNORED}>{_html(value)}</div>"


def _html(value: object) -> str:
    if is_dataclass(value) and not isinstance(value, type):
        return _pairs((name, part) for name, part in _parts(value) if not _is_empty(part))
    if isinstance(value, Mapping):
        return _pairs(value.items())
    if isinstance(value, (list, tuple, set, frozenset)):
        items = list(value)
        if items and all(is_dataclass(item) for item in items):
            return _table(items)
        return _text(", ".join(_words(item) for item in items[:_ITEMS])) + _more(items, _ITEMS)
    return _text(_words(value))


def _parts(value: Any) -> list[tuple[str, Any]]:
    return [(field.name, getattr(value, field.name)) for field in fields(value) if field.repr]


def _pairs(pairs: Iterable[tuple[object, object]]) -> str:
    items = list(pairs)
    lines = (
        f"<tr><th>{_text(_words(name))}</th><td>{_html(part)}</td></tr>"
        for name, part in items[:_ROWS]
    )
    return f"<table>{''.join(lines)}</table>{_more(items, _ROWS)}"


def _table(items: Sequence[Any]) -> str:
    names = [name for name, _ in _parts(items[0])]
    head = "".join(f"<th>{_text(name)}</th>" for name in names)
    lines = (
        "<tr>" + "".join(f"<td>{_html(part)}</td>" for _, part in _parts(item)) + "</tr>"
        for item in items[:_ROWS]
    )
    return f"<table><tr>{head}</tr>{''.join(lines)}</table>{_more(items, _ROWS)}"


def _more(items: Sequence[object], most: int) -> str:
    return f" and {len(items) - most} more" if len(items) > most else ""


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, (str, tuple, list, dict)) and not value)


def _words(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}"
    if hasattr(value, "shape"):
        return f"array of shape {value.shape}"
    return str(value)


def _text(value: str) -> str:
    short = value if len(value) <= _LENGTH else f"{value[: _LENGTH - 1]}…"
    return escape(short, quote=True)
