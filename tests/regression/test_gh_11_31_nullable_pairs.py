"""Checks of several columns over whole numbers with nulls could not run at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from datahub.adapters.gate_gx import GreatExpectationsGate
from datahub.core.verdict import failures_of

ROWS = {"a": [1, None, 3, None], "b": [1, None, 2, 4]}


@pytest.mark.parametrize(
    ("kind", "rule", "said"),
    [
        ("expect_column_pair_values_to_be_equal", "either_value_is_missing", "1 of 2 values"),
        ("expect_column_pair_values_to_be_equal", "both_values_are_missing", "2 of 3 values"),
        ("expect_column_pair_values_to_be_equal", "neither", "3 of 4 values"),
        ("expect_multicolumn_values_to_be_equal", "any_value_is_missing", "1 of 2 values"),
        ("expect_multicolumn_values_to_be_equal", "never", "2 of 4 values"),
        ("expect_compound_columns_to_be_unique", "all_values_are_missing", None),
        (
            "expect_select_column_values_to_be_unique_within_record",
            "all_values_are_missing",
            "1 of 3 values",
        ),
    ],
)
def test_whole_numbers_with_nulls_are_judged(
    tmp_path: Path, kind: str, rule: str, said: str | None
) -> None:
    """As Great Expectations' pandas engine does after `pandas.read_parquet`."""
    path = tmp_path / "rows.parquet"
    pl.DataFrame(ROWS).write_parquet(path)
    pair: dict[str, Any] = {"column_A": "a", "column_B": "b"}
    columns = pair if "pair" in kind else {"column_list": ["a", "b"]}
    entry = {"type": kind, "kwargs": {**columns, "ignore_row_if": rule}}

    failed = failures_of(
        GreatExpectationsGate().judge(
            [path], json.dumps({"name": "s", "expectations": [entry]}).encode(), name="s"
        )
    )

    assert [str(failure.observed)[: len(said or "")] for failure in failed] == [said] * bool(said)
