"""Expectations of every core type over one table, as many ways of asking as matter."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import polars as pl

Case = tuple[str, dict[str, Any]]
ROWS = 40
_WHERE: list[dict[str, Any]] = [
    {},
    {"row_condition": "n > 2", "condition_parser": "pandas"},
    {"row_condition": 'label == "spam" or score.notnull()', "condition_parser": "pandas"},
    {
        "row_condition": {
            "type": "and",
            "conditions": [
                {
                    "type": "comparison",
                    "column": {"name": "score"},
                    "operator": "<=",
                    "parameter": 0.8,
                },
                {"type": "nullity", "column": {"name": "label"}, "is_null": False},
            ],
        }
    },
]


def table() -> pl.DataFrame:
    """Columns of every family, with nulls, NaN, negative zero, empty and odd texts."""
    at = range(ROWS)
    scores: list[float | None] = [(i * 7 % 20) / 20 for i in at]
    scores[3], scores[8], scores[9] = None, float("nan"), -0.0
    texts: list[str | None] = [f"w{i}@ex.com" for i in at]
    texts[2], texts[5], texts[6], texts[7] = None, "", "ünï 1\n", "\x1f\t"
    return pl.DataFrame(
        {
            "id": [f"k{i:02}" for i in at],
            "key": [i * 3 for i in at],
            "n": [None if i % 9 == 4 else i % 6 for i in at],
            "m": pl.Series([i % 4 for i in at], dtype=pl.Int16),
            "score": scores,
            "other": [(i * 3 % 20) / 20 for i in at],
            "label": [None if i % 11 == 10 else ("spam" if i % 3 else "ham") for i in at],
            "second": ["spam" if i % 4 else "ham" for i in at],
            "text": texts,
            "flag": [i % 5 == 0 for i in at],
            "kind": pl.Series([["a", "b"][i % 2] for i in at], dtype=pl.Categorical),
            "day": [dt.date(2024, 1, 1 + i % 28) for i in at],
            "price": [Decimal(i) / 4 for i in at],
            "json": ['{"k": 1}' if i % 7 else "{oops" for i in at],
            "when": [f"2024-01-{i % 28 + 1:02}" if i % 9 else "soon" for i in at],
            "nothing": pl.Series([None] * ROWS, dtype=pl.String),
        }
    )


def cases() -> Iterator[Case]:
    """All of them; each is asked of all rows and of some, in turn by every kind of condition."""
    for at, (kind, kwargs) in enumerate(_of_rows()):
        yield kind, kwargs
        yield kind, {**kwargs, **_WHERE[1 + at % 3]}
        if at % 2:
            yield kind, {**kwargs, "mostly": 0.9}
    for at, (kind, kwargs) in enumerate(_of_columns()):
        yield kind, kwargs
        yield kind, {**kwargs, **_WHERE[1 + at % 3]}
    yield from _of_several()
    yield from _of_table()


def _of_rows() -> Iterator[Case]:
    for column in ("n", "score", "label", "day", "nothing", "price"):
        yield "expect_column_values_to_not_be_null", {"column": column}
        yield "expect_column_values_to_be_null", {"column": column}
    for column in ("id", "n", "score", "label", "text", "day"):
        yield "expect_column_values_to_be_unique", {"column": column}
    for column in ("n", "m", "score", "price"):
        yield "expect_column_values_to_be_between", {"column": column, "min_value": 1}
        bounds = {"min_value": 0, "max_value": 0.75, "strict_min": True, "strict_max": True}
        yield "expect_column_values_to_be_between", {"column": column, **bounds}
    for column, values in (
        ("n", [0, 1, 2.0, 2.5]),
        ("score", [0, 0.35, 0.5]),
        ("label", ["spam"]),
        ("flag", [True]),
        ("kind", ["a", "z"]),
    ):
        yield "expect_column_values_to_be_in_set", {"column": column, "value_set": values}
        yield "expect_column_values_to_not_be_in_set", {"column": column, "value_set": values}
    for regex in ("^w[0-4]", r"^[^@\s]+@[^@\s]+\.[a-z]+$", r"\d", "w(?=1)", r"\s$", "(?i)W1"):
        yield "expect_column_values_to_match_regex", {"column": "text", "regex": regex}
        yield "expect_column_values_to_not_match_regex", {"column": "text", "regex": regex}
    both = ["^w1", "com$"]
    for match_on in ("any", "all"):
        asked = {"column": "text", "regex_list": both, "match_on": match_on}
        yield "expect_column_values_to_match_regex_list", asked
    yield "expect_column_values_to_not_match_regex_list", {"column": "text", "regex_list": both}
    bounds = {"min_value": 2, "max_value": 9, "strict_max": True}
    yield "expect_column_value_lengths_to_be_between", {"column": "text", **bounds}
    yield "expect_column_value_lengths_to_equal", {"column": "text", "value": 9}
    yield "expect_column_values_to_be_json_parseable", {"column": "json"}
    schema = {"type": "object", "required": ["k"]}
    yield "expect_column_values_to_match_json_schema", {"column": "json", "json_schema": schema}
    yield "expect_column_values_to_be_dateutil_parseable", {"column": "when"}
    form = {"strftime_format": "%Y-%m-%d"}
    yield "expect_column_values_to_match_strftime_format", {"column": "when", **form}
    for column in ("key", "n", "score"):
        yield "expect_column_values_to_be_increasing", {"column": column}
        yield "expect_column_values_to_be_decreasing", {"column": column, "strictly": True}
    z = {"threshold": 1.5, "double_sided": True}
    yield "expect_column_value_z_scores_to_be_less_than", {"column": "score", **z}
    yield "expect_column_values_to_not_be_outliers", {"column": "score", "method": "iqr"}
    yield "expect_column_values_to_be_of_type", {"column": "score", "type_": "float64"}
    yield "expect_column_values_to_be_in_type_list", {"column": "score", "type_list": ["int64"]}


def _of_columns() -> Iterator[Case]:
    for what in ("min", "max", "mean", "median", "sum", "stdev"):
        for column in ("n", "score", "m"):
            kind = f"expect_column_{what}_to_be_between"
            yield kind, {"column": column, "min_value": 0.1, "max_value": 3, "strict_max": True}
    for column in ("n", "label", "text", "score"):
        few = {"column": column, "min_value": 1, "max_value": 4}
        yield "expect_column_unique_value_count_to_be_between", few
        share = {"column": column, "max_value": 0.25}
        yield "expect_column_proportion_of_unique_values_to_be_between", share
        yield (
            "expect_column_proportion_of_non_null_values_to_be_between",
            {"column": column, "min_value": 0.95},
        )
    for column, values in (("label", ["ham", "spam"]), ("n", [0, 1, 2, 9]), ("label", ["eggs"])):
        for ask in ("to_be_in_set", "to_contain_set", "to_equal_set"):
            kind = f"expect_column_distinct_values_{ask}"
            yield kind, {"column": column, "value_set": values}
    for ties in (False, True):
        most = {"column": "label", "value_set": ["spam"], "ties_okay": ties}
        yield "expect_column_most_common_value_to_be_in_set", most
    ranges = {"quantiles": [0.05, 0.5, 0.9], "value_ranges": [[0, 0.1], [0.3, 0.4], [None, 0.9]]}
    for how in ("nearest", "linear"):
        asked = {"column": "score", "quantile_ranges": ranges, "allow_relative_error": how}
        yield "expect_column_quantile_values_to_be_between", asked
    for weights in ([0.3, 0.7], [0.9, 0.1]):
        asked = {"partition_object": {"values": ["ham", "spam"], "weights": weights}}
        kind = "expect_column_kl_divergence_to_be_less_than"
        yield kind, {"column": "label", "threshold": 0.1, **asked}


def _of_several() -> Iterator[Case]:
    groups = [["n", "m"], ["score", "other"], ["label", "second"], ["n", "score"]]
    for group in groups:
        pair: dict[str, Any] = {"column_A": group[0], "column_B": group[1]}
        for rule in ("both_values_are_missing", "either_value_is_missing", "neither"):
            asked = {**pair, "ignore_row_if": rule}
            yield "expect_column_pair_values_to_be_equal", asked
            for equal in (False, True):
                kind = "expect_column_pair_values_a_to_be_greater_than_b"
                yield kind, {**asked, "or_equal": equal}
        pairs = [[1, 1], [2, 1], ["spam", "spam"], [None, 1]]
        yield "expect_column_pair_values_to_be_in_set", {**pair, "value_pairs_set": pairs}
        for rule in ("all_values_are_missing", "any_value_is_missing", "never"):
            asked = {"column_list": group, "ignore_row_if": rule}
            yield "expect_compound_columns_to_be_unique", asked
            yield "expect_select_column_values_to_be_unique_within_record", asked
            yield "expect_multicolumn_values_to_be_equal", asked
            if "label" not in group:
                yield "expect_multicolumn_sum_to_equal", {**asked, "sum_total": 1}
    for where in _WHERE[1:]:
        yield "expect_column_pair_values_to_be_equal", {"column_A": "n", "column_B": "m", **where}
        columns = {"column_list": ["id", "second"], **where}
        yield "expect_compound_columns_to_be_unique", columns


def _of_table() -> Iterator[Case]:
    names = table().columns
    for where in _WHERE:
        yield "expect_table_row_count_to_equal", {"value": ROWS, **where}
        yield "expect_table_row_count_to_be_between", {"min_value": 1, "max_value": 20, **where}
    for count in (len(names), 3):
        yield "expect_table_column_count_to_equal", {"value": count}
        yield "expect_table_column_count_to_be_between", {"min_value": 1, "max_value": count}
    yield "expect_table_columns_to_match_ordered_list", {"column_list": names}
    yield "expect_table_columns_to_match_ordered_list", {"column_list": names[::-1]}
    for exact in (True, False):
        for columns in (names, ["id", "weight"], ["id"]):
            asked = {"column_set": columns, "exact_match": exact}
            yield "expect_table_columns_to_match_set", asked
    yield "expect_column_to_exist", {"column": "id"}
    yield "expect_column_to_exist", {"column": "id", "column_index": 1}
    yield "expect_column_to_exist", {"column": "weight"}
    yield "expect_column_type_to_be", {"column": "score", "type_": "float64"}
    # What Great Expectations answers on databases alone could not run on either engine.
    yield "expect_column_values_to_match_like_pattern", {"column": "text", "like_pattern": "w%"}
    likes = {"column": "text", "like_pattern_list": ["w%"]}
    yield "expect_column_values_to_not_match_like_pattern_list", likes
    yield "unexpected_rows_expectation", {"unexpected_rows_query": "SELECT * FROM {batch}"}
    yield "expect_table_row_count_to_equal_other_table", {"other_table_name": "other"}
