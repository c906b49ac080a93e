"""Decimals of 32, 64 and 256 bits: 14.99 became 4.99, others were garbage, some a panic."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datahub import Hub
from datahub.adapters.rows_polars import PolarsRows
from datahub.core.errors import InputError, SourceError
from tests.regression.ways_out import ways_out

PRICES = [Decimal("5.99"), Decimal("14.99"), None, Decimal("-29.99")]
KINDS = {32: pa.decimal32(6, 2), 64: pa.decimal64(10, 2), 256: pa.decimal256(30, 2)}


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    """A new project."""
    return Hub.init(tmp_path / "project", dataset="x")[0]


def shop(path: Path, first: int, column: pa.Array) -> Path:
    """Rows with a price."""
    ids = range(first, first + len(column))
    pq.write_table(pa.table({"id": ids, "price": column}), path)
    return path


@pytest.mark.parametrize("bits", KINDS)
def test_prices_are_what_they_were(hub: Hub, tmp_path: Path, bits: int) -> None:
    """Imported, appended and put in again: the same by every way out."""
    column = pa.array(PRICES, KINDS[bits])
    path = shop(tmp_path / "rows.parquet", 0, column)

    imported = hub.import_rows(path, key="id")
    assert hub.import_rows(path, key="id", mode="upsert").commit == imported.commit
    hub.import_rows(shop(tmp_path / "more.parquet", 4, column), key="id", mode="append")

    for way, frame in ways_out(hub, tmp_path).items():
        assert frame["price"].to_list() == PRICES * 2, way


@pytest.mark.parametrize("bits", KINDS)
def test_prices_in_lists_and_structs_are_what_they_were(
    hub: Hub, tmp_path: Path, bits: int
) -> None:
    """Where polars panicked."""
    flat = pa.array(PRICES, KINDS[bits])
    struct = pa.StructArray.from_arrays([pa.ListArray.from_arrays([0, 2, 4], flat)], ["all"])
    hub.import_rows(shop(tmp_path / "rows.parquet", 0, struct), key="id")

    for way, frame in ways_out(hub, tmp_path).items():
        assert frame["price"].to_list() == [{"all": PRICES[:2]}, {"all": PRICES[2:]}], way


@pytest.mark.parametrize("bits", KINDS)
def test_both_readers_of_the_adapter_agree(tmp_path: Path, bits: int) -> None:
    """Of a file that nobody imported."""
    path, rows = shop(tmp_path / "rows.parquet", 0, pa.array(PRICES, KINDS[bits])), PolarsRows()

    batches = pl.concat(rows.batches([path], size=3))

    assert batches["price"].to_list() == PRICES
    assert batches.equals(rows.collect(rows.scan([path])))
    assert batches.equals(rows.read([path]))


def test_a_small_decimal_is_no_part_as_it_is(hub: Hub, tmp_path: Path) -> None:
    """The file would stay what readers disagree about."""
    path = shop(tmp_path / "rows.parquet", 0, pa.array(PRICES, pa.decimal32(6, 2)))

    with pytest.raises(
        InputError, match=r"'price' is decimal32\(6, 2\) in the file; datahub stores"
    ):
        hub.import_rows(path, key="id", in_place=True, hard_link=True)


def test_a_decimal_too_long_to_keep_is_refused_by_its_column(hub: Hub, tmp_path: Path) -> None:
    """Wherever it is nested; and the file is not called corrupt."""
    column = pa.array([[Decimal(1)]], pa.list_(pa.decimal256(60, 2)))

    with pytest.raises(SourceError, match=r"'price\[\]' .* decimal256\(60, 2\)") as raised:
        hub.import_rows(shop(tmp_path / "rows.parquet", 0, column), key="id")

    assert "corrupt" not in str(raised.value) + raised.value.hint
