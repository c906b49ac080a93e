"""Files of a folder are told by their first bytes; what is left out is named."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.orc as orc
import pyarrow.parquet as pq
import pytest

from datahub.core.errors import SourceError
from tests.integration.conftest import Datahub
from tests.regression.imports import Imports


def put(path: Path, *ids: int) -> Path:
    """A Parquet file of these rows, whatever its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame({"id": ids}).write_parquet(path)
    return path


@pytest.fixture
def here(tmp_path: Path) -> Imports:
    return Imports(tmp_path / "here")


@pytest.fixture
def came(tmp_path: Path) -> Path:
    """A folder with one file of rows."""
    return put(tmp_path / "came" / "a.parquet", 0).parent


def test_a_name_does_not_matter(here: Imports, came: Path) -> None:
    """Rows are taken from each of them."""
    names = ["part-00000", "b.pq", "c.snappy.parquet", "d.parquet.gzip", "e.dat", "x/f.PARQUET"]
    for number, name in enumerate(names, start=1):
        put(came / name, number)
    orc.write_table(pa.table({"id": [7]}), came / "000000_0")
    (came / "g.csv").write_text("id\n8\n")

    made = here.take(came)

    assert here.table()["id"].to_list() == list(range(9))
    assert made.left_out == ()


def test_what_is_left_out_is_named(datahub: Datahub, came: Path) -> None:
    """On stderr, the first of it; in JSON, more of it. Folders are named once."""
    pq.write_metadata(pa.schema([("id", pa.int64())]), came / "_metadata")
    shutil.copy(came / "_metadata", came / "_common_metadata")
    put(came / "_old" / "0.parquet", 9)
    put(came / ".hidden.parquet", 9)
    for name in ("_SUCCESS", ".a.parquet.crc", "part-00001", "a.parquet.crc"):
        (came / name).touch()
    (came / "README.txt").write_text("rows of May")
    os.mkfifo(came / "pipe")
    assert datahub("init", "--dataset", "mail").code == 0

    ran = datahub("import", "came", "--key", "id", "--json")

    assert ran.code == 0, ran.err
    assert ran.json["dataset"]["parts"][0]["rows"] == 1
    assert ran.json["left_out"] == [
        ".a.parquet.crc",
        ".hidden.parquet",
        "README.txt",
        "_SUCCESS",
        "_common_metadata",
        "_metadata",
        "_old/",
        "a.parquet.crc",
        "part-00001",
        "pipe",
    ]
    assert ran.err.startswith("left out, as no file of rows: .a.parquet.crc, .hidden.parquet, ")
    for number in range(100):
        (came / f"{number:03}.txt").write_text("note")
    ran = datahub("import", "came", "--json")
    assert len(ran.json["left_out"]) == 50
    assert ran.json["left_out_count"] == 110
    assert "and 100 more" in ran.err


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("b.parquet", b"", "is empty: 0 bytes"),
        ("b.csv", b"", "is empty: 0 bytes"),
        ("b.pq", b"hello", "has an unknown format"),
        ("b.orc", b"hello", "has an unknown format"),
        ("b.parquet", b"PARE....PARE", "is an encrypted Parquet file"),
        ("b", b"ARROW1\0\0", "is an Arrow file, which datahub does not read"),
        ("b.avro", b"Obj\x01..", "is an Avro file"),
        ("b.csv.gz", b"\x1f\x8b..", "is packed"),
        ("b.parquet.zst", b"\x28\xb5\x2f\xfd", "is packed"),
    ],
)
def test_what_looks_like_rows_and_is_none_is_an_error(
    here: Imports, came: Path, name: str, content: bytes, says: str
) -> None:
    """Rows would else be missed in silence."""
    (came / name).write_bytes(content)

    with pytest.raises(SourceError, match=f"{name} {says}") as raised:
        here.take(came)

    assert raised.value.hint


def test_links_are_followed_and_no_row_is_taken_twice(
    here: Imports, came: Path, tmp_path: Path
) -> None:
    """Where the same file is there under its own name, or under another link."""
    put(tmp_path / "far" / "b.parquet", 1)
    put(tmp_path / "far.parquet", 2)
    put(came / "2024" / "c.parquet", 3)
    (came / "far").symlink_to(tmp_path / "far")
    (came / "link").symlink_to(tmp_path / "far.parquet")
    (came / "again").symlink_to(tmp_path / "far.parquet")
    (came / "latest").symlink_to(came / "2024")

    made = here.take(came)

    assert here.table()["id"].to_list() == [0, 1, 2, 3]
    assert made.left_out == ("latest/c.parquet", "link")


def _circle(came: Path) -> None:
    (came / "x").mkdir()
    (came / "x" / "up").symlink_to(came)


def _nowhere(came: Path) -> None:
    (came / "b.parquet").symlink_to(came / "gone")


def _itself(came: Path) -> None:
    (came / "b.parquet").symlink_to(came / "b.parquet")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_circle, "up is a link to a folder that it lies in"),
        (_nowhere, "b.parquet is a broken link"),
        (_itself, "b.parquet is a broken link"),
    ],
)
def test_links_that_lead_nowhere_are_told(
    here: Imports, came: Path, make: Callable[[Path], None], says: str
) -> None:
    """Not followed for ever, and not passed over."""
    make(came)

    with pytest.raises(SourceError, match=says):
        here.take(came)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_told(here: Imports, came: Path) -> None:
    """Its rows would else be missed in silence."""
    put(came / "x" / "b.parquet", 1)
    (came / "x").chmod(0)

    with pytest.raises(SourceError, match="x may not be read"):
        here.take(came)


def test_a_folder_without_rows_says_what_it_holds(here: Imports, tmp_path: Path) -> None:
    """So that one sees why."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "note.txt").write_text("hello")

    with pytest.raises(SourceError, match=r"without a file of rows. It holds 1 others: note.txt"):
        here.take(tmp_path / "empty")


def test_a_name_that_is_no_utf_8_is_shown_all_the_same(datahub: Datahub, came: Path) -> None:
    """Also where it is written as JSON."""
    with open(os.fsencode(came) + b"/\xff.txt", "wb") as handle:  # noqa: PTH123
        handle.write(b"note")
    assert datahub("init", "--dataset", "mail").code == 0

    ran = datahub("import", "came", "--json")

    assert ran.code == 0, ran.err
    assert ran.json["left_out"] == ["\\xff.txt"]
