"""Which rows do not meet an expectation, as expressions of polars.

Each function takes the kwargs and the families of the columns, and gives a function from a frame
to an expression that is true where a row fails. Nulls are passed over by whoever asks.
"""

from __future__ import annotations

import json
import math
import operator
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import reduce
from typing import Any

import polars as pl

from datahub.adapters.gate_polars.families import Families, fits
from datahub.adapters.gate_polars.kwargs import NotCovered
from datahub.adapters.gate_polars.measures import Bad
from datahub.core.errors import GateError
from datahub.core.exact_numbers import literal_value
from datahub.core.linear_regex import NoLinearForm, linear

SECONDS = 60.0  # for the checks of texts that Python does one by one
_Kwargs = Mapping[str, Any]
_WHOLE = (-(2**63), 2**63 - 1)


def between(kwargs: _Kwargs, families: Families) -> Bad:
    """Numbers outside of bounds: whole ones are held against whole ones."""
    column, family = pl.col(kwargs["column"]), families[kwargs["column"]]
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    if family not in ("int", "float") or not all(
        limit is None or fits(family, limit) for limit in (low, high)
    ):
        raise NotCovered("bounds of this type")
    good = []
    if low is not None:
        good.append(_above(column, low, strictly=kwargs.get("strict_min", False), family=family))
    if high is not None:
        good.append(_below(column, high, strictly=kwargs.get("strict_max", False), family=family))
    return lambda frame: ~reduce(operator.and_, good)


def _above(column: pl.Expr, limit: float, *, strictly: bool, family: str) -> pl.Expr:
    if family == "float":
        return column > float(limit) if strictly else column >= float(limit)
    exact = literal_value(limit)
    least = math.ceil(exact)
    if least > _WHOLE[1] or least < _WHOLE[0]:
        return pl.lit(value=least < 0) & column.is_not_null()
    return column > least if strictly and least == exact else column >= least


def _below(column: pl.Expr, limit: float, *, strictly: bool, family: str) -> pl.Expr:
    if family == "float":
        return column < float(limit) if strictly else column <= float(limit)
    exact = literal_value(limit)
    most = math.floor(exact)
    if most > _WHOLE[1] or most < _WHOLE[0]:
        return pl.lit(value=most > 0) & column.is_not_null()
    return column < most if strictly and most == exact else column <= most


def in_set(kwargs: _Kwargs, families: Families, *, wanted: bool = True) -> Bad:
    """Values that are not in a set (or are, where that is not wanted)."""
    column, family = kwargs["column"], families[kwargs["column"]]
    values = plain_set(kwargs["value_set"], family)
    is_in = pl.col(column).is_in(pl.Series(values, dtype=_DTYPES[family]).implode())
    if not values:
        is_in = pl.col(column).is_not_null() & False
    return lambda frame: ~is_in if wanted else is_in


_DTYPES: dict[str, Any] = {
    "int": pl.Int64,
    "float": pl.Float64,
    "text": pl.String,
    "bool": pl.Boolean,
}


def plain_set(values: Sequence[Any], family: str) -> list[Any]:
    """The values that one of such a column can equal. Raises NotCovered: not of its family."""
    if not all(fits(family, value) for value in values):
        raise NotCovered("values of another type")
    if family == "int":
        exact = [literal_value(value) for value in values]
        return sorted({int(value) for value in exact if value.denominator == 1})
    return list(dict.fromkeys(float(v) if family == "float" else v for v in values))


def regexes(
    kwargs: _Kwargs, families: Families, patterns: Sequence[str], *, wanted: bool, every: bool
) -> Bad:
    """Texts that do not match one (or `every`) of some patterns; or do, where none is wanted."""
    column = _text(kwargs, families)
    try:
        matches = [column.str.contains(linear(pattern), strict=True) for pattern in patterns]
    except NoLinearForm as error:
        raise NotCovered("a regex without a linear form") from error
    matches_all = reduce(operator.and_ if every else operator.or_, matches)
    return lambda frame: ~matches_all if wanted else matches_all


def lengths(kwargs: _Kwargs, families: Families) -> Bad:
    """Texts that are too short or too long, in characters."""
    length = _text(kwargs, families).str.len_chars().cast(pl.Int64)
    if "value" in kwargs:
        return lambda frame: length != kwargs["value"]
    good = []
    if "min_value" in kwargs:
        low = kwargs["min_value"]
        good.append(length > low if kwargs.get("strict_min") else length >= low)
    if "max_value" in kwargs:
        high = kwargs["max_value"]
        good.append(length < high if kwargs.get("strict_max") else length <= high)
    return lambda frame: ~reduce(operator.and_, good)


def parsed(kwargs: _Kwargs, families: Families, reads: Callable[[str], bool]) -> Bad:
    """Texts that a function of Python does not read; it is asked once for each."""
    column = _text(kwargs, families)
    name = kwargs["column"]

    def bad(frame: pl.DataFrame) -> pl.Expr:
        until = time.monotonic() + SECONDS
        wrong = []
        for number, text in enumerate(frame[name].drop_nulls().unique().to_list()):
            if number % 256 == 0 and time.monotonic() > until:
                raise GateError(f"It took longer than {SECONDS:.0f} s.")
            if not reads(text):
                wrong.append(text)
        if not wrong:
            return column.is_not_null() & False
        return column.is_in(pl.Series(wrong, dtype=pl.String).implode())

    return bad


def is_json(text: str) -> bool:
    """Whether Python's reader takes it."""
    try:
        json.loads(text)
    except Exception:  # noqa: BLE001 - as Great Expectations has it
        return False
    return True


def is_date(text: str) -> bool:
    """Whether dateutil reads it."""
    from dateutil.parser import parse

    try:
        parse(text)
    except (ValueError, OverflowError):
        return False
    return True


def has_format(form: str) -> Callable[[str], bool]:
    """Whether a text is a time in this form."""

    def reads(text: str) -> bool:
        try:
            datetime.strptime(text, form)
        except ValueError:
            return False
        return True

    return reads


def _text(kwargs: _Kwargs, families: Families) -> pl.Expr:
    if families[kwargs["column"]] != "text":
        raise NotCovered("no text")
    return pl.col(kwargs["column"])


def together(columns: Sequence[str], families: Families, *among: str) -> str:
    """The one family of some columns. Raises NotCovered where they have several, or another."""
    kinds = {families[name] for name in columns}
    if len(kinds) != 1 or not kinds <= set(among):
        raise NotCovered("columns of several types")
    return kinds.pop()


def pair_equal(kwargs: _Kwargs, families: Families) -> Bad:
    """Rows whose two values differ; a null equals nothing."""
    names = [kwargs["column_A"], kwargs["column_B"]]
    together(names, families, "int", "float", "text")
    equal = (pl.col(names[0]) == pl.col(names[1])).fill_null(value=False)
    return lambda frame: ~equal


def pair_greater(kwargs: _Kwargs, families: Families) -> Bad:
    """Rows whose first value is not above the second."""
    names = [kwargs["column_A"], kwargs["column_B"]]
    together(names, families, "int", "float", "text")
    first, second = map(pl.col, names)
    above = first >= second if kwargs.get("or_equal") else first > second
    return lambda frame: ~above.fill_null(value=False)


def record_equal(kwargs: _Kwargs, families: Families) -> Bad:
    """Rows whose values are not all the same; nulls are."""
    names = kwargs["column_list"]
    together(names, families, "int", "float", "text")
    equalities = [pl.col(names[0]).eq_missing(pl.col(name)) for name in names[1:]]
    return lambda frame: ~reduce(operator.and_, equalities)


def record_unique(kwargs: _Kwargs, families: Families) -> Bad:
    """Rows in which a value comes twice; nulls are one."""
    names = kwargs["column_list"]
    together(names, families, "int", "float", "text")
    if len(names) > 12 or len(set(names)) < len(names):
        raise NotCovered("many columns")
    equalities = [
        pl.col(first).eq_missing(pl.col(second))
        for place, first in enumerate(names)
        for second in names[:place]
    ]
    return lambda frame: reduce(operator.or_, equalities)


def record_sum(kwargs: _Kwargs, families: Families) -> Bad:
    """Rows whose values do not add up; with a null among them they add up to nothing."""
    names, total = kwargs["column_list"], kwargs["sum_total"]
    family = together(names, families, "int", "float")
    if len(names) > 7 or len(set(names)) < len(names) or not fits("float", total):
        raise NotCovered("many columns")
    limit = 2**53 // len(names)

    def bad(frame: pl.DataFrame) -> pl.Expr:
        if family == "int" and any(
            (frame[name].abs() > limit).any() or (frame[name] == _WHOLE[0]).any() for name in names
        ):
            raise NotCovered("a sum past 2**53")
        sums = reduce(operator.add, [pl.col(name) for name in names])
        return (sums.cast(pl.Float64) != float(total)).fill_null(value=True)

    return bad


def passed_over(kwargs: _Kwargs, columns: Sequence[str]) -> pl.Expr | None:
    """Rows of several columns that are not judged (`ignore_row_if`)."""
    rule = kwargs.get("ignore_row_if", "both" if "column_A" in kwargs else "all")
    nulls = [pl.col(name).is_null() for name in columns]
    if rule.startswith(("both", "all")):
        return reduce(operator.and_, nulls)
    if rule.startswith(("either", "any")):
        return reduce(operator.or_, nulls)
    return None
