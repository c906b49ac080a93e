"""Final labels over a change of the rows: a row that is as it was keeps its line, others have none.

A row without a label still has a line, with no label and the status `new`, so that a table of
labels is always one line a row. `label fit` gives those rows a label. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from datahub.core.dataset import Dataset
from datahub.core.rowmerge import fitted

NEW = "new"  # the status of a row that came or changed since labels were made
REASON = "the row came or changed since the labels were made"
FIT = "`datahub lf run`, then `datahub label fit`"  # what gives them a label
_LISTS = ("lfs", "annotations")


def same_meaning(old: Dataset, new: Dataset) -> bool:
    """Whether a row of the one can be a row of the other: a new column is part of every row."""
    names = [set(known.content_columns) for known in (old, new)]
    return old.key == new.key and names[0] == names[1] and old.classes == new.classes


def lines_of(keys: pl.Series, kept: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """One line of labels for each key, by key: that of `kept`, or one without a label.

    `kept` are lines with different keys; there is at least one frame, which says the columns.

    >>> old = pl.DataFrame({"id": [1], "label": ["ham"], "status": ["accepted"]})
    >>> lines_of(pl.Series("id", [1, 2]), [old]).rows()
    [(1, 'ham', 'accepted'), (2, None, 'new')]
    """
    lines = pl.concat(list(kept))
    missing = keys.filter(~keys.is_in(lines[keys.name].implode()))
    told = {"status": pl.lit(NEW), "reason": pl.lit(REASON)}
    told |= {name: pl.lit([], pl.List(pl.String)) for name in _LISTS}
    said = [value.alias(name) for name, value in told.items() if name in lines.columns]
    new = fitted(missing.to_frame().with_columns(said), lines.schema)
    return pl.concat([lines, new]).sort(keys.name)


def new_lines(lines: pl.DataFrame) -> int:
    """How many of these lines are without a label yet."""
    return int((lines["status"] == NEW).sum())
