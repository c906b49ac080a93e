"""Rows as labeling functions see them: light, and apart from what other functions wrote."""

from __future__ import annotations

import gc
from types import SimpleNamespace
from typing import Any, ClassVar

import polars as pl


class Row(SimpleNamespace):
    """One row as LFs see it: columns as attributes, and by name as in a pandas row.

    >>> row = Row(text="hello")
    >>> row.text == row["text"]
    True
    """

    last_change: ClassVar[object] = None  # another object whenever any row has been written to

    def __setattr__(self, name: str, value: object) -> None:
        Row.last_change = object()
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        Row.last_change = object()
        super().__delattr__(name)

    def __setitem__(self, name: str, value: object) -> None:
        setattr(self, name, value)

    def __getitem__(self, name: str) -> Any:
        try:
            return self.__dict__[name]
        except KeyError:
            raise KeyError(name) from None

    def __contains__(self, name: object) -> bool:
        return name in self.__dict__

    def __len__(self) -> int:
        return len(self.__dict__)

    def get(self, name: str, default: object = None) -> Any:
        """The column, or `default` where there is none."""
        return self.__dict__.get(name, default)

    def keys(self) -> list[str]:
        """Names of the columns, in their order."""
        return list(self.__dict__)

    def items(self) -> list[tuple[str, Any]]:
        """Names and values."""
        return list(self.__dict__.items())

    def to_dict(self) -> dict[str, Any]:
        """All of it, apart from the row."""
        return dict(self.__dict__)


class RowsOf:
    """A frame as light rows; an LF never sees what another one wrote on them."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame
        self._nested = any(kind.is_nested() or kind == pl.Object for kind in frame.dtypes)
        self._rows: list[Row] | None = None
        self._change = Row.last_change

    def fresh(self) -> list[Row]:
        """The rows, without a trace of any function before."""
        if self._rows is None or self._nested or self._change is not Row.last_change:
            self._change = Row.last_change
            self._rows = _light_rows(self._frame)
        return self._rows


def _light_rows(frame: pl.DataFrame) -> list[Row]:
    names = frame.columns
    columns = [_values(column) for column in frame]
    gc_is_on = gc.isenabled()
    gc.disable()  # or it walks all rows made so far, again and again: half the time
    try:
        return [
            Row(**dict(zip(names, values, strict=True))) for values in zip(*columns, strict=True)
        ]
    finally:
        if gc_is_on:
            gc.enable()


def _values(column: pl.Series) -> list[Any]:
    """Values as an LF that was written for pandas expects them: a number that is null is NaN."""
    values = column.to_list()
    if column.null_count() and column.dtype.is_numeric():
        nan = float("nan")
        return [nan if value is None else value for value in values]
    return values
