"""Rows out: a table of a dataset as of a ref, to a file or a folder, a part at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from datahub.core.dataset import Dataset
from datahub.core.errors import InputError, SourceError
from datahub.flow.dataset.reading import beside, check_readable
from datahub.flow.dataset.tables import dataset_at, part_reader
from datahub.flow.steps import Progress, quiet
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
    """The frames; for CSV, which holds no lists, the items of one as text parted by semicolons."""
    done = 0
    for frame in frames:
        yield _joined(frame) if suffix.lower() == ".csv" else frame
        done += frame.height
        progress("export", done, total)


def _joined(frame: pl.DataFrame) -> pl.DataFrame:
    """Lists of what a cell can show, as cells. Raises SourceError where items would be lost."""
    lists = [series for series in frame.iter_columns() if _is_list_of_cells(series.dtype)]
    for series in lists:
        items = series.cast(pl.List(pl.String))
        lost = items.list.eval(_is_lost(pl.element())).list.any()
        if lost.any():
            raise SourceError(
                f"Column {series.name!r} holds lists with items that are null, empty or have a "
                "semicolon in them: a cell of CSV, where semicolons part the items, cannot show "
                "these.",
                hint="Export to .parquet or .orc.",
            )
        frame = frame.with_columns(items.list.join(";"))
    return frame


def _is_lost(item: pl.Expr) -> pl.Expr:
    return item.is_null() | (item == "") | item.str.contains(";", literal=True)


def _is_list_of_cells(dtype: pl.DataType) -> bool:
    if not isinstance(dtype, pl.List):
        return False
    inner = dtype.inner
    return not (
        inner.is_nested() or inner.is_extension() or isinstance(inner, (pl.Binary, pl.Duration))
    )
