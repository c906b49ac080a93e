"""Rows of a part that a slice of a suite means: columns of the rows, each with values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from datahub.core.dataset import Part
from datahub.core.errors import GateError
from datahub.flow.dataset.at import At


def in_slice(frame: pl.DataFrame, at: At, part: Part, only: Mapping[str, Any]) -> pl.DataFrame:
    """The lines of a part's table whose rows are in the slice. Raises GateError: no column."""
    columns = [name for name, _ in at.dataset.columns]
    for name in only:
        if name not in columns:
            raise GateError(
                f"Rows of {at.name!r} have no column {name!r} for a slice.",
                hint=f"They have {', '.join(columns[:20])}.",
            )
    rows = at.part("rows", part, list(dict.fromkeys([at.key, *only])))
    if rows is None:
        return frame.clear()
    keys = rows.filter(*(_is(name, values) for name, values in only.items())).select(at.key)
    return frame.join(keys, on=at.key, how="semi", maintain_order="left")


def _is(name: str, values: object) -> pl.Expr:
    """Values are compared as they are written: 1 and "1" are the same."""
    texts = [_text(one) for one in (values if isinstance(values, list) else [values])]
    return pl.col(name).cast(pl.String, strict=False).is_in(texts)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
