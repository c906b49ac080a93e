"""Read an expectation suite, and know which columns each expectation needs.

A suite is JSON as Great Expectations 1.x writes it. What cannot be understood is a
GateError: Great Expectations itself logs an invalid expectation and leaves it out,
and a suite that lost a check must not pass.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from datahub.adapters.gate_gx.frames import Form
from datahub.core.check_needs import NAMES_ONLY, ROW_COUNTS, asks_nothing
from datahub.core.check_words import describe_notes
from datahub.core.errors import GateError
from datahub.core.exact_numbers import SAFE, Exact
from datahub.core.gate_suite import suite_of, where
from datahub.core.syntax import parse_expression

# These hold the values of several columns against each other.
_JOINT = frozenset(
    {"expect_column_pair_values_a_to_be_greater_than_b", "expect_column_pair_values_to_be_equal"}
    | {"expect_column_pair_values_to_be_in_set", "expect_multicolumn_sum_to_equal"}
    | {"expect_multicolumn_values_to_be_equal", "expect_multicolumn_values_to_be_unique"}
    | {"expect_select_column_values_to_be_unique_within_record"}
    | {"expect_compound_columns_to_be_unique"}
)
# These compute with floats, and with differences in the width of the column.
_FLOATS = frozenset(
    {"expect_column_value_z_scores_to_be_less_than", "expect_column_values_to_not_be_outliers"}
    | {"expect_column_quantile_values_to_be_between"}
)
# pandas evaluates a text row_condition as Python: what it may call is listed here.
_HARMLESS = frozenset(
    {"isnull", "notnull", "isna", "notna", "isin", "between", "abs", "str", "dt", "len"}
    | {"lower", "upper", "strip", "contains", "startswith", "endswith", "year", "month", "day"}
)
_DIVERGENCE = "expect_column_kl_divergence_to_be_less_than"
_BOUNDS = ("min_value", "max_value", "sum_total", "threshold")


@dataclass(frozen=True)
class Check:
    """One expectation, ready to be judged. `columns` None means all of them."""

    kind: str
    kwargs: Mapping[str, Any]
    severity: str
    columns: frozenset[str] | None
    names_only: bool
    expectation: Any  # a great_expectations Expectation
    notes: str = ""

    @property
    def form(self) -> Form:
        """In which types its columns are judged (frames)."""
        partition = self.kwargs.get("partition_object")
        in_bins = self.kind == _DIVERGENCE and not (partition and "values" in partition)
        floats = str(self.kwargs["column"]) if in_bins or self.kind in _FLOATS else ""
        return Form(joint=self.kind in _JOINT, floats=floats)

    @property
    def counts_rows(self) -> bool:
        """Whether no row can be what it asks for."""
        return self.kind in ROW_COUNTS

    @property
    def conditional(self) -> bool:
        """Whether it speaks of some rows only."""
        return bool(self.kwargs.get("row_condition"))


def read_suite(suite: bytes, *, name: str) -> list[Check]:
    """All expectations in order. Raises GateError; great_expectations must be importable."""
    read = suite_of(suite, name=name)
    return [
        _check(entry, read.parameters, where(name, number))
        for number, entry in enumerate(read.entries, 1)
    ]


def _parse(entry: Mapping[str, Any], parameters: Mapping[str, Any], at: str) -> tuple[Any, Any]:
    """The configuration of an entry and its expectation, in Great Expectations' own classes."""
    from great_expectations.exceptions import ExpectationNotFoundError, GreatExpectationsError
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    kwargs = {
        key: value
        for key, value in (entry.get("kwargs") or {}).items()
        if key not in ("result_format", "catch_exceptions")  # ours to choose
    }
    kwargs |= {key: _exact_bound(kwargs[key]) for key in _BOUNDS if key in kwargs}
    try:
        config = ExpectationConfiguration(
            type=entry["type"],
            kwargs=kwargs,
            meta=entry.get("meta"),
            severity=entry.get("severity") or "critical",
        )
        config.process_suite_parameters(parameters)
        expectation = config.to_domain_obj()
    except ExpectationNotFoundError as error:
        raise GateError(
            f"Suite {at}: Great Expectations knows no {entry['type']!r}.",
            hint="Check the spelling; custom expectations cannot be gates yet.",
        ) from error
    except (GreatExpectationsError, ValueError, TypeError, KeyError, AttributeError) as error:
        text = " ".join(str(error).split())[:300]
        raise GateError(f"Suite {at} ({entry['type']}) cannot be read: {text}") from error
    return config, expectation


def _check(entry: Mapping[str, Any], parameters: Mapping[str, Any], at: str) -> Check:
    config, expectation = _parse(entry, parameters, at)
    empty = asks_nothing(entry["type"], config.kwargs)
    if empty:
        raise GateError(
            f"Suite {at} ({entry['type']}) would let all pass: {empty}.",
            hint="Say what it asks of the data, or take it out of the suite.",
        )
    condition = getattr(expectation, "row_condition", None)
    return Check(
        kind=entry["type"],
        kwargs=config.kwargs,
        severity=str(config.severity.value),
        columns=_columns(entry["type"], config.kwargs, condition, at),
        names_only=entry["type"] in NAMES_ONLY and condition is None,
        expectation=expectation,
        notes=describe_notes(entry),
    )


def _exact_bound(value: Any) -> Any:
    """A whole number that Great Expectations would turn into a float, which is another number."""
    if type(value) is not int or abs(value) <= SAFE:
        return value
    try:
        float(value)
    except OverflowError:
        return value  # it says so itself
    return Exact(value)


def _columns(
    kind: str, kwargs: Mapping[str, Any], condition: Any, where: str
) -> frozenset[str] | None:
    if kind in NAMES_ONLY:
        return None
    names = {kwargs[key] for key in ("column", "column_A", "column_B") if key in kwargs}
    names |= set(kwargs.get("column_list") or ())
    if condition is not None:
        names |= _condition_columns(condition, where)
    if not names and kind not in ROW_COUNTS:
        return None
    return frozenset(str(column) for column in names)


def _condition_columns(condition: Any, where: str) -> set[str]:
    if hasattr(condition, "conditions"):
        return {
            column for inner in condition.conditions for column in _condition_columns(inner, where)
        }
    if hasattr(condition, "column"):
        return {condition.column.name}
    return query_columns(str(getattr(condition, "pass_through_filter", condition)), where)


def query_columns(query: str, where: str = "") -> set[str]:
    """Columns that a pandas query names. Raises GateError if it could do more than compare.

    >>> sorted(query_columns("`a b` > 2 and c.str.len() < 3"))
    ['a b', 'c']
    """
    tokens: dict[str, str] = {}

    def stand_in(match: re.Match[str]) -> str:
        return tokens.setdefault(match[1], f"_quoted_{len(tokens)}_")

    try:
        tree = parse_expression(re.sub(r"`([^`]*)`", stand_in, query.strip()))
    except (SyntaxError, ValueError, RecursionError) as error:
        raise GateError(f"Suite {where}: row_condition {query!r} cannot be read.") from error
    for node in ast.walk(tree):
        calls = isinstance(node, ast.Call) and not isinstance(node.func, ast.Attribute)
        reaches = isinstance(node, ast.Attribute) and node.attr not in _HARMLESS
        if calls or reaches or isinstance(node, (ast.Subscript, ast.Lambda, ast.JoinedStr)):
            raise GateError(
                f"Suite {where}: row_condition {query!r} does more than compare columns.",
                hint="Write it as a comparison of columns with values.",
            )
    originals = {token: original for original, token in tokens.items()}
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return {originals.get(name, name) for name in names}
