"""Expectations that pass whatever the data is: they ask nothing, or judged nothing.

Great Expectations passes both. A gate does not: what was not judged has not passed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

# Nulls are an answer to these; to all others a column of nothing but nulls gives no answer.
ASK_OF_NULLS = frozenset(
    {"expect_column_to_exist", "expect_column_values_to_be_null"}
    | {"expect_column_values_to_not_be_null", "expect_column_type_to_be"}
    | {"expect_column_values_to_be_of_type", "expect_column_values_to_be_in_type_list"}
    | {"expect_column_proportion_of_non_null_values_to_be_between"}
)
# These look at the names of columns and at no row.
NAMES_ONLY = frozenset(
    {"expect_column_to_exist", "expect_table_columns_to_match_set"}
    | {"expect_table_columns_to_match_ordered_list"}
    | {"expect_table_column_count_to_equal", "expect_table_column_count_to_be_between"}
)
ROW_COUNTS = frozenset({"expect_table_row_count_to_equal", "expect_table_row_count_to_be_between"})
# What must be there, and not be empty, for an expectation to ask anything.
_NEEDS = {
    "expect_column_values_to_not_be_in_set": "value_set",
    "expect_column_distinct_values_to_contain_set": "value_set",
    "expect_table_columns_to_match_set": "column_set",
    "expect_table_columns_to_match_ordered_list": "column_list",
    "expect_column_values_to_be_in_type_list": "type_list",
    "expect_column_values_to_be_of_type": "type_",
}
_QUANTILES = "expect_column_quantile_values_to_be_between"
_DIVERGENCE = "expect_column_kl_divergence_to_be_less_than"


def asks_nothing(kind: str, kwargs: Mapping[str, Any]) -> str:
    """Why an expectation lets all pass; empty where it asks something.

    >>> asks_nothing("expect_column_sum_to_be_between", {"column": "x", "max_value": None})
    'neither min_value nor max_value is there'
    >>> asks_nothing("expect_column_values_to_not_be_null", {"column": "x", "mostly": 0.9})
    ''
    """
    mostly = kwargs.get("mostly", 1)
    if isinstance(mostly, (int, float, str)) and float(mostly) == 0:
        return "mostly is 0"
    if kind == _QUANTILES:
        ranges = (kwargs.get("quantile_ranges") or {}).get("value_ranges") or []
        is_open = all(limit is None for pair in ranges for limit in pair)
        return "no quantile has a bound" if is_open else ""
    if kind.endswith("_to_be_between") and not _bounds(kwargs):
        return "neither min_value nor max_value is there"
    if kind == _DIVERGENCE and kwargs.get("threshold") is None:
        return "threshold is not there"
    if kind in _NEEDS and not kwargs.get(_NEEDS[kind]):
        return f"{_NEEDS[kind]} is empty"
    return ""


def _bounds(kwargs: Mapping[str, Any]) -> list[Any]:
    return [kwargs[name] for name in ("min_value", "max_value") if kwargs.get(name) is not None]


def nothing_judged(kind: str, result: Mapping[str, Any], *, rows: int, nulls: Iterable[int]) -> str:
    """Why an expectation over all rows passed without judging any; empty where it judged some.

    `nulls` are how many each of its columns has. Pairs and records of columns can be passed over
    one by one (`ignore_row_if`).
    """
    if kind in ASK_OF_NULLS:
        return ""
    if any(count == rows for count in nulls):
        return f"no value to judge: all {rows:,} are null"
    count = result.get("element_count")
    if count and count == result.get("missing_count"):
        return f"no row to judge: all {count:,} are passed over"
    return ""
