"""A gate passed where an expectation asked nothing, or judged no row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from datahub.adapters.gate_gx import GreatExpectationsGate
from datahub.core.errors import GateError
from datahub.core.verdict import CheckFailure, failures_of


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "rows.parquet"
    columns = {
        "id": [1, 2, 3, 4],
        "a": [1.0, None, 3.0, None],
        "b": [None, 2.0, None, 4.0],
        "text": ["x", "y", "z", "w"],
    }
    pl.DataFrame(columns).write_parquet(path)
    return path


def judged(table: Path, expectation: str, kwargs: dict[str, Any]) -> list[CheckFailure]:
    suite = {"name": "s", "expectations": [{"type": expectation, "kwargs": kwargs}]}
    return failures_of(GreatExpectationsGate().judge([table], json.dumps(suite).encode(), name="s"))


@pytest.mark.parametrize(
    ("expectation", "kwargs"),
    [
        ("expect_column_sum_to_be_between", {"column": "id"}),
        ("expect_column_mean_to_be_between", {"column": "a", "min_value": None}),
        ("expect_column_stdev_to_be_between", {"column": "a"}),
        ("expect_column_unique_value_count_to_be_between", {"column": "text"}),
        ("expect_column_proportion_of_unique_values_to_be_between", {"column": "text"}),
        ("expect_table_row_count_to_be_between", {}),
        (
            "expect_column_quantile_values_to_be_between",
            {"column": "id", "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[None] * 2]}},
        ),
        ("expect_column_values_to_not_be_in_set", {"column": "text", "value_set": []}),
        ("expect_column_distinct_values_to_contain_set", {"column": "text", "value_set": []}),
        ("expect_table_columns_to_match_set", {"column_set": [], "exact_match": False}),
        ("expect_table_columns_to_match_ordered_list", {"column_list": None}),
        (
            "expect_column_kl_divergence_to_be_less_than",
            {"column": "text", "partition_object": {"values": ["q"], "weights": [1.0]}},
        ),
        ("expect_column_values_to_not_be_null", {"column": "a", "mostly": 0}),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_an_expectation_that_asks_nothing_is_no_pass(
    table: Path, expectation: str, kwargs: dict[str, Any]
) -> None:
    with pytest.raises(GateError, match="would let all pass"):
        judged(table, expectation, kwargs)


@pytest.mark.parametrize(
    ("expectation", "kwargs"),
    [
        ("expect_column_pair_values_to_be_equal", {"column_A": "a", "column_B": "b"}),
        (
            "expect_column_pair_values_to_be_in_set",
            {"column_A": "a", "column_B": "b", "value_pairs_set": []},
        ),
        (
            "expect_column_pair_values_a_to_be_greater_than_b",
            {"column_A": "a", "column_B": "b"},
        ),
    ],
)
def test_a_pair_of_columns_of_which_every_row_is_passed_over_fails(
    table: Path, expectation: str, kwargs: dict[str, Any]
) -> None:
    """Neither column is all null; each row has a null in one of them."""
    [failure] = judged(table, expectation, {**kwargs, "ignore_row_if": "either_value_is_missing"})

    assert failure.observed == "no row to judge: all 4 are passed over"


@pytest.mark.parametrize(
    ("expectation", "kwargs"),
    [
        ("expect_compound_columns_to_be_unique", {}),
        ("expect_multicolumn_sum_to_equal", {"sum_total": 99}),
        ("expect_select_column_values_to_be_unique_within_record", {}),
    ],
)
def test_so_does_a_record_of_columns(table: Path, expectation: str, kwargs: dict[str, Any]) -> None:
    columns = {"column_list": ["a", "b"], "ignore_row_if": "any_value_is_missing"}

    [failure] = judged(table, expectation, {**kwargs, **columns})

    assert "no row to judge" in str(failure.observed)


@pytest.mark.parametrize(
    ("expectation", "kwargs"),
    [
        ("expect_column_values_to_be_between", {"column": "id", "min_value": 100}),
        ("expect_column_sum_to_be_between", {"column": "id", "max_value": 1}),
        ("expect_column_values_to_not_be_null", {"column": "a"}),
    ],
)
@pytest.mark.parametrize("condition", ['text == "nobody"', "id > 0 and id < 0"])
def test_a_row_condition_that_no_row_meets_fails(
    table: Path, expectation: str, kwargs: dict[str, Any], condition: str
) -> None:
    asked = {**kwargs, "row_condition": condition, "condition_parser": "pandas"}

    [failure] = judged(table, expectation, asked)

    assert "none meets the row_condition" in str(failure.observed)


def test_that_there_is_no_such_row_can_be_asked(table: Path) -> None:
    asked = {"value": 0, "row_condition": 'text == "nobody"', "condition_parser": "pandas"}

    assert judged(table, "expect_table_row_count_to_equal", asked) == []


@pytest.mark.parametrize(
    "suite",
    [
        b'{"expectations": [{"type": "expect_column_values_to_be_in_set", '
        b'"kwargs": {"column": "text", "value_set": ["q"]}, '
        b'"kwargs": {"column": "text", "value_set": ["x", "y", "z", "w"]}}]}',
        b'{"expectations": [{"type": "expect_column_values_to_be_null", '
        b'"kwargs": {"column": "text"}}], "expectations": [{"type": '
        b'"expect_column_values_to_not_be_null", "kwargs": {"column": "text"}}]}',
        b'{"expectations": [{"type": "expect_column_sum_to_be_between", '
        b'"kwargs": {"column": "id", "max_value": NaN}}]}',
    ],
    ids=["kwargs twice", "expectations twice", "NaN"],
)
def test_a_suite_has_one_meaning(table: Path, suite: bytes) -> None:
    """Of two values of one name, a reviewer may read the first, and the gate the last."""
    with pytest.raises(GateError, match="not JSON"):
        failures_of(GreatExpectationsGate().judge([table], suite, name="s"))


@pytest.mark.parametrize("total", [float("inf"), float("nan")])
def test_a_sum_that_is_no_number_is_no_pass(tmp_path: Path, total: float) -> None:
    path = tmp_path / "odd.parquet"
    values = [1.0, float("inf"), float("-inf") if total != total else 2.0]
    pl.DataFrame({"x": values}).write_parquet(path)

    assert judged(path, "expect_column_sum_to_be_between", {"column": "x", "max_value": 1e308})
