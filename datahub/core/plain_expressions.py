"""Polars expressions as plain data, and back: for those made of parts that are listed here.

`Expr.deserialize` runs what a Python function inside an expression pickled. Here, every part is
built by name from the list below, so text from an untrusted place can at most be refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

_DEEPEST = 40
_OPERATORS: dict[str, Callable[[Any, Any], pl.Expr]] = {
    "Eq": lambda a, b: a == b,
    "NotEq": lambda a, b: a != b,
    "Lt": lambda a, b: a < b,
    "LtEq": lambda a, b: a <= b,
    "Gt": lambda a, b: a > b,
    "GtEq": lambda a, b: a >= b,
    "And": lambda a, b: a & b,
    "Or": lambda a, b: a | b,
    "Plus": lambda a, b: a + b,
    "Minus": lambda a, b: a - b,
    "Multiply": lambda a, b: a * b,
    "Modulus": lambda a, b: a % b,
}
_FUNCTIONS: dict[tuple[str, str], Callable[..., pl.Expr]] = {
    ("Boolean", "IsNull"): lambda a: a.is_null(),
    ("Boolean", "IsNotNull"): lambda a: a.is_not_null(),
    ("Boolean", "Not"): lambda a: ~a,
    ("StringExpr", "LenChars"): lambda a: a.str.len_chars(),
    ("StringExpr", "LenBytes"): lambda a: a.str.len_bytes(),
    ("StringExpr", "Lowercase"): lambda a: a.str.to_lowercase(),
    ("StringExpr", "Uppercase"): lambda a: a.str.to_uppercase(),
    ("StringExpr", "StartsWith"): lambda a, b: a.str.starts_with(b),
    ("StringExpr", "EndsWith"): lambda a, b: a.str.ends_with(b),
}


def expression_of(tree: object, *, depth: int = 0) -> pl.Expr:
    """Build the expression that polars writes as this JSON. Raises ValueError for any other part.

    >>> expr = expression_of({"BinaryExpr": {
    ...     "left": {"Column": "n"}, "op": "Gt", "right": {"Literal": {"Dyn": {"Int": 3}}}}})
    >>> expr.meta.eq(pl.col("n") > 3)
    True
    >>> expression_of({"AnonymousFunction": {"function": [80, 76, 80, 89]}})
    Traceback (most recent call last):
    ValueError: a part that is not plain: AnonymousFunction
    """
    kind, content = _only(tree)
    if depth > _DEEPEST:
        raise ValueError("an expression that is too deep")

    def inner(part: object) -> pl.Expr:
        return expression_of(part, depth=depth + 1)

    if kind == "Column" and isinstance(content, str) and content != "*" and content[:1] != "^":
        return pl.col(content)
    if kind == "Literal":
        return pl.lit(_literal(content))
    if kind == "BinaryExpr" and isinstance(content, Mapping) and content.get("op") in _OPERATORS:
        return _OPERATORS[content["op"]](inner(content.get("left")), inner(content.get("right")))
    if kind == "Ternary" and isinstance(content, Mapping):
        predicate, yes, no = (inner(content.get(name)) for name in ("predicate", "truthy", "falsy"))
        return pl.when(predicate).then(yes).otherwise(no)
    if (
        kind == "Function"
        and isinstance(content, Mapping)
        and isinstance(content.get("input"), list)
    ):
        return _function(content.get("function"), [inner(part) for part in content["input"]])
    raise ValueError(f"a part that is not plain: {kind}")


def _function(function: object, inputs: list[pl.Expr]) -> pl.Expr:
    family, name = _only(function)
    try:
        if isinstance(name, str):
            return _FUNCTIONS[family, name](*inputs)
        kind, options = _only(name)
        if (family, kind) == ("StringExpr", "Contains"):
            text, pattern = inputs
            return text.str.contains(pattern, literal=options["literal"], strict=options["strict"])
        if (family, kind) == ("Boolean", "IsBetween"):
            value, low, high = inputs
            return value.is_between(low, high, closed=options["closed"].lower())
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a function that is not plain: {name}") from error
    raise ValueError(f"a function that is not plain: {kind}")


def _literal(literal: object) -> object:
    family, value = _only(literal)
    kind, plain = _only(value)
    kinds: dict[tuple[str, str], type] = {
        ("Dyn", "Int"): int,
        ("Dyn", "Float"): float,
        ("Scalar", "String"): str,
        ("Scalar", "Boolean"): bool,
    }
    if type(plain) is kinds.get((family, kind)):
        return plain
    raise ValueError(f"a literal that is not plain: {kind}")


def _only(tree: object) -> tuple[str, Any]:
    if isinstance(tree, Mapping) and len(tree) == 1:
        ((kind, content),) = tree.items()
        return str(kind), content
    raise ValueError("a part that is not plain")
