"""Expectations that look at the names of columns, and at no row."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from datahub.adapters.gate_polars.kwargs import Asked
from datahub.adapters.gate_polars.outcome import Outcome, is_between


def judge_names(check: Asked, names: Sequence[str]) -> Outcome:
    """The outcome by the names of a table's columns, in their order."""
    kind, kwargs = check.kind, check.kwargs
    if kind == "expect_column_to_exist":
        return Outcome(kwargs["column"] in names, {}, 0, [])
    if "column_count" in kind:
        count = len(names)
        is_met = count == kwargs["value"] if "value" in kwargs else is_between(count, kwargs)
        return Outcome(is_met, {"observed_value": count}, 0, [])
    if kind == "expect_table_columns_to_match_ordered_list":
        return _in_order(kwargs["column_list"], names)
    expectation, there = set(kwargs["column_set"]), set(names)
    extra, missing = sorted(there - expectation), sorted(expectation - there)
    is_met = not missing and (not extra or kwargs.get("exact_match", True) is False)
    mismatched = {"unexpected": extra, "missing": missing}
    details = {} if is_met else {"mismatched": {k: v for k, v in mismatched.items() if v}}
    return Outcome(is_met, {"observed_value": sorted(there), "details": details}, 0, [])


def _in_order(expectation: Sequence[str], names: Sequence[str]) -> Outcome:
    positions = zip_longest(range(max(len(expectation), len(names))), expectation, names)
    mismatches = [
        {"Expected Column Position": position, "Expected": name, "Found": actual}
        for position, name, actual in positions
        if name != actual
    ]
    details = {"mismatched": mismatches} if mismatches else {}
    return Outcome(not mismatches, {"observed_value": list(names), "details": details}, 0, [])
