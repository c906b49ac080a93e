"""Expectations that hold all values of their columns against each other, and not a part's alone.

The frame has these columns of all parts. Places are rows of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from datahub.adapters.gate_polars import measures, rowwise
from datahub.adapters.gate_polars.kwargs import Asked, NotCovered
from datahub.adapters.gate_polars.measures import Domain
from datahub.adapters.gate_polars.outcome import Outcome, is_between, mostly_met
from datahub.adapters.gate_polars.values import judge_values
from datahub.core.exact_numbers import SAFE, middle_of


def unique(kwargs: Mapping[str, Any], column: str, domain: Domain) -> Outcome:
    """Values that occur more than once."""
    bad = pl.col(column).is_duplicated()
    return _each(kwargs, [column], bad, domain, skip=pl.col(column).is_null())


def compound_unique(kwargs: Mapping[str, Any], columns: Sequence[str], domain: Domain) -> Outcome:
    """Rows whose values of some columns occur together more than once."""
    skip = rowwise.passed_over(kwargs, columns)
    frame = domain.frame
    population = frame if skip is None else frame.filter(~skip)
    if population.height < frame.height:
        rows = frame.select(keep=~skip)["keep"].arg_true()  # type: ignore[operator]
        twice = population.select(columns).is_duplicated()
        marks = pl.Series("bad", np.zeros(frame.height, dtype=bool))
        marks = marks.scatter(rows.filter(twice), values=True)
    else:
        marks = frame.select(columns).is_duplicated()
    return _each(kwargs, columns, pl.lit(marks), domain, skip=skip)


def _each(
    kwargs: Mapping[str, Any],
    columns: Sequence[str],
    bad: pl.Expr,
    domain: Domain,
    *,
    skip: pl.Expr | None,
) -> Outcome:
    measures_of_part = measures.bad_rows(columns, lambda frame: bad, skip=skip)(domain)
    return mostly_met(kwargs, columns, measures.add_bad([measures_of_part]))


def median(kwargs: Mapping[str, Any], column: str, domain: Domain) -> Outcome:
    """The middle of all numbers."""
    values = _numbers(column, domain)
    value = middle_of(values)
    rows, nulls = domain.frame.height, [domain.frame[column].null_count()]
    return Outcome(is_between(value, kwargs), {"observed_value": value}, rows, nulls)


def quantiles(kwargs: Mapping[str, Any], column: str, domain: Domain) -> Outcome:
    """Quantiles, which may miss their bounds by a ten-thousandth, as in Great Expectations."""
    values = _numbers(column, domain)
    if values.dtype.kind == "i" and max(int(values.max()), -int(values.min())) > SAFE:
        raise NotCovered("whole numbers past 2**53")
    ranges = kwargs["quantile_ranges"]
    method = kwargs.get("allow_relative_error", "nearest")
    floats = values.astype(np.float64)
    quantiles_of_column = np.percentile(
        floats, np.array(ranges["quantiles"]) * 100, method=method
    ).tolist()
    is_met = all(map(_in_range, quantiles_of_column, ranges["value_ranges"]))
    result = {"observed_value": {"quantiles": ranges["quantiles"], "values": quantiles_of_column}}
    rows, nulls = domain.frame.height, [domain.frame[column].null_count()]
    return Outcome(is_met, result, rows, nulls)


def _in_range(value: float, bounds: Sequence[float | None]) -> bool:
    low = -np.inf if bounds[0] is None else float(bounds[0])
    high = np.inf if bounds[1] is None else float(bounds[1])
    is_near = [bool(np.isclose(value, limit, rtol=1e-4, atol=1e-8)) for limit in (low, high)]
    return any(is_near) or low <= value <= high


def values(question: Asked, column: str, family: str, domain: Domain) -> Outcome:
    """Checks of the distinct values, where there are many of them."""
    series = domain.frame[column]
    tally = series.drop_nulls().value_counts(name="n " + column)
    counts = dict(tally.iter_rows())
    return judge_values(question, family, counts, len(series), [series.null_count()])


def _numbers(column: str, domain: Domain) -> Any:
    numbers = domain.frame[column].drop_nulls().to_numpy()
    if len(numbers) == 0 or not np.isfinite([numbers.min(), numbers.max()]).all():
        raise NotCovered("no finite numbers")
    return numbers
