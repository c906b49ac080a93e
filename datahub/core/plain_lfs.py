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
from datahub.core.declarative_lf import PYTHON_REGEX, DeclarativeLF
from datahub.core.errors import LabelingFunctionError
from datahub.core.labeling import LabelingFunction
from datahub.core.plain_expressions import expression_of
from datahub.core.prompt_lf import PromptLF, checked_prompt

LONGEST = 2**20  # characters of a description: above, the LF stays where it is

Plain = dict[str, Any]


def describe(lf: LabelingFunction) -> Plain | None:
    """Return what `rebuild` makes an equal LF of: JSON's own kinds; None where it cannot be.

    >>> lf = declarative.keywords("goal", ["goal"], 1)
    >>> describe(lf)
    {'words': ['goal'], 'column': 'text', 'at_least': 1, 'label': 1}
    >>> rebuild("goal", "keywords", describe(lf)) == lf
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
        copy = rebuild(lf.name, lf.kind, json.loads(text))
    except (LabelingFunctionError, ValueError, TypeError, KeyError, SyntaxError, RecursionError):
        return None
    alike = copy == lf and len(text) <= LONGEST
    if lf.kind != "lookup" and isinstance(copy, DeclarativeLF):  # whose values have another order
        alike = alike and copy.vote.meta.eq(lf.vote)
    return plain if alike else None


def rebuild(name: str, kind: str, plain: Mapping[str, Any]) -> DeclarativeLF | PromptLF:
    """Make the LF that was described.

    Raises LabelingFunctionError, ValueError, TypeError, KeyError, polars' errors: there is no such.
    """
    if kind == "prompt":
        return checked_prompt(name, **plain)
    fields = dict(plain)
    where = None if "where" not in fields else expression_of(fields.pop("where"))
    return _MAKERS[kind](name, fields, where)


def _keywords(name: str, fields: Plain, where: pl.Expr | None) -> DeclarativeLF:
    return declarative.keywords(name, **_exactly(fields, _KEYWORDS), where=where)


def _regex(name: str, fields: Plain, where: pl.Expr | None) -> DeclarativeLF:
    fields = _exactly(fields, {"pattern": str, "column": str, "label": (int, str)})
    pl.select(pl.lit("").str.contains(fields["pattern"]))  # never in Python's `re`
    return declarative.regex(name, **fields, ignore_case=False, where=where)


def _lookup(name: str, fields: Plain, where: pl.Expr | None) -> DeclarativeLF:
    fields = _exactly(fields, {"table": list, "column": str, "label": type(None)})
    table = dict(_pair(item) for item in fields["table"])
    return declarative.lookup(name, table, column=fields["column"], where=where)


def _threshold(name: str, fields: Plain, where: pl.Expr | None) -> DeclarativeLF:
    bounds = {name: fields.pop(name, None) for name in ("above", "below")}
    if not all(limit is None or type(limit) in (int, float) for limit in bounds.values()):
        raise TypeError("a bound is a number")
    fields = _exactly(fields, {"column": str, "label": (int, str), "takes": str})
    del fields["takes"]  # numbers, since it is no part of what is asked for
    return declarative.threshold(name, **fields, **bounds, where=where)


def _expression(name: str, fields: Plain, where: pl.Expr | None) -> DeclarativeLF:
    label = fields.pop("label")
    if label is not None and type(label) not in (int, str):
        raise TypeError("a label is a number or a name")
    expr = expression_of(_exactly(fields, {"expression": dict})["expression"])
    return declarative.expression(name, expr, label, where=where)


Kinds = Mapping[str, type | tuple[type, ...]]
_KEYWORDS: Kinds = {"words": list, "column": str, "at_least": int, "label": (int, str)}
_MAKERS: dict[str, Callable[[str, Plain, pl.Expr | None], DeclarativeLF]] = {
    "keywords": _keywords,
    "regex": _regex,
    "lookup": _lookup,
    "threshold": _threshold,
    "expression": _expression,
}


def _exactly(fields: Plain, kinds: Kinds) -> Plain:
    if fields.keys() != kinds.keys() or any(
        type(fields[n]) not in (kind if isinstance(kind, tuple) else (kind,))
        for n, kind in kinds.items()
    ):
        raise TypeError(f"these are {', '.join(kinds)}")
    return fields


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
