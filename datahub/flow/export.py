"""Rows out: a table of a dataset as of a ref, to a file or a folder, a part at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from datahub.core.dataset import Dataset
from datahub.core.errors import InputError
from datahub.flow.reading import beside, check_readable
from datahub.flow.steps import Progress, quiet
from datahub.flow.tables import dataset_at, part_reader
from datahub.ports import Rows, VersionStore

FORMATS = ("parquet", "orc", "csv")


@dataclass(frozen=True)
class Exported:
    """What an export wrote."""

    rows: int
    files: int


def export_rows(
    path: Path,
    *,
    dataset: str,
    ref: str,
    table: str,
    store: VersionStore,
    rows: Rows,
    kind: str | None = None,
    progress: Progress = quiet,
) -> Exported:
    """Write a table of a dataset as of a ref to a file; with a format (`kind`), to a folder.

    `table` rows, gold, labels or soft_labels; or labeled: every row with its label beside it. In
    a folder each part is a file, in the order of their names; both are whole or absent. Raises
    DatasetNotFound, NotFound (no such table there), SourceError (unknown suffix), InputError (a
    folder that holds files).
    """
    known = dataset_at(store, ref, dataset)
    check_readable(store, ref, dataset, table)
    suffix = path.suffix if kind is None else _suffix(kind)
    frames = _shown(_frames(store, rows, ref, known, table), suffix, known.rows, progress)
    if kind is None:
        return Exported(rows.write(frames, path), 1)
    written = rows.write_folder(frames, path, suffix=suffix)
    return Exported(sum(written), len(written))


def _suffix(kind: str) -> str:
    if kind not in FORMATS:
        raise InputError(f"There is no format {kind!r}.", hint=f"Formats are {', '.join(FORMATS)}.")
    return f".{kind}"


def _frames(
    store: VersionStore, rows: Rows, ref: str, known: Dataset, table: str
) -> Iterator[pl.DataFrame]:
    if table != "labeled":
        read = part_reader(store, rows, ref, known, table)
        yield from (frame for part in known.parts if (frame := read(part)) is not None)
        return
    content = part_reader(store, rows, ref, known, "rows")
    labels = part_reader(store, rows, ref, known, "labels")
    for part in known.parts:
        ours, theirs = content(part), labels(part)
        if ours is not None and theirs is not None:
            theirs = theirs.rename(beside(theirs.columns, known))
            yield ours.join(theirs, on=known.key, how="left", maintain_order="left")


def _shown(
    frames: Iterator[pl.DataFrame], suffix: str, total: int, progress: Progress
) -> Iterator[pl.DataFrame]:
    """CSV holds no lists: their items stand in one cell, parted by semicolons."""
    done = 0
    for frame in frames:
        lists = [name for name, kind in frame.schema.items() if isinstance(kind, pl.List)]
        joined = pl.col(lists).cast(pl.List(pl.String)).list.join(";")
        yield frame.with_columns(joined) if suffix.lower() == ".csv" and lists else frame
        done += frame.height
        progress("export", done, total)
