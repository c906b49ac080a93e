"""What became of an expectation, with a result of the form that Great Expectations gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from datahub.adapters.gate_polars.measures import Measured
from datahub.core.exact_numbers import Exact


@dataclass(frozen=True)
class Outcome:
    """Whether it is met; `rows` were asked about, `nulls` of them are null in each column.

    `first` are the first rows that fail, as (part, place in it).
    """

    met: bool
    result: Mapping[str, Any]
    rows: int
    nulls: Sequence[int]
    first: Sequence[tuple[int, int]] = field(default=())


def is_between(value: float, kwargs: Mapping[str, Any]) -> bool:
    """Whether a number is within bounds, compared as numbers and not as floats."""
    exact = value if isinstance(value, Exact) else Exact(value) if type(value) is int else value
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    above = low is None or (exact > low if kwargs.get("strict_min") else exact >= low)
    below = high is None or (exact < high if kwargs.get("strict_max") else exact <= high)
    return bool(above and below)


def mostly_met(
    kwargs: Mapping[str, Any],
    columns: Sequence[str],
    total: Measured,
    *,
    keeps_missing: bool = True,
) -> Outcome:
    """Whether enough rows pass a check of each row; `added` are the measures of all parts."""
    rows, bad, missing = total["rows"], total["bad"], total["missing"]
    population = rows - missing
    is_met = population == 0 or (population - bad) / population >= kwargs.get("mostly", 1)
    values = [row[1:] for row in total["first"]]
    result: dict[str, Any] = {
        "element_count": rows,
        "unexpected_count": bad,
        "partial_unexpected_list": [_shown(kwargs, columns, cells) for cells in values],
    }
    if keeps_missing:
        result["missing_count"] = missing
    return Outcome(is_met, result, rows, total["nulls"], [row[0] for row in total["first"]])


def _shown(kwargs: Mapping[str, Any], columns: Sequence[str], cells: Sequence[Any]) -> Any:
    """A failing value as Great Expectations lists it: of a pair both, of a record by name."""
    if "column" in kwargs:
        return cells[0]
    return tuple(cells) if "column_A" in kwargs else dict(zip(columns, cells, strict=True))
