"""Numbers of a column that neither wrap nor lose digits, and comparisons of them that are exact.

pandas sums int64 modulo 2**64, takes differences of unsigned and narrow integers within their
width, and turns whole numbers past 2**53 into floats that are other numbers. What is computed
here is exact for whole numbers and decimals, and the nearest float for floats. Series in (their
nulls are left out), `Exact` out; None where a column holds no numbers, or nothing to compute
from: Great Expectations' own answer is right there.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator
from decimal import Context, Decimal, Inexact, localcontext
from fractions import Fraction
from typing import Any, Self

import numpy as np

SAFE = 2**53  # whole numbers up to here are floats without loss
_STEP = 1 << 20  # values at a time
_DIGITS = Context(prec=2000, traps=[Inexact])  # a sum that would be rounded raises


class Exact(float):
    """A float that knows the number it stands for, and is compared as that number.

    Great Expectations keeps bounds as floats; so bounds past 2**53 and results are these. A
    float that it is compared with is what its shortest decimal says, as its author wrote it.

    >>> Exact(2**53 + 1) > 2.0**53, Exact(Fraction(3, 10)) <= 0.3
    (True, True)
    """

    number: Fraction

    def __new__(cls, number: float | Fraction | Decimal) -> Self:
        """Raises ValueError for what is not finite."""
        exact = literal_value(number)
        try:
            near = float(exact)
        except OverflowError:
            near = math.inf if exact > 0 else -math.inf
        instance = super().__new__(cls, near)
        instance.number = exact
        return instance

    def __reduce__(self) -> tuple[Any, ...]:
        """Great Expectations copies its configurations deeply."""
        return Exact, (self.number,)

    def __eq__(self, other: object) -> bool:
        order = self._order(other)
        return NotImplemented if order is None else order == 0

    def __hash__(self) -> int:
        return hash(self.number)

    def __lt__(self, other: object) -> bool:
        order = self._order(other)
        return NotImplemented if order is None else order < 0

    def __le__(self, other: object) -> bool:
        order = self._order(other)
        return NotImplemented if order is None else order <= 0

    def __gt__(self, other: object) -> bool:
        order = self._order(other)
        return NotImplemented if order is None else order > 0

    def __ge__(self, other: object) -> bool:
        order = self._order(other)
        return NotImplemented if order is None else order >= 0

    def item(self) -> int | float:
        """The number as it is shown."""
        return self.number.numerator if self.number.denominator == 1 else float(self)

    def _order(self, other: object) -> float | None:
        if isinstance(other, Exact):
            return _sign(self.number - other.number)
        plain = other.item() if isinstance(other, np.generic) else other
        if not isinstance(plain, (int, float, Fraction, Decimal)):
            return None
        if isinstance(plain, float) and not math.isfinite(plain):
            return math.nan if math.isnan(plain) else -plain
        return _sign(self.number - literal_value(plain))


def literal_value(number: float | Fraction | Decimal) -> Fraction:
    """The exact number that a literal says: of a float below 2**53, its shortest decimal.

    >>> literal_value(0.1)
    Fraction(1, 10)
    """
    if isinstance(number, Exact):
        return number.number
    if isinstance(number, (float, np.floating)) and abs(number) < SAFE:
        return Fraction(str(number))
    return Fraction(float(number)) if isinstance(number, np.floating) else Fraction(number)


def exact_sum(values: Any) -> Fraction:
    """The sum of an array of whole numbers, or of finite floats, without any rounding.

    >>> exact_sum(np.array([1e100, 1.0, -1e100]))
    Fraction(1, 1)
    """
    if values.dtype.kind in "iu":
        return Fraction(_sum(values))
    pieces = (_exact_sum(piece.astype(np.float64)) for piece in _pieces(values))
    return sum(pieces, Fraction(0))


def _exact_sum(values: Any) -> Fraction:
    """Whole mantissas by their exponents, in halves that floats add up without loss."""
    if len(values) == 0:
        return Fraction(0)
    mantissas, exponents = np.frexp(values)
    whole = (mantissas * 2.0**53).astype(np.int64)
    lowest = int(exponents.min())
    places = (exponents - lowest).astype(np.intp)
    high = np.bincount(places, weights=whole >> 27)
    low = np.bincount(places, weights=whole & (2**27 - 1))
    number = sum(
        ((int(above) << 27) + int(below)) << place
        for place, (above, below) in enumerate(zip(high, low, strict=True))
        if above or below
    )
    shift = lowest - 53
    return Fraction(number << shift) if shift >= 0 else Fraction(number, 1 << -shift)


def rounded(exact: Fraction) -> Fraction:
    """The sum of floats, rounded once to a float where it is in their range."""
    return exact if abs(exact) > sys.float_info.max else Fraction(float(exact))


def total(column: Any) -> Exact | None:
    """The sum."""
    values = _numbers(column)
    return None if values is None else Exact(_sum(values))


def mean(column: Any) -> Exact | None:
    """The mean: past 2**53, and where it is whole, to the last digit; else the nearest float."""
    values = _numbers(column)
    return None if values is None else near(Fraction(_sum(values)) / len(values))


def median(column: Any) -> Exact | None:
    """The median, in the same way."""
    values = _numbers(column)
    return None if values is None else middle_of(values)


def middle_of(values: Any) -> Exact:
    """The median of an array of numbers that is not empty."""
    at = sorted({(len(values) - 1) // 2, len(values) // 2})
    order = np.sort(values) if values.dtype.kind == "O" else np.partition(values, at)
    middle = order[at].tolist()
    return near(sum(map(Fraction, middle), Fraction()) / len(middle))


def least(column: Any, *, greatest: bool = False) -> Exact | None:
    """The least value, or the greatest."""
    values = _numbers(column)
    if values is None:
        return None
    value = values.max() if greatest else values.min()
    return Exact(value if values.dtype.kind == "f" else _plain(value))


def deviation(column: Any) -> Exact | None:
    """The sample standard deviation: deviations are taken from the exact mean."""
    values = _numbers(column)
    if values is None or len(values) < 2:
        return None
    center = Fraction(_sum(values)) / len(values)
    away = np.concatenate([apart(piece, center) for piece in _pieces(values)])
    unit = float(np.abs(away).max())
    if unit == 0:
        return Exact(0)
    squares = math.fsum(_floats((away / unit) ** 2))
    return Exact(unit * math.sqrt(squares / (len(values) - 1)))


def steps(column: Any) -> Any:
    """For each value but the first: 1 above the one before it, 0 the same, -1 below.

    None where the column holds no numbers.
    """
    values = _numbers(column, least=0)
    if values is None:
        return None
    before, after = values[:-1], values[1:]
    return (after > before).astype(np.int8) - (after < before).astype(np.int8)


def is_whole(column: Any) -> bool:
    """Whether a column is of whole numbers."""
    return bool(column.dtype.kind in "iu")


def beyond(column: Any, limit: int = SAFE) -> bool:
    """Whether a column of whole numbers holds one whose size is above a limit."""
    values = column.dropna()
    return bool(len(values)) and (int(values.max()) > limit or int(values.min()) < -limit)


def _numbers(column: Any, *, least: int = 1) -> Any:
    """The values as a numpy array of numbers: floats finite, decimals as objects."""
    values = column.dropna()
    if len(values) < least:
        return None
    kind = values.dtype.kind
    if kind in "iu":
        return values.to_numpy(dtype=getattr(values.dtype, "numpy_dtype", values.dtype))
    if kind == "f":
        floats = values.to_numpy()
        return floats if np.isfinite(floats).all() else None
    if kind == "O" and all(isinstance(value, Decimal) and value.is_finite() for value in values):
        return values.to_numpy(dtype=object)
    return None


def _sum(values: Any) -> int | float | Fraction | Decimal:
    if values.dtype.kind in "iu":
        # Halves of 32 bits: neither can wrap before there are 2**31 values to a piece.
        wide = (piece.astype(f"{values.dtype.kind}8") for piece in _pieces(values))
        return sum(int((v >> 32).sum()) * 2**32 + int((v & 0xFFFFFFFF).sum()) for v in wide)
    if values.dtype.kind == "f":
        try:
            return math.fsum(_floats(values))
        except OverflowError:  # on the way: the sum itself may be a float
            exact = sum(map(Fraction, _floats(values)), Fraction())
            return exact if abs(exact) > sys.float_info.max else float(exact)
    with localcontext(_DIGITS):
        return sum(values, Decimal(0))


def apart(values: Any, center: Fraction) -> Any:
    """How far values are from a number, as floats, rounded once (of whole numbers: twice)."""
    if values.dtype.kind == "O":
        return np.array([float(Fraction(value) - center) for value in values])
    if values.dtype.kind == "f":
        return values.astype(np.float64) - float(center)
    whole = math.floor(center)
    if max(abs(int(values.min()) - whole), abs(int(values.max()) - whole)) < 2**63:
        # The difference fits 64 bits, so it is right even if a value or the mean does not fit.
        steps = values.astype(np.uint64) - np.uint64(whole % 2**64)
        return steps.view(np.int64).astype(np.float64) - float(center - whole)
    return np.array([float(int(value) - center) for value in values])


def near(number: Fraction) -> Exact:
    """As it is where that is whole or large, else as the nearest float: so people read it."""
    is_large = number.denominator == 1 or abs(number) > SAFE
    return Exact(number if is_large else float(number))


def _pieces(values: Any) -> Iterator[Any]:
    return (values[start : start + _STEP] for start in range(0, len(values), _STEP))


def _floats(values: Any) -> Iterable[float]:
    return (value for piece in _pieces(values) for value in piece.tolist())


def _plain(value: object) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _sign(number: Fraction) -> int:
    return (number > 0) - (number < 0)
