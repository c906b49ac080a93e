"""What DuckDB reads of a Parquet file, and where it has the type that pyarrow reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa


def table_by_duckdb(path: Path) -> pa.Table | None:
    """All rows in file order; None: DuckDB does not read the file."""
    try:
        with duckdb.connect() as connection:
            read: Any = connection.read_parquet(str(path))
            table: pa.Table = read.to_arrow_table()
    except duckdb.Error:
        return None
    return table


def is_for_duckdb(kind: Any, theirs: Any) -> bool:
    """Whether DuckDB has the type that pyarrow reads, and no coarser one."""
    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return kind.extension_name != "arrow.bool8" and is_for_duckdb(kind.storage_type, theirs)
    if types.is_dictionary(kind):
        return is_for_duckdb(kind.value_type, theirs)
    if types.is_null(kind) or types.is_duration(kind) or types.is_interval(kind):
        return False
    if types.is_decimal(kind):
        return bool(types.is_decimal(theirs))
    if types.is_timestamp(kind):
        return bool(types.is_timestamp(theirs)) and (kind.unit != "ns" or theirs.unit == "ns")
    if types.is_time(kind):
        return bool(types.is_time(theirs)) and (kind.unit != "ns" or theirs.unit == "ns")
    if types.is_map(kind):
        return types.is_map(theirs) and all(
            is_for_duckdb(of, to)
            for of, to in ((kind.key_type, theirs.key_type), (kind.item_type, theirs.item_type))
        )
    if types.is_struct(kind):
        names = {kind.field(n).name.casefold() for n in range(kind.num_fields)}
        if len(names) < kind.num_fields:  # DuckDB tells names apart without case, and renames one
            return False
        return types.is_struct(theirs) and all(
            is_for_duckdb(kind.field(n).type, theirs.field(n).type) for n in range(kind.num_fields)
        )
    if types.is_nested(kind):
        return types.is_nested(theirs) and is_for_duckdb(kind.value_type, theirs.value_type)
    return True
