"""What cannot be kept was "cut off or corrupt", or a panic; now its column and type are named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import orc

from datahub import Hub
from datahub.core.errors import SourceError
from tests.regression.ways_out import ways_out


def by_duckdb(value: str) -> Callable[[Path], object]:
    """Writes one row with a value of DuckDB's."""
    return lambda path: duckdb.sql(f"copy (select 1 as id, {value} as odd) to '{path}'")


def by_pyarrow(column: pa.Array) -> Callable[[Path], object]:
    """Writes the rows of an Arrow column."""
    table = pa.table({"id": range(len(column)), "odd": column})
    return lambda path: pq.write_table(table, path)


def not_utf8() -> pa.Array:
    """Two texts, of which the second is Latin-1."""
    buffers = pa.array([b"fine", b"\xe9"]).buffers()
    return pa.Array.from_buffers(pa.string(), 2, buffers)


REFUSED = {
    "interval": (by_duckdb("interval '1 month'"), r"'odd' .* INTERVAL"),
    "interval in a list": (by_duckdb("[interval '1 month']"), r"'odd.*' .* INTERVAL"),
    "variant": (by_duckdb("1::variant"), r"'odd' .* VARIANT"),
    "midnight at the end": (by_duckdb("'24:00:00'::time"), r"Row 1 .*'odd'.*86400000000"),
    "128 bits": (
        lambda path: pl.DataFrame(
            {"id": [1], "odd": [2**100]}, schema_overrides={"odd": pl.Int128}
        ).write_parquet(path),
        r"'odd' .* Int128",
    ),
    "lists of no size": (
        by_pyarrow(pa.array([[], None], pa.list_(pa.int8(), 0))),
        r"'odd' .*size 0",
    ),
    "a key twice in a map": (
        by_pyarrow(pa.array([[("a", 1), ("a", 2)]], pa.map_(pa.string(), pa.int8()))),
        r"'odd' .* map with a repeated key in row 1",
    ),
    "text that is not UTF-8": (by_pyarrow(not_utf8()), r"Row 2 .* column 'odd': .*UTF"),
    "too long a span": (by_pyarrow(pa.array([2**62], pa.duration("s"))), r"'odd' .* duration\[s\]"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_the_column_is_named_and_the_file_is_not_called_corrupt(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], what: str
) -> None:
    """With what to do; no line of a panic is on stderr."""
    write, says = REFUSED[what]
    hub = Hub.init(tmp_path / "project", dataset="x")[0]
    write(tmp_path / "rows.parquet")

    with pytest.raises(SourceError, match=says) as raised:
        hub.import_rows(tmp_path / "rows.parquet", key="id")

    assert "cut off or corrupt" not in raised.value.hint
    assert raised.value.hint
    assert "panicked" not in capfd.readouterr().err


def test_a_column_that_pyarrow_cannot_decode_is_named(tmp_path: Path) -> None:
    """DuckDB 2.0 writes arrays with nulls in a way that it alone reads."""
    hub = Hub.init(tmp_path / "project", dataset="x")[0]
    odd = "case when range % 3 <> 1 then array_value(range, 2) end"
    target = f"'{tmp_path / 'rows.parquet'}' (format parquet, parquet_version V2)"
    duckdb.sql(f"copy (select range as id, {odd} as odd from range(200)) to {target}")

    with pytest.raises(SourceError, match=r"Column 'odd' of .* cannot be read: Length spanned"):
        hub.import_rows(tmp_path / "rows.parquet", key="id")


def test_a_far_instant_in_orc_is_refused_by_its_column(tmp_path: Path) -> None:
    """Pyarrow reads those of ORC as nanoseconds, and says no column."""
    hub = Hub.init(tmp_path / "project", dataset="x")[0]
    near, far = (pa.array([s], pa.timestamp("s")) for s in (0, 253_402_214_400))
    orc.write_table(pa.table({"id": [1], "near": near, "far": far}), tmp_path / "rows.orc")

    with pytest.raises(SourceError, match=r"'far' .* after 2262-04-11"):
        hub.import_rows(tmp_path / "rows.orc", key="id")


@pytest.mark.parametrize("zone", ["+05:30", "-03:30", "Mars/Base"])
def test_a_zone_that_polars_does_not_know_is_told_in_utc(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], zone: str
) -> None:
    """The instants are the same; it was a panic."""
    hub = Hub.init(tmp_path / "project", dataset="x")[0]
    by_pyarrow(pa.array([1_700_000_000, None]).cast(pa.timestamp("us", zone)))(
        tmp_path / "r.parquet"
    )

    hub.import_rows(tmp_path / "r.parquet", key="id")

    for way, frame in ways_out(hub, tmp_path).items():
        assert frame["odd"].to_physical().to_list() == [1_700_000_000, None], way
        assert frame["odd"].dtype == pl.Datetime("us", "UTC"), way
    assert "panicked" not in capfd.readouterr().err
