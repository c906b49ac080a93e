"""A row_condition as an expression of polars, where the two engines surely agree.

Read are comparisons of a column with a plain value, joined by `and` and `or`, as JSON or as the
text of a pandas query. A null meets no comparison. Everything else is NotCovered: pandas has
rules of its own for it.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import polars as pl

from datahub.adapters.gate_polars.families import Families, fits
from datahub.adapters.gate_polars.kwargs import NotCovered
from datahub.core.syntax import parse_expression

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_SIGNS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "IN",
}
_MOST = 20


@dataclass(frozen=True)
class Condition:
    """What rows are asked about, and the columns that say so."""

    expression: pl.Expr
    columns: frozenset[str]


def condition_of(kwargs: Mapping[str, Any], families: Families) -> Condition | None:
    """The row_condition of an expectation, if it has one. Raises NotCovered."""
    condition, parser = kwargs.get("row_condition"), kwargs.get("condition_parser")
    if condition is None:
        return None
    columns: set[str] = set()
    if isinstance(condition, dict) and parser in (None, "great_expectations"):
        return Condition(_of_json(condition, families, columns, depth=0), frozenset(columns))
    if not isinstance(condition, str) or parser != "pandas":
        raise NotCovered("row_condition")
    try:
        tree = parse_expression(condition.strip()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise NotCovered("row_condition") from error
    return Condition(_of_query(tree, families, columns), frozenset(columns))


def _of_json(
    entry: Mapping[str, Any], families: Families, columns: set[str], *, depth: int
) -> pl.Expr:
    kind, column = entry.get("type"), entry.get("column")
    if kind in ("and", "or") and set(entry) == {"type", "conditions"} and depth == 0:
        parts = entry["conditions"]
        if not isinstance(parts, list) or not 0 < len(parts) <= _MOST:
            raise NotCovered("row_condition")
        if not all(isinstance(part, dict) for part in parts):
            raise NotCovered("row_condition")
        join = operator.and_ if kind == "and" else operator.or_
        return reduce(join, [_of_json(part, families, columns, depth=1) for part in parts])
    if not isinstance(column, dict) or set(column) != {"name"}:
        raise NotCovered("row_condition")
    name = column["name"]
    if kind == "nullity" and set(entry) == {"type", "column", "is_null"}:
        return _nullity(name, entry["is_null"], families, columns)
    if kind == "comparison" and set(entry) == {"type", "column", "operator", "parameter"}:
        return _comparison(name, entry["operator"], entry["parameter"], families, columns)
    raise NotCovered("row_condition")


def _of_query(node: ast.expr, families: Families, columns: set[str]) -> pl.Expr:
    if isinstance(node, ast.BoolOp):
        join = operator.and_ if isinstance(node.op, ast.And) else operator.or_
        return reduce(join, [_of_query(value, families, columns) for value in node.values])
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.left, ast.Name):
        sign = _SIGNS.get(type(node.ops[0]), "")
        value = _plain(node.comparators[0])
        return _comparison(node.left.id, sign, value, families, columns)
    if isinstance(node, ast.Call) and not node.args and not node.keywords:
        method = node.func
        if isinstance(method, ast.Attribute) and isinstance(method.value, ast.Name):
            is_null = {"isnull": True, "isna": True, "notnull": False, "notna": False}
            return _nullity(method.value.id, is_null.get(method.attr), families, columns)
    raise NotCovered("row_condition")


def _plain(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        raise NotCovered("row_condition") from error


def _nullity(name: Any, is_null: Any, families: Families, columns: set[str]) -> pl.Expr:
    if not isinstance(name, str) or name not in families or not isinstance(is_null, bool):
        raise NotCovered("row_condition")
    columns.add(name)
    return pl.col(name).is_null() if is_null else pl.col(name).is_not_null()


def _comparison(name: Any, sign: Any, value: Any, families: Families, columns: set[str]) -> pl.Expr:
    if not isinstance(name, str) or name not in families:
        raise NotCovered("row_condition")
    family = families[name]
    columns.add(name)
    if sign == "IN" and isinstance(value, list) and value:
        if all(fits(family, item, exactly=True) for item in value):
            return pl.col(name).is_in(value)
    elif sign in _COMPARE and fits(family, value) and family != "bool":
        comparison: pl.Expr = _COMPARE[sign](pl.col(name), pl.lit(value))
        return comparison
    raise NotCovered("row_condition")
