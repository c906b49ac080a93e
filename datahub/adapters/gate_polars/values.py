"""What the distinct values of a column, and how often each occurs, say of an expectation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from datahub.adapters.gate_polars.families import fits
from datahub.adapters.gate_polars.kwargs import Asked, NotCovered
from datahub.adapters.gate_polars.outcome import Outcome, is_between
from datahub.adapters.gate_polars.rowwise import plain_set

_LISTED = 20


def judge_values(
    question: Asked, family: str, counts: Mapping[Any, int], rows: int, nulls: Sequence[int]
) -> Outcome:
    """The outcome by all distinct values. Raises NotCovered where there is none."""
    kind, kwargs = question.kind, question.kwargs
    if not counts:
        raise NotCovered("no value")
    if kind == "expect_column_unique_value_count_to_be_between":
        distinct = len(counts)
        return Outcome(is_between(distinct, kwargs), {"observed_value": distinct}, rows, nulls)
    if kind == "expect_column_proportion_of_unique_values_to_be_between":
        share = len(counts) / (rows - nulls[0])
        return Outcome(is_between(share, kwargs), {"observed_value": share}, rows, nulls)
    if kind == "expect_column_kl_divergence_to_be_less_than":
        is_met, result = _divergence(kwargs, family, counts)
        return Outcome(is_met, result, rows, nulls)
    asked_for = set(plain_set(kwargs["value_set"], family))
    if kind == "expect_column_most_common_value_to_be_in_set":
        most = max(counts.values())
        common = sorted(value for value, count in counts.items() if count == most)
        hits = len(asked_for & set(common))
        is_met = hits > 0 if kwargs.get("ties_okay") else len(common) == 1 and hits == 1
        return Outcome(is_met, {"observed_value": common}, rows, nulls)
    result = {}
    if not kind.endswith("contain_set"):
        extra = sorted(set(counts) - asked_for)
        result |= {
            "unexpected_count": len(extra),
            "partial_unexpected_list": extra[:_LISTED],
        }
    if not kind.endswith("be_in_set"):
        missing = sorted(asked_for - set(counts))
        result |= {"missing_count": len(missing), "partial_missing_list": missing[:_LISTED]}
    is_met = not result.get("unexpected_count") and not result.get("missing_count")
    return Outcome(is_met, {"observed_value": None, **result}, rows, nulls)


def _divergence(
    kwargs: Mapping[str, Any], family: str, counts: Mapping[Any, int]
) -> tuple[bool, dict[str, Any]]:
    """The divergence of the observed shares from the asked ones, as `scipy.stats.entropy`."""
    categories, weights = (
        kwargs["partition_object"]["values"],
        kwargs["partition_object"]["weights"],
    )
    if not all(fits(family, value, exactly=True) for value in categories):
        raise NotCovered("values of another type")
    names = [*categories, *sorted(set(counts) - set(categories))]
    total = sum(counts.values())
    actual = np.array([counts.get(name, 0) / total for name in names])
    targets = np.array([*map(float, weights), *[0.0] * (len(names) - len(categories))])
    shares, aims = actual / actual.sum(), targets / targets.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(shares > 0, shares * np.log(shares / aims), 0.0)
    divergence = float(terms.sum())
    result = {
        "observed_value": divergence if np.isfinite(divergence) else None,
        "details": {
            "observed_partition": {"values": names, "weights": actual.tolist()},
            "expected_partition": {"values": names, "weights": targets.tolist()},
        },
    }
    return divergence <= kwargs["threshold"], result
