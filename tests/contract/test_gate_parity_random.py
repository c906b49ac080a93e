"""Random small tables and kwargs: both engines of the gate say the same, or one does not answer.

Nulls, NaN, infinity, negative zero, empty texts, extremes of whole numbers, categories; bounds,
`mostly`, `row_condition` and `ignore_row_if` at random; a table in one part or in several.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datahub.adapters.gate_gx import GreatExpectationsGate
from datahub.adapters.gate_polars import PolarsGate
from datahub.adapters.rows_polars import PolarsRows
from datahub.core.check_result import CheckResult

WHOLE = st.one_of(
    st.integers(-3, 3), st.sampled_from([2**53 + 1, 2**63 - 1, -(2**63), -(2**60) - 1])
)
FLOATS = st.sampled_from([0.0, -0.0, 0.5, 1.0, 2.0, -1e300, 1e-300, float("inf"), float("nan")])
TEXTS = st.sampled_from(["", "a", "A1", "b\n", "ünï", "\x1f", "a b", "2024-01-01"])
COLUMNS: dict[str, tuple[Any, Any]] = {
    "i": (pl.Int64, WHOLE),
    "j": (pl.Int64, st.integers(-3, 3)),
    "s": (pl.Int8, st.integers(-128, 127)),
    "f": (pl.Float64, FLOATS),
    "g": (pl.Float64, st.sampled_from([0.0, 0.25, 1.0, 2.0])),
    "t": (pl.String, TEXTS),
    "c": (pl.Categorical, st.sampled_from(["a", "b"])),
    "b": (pl.Boolean, st.booleans()),
}
NUMBERS = ["i", "j", "s", "f", "g"]


@st.composite
def tables(draw: st.DrawFn) -> pl.DataFrame:
    """A few rows, with few or no nulls."""
    height = draw(st.integers(1, 9))
    columns = []
    for name, (kind, value) in COLUMNS.items():
        cell = st.one_of(st.none(), value, value) if draw(st.booleans()) else value
        cells = draw(st.lists(cell, min_size=height, max_size=height))
        columns.append(pl.Series(name, cells, dtype=kind))
    return pl.DataFrame(columns).with_columns(key=pl.int_range(height))


@st.composite
def expectations(draw: st.DrawFn) -> dict[str, Any]:
    """One that polars may judge, with kwargs that make sense now and then."""
    number = st.one_of(st.integers(-4, 4), st.floats(-3, 3, width=16), st.just(2**60))
    low, high = sorted([draw(number), draw(number)])
    bounds: dict[str, Any] = {"min_value": low, "max_value": high}
    bounds.pop(draw(st.sampled_from(["min_value", "max_value", "none"])), None)
    bounds |= {name: draw(st.booleans()) for name in ("strict_min", "strict_max")}
    column = {"column": draw(st.sampled_from(NUMBERS))}
    any_column = {"column": draw(st.sampled_from(sorted(COLUMNS)))}
    each = {"mostly": draw(st.sampled_from([1, 1, 0.5, 0.75, 0.1]))}
    pairs = draw(st.sampled_from([("i", "j"), ("f", "g"), ("t", "c"), ("j", "s")]))
    rule = draw(st.sampled_from(["both_values_are_missing", "either_value_is_missing", "neither"]))
    rules = {"ignore_row_if": rule.replace("both", "all").replace("neither", "never")}
    rules["ignore_row_if"] = rules["ignore_row_if"].replace("either_value_is", "any_value_is")
    pair = {"column_A": pairs[0], "column_B": pairs[1], "ignore_row_if": rule, **each}
    record = {"column_list": list(pairs), **rules, **each}
    texts = {"column": "t", **each}
    regex = draw(st.sampled_from(["^a", r"\w\d$", r"\s", "^$", "[^a]b?", r"\d{4}-"]))
    asked: list[tuple[str, dict[str, Any]]] = [
        ("column_values_to_be_between", {**column, **bounds, **each}),
        ("column_values_to_be_in_set", {**column, "value_set": [0, 1, -1.0, 0.5], **each}),
        ("column_values_to_not_be_in_set", {"column": "t", "value_set": ["", "a"], **each}),
        ("column_values_to_be_in_set", {"column": "b", "value_set": [True], **each}),
        ("column_values_to_not_be_null", {**any_column, **each}),
        ("column_values_to_be_null", {**any_column, **each}),
        ("column_values_to_be_unique", {**any_column, **each}),
        ("column_values_to_be_increasing", {**column, "strictly": draw(st.booleans()), **each}),
        ("column_values_to_be_decreasing", {**column, "strictly": draw(st.booleans()), **each}),
        ("column_values_to_match_regex", {**texts, "regex": regex}),
        ("column_values_to_not_match_regex", {**texts, "regex": regex}),
        ("column_value_lengths_to_equal", {**texts, "value": 1}),
        ("column_values_to_be_dateutil_parseable", texts),
        *((f"column_{what}_to_be_between", {**column, **bounds}) for what in AGGREGATES),
        ("column_unique_value_count_to_be_between", {**any_column, "max_value": 3}),
        ("column_distinct_values_to_contain_set", {**column, "value_set": [0, 1]}),
        ("column_distinct_values_to_equal_set", {"column": "c", "value_set": ["a", "b"]}),
        ("column_most_common_value_to_be_in_set", {**column, "value_set": [0, 1, 2]}),
        ("column_pair_values_to_be_equal", pair),
        ("column_pair_values_a_to_be_greater_than_b", {**pair, "or_equal": draw(st.booleans())}),
        ("multicolumn_values_to_be_equal", record),
        ("compound_columns_to_be_unique", record),
        ("select_column_values_to_be_unique_within_record", record),
        ("multicolumn_sum_to_equal", {**record, "column_list": ["j", "s"], "sum_total": 1}),
    ]
    kind, kwargs = draw(st.sampled_from(asked))
    condition = draw(st.sampled_from(["", "", "j > 0", "g <= 1 or t == 'a'", "i.notnull()"]))
    where = {"row_condition": condition, "condition_parser": "pandas"} if condition else {}
    return {"type": f"expect_{kind}", "kwargs": {**kwargs, **where}}


AGGREGATES = ["min", "max", "mean", "median", "sum", "stdev"]


def told(result: CheckResult) -> tuple[Any, ...]:
    if result.state == "could not run":
        return (result.state,)
    return result.state, result.observed, result.keys


@pytest.mark.slow
@given(tables(), st.lists(expectations(), min_size=8, max_size=8), st.integers(1, 3))
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
def test_both_engines_say_the_same(
    frame: pl.DataFrame, asked: list[dict[str, Any]], parts: int
) -> None:
    suite = json.dumps({"name": "s", "expectations": asked}).encode()
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole.parquet"
        frame.write_parquet(whole)
        paths = []
        for number in range(parts):
            path = Path(folder) / f"{number}.parquet"
            frame[number::parts].write_parquet(path)
            paths.append(path)
        other = GreatExpectationsGate()

        theirs = [told(one) for one in other.judge(paths, suite, name="s", key="key")]
        gate = PolarsGate(PolarsRows(), other)
        ours = [told(one) for one in gate.judge(paths, suite, name="s", key="key")]

    differences = [one for one in zip(asked, ours, theirs, strict=True) if one[1] != one[2]]
    assert differences == []
