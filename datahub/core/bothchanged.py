"""Rows that both sides of a merge touched: what each cell is, and where they conflict. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import polars as pl

from datahub.core.dataset import Key
from datahub.core.exact import equal_cells

Kind = Literal["both changed", "both added", "ours removed", "theirs removed"]


@dataclass(frozen=True)
class Cell:
    """What both sides changed differently: one column of a row, or (column None) a whole row.

    Of a whole row the values are the rows themselves, as name -> value, or None where there is
    none.
    """

    key: Key
    column: str | None
    kind: Kind
    base: object
    ours: object
    theirs: object


class BothChanged:
    """Rows that both sides touched, cell by cell."""

    def __init__(
        self,
        keys: pl.Series,
        base: pl.DataFrame,
        ours: pl.DataFrame,
        theirs: pl.DataFrame,
        losses: Mapping[str, pl.Series],
    ) -> None:
        """`lost` are cells of the base that have no counterpart in the types of the sides."""
        key = keys.name
        marks = {name: mask for name, mask in losses.items() if mask.any()}
        self._key, self._keys = key, keys
        self._base = _aligned(base, keys)
        self._ours, self._theirs = _aligned(ours, keys), _aligned(theirs, keys)
        self._lost = {
            name: keys.is_in(base[key].filter(mask).implode()) for name, mask in marks.items()
        }
        was, is_ours, is_theirs = (
            keys.is_in(frame[key].implode()) for frame in (base, ours, theirs)
        )
        self._was, self._is_ours, self._is_theirs = was, is_ours, is_theirs
        self._cells = {name: self._held(name) for name in ours.columns if name != key}

    def rows(self) -> pl.DataFrame:
        """The rows as merged, where ours are not that or something conflicts."""
        ours, theirs = self._ours, self._theirs
        changes = self._is_ours ^ self._is_theirs
        columns = {self._key: ours[self._key]}
        for name, (from_theirs, conflict) in self._cells.items():
            columns[name] = theirs[name].zip_with(from_theirs, ours[name])
            changes = changes | from_theirs | conflict
        return pl.DataFrame(columns).select(ours.columns).filter(changes & self._is_ours)

    def conflicts(self) -> list[Cell]:
        """What both changed differently, by key and in the order of columns."""
        entries = [
            (place, number, self._cell(place, name))
            for number, (name, (_, conflict)) in enumerate(self._cells.items())
            for place in conflict.arg_true()
        ]
        alone = (self._is_ours ^ self._is_theirs).arg_true()
        entries += [(place, -1, self._row(place)) for place in alone]
        return [cell for *_, cell in sorted(entries, key=lambda entry: entry[:2])]

    def _held(self, name: str) -> tuple[pl.Series, pl.Series]:
        """Which cells of a column are theirs, and which conflict."""
        base, ours, theirs = (f[name] for f in (self._base, self._ours, self._theirs))
        kept_by_ours, kept_by_theirs = equal_cells(ours, base), equal_cells(theirs, base)
        if name in self._lost:
            kept_by_ours, kept_by_theirs = (
                mask & ~self._lost[name] for mask in (kept_by_ours, kept_by_theirs)
            )
        news = ~(kept_by_theirs | equal_cells(theirs, ours)) & self._is_ours & self._is_theirs
        return news & kept_by_ours, news & ~kept_by_ours

    def _cell(self, place: int, name: str) -> Cell:
        kind: Kind = "both changed" if self._was[place] else "both added"
        values = (frame[name][place] for frame in (self._base, self._ours, self._theirs))
        return Cell(self._keys[place], name, kind, *values)

    def _row(self, place: int) -> Cell:
        kind: Kind = "theirs removed" if self._is_ours[place] else "ours removed"
        states = (
            (self._was, self._base),
            (self._is_ours, self._ours),
            (self._is_theirs, self._theirs),
        )
        rows = (frame.row(place, named=True) if has[place] else None for has, frame in states)
        return Cell(self._keys[place], None, kind, *rows)


def _aligned(frame: pl.DataFrame, keys: pl.Series) -> pl.DataFrame:
    """The rows with these keys in their order, all null where there is none."""
    return keys.to_frame().join(frame, on=keys.name, how="left", maintain_order="left")
