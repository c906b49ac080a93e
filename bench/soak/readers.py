"""Files and frames as canonical columns, rows in order of their key."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.orc as orc
import pyarrow.parquet as pq

from bench.soak.values import values
from bench.soak.writers import KEY

Column = list[Any]


def table_of(path: Path) -> pa.Table:
    """Pyarrow's own table of a file; instants in INT96 as what they are."""
    if path.suffix == ".orc":
        return orc.read_table(path)
    with pq.ParquetFile(path, coerce_int96_timestamp_unit="us") as file:
        return file.read()


def expected_of(path: Path) -> dict[str, Column]:
    """What pyarrow reads of a file, by column."""
    return of_table(table_of(path))


def of_table(table: pa.Table) -> dict[str, Column]:
    """The columns of an Arrow table, which has the key."""
    order = pc.sort_indices(table.column(KEY)).to_pylist()
    columns = {}
    for number, name in enumerate(table.column_names):
        column = values(table.column(number))
        columns[name] = [column[place] for place in order]
    return columns


def of_frame(frame: pl.DataFrame) -> dict[str, Column]:
    """The columns of a frame, in its order of rows."""
    return {
        series.name: [None] * series.len()
        if series.dtype == pl.Null
        else values(series.to_arrow(compat_level=pl.CompatLevel.newest()))
        for series in frame.iter_columns()
    }


def of_csv(path: Path) -> dict[str, Column]:
    """Cells as text; one without anything, not even quotes, is null. Read by DuckDB."""
    with path.open(encoding="utf-8", newline="") as handle:
        names = next(csv.reader(handle))
    options = "all_varchar = true, header = true, allow_quoted_nulls = false, nullstr = ''"
    with duckdb.connect() as connection:
        said: Any = connection.sql(
            f"select * from read_csv(?, {options}, delim = ',', quote = '\"', escape = '\"', "
            "new_line = '\\n', max_line_size = 10000000, strict_mode = true)",
            params=[str(path)],
        )
        table = said.to_arrow_table()
    return {name: table.column(number).to_pylist() for number, name in enumerate(names)}


def names_of(path: Path) -> Sequence[str]:
    """The names of the columns of a file."""
    try:
        return list(
            orc.ORCFile(path).schema.names if path.suffix == ".orc" else pq.read_schema(path).names
        )
    except (pa.ArrowException, OSError):  # of 128 bits
        return list(pl.scan_parquet(path).collect_schema().names())


def kinds_of(path: Path) -> dict[str, pa.DataType]:
    """The Arrow types of the columns of a file."""
    schema = table_of(path).schema
    return dict(zip(schema.names, schema.types, strict=True))


def without_nan(column: Column) -> Column:
    """The same with null for NaN."""
    return [None if value == "nan" else value for value in column]
