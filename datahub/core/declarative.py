"""Declarative labeling functions: keywords, regex, lookup, threshold and expression.

Said once, run as polars expressions (`core.declarative_lf`). All take `where`, a boolean
expression that narrows: only where it holds do they vote.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from datahub.core.batch import Label
from datahub.core.declarative_lf import (
    HITS_COLUMN,
    PYTHON_REGEX,
    DeclarativeLF,
    Needle,
    Takes,
    vote_of,
)
from datahub.core.errors import LabelingFunctionError

_META = set("\\.+*?()|[]{}^$#&-~")
_LABELS = 127  # votes are int8, and -1 is ABSTAIN
_WHOLE = 2**127


def keywords(
    name: str,
    words: Sequence[str],
    label: Label,
    *,
    column: str = "text",
    at_least: int = 1,
    where: pl.Expr | None = None,
) -> DeclarativeLF:
    """Vote where at least `at_least` different ones of the words stand, whole, in any case.

    `label`, here and below, is a class by its name, or by its number in the dataset's order.

    >>> from types import SimpleNamespace
    >>> lf = keywords("goal", ["goal", "free kick"], 3)
    >>> lf(SimpleNamespace(text="A Free Kick!")), lf(SimpleNamespace(text="the goalkeeper"))
    (3, -1)
    """
    terms = [words] if isinstance(words, str) else list(words)
    if not terms or not all(isinstance(word, str) and word.strip() for word in terms):
        raise LabelingFunctionError(
            f"LF {name!r} has no words, or an empty one.", hint="Give a list of words.", lf=name
        )
    _check_at_least(name, terms, at_least)
    text = _column(name, column).cast(pl.String)
    if at_least == 1:
        condition = text.str.contains("(?i)(?:" + "|".join(_whole(word) for word in terms) + ")")
    else:
        hits = [text.str.contains("(?i)" + _whole(word)).cast(pl.Int32) for word in terms]
        condition = pl.sum_horizontal(hits) >= at_least
    _check_size(name, terms, condition, column)
    items = (("words", repr(terms)), ("column", column), ("at_least", str(at_least)))
    lf = _one_class(name, label, condition, "keywords", items, where, text=column)
    if where is not None:  # it may look at other rows: no row is left out of its sight
        return lf
    return replace(lf, needles=_needles(terms), at_least=at_least)


def _check_at_least(name: str, words: Sequence[str], at_least: int) -> None:
    if type(at_least) is not int or not 1 <= at_least <= len(words):
        raise LabelingFunctionError(
            f"LF {name!r} asks for at least {at_least!r} of {len(words)} words.",
            hint=f"`at_least` is between 1 and {len(words)}.",
            lf=name,
        )
    if at_least > 1 and len({" ".join(word.lower().split()) for word in words}) < len(words):
        raise LabelingFunctionError(
            f"LF {name!r} names a word twice: one place in a text would count as two words.",
            hint="Name each word once.",
            lf=name,
        )


def _check_size(name: str, words: Sequence[str], condition: pl.Expr, column: str) -> None:
    """Raise LabelingFunctionError where polars refuses the pattern that the words make."""
    try:
        pl.DataFrame({column: [""]}).select(condition)
    except pl.exceptions.ComputeError as error:
        raise LabelingFunctionError(
            f"LF {name!r} has {len(words)} words, more than one pattern can hold: "
            f"{str(error).strip().splitlines()[0]}",
            hint="Make several LFs of them, or use a lookup().",
            lf=name,
        ) from error


def regex(
    name: str,
    pattern: str,
    label: Label,
    *,
    column: str = "text",
    ignore_case: bool = True,
    where: pl.Expr | None = None,
) -> DeclarativeLF:
    r"""Vote where the pattern is found.

    It runs in polars (Rust's syntax). A pattern that polars cannot run, with look-around or a
    backreference, runs in Python's `re`, slower; `lf run` says so.

    >>> from types import SimpleNamespace
    >>> regex("money", r"[£$]\d+", 0)(SimpleNamespace(text="worth £30m"))
    0
    """
    if not isinstance(pattern, str):
        raise LabelingFunctionError(
            f"LF {name!r} has the pattern {pattern!r}.", hint="A pattern is text.", lf=name
        )
    full = ("(?i)" if ignore_case else "") + pattern
    text, kind = _column(name, column).cast(pl.String), "regex"
    try:
        pl.select(pl.lit("").str.contains(full))
        condition, search = text.str.contains(full), None
    except pl.exceptions.ComputeError as error:
        condition, kind = pl.col(HITS_COLUMN), PYTHON_REGEX
        search = _in_python(name, pattern, ignore_case, error)
    items = (("pattern", full), ("column", column))
    lf = _one_class(name, label, condition, kind, items, where, text=column)
    return replace(lf, search=search)


def lookup(
    name: str,
    table: Mapping[str, Label] | Mapping[int, Label] | Mapping[bool, Label],
    *,
    column: str,
    where: pl.Expr | None = None,
) -> DeclarativeLF:
    """Vote the class that the table has for a column's value; abstain where it has none.

    >>> from types import SimpleNamespace
    >>> lf = lookup("sender", {"bank.example": 0, "win.example": 1}, column="domain")
    >>> [lf(SimpleNamespace(domain=d)) for d in ("win.example", "Win.example", None)]
    [1, -1, -1]
    """
    kinds = {type(value) for value in table} if isinstance(table, Mapping) else set()
    names = sorted(kind.__name__ for kind in kinds)
    if len(kinds) != 1 or not kinds <= {str, int, bool}:
        raise LabelingFunctionError(
            f"LF {name!r} has a table of {' and '.join(names) or 'nothing'}.",
            hint="Its values are all text, all whole numbers, or all booleans.",
            lf=name,
        )
    if kinds == {int}:
        _check_whole(name, table)
    texts = kinds == {str}
    value = _column(name, column)
    value = value.cast(pl.String) if texts else value
    groups: dict[Label, list[object]] = {}
    for key, label in table.items():
        groups.setdefault(_checked_label(name, label), []).append(key)
    items: tuple[tuple[str, str], ...] = (
        ("table", repr(sorted(table.items()))),
        ("column", column),
    )
    arms = [(value.is_in(keys), label) for label, keys in groups.items()]
    if where is not None:
        _, items = _narrow(name, None, items, where)
        arms = [(where & condition, label) for condition, label in arms]
    read = (column,) if texts else ()
    takes: Takes = "texts" if texts else "booleans" if kinds == {bool} else "whole numbers"
    vote = vote_of(tuple(arms))
    return DeclarativeLF(name, None, vote, "lookup", items, read, takes=takes, arms=tuple(arms))


def threshold(
    name: str,
    column: str,
    label: Label,
    *,
    above: float | None = None,
    below: float | None = None,
    where: pl.Expr | None = None,
) -> DeclarativeLF:
    """Vote where a number is above, below, or (both given) between; the bounds do not vote.

    Neither null nor NaN votes. A column that holds no numbers (times, texts, booleans) is refused
    when the LF runs.

    >>> from types import SimpleNamespace
    >>> lf = threshold("long", "words", 1, above=100, below=1000)
    >>> [lf(SimpleNamespace(words=n)) for n in (100, 101, 1000, float("nan"))]
    [-1, 1, -1, -1]
    """
    bounds = [limit for limit in (above, below) if limit is not None]
    numbers = all(isinstance(b, int | float) and not isinstance(b, bool) and b == b for b in bounds)
    if not bounds or not numbers or (above is not None and below is not None and above >= below):
        raise LabelingFunctionError(
            f"LF {name!r} has the bounds above={above!r}, below={below!r}.",
            hint="Give one or both as numbers, `above` less than `below`.",
            lf=name,
        )
    _check_whole(name, [limit for limit in bounds if isinstance(limit, int)])
    value = _column(name, column)
    condition = value.cast(pl.Float64).is_not_nan()
    if above is not None:
        condition &= value > _bound_expr(above)
    if below is not None:
        condition &= value < _bound_expr(below)
    bound_items = (("above", repr(above)), ("below", repr(below)), ("column", column))
    # votes of before, which took any type, are not these
    items = (*bound_items, ("takes", "numbers"))
    return replace(_one_class(name, label, condition, "threshold", items, where), takes="numbers")


def expression(
    name: str, expr: pl.Expr, label: Label | None = None, *, where: pl.Expr | None = None
) -> DeclarativeLF:
    """Vote `label` where a boolean polars expression holds; or, without, the class it gives.

    Without a label the expression gives class names or numbers, ABSTAIN or null. Either kind
    is judged row by row: an expression that looks at other rows (a mean, a window) would vote
    differently on every batch.

    >>> from types import SimpleNamespace
    >>> short = expression("short", pl.col("text").str.len_chars() < 10, 1)
    >>> short(SimpleNamespace(text="hi")), short(SimpleNamespace(text="a long enough text"))
    (1, -1)
    >>> parity = expression("parity", pl.when(pl.col("n") > 0).then(pl.col("n") % 2))
    >>> [parity(SimpleNamespace(n=n)) for n in (-1, 1, 2)]
    [-1, 1, 0]
    """
    if not isinstance(expr, pl.Expr) or not expr.meta.root_names():
        raise LabelingFunctionError(
            f"LF {name!r} needs a polars expression over at least one column.",
            hint='For example: expression("short", pl.col("text").str.len_chars() < 80, 1)',
            lf=name,
        )
    items = (("expression", expr.meta.serialize(format="json")),)
    if label is None:
        return _many_classes(name, expr, "expression", items, where)
    return _one_class(name, label, expr, "expression", items, where)


def _one_class(
    name: str,
    label: Label,
    condition: pl.Expr,
    kind: str,
    items: tuple[tuple[str, str], ...],
    where: pl.Expr | None,
    *,
    text: str | None = None,
) -> DeclarativeLF:
    holds, items = _narrow(name, condition, items, where)
    arms = ((holds, _checked_label(name, label)),)
    takes: Takes = "any" if text is None else "texts"
    columns = () if text is None else (text,)
    return DeclarativeLF(name, label, vote_of(arms), kind, items, columns, takes=takes, arms=arms)


def _many_classes(
    name: str,
    vote: pl.Expr,
    kind: str,
    items: tuple[tuple[str, str], ...],
    where: pl.Expr | None,
) -> DeclarativeLF:
    if where is not None:
        holds, items = _narrow(name, None, items, where)
        vote = pl.when(holds).then(vote)
    return DeclarativeLF(name, None, vote, kind, items)


def _narrow(
    name: str,
    condition: pl.Expr | None,
    items: tuple[tuple[str, str], ...],
    where: pl.Expr | None,
) -> tuple[pl.Expr, tuple[tuple[str, str], ...]]:
    if where is None:
        return pl.lit(value=True) if condition is None else condition, items
    if not isinstance(where, pl.Expr) or not where.meta.root_names():
        raise LabelingFunctionError(
            f"LF {name!r} has a `where` that is no polars expression over a column.",
            hint='For example: where=pl.col("lang") == "en"',
            lf=name,
        )
    items = (*items, ("where", where.meta.serialize(format="json")))
    return where if condition is None else where & condition, items


def _check_whole(name: str, numbers: Iterable[Any]) -> None:
    """Raise LabelingFunctionError for a whole number that no column can hold."""
    for number in numbers:
        if not -_WHOLE <= number < _WHOLE:
            raise LabelingFunctionError(
                f"LF {name!r} has a number of {number.bit_length()} bits.",
                hint="Columns hold whole numbers of at most 128 bits.",
                lf=name,
            )


def _column(name: str, column: str) -> pl.Expr:
    if not isinstance(column, str):
        raise LabelingFunctionError(
            f"LF {name!r} looks at column {column!r}.", hint="A column's name is text.", lf=name
        )
    if column == "*" or (column.startswith("^") and column.endswith("$")):
        raise LabelingFunctionError(
            f"LF {name!r} looks at {column!r}, which is a pattern of columns' names.",
            hint="Name one column.",
            lf=name,
        )
    return pl.col(column)


def _bound_expr(value: float) -> pl.Expr:
    """A bound, never rounded to the column's type: 0.1 is more than a Float32 makes of it."""
    return pl.lit(value, pl.Float64) if isinstance(value, float) else pl.lit(value)


def _in_python(
    name: str, pattern: str, ignore_case: bool, polars_error: Exception
) -> Callable[[str], object]:
    """The search of Python's `re`. Raises where that cannot compile the pattern either."""
    try:
        return re.compile(pattern, re.IGNORECASE if ignore_case else 0).search
    except (re.error, RecursionError, OverflowError) as error:
        raise LabelingFunctionError(
            f"LF {name!r} has a pattern that cannot be run: {error}; "
            f"polars says: {str(polars_error).strip().splitlines()[-1]}",
            hint="Fix the pattern, or write a Snorkel @labeling_function.",
            lf=name,
        ) from error


def _whole(word: str) -> str:
    pattern = "".join("\\" + c if c in _META else c for c in word.strip())
    pattern = r"\s+".join(pattern.split())
    first = r"\b" if word.strip()[0].isalnum() else ""
    last = r"\b" if word.strip()[-1].isalnum() else ""
    return f"{first}{pattern}{last}"


def _needles(words: Sequence[str]) -> tuple[Needle, ...]:
    """One for each keyword, the longest ASCII part of a phrase; none where one has none."""
    needles = []
    for word in words:
        parts = word.split()
        plain = [part.lower() for part in parts if part.isascii()]
        if not plain:
            return ()
        needles.append(Needle(max(plain, key=len), alone=len(parts) == 1))
    return tuple(needles)


def _checked_label(name: str, label: Label) -> Label:
    if isinstance(label, str) and label:
        return label
    if isinstance(label, bool | str) or not isinstance(label, int) or not 0 <= label < _LABELS:
        raise LabelingFunctionError(
            f"LF {name!r} votes {label!r}, which is not a class.",
            hint="Name one, or give its number from 0 in the order of the dataset's class names.",
            lf=name,
        )
    return int(label)
