"""Instants in INT96, as Spark, Impala and Hive write them: 9999-12-31 came in as 1816-03-29."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datahub import Hub
from datahub.core.errors import InputError, SourceError
from tests.regression.ways_out import ways_out

INSTANTS = [dt.datetime(9999, 12, 31), dt.datetime(2024, 1, 1, 1, 2, 3, 4), dt.datetime(1000, 1, 1)]


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    """A new project."""
    return Hub.init(tmp_path / "project", dataset="x")[0]


def spark(path: Path, column: pa.Array) -> Path:
    """A file as Spark writes it by default."""
    table = pa.table({"id": range(len(column)), "valid_to": column})
    pq.write_table(table, path, use_deprecated_int96_timestamps=True, store_schema=False)
    return path


def test_far_instants_are_what_duckdb_reads(hub: Hub, tmp_path: Path) -> None:
    """By every way out, and the same rows again change nothing."""
    path = spark(tmp_path / "spark.parquet", pa.array(INSTANTS, pa.timestamp("us")))

    imported = hub.import_rows(path, key="id")
    again = hub.import_rows(path, key="id", mode="upsert")

    with duckdb.connect() as connection:
        theirs = connection.execute("select valid_to from read_parquet(?)", [str(path)]).fetchall()
    assert [value for (value,) in theirs] == INSTANTS
    for way, frame in ways_out(hub, tmp_path).items():
        assert frame["valid_to"].to_list() == INSTANTS, way
    assert again.commit == imported.commit


def test_far_instants_in_lists_are_right_too(hub: Hub, tmp_path: Path) -> None:
    """Nested as deep as may be."""
    nested = pa.array(
        [[{"a": INSTANTS[0]}], None, []], pa.list_(pa.struct([("a", pa.timestamp("us"))]))
    )

    hub.import_rows(spark(tmp_path / "spark.parquet", nested), key="id")

    for way, frame in ways_out(hub, tmp_path).items():
        assert frame["valid_to"].to_list() == [[{"a": INSTANTS[0]}], None, []], way


@pytest.mark.parametrize("wrap", [lambda a: a, lambda a: pa.ListArray.from_arrays([0, 1, 2], a)])
def test_nanoseconds_are_not_cut_off_in_silence(hub: Hub, tmp_path: Path, wrap: object) -> None:
    """Microseconds are what comes in: finer instants are refused, with the column."""
    instants = pa.array([1_700_000_000_000_000_001, 5_000], pa.timestamp("ns"))
    path = spark(tmp_path / "impala.parquet", wrap(instants))  # type: ignore[operator]

    with pytest.raises(SourceError, match=r"'valid_to' .* rows 1 to 2 .*no whole microseconds"):
        hub.import_rows(path, key="id")


def test_a_file_with_int96_is_no_part_as_it_is(hub: Hub, tmp_path: Path) -> None:
    """Readers would go on to disagree about it."""
    path = spark(tmp_path / "spark.parquet", pa.array(INSTANTS, pa.timestamp("us")))

    with pytest.raises(InputError, match=r"'valid_to' is timestamp\[us\] in INT96") as raised:
        hub.import_rows(path, key="id", in_place=True, hard_link=True)

    assert "Import without --in-place" in raised.value.hint
