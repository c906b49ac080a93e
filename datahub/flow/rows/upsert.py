"""Rows that come to a dataset's rows: in the places of those with their keys, or between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import polars as pl

from datahub.core.dataset import Dataset, Part
from datahub.core.errors import InputError
from datahub.core.nulltypes import cast_frame
from datahub.core.parts import places
from datahub.flow.dataset.at import At
from datahub.flow.dataset.parts import GOLD, Edit, RowsWriter, gold_reader, rewrite_rows
from datahub.flow.rows.incoming import Incoming


def upsert_rows(at: At, incoming: Incoming, *, only_new: bool) -> RowsWriter:
    """Write the dataset's rows with those that came; only the parts they fall into are read.

    A new column is null in the rows that were there, and one that was null throughout takes the
    type that came; all parts are then written again. Gold of a row stays where none came. Raises
    InputError: a column is missing, or (`only_new`) a key is there already.
    """
    dataset, columns = at.dataset, _columns(at.dataset, incoming)
    upsert = _Upsert(at, columns, only_new=only_new)
    has_new_types = any(str(columns[name]) != kind for name, kind in dataset.columns)
    has_new_columns = len(columns) > len(dataset.columns) or (
        incoming.has_gold and not dataset.has_gold
    )
    return rewrite_rows(
        at, upsert.edits(incoming.frames, all_parts=has_new_columns or has_new_types)
    )


class _Upsert:
    def __init__(self, at: At, columns: dict[str, pl.DataType], *, only_new: bool) -> None:
        self._dataset = at.dataset
        self._columns = columns
        self._only_new = only_new
        self._read = gold_reader(at)

    def edits(self, frames: Iterator[pl.DataFrame], *, all_parts: bool) -> Iterator[Edit]:
        """Edits in order of key, each no larger than a part and a frame."""
        parts = self._dataset.parts
        last = -1  # the last part that was reached
        for number, pieces in groupby(self._place(frames), key=lambda pair: pair[0]):
            if all_parts:
                yield from self._only_widened(parts[last + 1 : number])
            yield from self._into(parts[number], (piece for _, piece in pieces))
            last = number
        if all_parts:
            yield from self._only_widened(parts[last + 1 :])

    def _place(self, frames: Iterator[pl.DataFrame]) -> Iterator[tuple[int, pl.DataFrame]]:
        """The rows that came, by the number of the part that they fall into."""
        for frame in frames:
            runs = places(self._dataset.parts, frame[self._dataset.key]).rle().struct
            start = 0
            for place, length in zip(runs.field("value"), runs.field("len"), strict=True):
                yield int(place), frame.slice(start, length)
                start += length

    def _only_widened(self, parts: Sequence[Part]) -> Iterator[Edit]:
        for part in parts:
            yield [part], self._wide(self._read(part))

    def _into(self, part: Part, pieces: Iterator[pl.DataFrame]) -> Iterator[Edit]:
        key = pl.col(self._dataset.key)
        old = self._wide(self._read(part))
        group: list[Part] = [part]
        for piece in pieces:
            last = piece[self._dataset.key][-1]
            yield group, self._merge(old.filter(key <= last), self._wide(piece, beside=old))
            old, group = old.filter(key > last), []
        if old.height:
            yield group, old

    def _merge(self, old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
        key = self._dataset.key
        if self._only_new and old.height:
            twice = new[key].filter(new[key].is_in(old[key].implode()))
            if twice.len():
                raise InputError(
                    f"Key {twice[0]!r} is in dataset {self._dataset.name!r} already.",
                    hint="Append brings new rows only: leave it out, or use --upsert.",
                )
        return pl.concat([old.join(new, on=key, how="anti"), new]).sort(key)

    def _wide(self, frame: pl.DataFrame, beside: pl.DataFrame | None = None) -> pl.DataFrame:
        """All columns in their order; gold that did not come is that of the row that was there."""
        if GOLD in self._columns and GOLD not in frame.columns and beside is not None:
            key = self._dataset.key
            frame = frame.join(beside.select(key, GOLD), on=key, how="left", maintain_order="left")
        absent = [
            pl.lit(None, self._columns[n]).alias(n) for n in self._columns if n not in frame.columns
        ]
        return cast_frame(frame.with_columns(absent)[list(self._columns)], pl.Schema(self._columns))


def _columns(dataset: Dataset, incoming: Incoming) -> dict[str, pl.DataType]:
    """Columns of the dataset from now on, with gold where it has some."""
    old = [name for name, _ in dataset.columns]
    missing = [name for name in old if name not in incoming.schema]
    if missing:
        raise InputError(
            f"The rows have no column {missing[0]!r}, which dataset {dataset.name!r} has.",
            hint=f"It stands in the name of a folder: name the folder above {missing[0]}=..."
            if missing[0] in incoming.above
            else "Add it, or import all rows again without --append or --upsert.",
        )
    new = [name for name in incoming.schema if name not in old]
    if new and dataset.key_made:
        raise InputError(
            f"Column {new[0]!r} is new, and the keys of {dataset.name!r} are made from content.",
            hint="Import all rows again, or into a dataset with --key.",
        )
    columns = {name: incoming.schema[name] for name in (*old, *new)}
    if incoming.has_gold or dataset.has_gold:
        columns[GOLD] = pl.String()
    return columns
