"""LFs as plain data, and back: those that no code of the user's has a part in.

What leaves a process that runs user code is text; this rebuilds from it, by our own constructors,
keyword, regex, lookup, threshold and expression LFs, and prompts. An LF that would not be rebuilt
exactly has no description, and stays where its code is.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl

from datahub.core import declarative
from datahub.core.declarative import PYTHON_REGEX, DeclarativeLF
from datahub.core.errors import LabelingFunctionError
from datahub.core.labeling import LabelingFunction
from datahub.core.plain_expressions import expression_of
from datahub.core.prompt_lf import PromptLF, checked_prompt

LONGEST = 2**20  # characters of a description: above, the LF stays where it is

Plain = dict[str, Any]


def described(lf: LabelingFunction) -> Plain | None:
    """Return what `rebuilt` makes an equal LF of: JSON's own kinds; None where it cannot be.

    >>> lf = declarative.keywords("goal", ["goal"], 1)
    >>> described(lf)
    {'words': ['goal'], 'column': 'text', 'at_least': 1, 'label': 1}
    >>> rebuilt("goal", "keywords", described(lf)) == lf
    True
    """
    if type(lf) is PromptLF:
        return {name: value for name, value in lf.spec().items() if name != "kind"}
    if type(lf) is not DeclarativeLF or lf.kind == PYTHON_REGEX or lf.search is not None:
        return None
    try:
        plain = {name: _value(name, text) for name, text in lf.spec_items}
        plain["label"] = lf.label
        text = json.dumps(plain, allow_nan=False)
        same = rebuilt(lf.name, lf.kind, json.loads(text))
    except (LabelingFunctionError, ValueError, TypeError, KeyError, SyntaxError, RecursionError):
        return None
    alike = same == lf and len(text) <= LONGEST
    if lf.kind != "lookup" and isinstance(same, DeclarativeLF):  # whose values have another order
        alike = alike and same.vote.meta.eq(lf.vote)
    return plain if alike else None


def rebuilt(name: str, kind: str, plain: Mapping[str, Any]) -> DeclarativeLF | PromptLF:
    """Make the LF that was described.

    Raises LabelingFunctionError, ValueError, TypeError, KeyError, polars' errors: there is no such.
    """
    if kind == "prompt":
        return checked_prompt(name, **plain)
    given = dict(plain)
    where = None if "where" not in given else expression_of(given.pop("where"))
    return _MAKERS[kind](name, given, where)


def _keywords(name: str, given: Plain, where: pl.Expr | None) -> DeclarativeLF:
    return declarative.keywords(name, **_exactly(given, _KEYWORDS), where=where)


def _regex(name: str, given: Plain, where: pl.Expr | None) -> DeclarativeLF:
    given = _exactly(given, {"pattern": str, "column": str, "label": int})
    pl.select(pl.lit("").str.contains(given["pattern"]))  # never in Python's `re`
    return declarative.regex(name, **given, ignore_case=False, where=where)


def _lookup(name: str, given: Plain, where: pl.Expr | None) -> DeclarativeLF:
    given = _exactly(given, {"table": list, "column": str, "label": type(None)})
    table = dict(_pair(item) for item in given["table"])
    return declarative.lookup(name, table, column=given["column"], where=where)


def _threshold(name: str, given: Plain, where: pl.Expr | None) -> DeclarativeLF:
    bounds = {name: given.pop(name, None) for name in ("above", "below")}
    if not all(bound is None or type(bound) in (int, float) for bound in bounds.values()):
        raise TypeError("a bound is a number")
    given = _exactly(given, {"column": str, "label": int, "takes": str})
    del given["takes"]  # numbers, since it is no part of what is asked for
    return declarative.threshold(name, **given, **bounds, where=where)


def _expression(name: str, given: Plain, where: pl.Expr | None) -> DeclarativeLF:
    label = given.pop("label")
    if label is not None and type(label) is not int:
        raise TypeError("a label is a number")
    made = expression_of(_exactly(given, {"expression": dict})["expression"])
    return declarative.expression(name, made, label, where=where)


_KEYWORDS: dict[str, type] = {"words": list, "column": str, "at_least": int, "label": int}
_MAKERS: dict[str, Callable[[str, Plain, pl.Expr | None], DeclarativeLF]] = {
    "keywords": _keywords,
    "regex": _regex,
    "lookup": _lookup,
    "threshold": _threshold,
    "expression": _expression,
}


def _exactly(given: Plain, kinds: Mapping[str, type]) -> Plain:
    if given.keys() != kinds.keys() or any(type(given[n]) is not kind for n, kind in kinds.items()):
        raise TypeError(f"these are {', '.join(kinds)}")
    return given


def _pair(item: Sequence[Any]) -> tuple[Any, Any]:
    value, label = item
    return value, label


def _value(name: str, text: str) -> object:
    """One of an LF's `spec_items`, which are texts."""
    if name in ("expression", "where"):
        return json.loads(text)
    if name in ("column", "pattern", "takes"):
        return text
    value = ast.literal_eval(text)
    return [list(pair) for pair in value] if name == "table" else value
