"""A sum of whole numbers wrapped modulo 2**64, and a gate passed by it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from datahub.adapters.gate_gx import GreatExpectationsGate
from datahub.core.errors import GateError
from datahub.core.verdict import failures_of

LARGE = {"a": [2**62] * 3}


def refusals(folder: Path, frame: pl.DataFrame, kind: str, **kwargs: Any) -> list[str]:
    """What a gate says that one expectation failed with."""
    path = folder / "rows.parquet"
    frame.write_parquet(path)
    suite = {"name": "s", "expectations": [{"type": kind, "kwargs": {"column": "a", **kwargs}}]}
    failed = failures_of(
        GreatExpectationsGate().judge([path], json.dumps(suite).encode(), name="s")
    )
    return [str(failure.observed) for failure in failed]


@pytest.mark.parametrize("kind", [pl.Int64, pl.UInt64])
@pytest.mark.parametrize("null", [[], [None]])
def test_a_sum_past_64_bits_does_not_pass_a_bound_below_it(
    tmp_path: Path, kind: Any, null: list[None]
) -> None:
    frame = pl.DataFrame({"a": [2**62] * 5 + null}, schema={"a": kind})

    said = refusals(tmp_path, frame, "expect_column_sum_to_be_between", max_value=2**62)

    assert said == [f"observed {5 * 2**62}"]


@pytest.mark.parametrize(
    ("what", "values", "bound"),
    [
        ("sum", [2**53 + 1], 2**53),
        ("mean", [2**60 + 1, 2**60 + 1], 2**60),
        ("median", [2**60 + 1], 2**60),
        ("max", [2**60 + 1], 2**60),
        ("stdev", [2**60, 2**60 + 8], 0.1),
    ],
)
def test_no_digit_is_lost_on_the_way_to_a_bound(
    tmp_path: Path, what: str, values: list[int], bound: float
) -> None:
    kind = f"expect_column_{what}_to_be_between"

    assert len(refusals(tmp_path, pl.DataFrame({"a": values}), kind, max_value=bound)) == 1


def test_a_bound_past_53_bits_is_held_to_its_last_digit(tmp_path: Path) -> None:
    """Great Expectations keeps bounds as floats."""
    frame = pl.DataFrame({"a": [2**60]})

    for kind in ("expect_column_min_to_be_between", "expect_column_values_to_be_between"):
        assert len(refusals(tmp_path, frame, kind, min_value=2**60 + 1)) == 1


@pytest.mark.parametrize(
    ("kind", "values"),
    [(pl.UInt8, [2, 1]), (pl.UInt64, [2, 1]), (pl.Int64, [2**63 - 1, -(2**63)])],
)
def test_a_step_down_does_not_wrap_into_one_up(
    tmp_path: Path, kind: Any, values: list[int]
) -> None:
    frame = pl.DataFrame({"a": values}, schema={"a": kind})

    assert len(refusals(tmp_path, frame, "expect_column_values_to_be_increasing")) == 1


def test_a_quantile_of_small_numbers_does_not_wrap(tmp_path: Path) -> None:
    """Between -100 and 100 lies 0, and no 128."""
    frame = pl.DataFrame({"a": [-100, 100]}, schema={"a": pl.Int8})
    ranges = {"quantiles": [0.5], "value_ranges": [[127, 129]]}
    kind = "expect_column_quantile_values_to_be_between"

    said = refusals(tmp_path, frame, kind, quantile_ranges=ranges, allow_relative_error="linear")

    assert len(said) == 1


def test_what_floats_cannot_hold_could_not_be_computed(tmp_path: Path) -> None:
    """Of these numbers no z-score is right: the gate did not run, so it did not pass."""
    frame = pl.DataFrame({"a": [2**60, 2**60 + 1, 2**60 + 2]})
    kind = "expect_column_value_z_scores_to_be_less_than"

    with pytest.raises(GateError, match="losing digits"):
        refusals(tmp_path, frame, kind, threshold=3, double_sided=True)
