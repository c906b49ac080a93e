"""What is measured of one part of a table, in plain values of JSON, and how parts add up.

A measure of a part depends on nothing but the part's bytes and what is asked; so it can be kept
(`profiles`). Positions are those of rows in the part.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import polars as pl

from datahub.adapters.gate_polars.conditions import Condition
from datahub.adapters.gate_polars.kwargs import NotCovered
from datahub.core.exact_numbers import apart, exact_sum
from datahub.core.verdict import KEYS_TOLD

VERSION = 1  # of what measures mean: higher where any of them answers otherwise
MOST_VALUES = 5_000  # distinct ones, of a part
_SQUARES = 1e150  # beyond it and its inverse, squares of floats are lost
Measured = dict[str, Any]
Bad = Callable[[pl.DataFrame], pl.Expr]


@dataclass(frozen=True)
class Domain:
    """Rows that are asked about, with their places in the part where they are not all of it."""

    frame: pl.DataFrame
    places: pl.Series | None = None

    @classmethod
    def of(cls, frame: pl.DataFrame, condition: Condition | None) -> Domain:
        """The rows of a frame that meet a condition."""
        if condition is None:
            return cls(frame)
        mask = frame.select(condition.expression.fill_null(value=False).alias("mask"))["mask"]
        return cls(frame.filter(mask), mask.arg_true())

    def place(self, row: int) -> int:
        """Where a row of the domain stands in the part."""
        return row if self.places is None else int(self.places[row])


@dataclass(frozen=True)
class Measure:
    """Something to be measured of some columns of each part: `compute` is told by `asked`."""

    asked: tuple[Any, ...]  # plain values
    columns: tuple[str, ...]
    condition: Condition | None
    compute: Callable[[Domain], Measured]

    @property
    def needs(self) -> frozenset[str]:
        """The columns to be read."""
        condition = self.condition.columns if self.condition else frozenset()
        return condition | frozenset(self.columns)

    @property
    def key(self) -> str:
        """What names it among the measures of a part."""
        text = json.dumps([VERSION, self.asked, self.columns], sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def with_nulls(domain: Domain, columns: Sequence[str], result: Measured) -> Measured:
    """What every measure has: how many rows there are, and nulls in each column."""
    frame = domain.frame
    nulls = [frame[name].null_count() for name in columns]
    return {"rows": frame.height, "nulls": nulls, **result}


def bad_rows(columns: Sequence[str], bad: Bad, *, skip: pl.Expr | None) -> Any:
    """A measure of rows that do not meet something; those of `skip` are passed over."""

    def compute(domain: Domain) -> Measured:
        frame = domain.frame
        is_bad = bad(frame)
        missing: pl.Expr = pl.lit(value=False) if skip is None else skip
        marks = frame.select(bad=is_bad & ~missing, missing=missing)
        wrong = marks["bad"]
        if wrong.null_count():
            raise NotCovered("a comparison without an answer")
        skips = 0 if skip is None else int(marks["missing"].sum())
        result: Measured = {"missing": skips, "bad": int(wrong.sum()), "first": []}
        if result["bad"]:
            result["first"] = first_rows(domain, columns, wrong.arg_true().head(KEYS_TOLD))
        return with_nulls(domain, columns, result)

    return compute


def first_rows(domain: Domain, columns: Sequence[str], rows: pl.Series) -> list[list[Any]]:
    """The places of rows and their values of some columns."""
    values = domain.frame.select(columns)[rows.to_list()]
    return [
        [domain.place(row), *(_told(value) for value in cells)]
        for row, cells in zip(rows.to_list(), values.iter_rows(), strict=True)
    ]


def _told(value: Any) -> Any:
    """A value as JSON has it, and of a long text only what is shown."""
    if isinstance(value, str):
        return value[:200]
    return value if isinstance(value, (int, float, bool)) or value is None else str(value)[:200]


def add_bad(parts: Sequence[Measured]) -> Measured:
    """The measures of all parts as one; places become (part, place)."""
    first = [
        [(number, row[0]), *row[1:]]
        for number, part in enumerate(parts)
        for row in part["first"][:KEYS_TOLD]
    ][:KEYS_TOLD]
    sums = {name: sum(part[name] for part in parts) for name in ("rows", "missing", "bad")}
    return {**sums, "nulls": add_nulls(parts), "first": first}


def add_nulls(parts: Sequence[Measured]) -> list[int]:
    """Nulls of each column in all parts."""
    return [sum(counts) for counts in zip(*(part["nulls"] for part in parts), strict=True)]


def numbers(column: str) -> Callable[[Domain], Measured]:
    """Count, extremes, exact sum and squared deviations of a column of numbers."""

    def compute(domain: Domain) -> Measured:
        values = domain.frame[column].drop_nulls().to_numpy()
        result: Measured = {"count": len(values)}
        if len(values):
            if values.dtype.kind == "f" and not _all_finite(values):
                raise NotCovered("infinity")
            total = exact_sum(values)
            mean = total / len(values)
            steps = apart(values, mean)
            unit = float(abs(steps).max())
            if unit and not 1 / _SQUARES < unit < _SQUARES:
                raise NotCovered("numbers whose squares are no floats")
            result |= {
                "least": values.min().item(),
                "most": values.max().item(),
                "sum": [str(total.numerator), str(total.denominator)],
                "squares": float((steps * steps).sum()),
            }
        return with_nulls(domain, [column], result)

    return compute


def _all_finite(values: Any) -> bool:
    return bool(math.isfinite(values.min()) and math.isfinite(values.max()))


@dataclass(frozen=True)
class Numbers:
    """Numbers of a column in all parts."""

    rows: int
    nulls: list[int]
    count: int
    least: float
    most: float
    sum: Fraction
    squares: float  # of deviations from the mean

    @classmethod
    def of(cls, parts: Sequence[Measured]) -> Numbers:
        """All parts as one. Raises NotCovered where there is no number."""
        full = [part for part in parts if part["count"]]
        if not full:
            raise NotCovered("no number")
        count = sum(part["count"] for part in full)
        sums = [Fraction(int(part["sum"][0]), int(part["sum"][1])) for part in full]
        mean = sum(sums, Fraction(0)) / count
        gaps = [float(own / part["count"] - mean) for part, own in zip(full, sums, strict=True)]
        if any(gap and not 1 / _SQUARES < abs(gap) < _SQUARES for gap in gaps):
            raise NotCovered("numbers whose squares are no floats")
        squares = sum(
            part["squares"] + part["count"] * gap**2 for part, gap in zip(full, gaps, strict=True)
        )
        return cls(
            sum(part["rows"] for part in parts),
            add_nulls(parts),
            count,
            min(part["least"] for part in full),
            max(part["most"] for part in full),
            sum(sums, Fraction(0)),
            squares,
        )


def values(column: str) -> Callable[[Domain], Measured]:
    """How often each value occurs; None where there are too many of them."""

    def compute(domain: Domain) -> Measured:
        counts = domain.frame[column].drop_nulls().value_counts(name="n " + column)
        pairs = None
        if counts.height <= MOST_VALUES:
            pairs = [list(row) for row in counts.iter_rows()]
        return with_nulls(domain, [column], {"values": pairs})

    return compute


def add_values(parts: Sequence[Measured]) -> dict[Any, int] | None:
    """How often each value occurs in all parts; None where it has to be counted in one go."""
    counts: dict[Any, int] = {}
    for part in parts:
        if part["values"] is None or len(counts) > 20 * MOST_VALUES:
            return None
        for value, count in part["values"]:
            counts[value] = counts.get(value, 0) + count
    return counts


def distinct(column: str) -> Callable[[Domain], Measured]:
    """Whether values are all different, and their range: parts may have ranges apart."""

    def compute(domain: Domain) -> Measured:
        series = domain.frame[column].drop_nulls()
        result: Measured = {"same": len(series) - series.n_unique(), "range": None}
        if len(series):
            least, most = series.min(), series.max()
            is_short = not isinstance(least, str) or max(len(least), len(str(most))) <= 500
            result["range"] = [least, most] if is_short else None
            result["same"] += not is_short
        return with_nulls(domain, [column], result)

    return compute


def are_apart(parts: Sequence[Measured]) -> bool:
    """Whether no value can be in two parts, and none is twice in one."""
    if any(part["same"] for part in parts):
        return False
    ranges = sorted(part["range"] for part in parts if part["range"] is not None)
    return all(low[1] < high[0] for low, high in pairwise(ranges))


def order(column: str, *, strictly: bool, sign: int) -> Callable[[Domain], Measured]:
    """Rows that break the order within a part, and its first and last value."""

    def compute(domain: Domain) -> Measured:
        frame = domain.frame
        rows = frame[column].is_not_null().arg_true()
        series = frame[column].drop_nulls()
        if series.dtype == pl.Float64 and len(series) and not _all_finite(series.to_numpy()):
            raise NotCovered("infinity")
        result: Measured = {"missing": frame.height - len(series), "bad": 0, "first": []}
        if len(series):
            before, after = series[:-1], series[1:]
            result["ends"] = [series[0], series[-1]]
            result["start"] = first_rows(domain, [column], rows.head(1))[0]
            wrong = _out_of_order(before, after, strictly=strictly, sign=sign)
            result["bad"] = int(wrong.sum())
            at = rows.gather((wrong.arg_true() + 1).head(KEYS_TOLD))
            result["first"] = first_rows(domain, [column], at)
        return with_nulls(domain, [column], result)

    return compute


def _out_of_order(before: Any, after: Any, *, strictly: bool, sign: int) -> Any:
    if sign > 0:
        return after <= before if strictly else after < before
    return after >= before if strictly else after > before


def add_order(parts: Sequence[Measured], *, strictly: bool, sign: int) -> Measured:
    """The measures of all parts as one, with the steps from part to part."""
    seams: list[Measured] = []
    last: Any = None
    for part in parts:
        whole = dict(part)
        if "ends" in part:
            if last is not None and _out_of_order(
                last, part["ends"][0], strictly=strictly, sign=sign
            ):
                whole["bad"] = part["bad"] + 1
                whole["first"] = [part["start"], *part["first"]]
            last = part["ends"][1]
        seams.append(whole)
    return add_bad(seams)
