"""Great Expectations' pandas engine, with numbers that neither wrap nor lose digits.

Its metrics are registered for this engine alone: whoever uses Great Expectations in the same
process has its own. Where a column holds no numbers, its own metric answers here, too. Imports
great_expectations, which takes seconds: load it on use.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from great_expectations.core.metric_domain_types import MetricDomainTypes
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.registry import get_metric_provider, register_metric

from datahub.core import exact_numbers as numbers
from datahub.core.exact_numbers import literal_value

_Column = Callable[..., Any]  # (column, arguments of the metric) -> its answer, or None


class ExactPandasEngine(PandasExecutionEngine):  # type: ignore[misc]
    """The pandas engine under a name of its own, by which its metrics are looked up."""


def _between(column: Any, arguments: dict[str, Any]) -> Any:
    """Whole numbers held against whole numbers: a float bound past 2**53 is another number."""
    low, high = arguments.get("min_value"), arguments.get("max_value")
    bounds = [limit for limit in (low, high) if limit is not None]
    if not numbers.is_whole(column) or not bounds or not all(map(_is_finite, bounds)):
        return None
    if low is not None and high is not None and low > high:
        return None
    mask = pd.Series(True, index=column.index)
    if low is not None:
        least, strict = math.ceil(literal_value(low)), arguments.get("strict_min")
        mask &= column > least if strict and least == literal_value(low) else column >= least
    if high is not None:
        most, strict = math.floor(literal_value(high)), arguments.get("strict_max")
        mask &= column < most if strict and most == literal_value(high) else column <= most
    return mask.astype(bool)


def _in_set(column: Any, arguments: dict[str, Any]) -> Any:
    values = arguments.get("value_set")
    if not numbers.is_whole(column) or not values or not all(map(_is_finite, values)):
        return None
    whole = {int(number) for number in map(literal_value, values) if number.denominator == 1}
    wide = np.uint64 if column.dtype.kind == "u" else np.int64
    in_range = [number for number in whole if np.iinfo(wide).min <= number <= np.iinfo(wide).max]
    return column.isin(np.array(sorted(in_range), dtype=wide)).astype(bool)


def _not_in_set(column: Any, arguments: dict[str, Any]) -> Any:
    mask = _in_set(column, arguments)
    return None if mask is None else ~mask


def _in_order(column: Any, arguments: dict[str, Any], *, sign: int) -> Any:
    """Each value held against the one before it: their difference could wrap."""
    steps = numbers.steps(column)
    if steps is None:
        return None
    least = 1 if arguments.get("strictly") else 0
    mask = np.concatenate([np.ones(min(len(column), 1), dtype=bool), sign * steps >= least])
    return pd.Series(mask, index=column.index)


def _is_finite(value: object) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and math.isfinite(value)  # type: ignore[arg-type]


def _of_numbers(compute: Callable[[Any], Any]) -> _Column:
    return lambda column, metric: compute(column)


_AGGREGATES: dict[str, _Column] = {
    "column.sum": _of_numbers(numbers.total),
    "column.mean": _of_numbers(numbers.mean),
    "column.median": _of_numbers(numbers.median),
    "column.standard_deviation": _of_numbers(numbers.deviation),
    "column.min": _of_numbers(numbers.least),
    "column.max": _of_numbers(partial(numbers.least, greatest=True)),
}
_CONDITIONS: dict[str, _Column] = {
    "column_values.between": _between,
    "column_values.in_set": _in_set,
    "column_values.not_in_set": _not_in_set,
    "column_values.increasing": partial(_in_order, sign=1),
    "column_values.decreasing": partial(_in_order, sign=-1),
}


def _register() -> None:
    for name, compute in _AGGREGATES.items():
        _put(name, compute, is_condition=False)
    for name, compute in _CONDITIONS.items():
        _put(f"{name}.condition", compute, is_condition=True)


def _put(name: str, compute: _Column, *, is_condition: bool) -> None:
    """Register a metric that asks Great Expectations' own where `compute` has no answer."""
    provider, own = get_metric_provider(name, PandasExecutionEngine())

    def metric(**call: Any) -> Any:
        frame, domain, accessor = call["execution_engine"].get_compute_domain(
            call["metric_domain_kwargs"], domain_type=MetricDomainTypes.COLUMN
        )
        column = frame[accessor["column"]]
        if is_condition:
            column = column[column.notnull()]
        answer = compute(column, call["metric_value_kwargs"] or {})
        if answer is None:
            return own(**call)
        return (~answer, domain, accessor) if is_condition else answer

    kind = "condition_" if is_condition else ""
    register_metric(
        metric_name=name,
        metric_domain_keys=getattr(provider, f"{kind}domain_keys"),
        metric_value_keys=getattr(provider, f"{kind}value_keys"),
        execution_engine=ExactPandasEngine,
        metric_class=provider,
        metric_provider=metric,
        metric_fn_type=own.metric_fn_type,
    )


_register()
