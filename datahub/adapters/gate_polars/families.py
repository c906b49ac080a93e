"""Families of column types that are judged here, and the form in which they are.

Whole numbers are Int64, floats have NaN as null (as pandas has), categories are their texts. A
column of any other type is asked only whether it is null: Great Expectations judges the rest.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from datahub.adapters.gate_polars.kwargs import is_number

Families = Mapping[str, str]
OTHER = "other"
_FAMILIES: dict[type[pl.DataType], str] = {
    **dict.fromkeys((pl.Int8, pl.Int16, pl.Int32, pl.Int64), "int"),
    **dict.fromkeys((pl.UInt8, pl.UInt16, pl.UInt32), "int"),
    pl.Float64: "float",
    **dict.fromkeys((pl.String, pl.Categorical, pl.Enum), "text"),
    pl.Boolean: "bool",
}


def families_of(schema: Mapping[str, pl.DataType]) -> dict[str, str]:
    """The family of each column: int, float, text, bool or other."""
    return {name: _FAMILIES.get(kind.base_type(), OTHER) for name, kind in schema.items()}


def normal(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame in the forms of the families."""
    forms = []
    for name, kind in frame.schema.items():
        family = _FAMILIES.get(kind.base_type(), OTHER)
        column = pl.col(name)
        if family == "int" and kind != pl.Int64:
            forms.append(column.cast(pl.Int64))
        elif family == "float" or kind == pl.Float32:
            forms.append(column.fill_nan(None))
        elif family == "text" and kind != pl.String:
            forms.append(column.cast(pl.String))
    return frame.with_columns(forms) if forms else frame


def fits(family: str, value: object, *, exactly: bool = False) -> bool:
    """Whether a value of JSON can be compared with a column; `exactly`: be equal to one in it.

    >>> fits("int", 1.5), fits("int", 1.5, exactly=True), fits("text", 1)
    (True, False, False)
    """
    if family == "text":
        return isinstance(value, str)
    if family == "bool":
        return isinstance(value, bool)
    if family == "int":
        return type(value) is int and is_number(value) if exactly else is_number(value)
    if family == "float":
        return is_number(value) and (isinstance(value, float) or abs(value) <= 2**53)  # type: ignore[arg-type]
    return False
