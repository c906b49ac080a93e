"""The index of a pandas frame, as its Parquet file tells of it.

pandas writes JSON into the schema's metadata. An index is there either the name of a column that
holds it, or (a range) its bounds, and then no column holds it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from datahub.adapters.rows_polars.opening import recognise, translate_errors
from datahub.ports import PandasIndex


def index_of(path: Path) -> PandasIndex:
    """What a file says of it: nothing where another wrote it, or where it is not Parquet."""
    if recognise(path) != "parquet":
        return PandasIndex()
    with translate_errors(path):
        try:
            schema = pq.read_schema(path)
        except pa.ArrowNotImplementedError:  # `schema` names the column that cannot come in
            return PandasIndex()
    levels = _levels((schema.metadata or {}).get(b"pandas", b"{}"))
    columns = tuple(level for level in levels if isinstance(level, str) and level in schema.names)
    names = (level.get("name") for level in levels if isinstance(level, dict))
    return PandasIndex(columns, tuple(name for name in names if isinstance(name, str)))


def _levels(text: bytes) -> list[Any]:
    """The levels of the index, whatever stands there: others may write it wrongly."""
    try:
        description = json.loads(text)
    except ValueError:
        return []
    levels = description.get("index_columns") if isinstance(description, dict) else None
    return levels if isinstance(levels, list) else []
