"""Parquet files by their bytes: footers taken apart, chunks kept, files that are not ours."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal

from datahub.adapters.rows_polars import PolarsRows, chunks
from datahub.adapters.rows_polars.footer import ending, footer_of
from datahub.core.errors import SourceError

ROWS = PolarsRows()
MIXED = pl.DataFrame(
    {
        "id": range(300),
        "text": [None, "é", "x" * 300] * 100,
        "score": [float("nan"), -0.0, 1e300] * 100,
        "yes": [True, None, False] * 100,
        "day": [dt.date(2026, 1, 1), None, dt.date(1, 1, 1)] * 100,
        "at": [dt.datetime(2026, 1, 1, tzinfo=dt.UTC)] * 300,
        "list": [[1, 2], [], None] * 100,
        "struct": [{"a": 1, "b": None}] * 300,
        "blob": [b"\0", b"", None] * 100,
    }
)


def written(path: Path, frame: pl.DataFrame = MIXED) -> Path:
    ROWS.write(frame, path)
    return path


@pytest.mark.parametrize("made", ["ours", "with all that pyarrow writes", "by polars"])
def test_a_footer_is_put_together_as_it_was(tmp_path: Path, made: str) -> None:
    """Byte for byte, also with fields that nothing here knows, and with many of them."""
    path = tmp_path / "x.parquet"
    wide = MIXED.with_columns(pl.lit(n).alias(f"c{n}") for n in range(40))
    if made == "ours":
        written(path, wide)
    elif made == "by polars":
        wide.write_parquet(path, row_group_size=7)
    else:
        table = wide.to_arrow(compat_level=pl.CompatLevel.oldest())
        bloom = {"id": {"ndv": 300, "fpp": 0.1}}
        more = {"write_page_index": True, "store_decimal_as_integer": True}
        try:
            pq.write_table(table, path, row_group_size=7, bloom_filter_options=bloom, **more)
        except TypeError:  # a pyarrow that writes no Bloom filters
            pq.write_table(table, path, row_group_size=7, **more)

    with path.open("rb") as file:
        footer = footer_of(file)

    assert path.read_bytes().endswith(ending(footer))


@pytest.mark.parametrize(
    "columns", [["id"], ["text", "score"], ["yes", "day", "at"], ["list"], ["blob", "id"]]
)
def test_only_the_columns_that_change_are_made_anew(tmp_path: Path, columns: list[str]) -> None:
    """The bytes are those of writing all rows; the file reads as what was meant."""
    flat = MIXED.drop("struct")
    new = flat.with_columns(flat[name].reverse() for name in columns)
    old, whole = written(tmp_path / "old.parquet", flat), written(tmp_path / "whole.parquet", new)

    done = chunks.rewrite(old, new.select(columns), tmp_path / "new.parquet")

    assert done
    assert (tmp_path / "new.parquet").read_bytes() == whole.read_bytes()
    assert_frame_equal(pl.read_parquet(tmp_path / "new.parquet"), new)


@pytest.mark.parametrize("why", ["another writer", "other row groups", "nested", "another type"])
def test_chunks_that_are_not_what_our_writer_makes_are_not_kept(tmp_path: Path, why: str) -> None:
    """Then all of the file is rewritten: the bytes are the same in any case."""
    old, flat = tmp_path / "old.parquet", MIXED.drop("struct")
    new = flat.select(pl.col("id") + 1)
    if why == "another writer":
        flat.write_parquet(old)
    elif why == "other row groups":
        ROWS.write(flat, old, slab=100)
    elif why == "nested":
        written(old)
        flat = MIXED
    else:
        written(old, flat.with_columns(pl.col("id").cast(pl.Duration("us"))))

    assert not chunks.rewrite(old, new, tmp_path / "new.parquet")
    assert not (tmp_path / "new.parquet").exists()
    ROWS.rewrite(old, new, tmp_path / "new.parquet")

    whole = written(tmp_path / "whole.parquet", flat.with_columns(new.get_columns()))
    assert (tmp_path / "new.parquet").read_bytes() == whole.read_bytes()


def test_a_file_with_indexes_or_filters_is_not_spliced(tmp_path: Path) -> None:
    """What lies elsewhere in the file would be lost, or be of other rows."""
    old, flat = tmp_path / "old.parquet", MIXED.drop("struct")
    table = flat.to_arrow(compat_level=pl.CompatLevel.oldest())
    pq.write_table(
        table, old, compression="zstd", use_content_defined_chunking=True, write_page_index=True
    )

    assert not chunks.rewrite(old, flat.select(pl.col("id") + 1), tmp_path / "new.parquet")


@pytest.mark.parametrize("cut", [1, 9, 100, 1000])
def test_a_file_that_is_cut_off_is_said_to_be(tmp_path: Path, cut: int) -> None:
    """By name, and nothing is written."""
    whole, short = written(tmp_path / "whole.parquet"), tmp_path / "short.parquet"
    short.write_bytes(whole.read_bytes()[:-cut])

    with pytest.raises(SourceError, match=r"short\.parquet"):
        ROWS.alike([whole, short])
    with pytest.raises(SourceError, match=r"short\.parquet"):
        ROWS.rewrite(short, MIXED.select("id"), tmp_path / "new.parquet")
    assert not (tmp_path / "new.parquet").exists()


def test_a_footer_of_nonsense_is_an_error_and_no_crash(tmp_path: Path) -> None:
    """Every single changed byte of a footer: an error of ours, or a footer."""
    path = written(tmp_path / "x.parquet", MIXED.select("id", "text"))
    raw = path.read_bytes()
    length = int.from_bytes(raw[-8:-4], "little")
    broken = tmp_path / "broken.parquet"
    refused = 0
    for place in range(len(raw) - 8 - length, len(raw), 7):
        broken.write_bytes(raw[:place] + bytes([raw[place] ^ 0xFF]) + raw[place + 1 :])
        try:
            ROWS.alike([broken, path])
        except SourceError:
            refused += 1
    assert refused


def test_values_that_are_the_same_in_other_bytes_may_be_told_apart(tmp_path: Path) -> None:
    """`alike` never says the same of what is not; the reverse it may."""
    one, two = written(tmp_path / "one.parquet"), tmp_path / "two.parquet"
    table = pq.read_table(one)
    with pq.ParquetWriter(two, table.schema, compression="snappy") as writer:
        writer.write(table)

    found = ROWS.alike([one, two])

    assert found is None or all(a != b for a, b in found.values())
    assert pa.types.is_int64(table.schema.field("id").type)
