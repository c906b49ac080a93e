"""Rows out: a table of a dataset as of a ref, to a file or a folder, a part at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from datahub.core.errors import InputError, SourceError
from datahub.flow.dataset.at import At
from datahub.flow.dataset.reading import beside, check_readable
from datahub.flow.steps import Progress, quiet

FORMATS = ("parquet", "orc", "csv")


@dataclass(frozen=True)
class ExportReport:
    """What an export wrote."""

    rows: int
    files: int


def export_rows(
    at: At,
    path: Path,
    *,
    table: str,
    kind: str | None = None,
    progress: Progress = quiet,
) -> ExportReport:
    """Write a table of a dataset as of a ref to a file; with a format (`kind`), to a folder.

    `table` rows, gold, labels or soft_labels; or labeled: every row with its label beside it. In
    a folder each part is a file, in the order of their names; both are whole or absent. Raises
    DatasetNotFound, NotFound (no such table there), SourceError (unknown suffix), InputError (a
    folder that holds files).
    """
    dataset = at.dataset
    check_readable(at, table)
    suffix = path.suffix if kind is None else _suffix(kind)
    frames = _render(_frames(at, table), suffix, dataset.rows, progress)
    if kind is None:
        return ExportReport(at.rows.write(frames, path), 1)
    counts = at.rows.write_folder(frames, path, suffix=suffix)
    return ExportReport(sum(counts), len(counts))


def _suffix(kind: str) -> str:
    if kind not in FORMATS:
        raise InputError(f"There is no format {kind!r}.", hint=f"Formats are {', '.join(FORMATS)}.")
    return f".{kind}"


def _frames(at: At, table: str) -> Iterator[pl.DataFrame]:
    if table != "labeled":
        yield from (frame for _, frame in at.parts(table))
        return
    for part, content in at.parts("rows"):
        labels = at.part("labels", part)
        if labels is not None:
            labels = labels.rename(beside(labels.columns, at.dataset))
            yield content.join(labels, on=at.key, how="left", maintain_order="left")


def _render(
    frames: Iterator[pl.DataFrame], suffix: str, total: int, progress: Progress
) -> Iterator[pl.DataFrame]:
    """The frames; for CSV, which holds no lists, the items of one as text parted by semicolons."""
    count = 0
    for frame in frames:
        yield _join_lists(frame) if suffix.lower() == ".csv" else frame
        count += frame.height
        progress("export", count, total)


def _join_lists(frame: pl.DataFrame) -> pl.DataFrame:
    """Lists of what a cell can show, as cells. Raises SourceError where items would be lost."""
    lists = [series for series in frame.iter_columns() if _is_list_of_cells(series.dtype)]
    for series in lists:
        items = series.cast(pl.List(pl.String))
        losses = items.list.eval(_is_lost(pl.element())).list.any()
        if losses.any():
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
