"""ORC, which polars does not read: a polars source that goes stripe by stripe.

Only the columns a query needs are read, and one stripe is in memory at a time.
Footers are read here, data in child processes (orc_child.py says why).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.orc as orc

from datahub.adapters.rows_polars import orc_children, sources
from datahub.adapters.rows_polars.arrow_types import convert_table, import_types
from datahub.adapters.rows_polars.elsewhere import Elsewhere
from datahub.adapters.rows_polars.opening import to_polars, translate_errors
from datahub.core.errors import SourceError

_TOO_FAR = "out of range for nanosecond resolution"


def schema(path: Path | Elsewhere) -> pl.Schema:
    """The schema as polars has it. Raises SourceError for a column that cannot come in."""
    return import_types(_open(path).schema, str(path)).schema


def frames(path: Path | Elsewhere, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """One frame a stripe, the columns in the order asked for."""
    file = _open(path)
    if file.nstripes == 0:
        return
    arrow = file.schema
    target = import_types(arrow, str(path)).target
    # pyarrow takes a dot in a name for a path into a struct: then all columns are read.
    has_dots = any("." in name for name in arrow.names)
    names = None if has_dots else list(columns)
    before = 0
    with _far_instants_named(path, arrow, columns, file.nstripes):
        for batch in orc_children.batches(path, names, file.nstripes):
            table = pa.Table.from_batches([batch])
            schema = pa.schema([target.field(name) for name in table.column_names])
            # `select` takes a name like * or ^a$ for a pattern
            yield to_polars(convert_table(table, schema, str(path)), str(path), before)[
                list(columns)
            ]
            before += batch.num_rows


def scan(paths: Sequence[Path | Elsewhere], schema: pl.Schema) -> pl.LazyFrame:
    """These files of equal schema as one lazy frame, rows in file order."""
    return sources.scan(lambda columns: _all_frames(paths, columns), schema, "ORC")


def _open(path: Path | Elsewhere) -> Any:
    return orc.ORCFile(path.open_file() if isinstance(path, Elsewhere) else path)


def _all_frames(
    paths: Sequence[Path | Elsewhere], columns: Sequence[str]
) -> Iterator[pl.DataFrame]:
    for path in paths:
        with translate_errors(str(path)):
            yield from frames(path, columns)


@contextmanager
def _far_instants_named(
    path: Path | Elsewhere, arrow: pa.Schema, columns: Sequence[str], stripes: int
) -> Iterator[None]:
    """Pyarrow reads instants of ORC as nanoseconds: say in which column there is one too far."""
    try:
        yield
    except SourceError as error:
        if _TOO_FAR not in error.message:
            raise
        instants = [n for n in columns if "timestamp" in str(arrow.field(n).type)]
        far = (n for n in instants if _holds_far_instant(path, n, stripes))
        name = next(far, next((n for n in instants if "." in n), None))
        raise SourceError(
            f"Column {name!r} of {path} cannot be imported: it holds an instant before 1677-09-21 "
            "or after 2262-04-11, and instants of ORC are read as nanoseconds.",
            hint="Write the file as Parquet, or the column as dates or text.",
        ) from error


def _holds_far_instant(path: Path | Elsewhere, column: str, stripes: int) -> bool:
    if "." in column:  # pyarrow takes it for a path into a struct
        return False
    try:
        for _ in orc_children.batches(path, [column], stripes):
            pass
    except SourceError as error:
        return _TOO_FAR in error.message
    return False
