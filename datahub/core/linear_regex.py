r"""A regular expression of Python's, written for an engine that never explodes.

Great Expectations' regexes are Python's, whose matcher backtracks: some patterns take longer than
anybody waits. Polars matches in time linear to the text, in a dialect that differs in small
things (`$`, `\w`, `\s`). So a pattern is parsed by Python and written again, letter by letter;
what has no equal there (lookaround, backreferences, flags) has no translation. Pure.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

MOST_CHARACTERS = 2_000
_CATEGORIES = {
    op.CATEGORY_DIGIT: r"\p{Nd}",
    op.CATEGORY_NOT_DIGIT: r"\P{Nd}",
    op.CATEGORY_SPACE: r"\s\x{1c}-\x{1f}",
    op.CATEGORY_WORD: r"\p{L}\p{N}_",
}
_NEGATED = {
    op.CATEGORY_NOT_SPACE: r"[^\s\x{1c}-\x{1f}]",
    op.CATEGORY_NOT_WORD: r"[^\p{L}\p{N}_]",
}


class NoLinearForm(Exception):
    """The pattern has no translation."""


def linear(pattern: str) -> str:
    r"""The pattern for `str.contains` of polars. Raises NoLinearForm.

    >>> linear("^a.$")
    '\\A\\x{61}[^\\n]\\n?\\z'
    """
    if len(pattern) > MOST_CHARACTERS:
        raise NoLinearForm(pattern[:80])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what may mean something else in a later Python
            tree = parser.parse(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise NoLinearForm(str(error)) from error
    if tree.state.flags != re.UNICODE.value:
        raise NoLinearForm("flags")
    return _sequence(tree, last=True)


def _sequence(items: Sequence[Any], *, last: bool) -> str:
    """Items one after another; `last` where nothing comes behind them."""
    return "".join(
        _item(kind, value, last=last and number == len(items))
        for number, (kind, value) in enumerate(items, 1)
    )


def _item(kind: Any, value: Any, *, last: bool) -> str:
    if kind is op.LITERAL:
        return _letter(value)
    if kind is op.NOT_LITERAL:
        return f"[^{_letter(value)}]"
    if kind is op.ANY:
        return r"[^\n]"
    if kind is op.IN:
        return _class(value)
    if kind is op.AT:
        return _place(value, last=last)
    if kind is op.BRANCH:
        return "(?:" + "|".join(_sequence(branch, last=last) for branch in value[1]) + ")"
    if kind is op.SUBPATTERN:
        _, add, remove, inner = value
        if not add and not remove:
            return f"(?:{_sequence(inner, last=last)})"
    if kind in (op.MAX_REPEAT, op.MIN_REPEAT):  # greedy or not, it matches the same texts
        least, most, inner = value
        upper = "" if most is op.MAXREPEAT else most
        return f"(?:{_sequence(inner, last=False)}){{{least},{upper}}}"
    raise NoLinearForm(str(kind))


def _place(value: Any, *, last: bool) -> str:
    if value in (op.AT_BEGINNING, op.AT_BEGINNING_STRING):
        return r"\A"
    if value is op.AT_END_STRING:
        return r"\z"
    if value is op.AT_END and last:  # also before a line feed that ends the text
        return r"\n?\z"
    raise NoLinearForm(str(value))


def _class(items: Sequence[Any]) -> str:
    is_negated = bool(items) and items[0][0] is op.NEGATE
    parts = [_member(kind, value) for kind, value in items[is_negated:]]
    return f"[{'^' if is_negated else ''}{''.join(parts)}]"


def _member(kind: Any, value: Any) -> str:
    if kind is op.LITERAL:
        return _letter(value)
    if kind is op.RANGE:
        return f"{_letter(value[0])}-{_letter(value[1])}"
    if kind is op.CATEGORY:
        return _CATEGORIES.get(value) or _NEGATED[value]
    raise NoLinearForm(str(kind))


def _letter(code: int) -> str:
    if 0xD800 <= code <= 0xDFFF:
        raise NoLinearForm("half a letter")
    return f"\\x{{{code:x}}}"
