"""Checks of several columns say what Great Expectations' own pandas engine says of the same rows.

Those are held as its users load them, by `pandas.read_parquet`. Where that loses digits (whole
numbers past 2**53 with nulls are floats), the exact answer is right.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

from datahub.adapters.gate_gx import GreatExpectationsGate
from datahub.core.verdict import failures_of

KINDS = {
    "i": pl.Int64(),
    "j": pl.Int64(),
    "n": pl.Int8(),
    "u": pl.UInt32(),
    "w": pl.Int32(),  # without nulls
    "f": pl.Float64(),
    "g": pl.Float64(),
    "b": pl.Boolean(),
    "c": pl.Boolean(),
    "d": pl.Date(),
    "e": pl.Date(),
    "s": pl.String(),
    "t": pl.String(),
}
GROUPS = ["ij", "iw", "nu", "fg", "if", "wf", "bc", "de", "st", "in", "ijw"]
PAIR_RULES = ["both_values_are_missing", "either_value_is_missing", "neither"]
LIST_RULES = ["all_values_are_missing", "any_value_is_missing", "never"]


def rows(seed: int, count: int = 12) -> pl.DataFrame:
    """Few values, so that they meet; nulls in all columns but `w`, and NaN beside them."""
    chance = random.Random(seed)

    def value(name: str) -> Any:
        if name != "w" and chance.random() < 0.3:
            return None
        if name in "fg":
            return chance.choice([float("nan"), 0.5, 1.0, 2.0])
        if name in "bc":
            return chance.random() < 0.5
        if name in "de":
            return date(2024, 1, 1) + timedelta(days=chance.randrange(3))
        return chance.choice("xyz") if name in "st" else chance.randrange(4)

    columns = {name: [value(name) for _ in range(count)] for name in KINDS}
    return pl.DataFrame(columns, schema=KINDS)


def expectations() -> Iterator[dict[str, Any]]:
    """Every kind of check of several columns, over every group, with every rule about nulls."""
    for group in GROUPS:
        for rule in PAIR_RULES:
            pair = {"column_A": group[0], "column_B": group[1], "ignore_row_if": rule}
            yield {"type": "expect_column_pair_values_to_be_equal", "kwargs": pair}
            for equal in (False, True):
                yield {
                    "type": "expect_column_pair_values_a_to_be_greater_than_b",
                    "kwargs": {**pair, "or_equal": equal},
                }
            pairs = [[1, 1], [2, 1], [0, None], [None, None], ["x", "x"], [True, False]]
            yield {
                "type": "expect_column_pair_values_to_be_in_set",
                "kwargs": {**pair, "value_pairs_set": pairs},
            }
        for rule in LIST_RULES:
            columns = {"column_list": list(group), "ignore_row_if": rule}
            for kind in (
                "expect_select_column_values_to_be_unique_within_record",
                "expect_compound_columns_to_be_unique",
                "expect_multicolumn_values_to_be_equal",
            ):
                yield {"type": kind, "kwargs": columns}
            if not set(group) & set("dest"):
                yield {
                    "type": "expect_multicolumn_sum_to_equal",
                    "kwargs": {**columns, "sum_total": 3},
                }


def by_great_expectations(path: Path, suite: list[dict[str, Any]]) -> list[Any]:
    """What its own engine says of each check: the number of rows that fail, or that it cannot."""
    import great_expectations as gx
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.validator.v1_validator import Validator

    context = gx.get_context(mode="ephemeral")
    asset = context.data_sources.add_pandas("stock").add_dataframe_asset("table")
    whole = asset.add_batch_definition_whole_dataframe("whole")
    frame = {"dataframe": pd.read_parquet(path)}
    validator = Validator(whole, batch_parameters=frame, result_format="SUMMARY")
    answers = []
    for entry in suite:
        try:
            made = ExpectationConfiguration(**entry).to_domain_obj()
            found = validator.validate_expectation(made)
            cannot = found.exception_info and "raised_exception" not in found.exception_info
            answers.append("cannot" if cannot else found.result["unexpected_count"])
        except Exception:  # noqa: BLE001 - it raises what it likes
            answers.append("cannot")
    return answers


def by_the_gate(path: Path, entry: dict[str, Any]) -> Any:
    """The number of rows that fail, by the words of the failure."""
    from datahub.core.errors import GateError

    try:
        failed = failures_of(
            GreatExpectationsGate().judge(
                [path], json.dumps({"name": "s", "expectations": [entry]}).encode(), name="s"
            )
        )
    except GateError:
        return "cannot"
    if not failed or "no value to judge" in (failed[0].observed or ""):
        return 0
    return int(str(failed[0].observed).split(" of ")[0].replace(",", ""))


def differences(path: Path, suite: list[dict[str, Any]]) -> list[Any]:
    """Checks on which the two do not say the same, with what both say."""
    theirs = by_great_expectations(path, suite)
    ours = [by_the_gate(path, entry) for entry in suite]
    both = zip(suite, ours, theirs, strict=True)
    return [(entry, mine, other) for entry, mine, other in both if mine != other]


@pytest.mark.parametrize("seed", [1, 2])
def test_checks_of_several_columns_say_what_great_expectations_says(
    tmp_path: Path, seed: int
) -> None:
    """Of some 260 of them, a few: the soak run holds all."""
    path = tmp_path / "rows.parquet"
    rows(seed).write_parquet(path)

    assert differences(path, random.Random(seed).sample(list(expectations()), 15)) == []


EXACT = 2**60 + 1


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("expect_column_pair_values_to_be_equal", {}),
        ("expect_column_pair_values_a_to_be_greater_than_b", {"or_equal": True}),
        ("expect_column_pair_values_to_be_in_set", {"value_pairs_set": [[EXACT, EXACT]]}),
        ("expect_multicolumn_values_to_be_equal", {}),
        ("expect_multicolumn_sum_to_equal", {"sum_total": 2 * EXACT}),
        ("expect_multicolumn_sum_to_equal", {"sum_total": 2 * EXACT - 2**64}),
    ],
)
@pytest.mark.parametrize("null", [[], [None]])
def test_large_numbers_beside_a_null_lose_no_digit(
    tmp_path: Path, kind: str, asked: dict[str, Any], null: list[None]
) -> None:
    """2**60 and 2**60 + 1 are one float; each row but the null one fails."""
    path = tmp_path / "rows.parquet"
    pl.DataFrame({"a": [EXACT - 1, *null], "b": [EXACT, *null]}).write_parquet(path)
    pair = {"column_A": "a", "column_B": "b", "ignore_row_if": "either_value_is_missing"}
    both = {"column_list": ["a", "b"], "ignore_row_if": "any_value_is_missing"}
    columns = both if "multi" in kind else pair

    assert by_the_gate(path, {"type": kind, "kwargs": columns | asked}) == 1
