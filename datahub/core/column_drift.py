"""How far a column's values moved, from sketches of parts. Pure.

A sketch of numbers has 513 points of equal depth, count, nulls, sum and squares; of all else, how
often each value occurs. Sketches of parts add up to that of a table. With p, q the shares of two
tables, F, G their distribution functions:

    W1    area between F and G, in standard deviations of the first     (Kantorovich)
    KS    the largest distance of F and G                               (Kolmogorov, Smirnov)
    PSI   sum of (p - q) ln(p / q) over deciles of the first            (as in credit scoring)
    JS    square root of the Jensen-Shannon divergence, base 2          (Lin 1991)
    L-infinity    the largest change of a share

A point stands for 1/513 of its part's rows: F is right to 0.002. A part of fewer rows is exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

POINTS = 513
MOST_VALUES = 5_000  # distinct ones, of a part
_LEAST_SHARE = 1e-4  # of a bin in PSI: an empty one would be infinitely far
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sketch:
    """A column of one table: numbers by points, or else counts of values; None: too many."""

    rows: int
    nulls: int
    values: Floats = field(default_factory=lambda: np.empty(0))
    below: Floats = field(default_factory=lambda: np.empty(0))  # F at `values`
    deviation: float = 0.0
    least: float | None = None
    most: float | None = None
    counts: Mapping[str, int] | None = None
    is_numbers: bool = True

    @property
    def null_share(self) -> float:
        """Share of rows without a value."""
        return self.nulls / self.rows if self.rows else 0.0


def sketch_part(column: pl.Series) -> dict[str, Any]:
    """The sketch of a part's column, in values of JSON."""
    if not _is_numbers(column.dtype):
        counts = column.drop_nulls().cast(pl.String, strict=False).value_counts()
        few = counts.height <= MOST_VALUES
        found = dict(counts.iter_rows()) if few else None
        return {"rows": len(column), "nulls": column.null_count(), "counts": found}
    numbers = column.drop_nulls().to_physical().to_numpy().astype(np.float64)
    numbers = np.sort(numbers[np.isfinite(numbers)])
    n = len(numbers)
    middles = (np.arange(POINTS) * 2 + 1) * n // (2 * POINTS)
    points = numbers[middles] if n > POINTS else numbers
    mean = float(numbers.mean()) if n else 0.0
    return {
        "rows": len(column),
        "nulls": len(column) - n,  # what is no finite number is none
        "points": points.tolist(),
        "mean": mean,
        "squares": float(((numbers - mean) ** 2).sum()) if n else 0.0,
        "ends": [float(numbers[0]), float(numbers[-1])] if n else [],
    }


def merged(parts: Sequence[Mapping[str, Any]]) -> Sketch:
    """The sketches of parts as one."""
    rows, nulls = (sum(part[name] for part in parts) for name in ("rows", "nulls"))
    if any("counts" in part for part in parts):
        return Sketch(rows, nulls, counts=_added(parts), is_numbers=False)
    full = [part for part in parts if part["points"]]
    if not full:
        return Sketch(rows, nulls)
    sizes = np.array([part["rows"] - part["nulls"] for part in full], dtype=np.float64)
    values = np.concatenate([np.asarray(part["points"], dtype=np.float64) for part in full])
    weights = np.concatenate(
        [np.full(len(part["points"]), n / len(part["points"])) for part, n in zip(full, sizes)]  # noqa: B905
    )
    order = np.argsort(values, kind="stable")
    means = np.array([part["mean"] for part in full])
    mean = float((means * sizes).sum() / sizes.sum())
    squares = sum(part["squares"] for part in full) + float((sizes * (means - mean) ** 2).sum())
    below = np.cumsum(weights[order]) / weights.sum()
    deviation = float(np.sqrt(squares / sizes.sum()))
    least, most = min(part["ends"][0] for part in full), max(part["ends"][1] for part in full)
    return Sketch(rows, nulls, values[order], below, deviation, least, most)


def drift(before: Sketch, after: Sketch) -> dict[str, float]:
    """The measures that the column has; none where either side has no value, or too many.

    >>> a, b = pl.Series([1.0, 2, 3, 4]), pl.Series([2.0, 3, 4, 5])
    >>> found = drift(merged([sketch_part(a)]), merged([sketch_part(b)]))
    >>> round(found["w1"], 2), found["ks"]
    (0.89, 0.25)
    """
    nulls = {"nulls": abs(after.null_share - before.null_share)}
    if before.is_numbers != after.is_numbers:
        return nulls
    if before.is_numbers:
        return nulls | (_numbers(before, after) if len(before.values) and len(after.values) else {})
    if not before.counts or not after.counts:
        return nulls
    names = list({**before.counts, **after.counts})
    p, q = (_shares(side.counts or {}, names) for side in (before, after))
    return nulls | {"linf": float(np.abs(p - q).max()), "js": _js(p, q)}


def _numbers(before: Sketch, after: Sketch) -> dict[str, float]:
    grid = np.unique(np.concatenate([before.values, after.values]))
    f, g = _below(before, grid), _below(after, grid)
    area = float((np.abs(f - g)[:-1] * np.diff(grid)).sum())
    unit = before.deviation or (1.0 if area == 0 else area)  # a constant that moved, moved by 1
    deciles = np.interp(np.linspace(0, 1, 11)[1:-1], before.below, before.values)
    edges = np.unique(deciles)
    p, q = (np.diff(np.r_[0.0, _below(side, edges), 1.0]) for side in (before, after))
    p, q = np.clip(p, _LEAST_SHARE, None), np.clip(q, _LEAST_SHARE, None)
    psi = float(((p - q) * np.log(p / q)).sum())
    return {"w1": area / unit, "ks": float(np.abs(f - g).max()), "psi": psi}


def _below(sketch: Sketch, at: Floats) -> Floats:
    """F at these values."""
    places = np.searchsorted(sketch.values, at, side="right")
    below: Floats = np.concatenate([[0.0], sketch.below])[places]
    return below


def _js(p: Floats, q: Floats) -> float:
    middle = (p + q) / 2
    halves = [
        (side[side > 0] * np.log2(side[side > 0] / middle[side > 0])).sum() for side in (p, q)
    ]
    return float(np.sqrt(max(sum(halves) / 2, 0.0)))


def _shares(counts: Mapping[str, int], names: Sequence[str]) -> Floats:
    numbers = np.array([counts.get(name, 0) for name in names], dtype=np.float64)
    shares: Floats = numbers / numbers.sum()
    return shares


def _added(parts: Sequence[Mapping[str, Any]]) -> dict[str, int] | None:
    total: dict[str, int] = {}
    for part in parts:
        if part.get("counts") is None:
            return None
        for value, count in part["counts"].items():
            total[value] = total.get(value, 0) + count
    return total


def _is_numbers(kind: pl.DataType) -> bool:
    return kind.is_numeric() or kind.is_temporal()
