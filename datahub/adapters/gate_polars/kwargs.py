"""Which expectations are judged on polars, and what their kwargs may be.

Only what is written exactly as Great Expectations documents it is taken. All else (other types,
other names, a text where a number belongs) is Great Expectations' own to refuse or to judge, so
that nothing means something here that it does not mean there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from datahub.core.check_needs import asks_nothing
from datahub.core.check_words import describe_notes
from datahub.core.errors import GateError
from datahub.core.gate_suite import Suite, where

_Test = Callable[[Any], bool]


class NotCovered(Exception):
    """Great Expectations has to judge this."""


@dataclass(frozen=True)
class Asked:
    """One expectation that can be judged here, as far as its kwargs say."""

    kind: str
    kwargs: Mapping[str, Any]
    severity: str
    notes: str


def is_number(value: object) -> bool:
    """Whether it is a number of JSON; infinity is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) < 2**63 if isinstance(value, int) else math.isfinite(value)


def _is_whole(value: object) -> bool:
    return type(value) is int and abs(value) < 2**63


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


def _is_share(value: object) -> bool:
    return is_number(value) and 0 <= value <= 1  # type: ignore[operator]


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_set(value: object) -> bool:
    """Plain values of one kind: numbers, texts or booleans; or none at all."""
    if not isinstance(value, list):
        return False
    return any(all(map(test, value)) for test in (is_number, _is_text, _is_bool))


def _are_names(value: object) -> bool:
    return isinstance(value, list) and len(value) > 1 and all(map(_is_name, value))


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_text, value))


def _is_condition(value: object) -> bool:
    return isinstance(value, (str, dict)) and bool(value)  # read by `conditions`


def _one_of(*values: str) -> _Test:
    return lambda value: isinstance(value, str) and value in values


def _quantile_ranges(value: object) -> bool:
    if not isinstance(value, dict) or set(value) != {"quantiles", "value_ranges"}:
        return False
    quantiles, ranges = value["quantiles"], value["value_ranges"]
    if not isinstance(quantiles, list) or not isinstance(ranges, list):
        return False
    pairs = all(
        isinstance(pair, list)
        and len(pair) == 2
        and all(limit is None or is_number(limit) for limit in pair)
        and (None in pair or pair[0] <= pair[1])
        for pair in ranges
    )
    in_order = all(map(_is_share, quantiles)) and quantiles == sorted(quantiles)
    return bool(quantiles) and len(quantiles) == len(ranges) and pairs and in_order


def _partition(value: object) -> bool:
    if not isinstance(value, dict) or set(value) != {"values", "weights"}:
        return False
    values, weights = value["values"], value["weights"]
    if not _is_set(values) or not isinstance(weights, list) or len(values) != len(weights):
        return False
    good = bool(values) and all(map(is_number, weights)) and all(weight >= 0 for weight in weights)
    return good and len(set(values)) == len(values) and abs(sum(weights) - 1) < 1e-9


# A name that ends with ! must be there.
_WHERE: dict[str, _Test] = {
    "row_condition": _is_condition,
    "condition_parser": _one_of("pandas", "great_expectations"),
}
_COLUMN: dict[str, _Test] = {"column!": _is_name, **_WHERE}
_EACH: dict[str, _Test] = {**_COLUMN, "mostly": _is_share}
_STRICT: dict[str, _Test] = {"strict_min": _is_bool, "strict_max": _is_bool}
_BETWEEN: dict[str, _Test] = {"min_value": is_number, "max_value": is_number, **_STRICT}
_COUNTS: dict[str, _Test] = {"min_value": _is_whole, "max_value": _is_whole, **_STRICT}
_PAIR: dict[str, _Test] = {
    "column_A!": _is_name,
    "column_B!": _is_name,
    "mostly": _is_share,
    "ignore_row_if": _one_of("both_values_are_missing", "either_value_is_missing", "neither"),
    **_WHERE,
}
_RECORD: dict[str, _Test] = {
    "column_list!": _are_names,
    "mostly": _is_share,
    "ignore_row_if": _one_of("all_values_are_missing", "any_value_is_missing", "never"),
    **_WHERE,
}
SPECS: dict[str, dict[str, _Test]] = {
    "expect_column_values_to_not_be_null": _EACH,
    "expect_column_values_to_be_null": _EACH,
    "expect_column_values_to_be_unique": _EACH,
    "expect_column_values_to_be_between": {**_EACH, **_BETWEEN},
    "expect_column_values_to_be_in_set": {**_EACH, "value_set!": _is_set},
    "expect_column_values_to_not_be_in_set": {**_EACH, "value_set!": _is_set},
    "expect_column_values_to_be_increasing": {**_EACH, "strictly": _is_bool},
    "expect_column_values_to_be_decreasing": {**_EACH, "strictly": _is_bool},
    "expect_column_values_to_match_regex": {**_EACH, "regex!": _is_text},
    "expect_column_values_to_not_match_regex": {**_EACH, "regex!": _is_text},
    "expect_column_values_to_match_regex_list": {
        **_EACH,
        "regex_list!": _are_texts,
        "match_on": _one_of("any", "all"),
    },
    "expect_column_values_to_not_match_regex_list": {**_EACH, "regex_list!": _are_texts},
    "expect_column_value_lengths_to_be_between": {**_EACH, **_COUNTS},
    "expect_column_value_lengths_to_equal": {**_EACH, "value!": _is_whole},
    "expect_column_values_to_be_json_parseable": _EACH,
    "expect_column_values_to_be_dateutil_parseable": _EACH,
    "expect_column_values_to_match_strftime_format": {**_EACH, "strftime_format!": _is_text},
    "expect_column_min_to_be_between": {**_COLUMN, **_BETWEEN},
    "expect_column_max_to_be_between": {**_COLUMN, **_BETWEEN},
    "expect_column_mean_to_be_between": {**_COLUMN, **_BETWEEN},
    "expect_column_sum_to_be_between": {**_COLUMN, **_BETWEEN},
    "expect_column_stdev_to_be_between": {**_COLUMN, **_BETWEEN},
    "expect_column_median_to_be_between": {**_COLUMN, **_BETWEEN},
    "expect_column_quantile_values_to_be_between": {
        **_COLUMN,
        "quantile_ranges!": _quantile_ranges,
        "allow_relative_error": _one_of("linear", "lower", "higher", "midpoint", "nearest"),
    },
    "expect_column_unique_value_count_to_be_between": {**_COLUMN, **_COUNTS},
    "expect_column_proportion_of_unique_values_to_be_between": {**_COLUMN, **_BETWEEN},
    "expect_column_proportion_of_non_null_values_to_be_between": {**_COLUMN, **_BETWEEN},
    "expect_column_distinct_values_to_be_in_set": {**_COLUMN, "value_set!": _is_set},
    "expect_column_distinct_values_to_contain_set": {**_COLUMN, "value_set!": _is_set},
    "expect_column_distinct_values_to_equal_set": {**_COLUMN, "value_set!": _is_set},
    "expect_column_most_common_value_to_be_in_set": {
        **_COLUMN,
        "value_set!": _is_set,
        "ties_okay": _is_bool,
    },
    "expect_column_kl_divergence_to_be_less_than": {
        **_COLUMN,
        "partition_object!": _partition,
        "threshold!": lambda value: is_number(value) and value >= 0,
    },
    "expect_column_pair_values_to_be_equal": _PAIR,
    "expect_column_pair_values_a_to_be_greater_than_b": {**_PAIR, "or_equal": _is_bool},
    "expect_multicolumn_values_to_be_equal": _RECORD,
    "expect_select_column_values_to_be_unique_within_record": _RECORD,
    "expect_compound_columns_to_be_unique": _RECORD,
    "expect_multicolumn_sum_to_equal": {**_RECORD, "sum_total!": is_number},
    "expect_table_row_count_to_equal": {**_WHERE, "value!": _is_whole},
    "expect_table_row_count_to_be_between": {**_WHERE, **_COUNTS},
    "expect_table_column_count_to_equal": {"value!": _is_whole},
    "expect_table_column_count_to_be_between": _COUNTS,
    "expect_table_columns_to_match_ordered_list": {"column_list!": _are_texts},
    "expect_table_columns_to_match_set": {"column_set!": _are_texts, "exact_match": _is_bool},
    "expect_column_to_exist": {"column!": _is_name},
}


def asked(suite: Suite, number: int) -> Asked | None:
    """An expectation of a suite (counted from 0), or None where Great Expectations has to see it.

    Raises GateError for one that would let all pass.
    """
    entry = suite.entries[number]
    kind, given = entry["type"], entry.get("kwargs")
    spec = SPECS.get(kind)
    if spec is None or not isinstance(given, dict) or not _is_plain(entry):
        return None
    ours = {"result_format", "catch_exceptions"}  # not the suite's to choose
    kwargs = {name: value for name, value in given.items() if name not in ours}
    optional = {name for name in spec if not name.endswith("!")}
    tests = {name.removesuffix("!"): test for name, test in spec.items()}
    if set(kwargs) - set(tests) or set(tests) - optional - set(kwargs):
        return None
    if any(not tests[name](kwargs[name]) for name in kwargs if kwargs[name] is not None):
        return None
    if any(kwargs[name.removesuffix("!")] is None for name in spec if name.endswith("!")):
        return None
    kwargs = {name: value for name, value in kwargs.items() if value is not None}
    empty = asks_nothing(kind, kwargs)
    if empty:
        raise GateError(
            f"Suite {where(suite.name, number + 1)} ({kind}) would let all pass: {empty}.",
            hint="Say what it asks of the data, or take it out of the suite.",
        )
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    if low is not None and high is not None and low > high:
        return None
    return Asked(kind, kwargs, entry.get("severity") or "critical", describe_notes(entry))


def _is_plain(entry: Mapping[str, Any]) -> bool:
    severity = entry.get("severity") or "critical"
    meta = entry.get("meta")
    return severity in ("critical", "warning", "info") and (meta is None or isinstance(meta, dict))
