"""Columns whose type at import was not that of the rows that were kept, or of other readers."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datahub import Hub
from datahub.adapters.gate_gx.frames import frame_of, schema_of
from datahub.core.dataset import content_hash
from datahub.core.errors import GateError, SourceError
from tests.regression.ways_out import ways_out


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    """A new project."""
    return Hub.init(tmp_path / "project", dataset="x")[0]


@pytest.mark.parametrize("mode", ["append", "upsert"])
def test_rows_with_categories_of_pandas_can_follow_others(
    hub: Hub, tmp_path: Path, mode: str
) -> None:
    """They are kept as text, and were compared as categories: a traceback."""
    for name, ids in (("first", [1, 2]), ("more", [3, 4])):
        frame = pd.DataFrame({"id": ids, "kind": pd.Series(["a", "b"], dtype="category")})
        frame.to_parquet(tmp_path / f"{name}.parquet", index=False)

    imported = hub.import_rows(tmp_path / "first.parquet", key="id")
    hub.import_rows(tmp_path / "more.parquet", key="id", mode=mode)  # type: ignore[arg-type]

    assert dict(imported.dataset.columns)["kind"] == "String"
    for way, frame in ways_out(hub, tmp_path).items():
        assert frame["kind"].to_list() == ["a", "b", "a", "b"], way


def test_a_date_of_64_bits_is_a_date(hub: Hub, tmp_path: Path) -> None:
    """It came in as an instant, where pyarrow and DuckDB read a date."""
    days = [dt.date(2024, 1, 1), None, dt.date(1, 1, 1)]
    table = pa.table({"id": [1, 2, 3], "day": pa.array(days, pa.date64())})
    pq.write_table(table, tmp_path / "rows.parquet")

    hub.import_rows(tmp_path / "rows.parquet", key="id")

    for way, frame in ways_out(hub, tmp_path).items():
        assert frame["day"].to_list() == days, way


def test_views_of_lists_come_in(hub: Hub, tmp_path: Path) -> None:
    """They were "not yet implemented", and the file corrupt."""
    lists = [[1, None], None, []]
    table = pa.table({"id": [1, 2, 3], "items": pa.array(lists, pa.list_view(pa.int64()))})
    pq.write_table(table, tmp_path / "rows.parquet")

    hub.import_rows(tmp_path / "rows.parquet", key="id")

    for way, frame in ways_out(hub, tmp_path).items():
        assert frame["items"].to_list() == lists, way


def test_a_map_with_dates_for_keys_has_a_hash(hub: Hub, tmp_path: Path) -> None:
    """Where keys of rows are made of their content, it was a TypeError."""
    kind = pa.map_(pa.date32(), pa.int64())
    table = pa.table({"days": pa.array([[(dt.date(2024, 1, 1), 1)], None], kind)})
    pq.write_table(table, tmp_path / "rows.parquet")

    imported = hub.import_rows(tmp_path / "rows.parquet")

    assert imported.dataset.rows == 2
    first, second = ({"days": {dt.date(2024, 1, day): 1}} for day in (1, 2))
    assert content_hash(first) != content_hash(second)
    assert content_hash({"m": {1: "a"}}) == content_hash({"m": {"1": "a"}})


LOST = {
    "null": [["a", None]],
    "empty": [[""]],
    "semicolon": [["a;b"]],
    "bytes": [[b"\xff"]],
    "spans": [dt.timedelta(1)],
    "pairs": [[["a"]]],
}


@pytest.mark.parametrize("what", LOST)
def test_what_a_cell_of_csv_cannot_show_is_refused_by_name(
    hub: Hub, tmp_path: Path, what: str
) -> None:
    """Items of lists were dropped or ran together; spans were an error of polars."""
    pl.DataFrame({"id": [1], "odd": LOST[what]}).write_parquet(tmp_path / "rows.parquet")
    hub.import_rows(tmp_path / "rows.parquet", key="id")

    with pytest.raises(SourceError, match="'odd'"):
        hub.export_rows(tmp_path / "out.csv", table="rows")

    assert not (tmp_path / "out.csv").exists()


def test_an_instant_of_a_clock_that_was_off_by_seconds_is_right_in_csv(
    hub: Hub, tmp_path: Path
) -> None:
    """Berlin was 53 minutes and 28 seconds ahead until 1893, and CSV said 53 minutes."""
    instants = pa.array([-3_803_461_637, 1_700_000_000], pa.int64()).cast(
        pa.timestamp("s", "Europe/Berlin")
    )
    pq.write_table(pa.table({"id": [1, 2], "at": instants}), tmp_path / "rows.parquet")
    hub.import_rows(tmp_path / "rows.parquet", key="id")

    hub.export_rows(tmp_path / "out.csv", table="rows")

    cells = [line.split(",")[1] for line in (tmp_path / "out.csv").read_text().splitlines()[1:]]
    assert [dt.datetime.fromisoformat(cell).timestamp() for cell in cells] == [
        -3_803_461_637,
        1_700_000_000,
    ]


def test_a_time_finer_than_pandas_has_is_named_by_the_gate(tmp_path: Path) -> None:
    """It was an error of Arrow's, and a traceback."""
    table = pa.table({"fine": pa.array([1], pa.time64("ns")), "n": [1]})
    pq.write_table(table, tmp_path / "part.parquet")
    schema, _ = schema_of([tmp_path / "part.parquet"])

    assert frame_of([tmp_path / "part.parquet"], ["n"], schema)["n"].to_list() == [1]
    with pytest.raises(GateError, match="'fine'"):
        frame_of([tmp_path / "part.parquet"], ["fine", "n"], schema)


def test_the_gate_sees_numbers_past_63_bits_beside_nulls(tmp_path: Path) -> None:
    """It was an OverflowError of pandas, and a traceback."""
    table = pa.table({"n": pa.array([2**64 - 1, None], pa.uint64())})
    pq.write_table(table, tmp_path / "part.parquet")
    schema, _ = schema_of([tmp_path / "part.parquet"])

    seen = frame_of([tmp_path / "part.parquet"], ["n"], schema)["n"]

    assert (seen[0], seen.isna().to_list()) == (2**64 - 1, [False, True])


def test_the_gate_sees_the_values_of_a_type_that_it_does_not_know(tmp_path: Path) -> None:
    """It was a KeyError."""
    shape = pa.fixed_shape_tensor(pa.int32(), [2])
    storage = pa.array([[1, 2], [3, 4]], pa.list_(pa.int32(), 2))
    table = pa.table({"t": pa.ExtensionArray.from_storage(shape, storage)})
    pq.write_table(table, tmp_path / "part.parquet")
    schema, _ = schema_of([tmp_path / "part.parquet"])

    assert frame_of([tmp_path / "part.parquet"], ["t"], schema)["t"].to_list() == [(1, 2), (3, 4)]
