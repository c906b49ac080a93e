"""Files of random tables as others write them: pyarrow, polars, DuckDB and pandas; ORC by pyarrow.

Each writer makes a file from a seed, a first key and names to leave out, so that the same columns
can be written again under other keys, or without one that datahub refuses.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.orc as orc
import pyarrow.parquet as pq

from bench.soak.columns import HOSTILE_NAMES, NAMES, Random, column, kind

KEY = "key"
_INTO_TEXT = {"Categorical", "Enum"}
Write = Callable[[Path, Random, int, Collection[str]], None]


def write(
    name: str, path: Path, seed: int, *, first: int = 0, without: Collection[str] = ()
) -> None:
    """Write a random table; `first` is its first key, `without` names columns to leave out."""
    _WRITERS[name](path, random.Random(seed), first, without)


def _rows(rng: Random) -> int:
    return rng.choice((1, 3, 20, 20, 60, 200, 0 if rng.random() < 0.2 else 7))


def _names(rng: Random) -> list[str]:
    pool = (*NAMES, rng.choice(HOSTILE_NAMES)) if rng.random() < 0.15 else NAMES
    return rng.sample(pool, rng.randint(1, 6))


def _table(rng: Random, first: int, without: Collection[str], *, is_orc: bool = False) -> pa.Table:
    rows = _rows(rng)
    made = {name: (kind(rng, orc=is_orc), rng.getrandbits(64)) for name in _names(rng)}
    columns = {KEY: pa.array(range(first, first + rows), pa.int64())}
    for name, (type_of_it, seed) in made.items():
        if name not in without:
            columns[name] = column(type_of_it, rows, random.Random(seed + first))
    return pa.table(columns)


def _pyarrow(path: Path, rng: Random, first: int, without: Collection[str]) -> None:
    options: dict[str, Any] = {
        "version": rng.choice(("1.0", "2.4", "2.6", "2.6")),
        "data_page_version": rng.choice(("1.0", "2.0")),
        "compression": rng.choice(("snappy", "zstd", "gzip", "none", "lz4", "brotli")),
        "use_dictionary": rng.choice((True, False)),
        "store_schema": rng.random() < 0.75,
        "row_group_size": rng.choice((None, 2, 50)),
        "use_deprecated_int96_timestamps": rng.random() < 0.2,
        "write_page_index": rng.random() < 0.3,
        "write_statistics": rng.random() < 0.8,
        "store_decimal_as_integer": rng.random() < 0.3,
        "data_page_size": rng.choice((None, 64)),
    }
    if options["version"] == "2.6" and not options["use_deprecated_int96_timestamps"]:
        # pyarrow 26 ends the whole process where it makes chunks of instants it also casts
        options["use_content_defined_chunking"] = rng.random() < 0.3
    table = _table(rng, first, without)
    if rng.random() < 0.05 and table.num_columns > 1:  # two columns of one name
        table = table.append_column(table.column_names[-1], table.column(table.num_columns - 1))
    _write_parquet(table, path, options)


def _write_parquet(table: pa.Table, path: Path, options: dict[str, Any]) -> None:
    """Columns that this writer cannot write under these options are left out."""
    try:
        pq.write_table(table, path, **options)
    except (pa.ArrowException, OSError):
        for number in range(table.num_columns - 1, 0, -1):
            try:
                pq.write_table(table.select([number]), path, **options)
            except (pa.ArrowException, OSError):
                table = table.remove_column(number)
        pq.write_table(table, path, **options)


def _polars(path: Path, rng: Random, first: int, without: Collection[str]) -> None:
    import polars as pl

    options: dict[str, Any] = {
        "compression": rng.choice(("zstd", "snappy", "lz4", "uncompressed", "gzip")),
        "statistics": rng.choice((True, False, "full")),
        "row_group_size": rng.choice((None, 3, 50)),
    }
    table = _table(rng, first, without)
    series = []
    for name in table.column_names:
        if not _is_for_polars(table.schema.field(name).type):
            continue
        values = pl.DataFrame(table.select([name])).to_series()
        if values.dtype == pl.String and name not in (KEY, *_INTO_TEXT) and rng.random() < 0.3:
            words = values.unique().drop_nulls().to_list()
            values = values.cast(rng.choice((pl.Categorical(), pl.Enum(sorted(words)))))
        series.append(values.alias(name))
    if rng.random() < 0.1 and "wide" not in without:
        series.append(pl.Series("wide", [2**100] * table.num_rows, dtype=pl.Int128))
    pl.DataFrame(series).write_parquet(path, **options)


def _is_for_polars(kind: Any) -> bool:
    """Whether polars makes a column of it at all: not of the types it panics at."""
    if isinstance(kind, pa.BaseExtensionType) or pa.types.is_map(kind):
        return False
    if pa.types.is_dictionary(kind) or pa.types.is_null(kind):
        return False
    if pa.types.is_decimal(kind):
        return bool(pa.types.is_decimal128(kind))
    if pa.types.is_timestamp(kind):
        return kind.tz in (None, "UTC", "Europe/Berlin", "America/New_York")
    if pa.types.is_list_view(kind) or (pa.types.is_fixed_size_list(kind) and not kind.list_size):
        return False
    children = (kind.field(number).type for number in range(kind.num_fields))
    return all(_is_for_polars(child) for child in children)


_DUCK = (
    *(
        "range::hugeint * 170141183460469231",
        "range::uhugeint",
        "(range % 100 - 2)::tinyint",
        "(range % 200)::utinyint",
    ),
    *(
        "(range * 1.5)::float",
        "(range / 3)::double",
        "'nan'::double",
        "(range % 90 * 7 / 4)::decimal(4, 1)",
    ),
    *("range::decimal(9, 3)", "range::decimal(18, 2)", "range::decimal(38, 5)", "range % 2 = 0"),
    *("date '2024-01-01' + range::int", "date '0001-01-01' + range::int", "time '12:00:00.25'"),
    *("timestamp '1000-02-03 04:05:06.789'", "timestamp '9999-12-31'", "'12:00:00+02'::timetz"),
    *("'2024-01-01'::timestamp_s", "'2024-01-01 01:02:03.004'::timestamp_ms", "interval '1 day'"),
    *("'2024-01-01 01:02:03.004005006'::timestamp_ns", "timestamptz '2024-06-01 10:00:00+02'"),
    *("'text ' || range", "''", "('word' || range % 3)::enum('word0', 'word1', 'word2')"),
    *("'101'::bit", "'\\x00\\xFF'::blob", "uuid()", "'{\"a\": [1, null]}'::json", "'null'::json"),
    *("[range, null, 3]", "array_value(range, 2)", "{'a': range, '*': [{'b': 'x'}]}", "null"),
    *(
        "map {'k' || range: range}",
        "map {date '2024-01-01': 'x'}",
        "[uuid(), null]",
        "{'u': uuid()}",
    ),
    *("union_value(n := range)::union(n int, s varchar)", "123456789012345678901234567890::bignum"),
    *("'12:00:00.000000001'::time_ns", "1::variant", "['{}'::json]", "{'j': ['1'::json]}"),
)
_DUCK_ODD = (
    *("'infinity'::date", "'-infinity'::timestamp", "'24:00:00'::time", "'0044-03-15 (BC)'::date"),
    *(
        "'infinity'::timestamptz",
        "date '10000-01-01'",
        "map {1: date 'infinity'}",
        "[date 'infinity']",
    ),
)


def _duckdb(path: Path, rng: Random, first: int, without: Collection[str]) -> None:
    import duckdb

    rows, picked = _rows(rng), []
    picked_names: list[str] = []
    for name in _names(rng):
        odd = rng.random() < 0.06
        value = rng.choice(_DUCK_ODD if odd else _DUCK)
        gap = rng.choice((0, 0, 2, 3))
        value = f"case when range % {gap} <> 1 then {value} end" if gap else value
        quoted = name.replace('"', '""')
        folded = {other.casefold() for other in picked_names}
        if name and name not in without and name.casefold() not in folded:  # DuckDB renames twins
            picked_names.append(name)
            picked.append(f'{value} as "{quoted}"')
    codec = rng.choice(("snappy", "zstd", "gzip", "uncompressed", "lz4_raw", "brotli"))
    version = rng.choice(("V1", "V2"))
    group = rng.choice((2048, 122880))
    columns = ", ".join([f"range + {first} as {KEY}", *picked])
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select {columns} from range({rows})) to '{path}' "
            f"(format parquet, codec {codec}, parquet_version {version}, row_group_size {group})"
        )


def _pandas(path: Path, rng: Random, first: int, without: Collection[str]) -> None:
    import pandas as pd

    rows = max(_rows(rng), 1)
    made: dict[str, Callable[[], Any]] = {
        "period": lambda: pd.Series(pd.period_range("2024-01", periods=rows, freq="M")),
        "between": lambda: pd.Series(pd.interval_range(0, rows)),
        "kinds": lambda: pd.Series(["x", "y", None] * rows, dtype="category")[:rows],
        "numbers": lambda: pd.Series([7, 8] * rows, dtype="category")[:rows],
        "span": lambda: pd.Series(pd.to_timedelta(range(rows), "h")),
        "nullable": lambda: pd.Series([1, None] * rows, dtype="Int64")[:rows],
        "flag": lambda: pd.Series([True, None] * rows, dtype="boolean")[:rows],
        "objects": lambda: pd.Series([{"a": n, "b": [n]} for n in range(rows)]),
        "lists": lambda: pd.Series([[n] * (n % 3) for n in range(rows)]),
        "zoned": lambda: pd.Series(pd.date_range("2024", periods=rows, tz="US/Eastern")),
        "naive": lambda: pd.Series(pd.date_range("2024", periods=rows, unit="ns")),
        "words": lambda: pd.Series(["a", None] * rows, dtype="string")[:rows],
        "floats": lambda: pd.Series([0.5, float("nan")] * rows)[:rows],
        "bytes": lambda: pd.Series([b"\xff", None] * rows)[:rows],
        "a.b": lambda: pd.Series(range(rows), dtype="uint64"),
    }
    names = rng.sample(sorted(made), rng.randint(1, 6))
    options: dict[str, Any] = {"compression": rng.choice(("snappy", "zstd", None))}
    if rng.random() < 0.2:
        options["use_deprecated_int96_timestamps"] = True
    frame = pd.DataFrame({KEY: range(first, first + rows)})
    for name in names:
        if name not in without:
            frame[name] = made[name]().reset_index(drop=True)
    frame.to_parquet(path, index=False, **options)


def _orc(path: Path, rng: Random, first: int, without: Collection[str]) -> None:
    options: dict[str, Any] = {
        "compression": rng.choice(("uncompressed", "zstd", "snappy", "zlib", "lz4")),
        "stripe_size": rng.choice((1, 64 * 2**20)),
        "file_version": rng.choice(("0.11", "0.12")),
        "batch_size": rng.choice((3, 1024)),
    }
    table = _table(rng, first, without, is_orc=True)
    orc.write_table(table, path, **options)


_WRITERS: dict[str, Write] = {
    "pyarrow": _pyarrow,
    "polars": _polars,
    "duckdb": _duckdb,
    "pandas": _pandas,
    "orc": _orc,
}
WRITERS = ("pyarrow", "duckdb", "polars", "pyarrow", "orc", "pyarrow", "duckdb", "pandas")
