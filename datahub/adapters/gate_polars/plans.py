"""How an expectation is judged: what is measured of each part, and what the measures say.

Results have the form of Great Expectations' own, so that one module of words tells both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import polars as pl

from datahub.adapters.gate_polars import measures, rowwise, whole
from datahub.adapters.gate_polars.conditions import Condition, condition_of
from datahub.adapters.gate_polars.families import OTHER, Families
from datahub.adapters.gate_polars.kwargs import Asked, NotCovered, is_number
from datahub.adapters.gate_polars.measures import Bad, Domain, Measure, Measured, Numbers
from datahub.adapters.gate_polars.outcome import Outcome, is_between, mostly_met
from datahub.adapters.gate_polars.values import judge_values
from datahub.core.exact_numbers import Exact, near, rounded

_Finish = Callable[[Sequence[Measured]], Outcome | None]
_PAIRS = {
    "expect_column_pair_values_to_be_equal": rowwise.pair_equal,
    "expect_column_pair_values_a_to_be_greater_than_b": rowwise.pair_greater,
}
_RECORDS = {
    "expect_multicolumn_values_to_be_equal": rowwise.record_equal,
    "expect_select_column_values_to_be_unique_within_record": rowwise.record_unique,
    "expect_multicolumn_sum_to_equal": rowwise.record_sum,
}
_NULLS = ("expect_column_values_to_not_be_null", "expect_column_values_to_be_null")
_ORDERS = {
    "expect_column_values_to_be_increasing": 1,
    "expect_column_values_to_be_decreasing": -1,
}
_NUMBERS = ("min", "max", "mean", "sum", "stdev")
_OF_VALUES = frozenset(
    {"expect_column_unique_value_count_to_be_between"}
    | {"expect_column_proportion_of_unique_values_to_be_between"}
    | {"expect_column_distinct_values_to_be_in_set"}
    | {"expect_column_distinct_values_to_contain_set"}
    | {"expect_column_distinct_values_to_equal_set"}
    | {"expect_column_most_common_value_to_be_in_set"}
    | {"expect_column_kl_divergence_to_be_less_than"}
)


@dataclass(frozen=True)
class Plan:
    """`finish` says what the measures of all parts say; None where all rows are needed at once."""

    asked: Asked
    measure: Measure
    finish: _Finish
    whole: Callable[[Domain], Outcome] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the expectation is about."""
        return self.measure.columns


def plan_of(question: Asked, families: Families) -> Plan:
    """Raises NotCovered; KeyError for a column that is not there."""
    kind, kwargs = question.kind, question.kwargs
    condition = condition_of(kwargs, families)
    make = partial(_plan, question, condition)
    if "table_row_count" in kind:
        return make((), "rows", _rows_measure, partial(_row_count, kwargs))
    columns = _columns(kwargs)
    if kind in _NULLS:
        return _null_plan(make, question, families[columns[0]], columns)
    if kind == "expect_column_proportion_of_non_null_values_to_be_between":
        return make(columns, "nulls", partial(_nulls_measure, columns), partial(_nonnull, kwargs))
    if any(families[name] == OTHER for name in columns):
        raise NotCovered("a column of another type")
    if kind in _PAIRS or kind in _RECORDS:
        bad_rows = (_PAIRS.get(kind) or _RECORDS[kind])(kwargs, families)
        return _each(make, kwargs, columns, bad_rows, skip=rowwise.passed_over(kwargs, columns))
    if kind == "expect_compound_columns_to_be_unique":
        if any(families[name] == "float" for name in columns) and len(columns) > 8:
            raise NotCovered("many columns")
        return _whole_plan(make, columns, partial(whole.compound_unique, kwargs, columns))
    return _column_plan(make, question, families, columns[0])


def _null_plan(
    make: Callable[..., Plan], question: Asked, family: str, columns: Sequence[str]
) -> Plan:
    value, wants_nulls = pl.col(columns[0]), question.kind == _NULLS[1]
    if wants_nulls and family == OTHER:
        raise NotCovered("values of another type are told")
    bad = value.is_not_null() if wants_nulls else value.is_null()
    return _each(make, question.kwargs, columns, lambda frame: bad, skip=None, keeps_missing=False)


def _column_plan(
    make: Callable[..., Plan], question: Asked, families: Families, column: str
) -> Plan:
    """The plan of an expectation about the values of one column, all of a covered type."""
    kind, kwargs, columns = question.kind, question.kwargs, [column]
    if kind == "expect_column_values_to_be_unique":
        compute = measures.distinct(column)
        return make(
            columns,
            "distinct",
            compute,
            _unique_if_apart,
            partial(whole.unique, kwargs, column),
        )
    if kind in _ORDERS:
        return _ordered(make, kwargs, families, sign=_ORDERS[kind])
    if kind in _OF_VALUES:
        finish = partial(_values, question, families[column])
        counts = partial(whole.values, question, column, families[column])
        return make(columns, "values", measures.values(column), finish, counts)
    stem = kind.removeprefix("expect_column_").removesuffix("_to_be_between")
    if stem in (*_NUMBERS, "median", "quantile_values"):
        if families[column] not in ("int", "float"):
            raise NotCovered("no numbers")
        if stem not in _NUMBERS:
            middle = whole.median if stem == "median" else whole.quantiles
            return _whole_plan(make, columns, partial(middle, kwargs, column))
        number = partial(_number, stem, kwargs, is_float=families[column] == "float")
        return make(columns, "numbers", measures.numbers(column), number)
    return _each(make, kwargs, columns, _bad(kind, kwargs, families), skip=pl.col(column).is_null())


def _plan(
    question: Asked,
    condition: Condition | None,
    columns: Sequence[str],
    name: str,
    compute: Callable[[Domain], Measured],
    finish: _Finish,
    all_at_once: Callable[[Domain], Outcome] | None = None,
    words: Sequence[Any] = (),
) -> Plan:
    where = [question.kwargs.get("row_condition"), question.kwargs.get("condition_parser")]
    measure = Measure((name, where, *words), tuple(columns), condition, compute)
    return Plan(question, measure, finish, all_at_once)


def _columns(kwargs: Mapping[str, Any]) -> tuple[str, ...]:
    if "column_list" in kwargs:
        return tuple(kwargs["column_list"])
    return tuple(kwargs[name] for name in ("column", "column_A", "column_B") if name in kwargs)


def _bad(kind: str, kwargs: Mapping[str, Any], families: Families) -> Bad:
    """The rows that fail a check of one column, each by itself."""
    stem = kind.removeprefix("expect_column_")
    is_positive = "_not_" not in stem
    if stem == "values_to_be_between":
        return rowwise.between(kwargs, families)
    if stem in ("values_to_be_in_set", "values_to_not_be_in_set"):
        return rowwise.in_set(kwargs, families, wanted=is_positive)
    if "match_regex" in stem:
        patterns = kwargs["regex_list"] if "regex_list" in kwargs else [kwargs["regex"]]
        every = kwargs.get("match_on") == "all"
        return rowwise.regexes(kwargs, families, patterns, wanted=is_positive, every=every)
    if "value_lengths" in stem:
        return rowwise.lengths(kwargs, families)
    if stem == "values_to_be_json_parseable":
        return rowwise.parsed(kwargs, families, rowwise.is_json)
    if stem == "values_to_be_dateutil_parseable":
        return rowwise.parsed(kwargs, families, rowwise.is_date)
    if stem == "values_to_match_strftime_format":
        return rowwise.parsed(kwargs, families, rowwise.has_format(kwargs["strftime_format"]))
    raise NotCovered(kind)


def _each(
    make: Callable[..., Plan],
    kwargs: Mapping[str, Any],
    columns: Sequence[str],
    bad: Bad,
    *,
    skip: pl.Expr | None,
    keeps_missing: bool = True,
) -> Plan:
    finish = partial(_each_met, kwargs, columns, keeps_missing=keeps_missing)
    compute = measures.bad_rows(columns, bad, skip=skip)
    question: Asked = make.args[0]  # type: ignore[attr-defined]
    rest = {name: value for name, value in kwargs.items() if name != "mostly"}
    return make(columns, "bad", compute, finish, words=[question.kind, rest])


def _each_met(
    kwargs: Mapping[str, Any],
    columns: Sequence[str],
    parts: Sequence[Measured],
    *,
    keeps_missing: bool,
) -> Outcome:
    return mostly_met(kwargs, columns, measures.add_bad(parts), keeps_missing=keeps_missing)


def _ordered(
    make: Callable[..., Plan], kwargs: Mapping[str, Any], families: Families, *, sign: int
) -> Plan:
    column, strictly = kwargs["column"], bool(kwargs.get("strictly"))
    if families[column] not in ("int", "float"):
        raise NotCovered("no numbers")

    def finish(parts: Sequence[Measured]) -> Outcome:
        total = measures.add_order(parts, strictly=strictly, sign=sign)
        return mostly_met(kwargs, [column], total)

    compute = measures.order(column, strictly=strictly, sign=sign)
    return make([column], "order", compute, finish, words=[strictly, sign])


def _whole_plan(
    make: Callable[..., Plan], columns: Sequence[str], judge: Callable[[Domain], Outcome]
) -> Plan:
    return make(columns, "nulls", partial(_nulls_measure, columns), lambda parts: None, judge)


def _rows_measure(domain: Domain) -> Measured:
    return measures.with_nulls(domain, (), {})


def _nulls_measure(columns: Sequence[str], domain: Domain) -> Measured:
    return measures.with_nulls(domain, columns, {})


def _row_count(kwargs: Mapping[str, Any], parts: Sequence[Measured]) -> Outcome:
    rows = sum(part["rows"] for part in parts)
    is_met = rows == kwargs["value"] if "value" in kwargs else is_between(rows, kwargs)
    return Outcome(is_met, {"observed_value": rows}, rows, [])


def _nonnull(kwargs: Mapping[str, Any], parts: Sequence[Measured]) -> Outcome:
    rows, nulls = sum(part["rows"] for part in parts), measures.add_nulls(parts)
    if not rows:
        raise NotCovered("no row")
    share = (rows - nulls[0]) / rows
    return Outcome(is_between(share, kwargs), {"observed_value": share}, rows, nulls)


def _unique_if_apart(parts: Sequence[Measured]) -> Outcome | None:
    if not measures.are_apart(parts):
        return None
    nulls, rows = measures.add_nulls(parts), sum(part["rows"] for part in parts)
    result = {"element_count": rows, "missing_count": nulls[0], "unexpected_count": 0}
    return Outcome(True, result, rows, nulls)


def _values(question: Asked, family: str, parts: Sequence[Measured]) -> Outcome | None:
    counts = measures.add_values(parts)
    if counts is None:
        return None
    rows = sum(part["rows"] for part in parts)
    return judge_values(question, family, counts, rows, measures.add_nulls(parts))


def _number(
    stem: str, kwargs: Mapping[str, Any], parts: Sequence[Measured], *, is_float: bool
) -> Outcome:
    numbers = Numbers.of(parts)
    total = rounded(numbers.sum) if is_float else numbers.sum
    if stem in ("min", "max"):
        value = Exact(numbers.least if stem == "min" else numbers.most)
    elif stem == "sum":
        value = Exact(total)
    elif stem == "mean":
        value = near(total / numbers.count)
    elif numbers.count < 2 or not math.isfinite(numbers.squares):
        raise NotCovered("no deviation")
    else:
        value = Exact(math.sqrt(numbers.squares / (numbers.count - 1)))
    assert all(is_number(kwargs.get(name, 0)) for name in ("min_value", "max_value"))
    return Outcome(
        is_between(value, kwargs), {"observed_value": value}, numbers.rows, numbers.nulls
    )
