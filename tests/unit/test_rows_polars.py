"""What is the adapter's own: CSV, what ORC makes of types, and readers that break."""

from __future__ import annotations

import datetime as dt
import stat
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.orc as orc
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal

from datahub.adapters.rows_polars import PolarsRows, orc_children
from datahub.core.errors import SourceError

ROWS = PolarsRows()


def read(path: Path) -> pl.DataFrame:
    """All rows of one file, which `scan` and `batches` agree on."""
    scanned = ROWS.collect(ROWS.scan([path]))
    assert_frame_equal(pl.concat([scanned.clear(), *ROWS.batches([path])]), scanned)
    return scanned


def csv(tmp_path: Path, content: str | bytes) -> Path:
    """A CSV file with this content."""
    path = tmp_path / "x.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_csv_round_trips_what_it_can_hold(tmp_path: Path) -> None:
    """Quotes, newlines and the difference between an empty text and none."""
    frame = pl.DataFrame(
        {
            "key": ["a", "b", "c"],
            "text": ['say "hi",\n£5', "", None],
            "n": [1, None, -3],
            "f": [0.1, 1e300, None],
            "b": [True, False, None],
        }
    )
    path = tmp_path / "x.csv"

    assert ROWS.write(frame, path) == 3

    assert_frame_equal(read(path), frame)


@pytest.mark.parametrize(
    ("written", "kept"),
    [("007\n5", ["007", "5"]), ("12345678901234567890123\n1", ["12345678901234567890123", "1"])],
)
def test_numbers_that_are_names_stay_text(tmp_path: Path, written: str, kept: list[str]) -> None:
    """A key 007 is not 7."""
    assert read(csv(tmp_path, f"key,n\n{written.replace(chr(10), ',1' + chr(10))},2\n")).to_dict(
        as_series=False
    ) == {"key": kept, "n": [1, 2]}


def test_types_are_read_off_the_whole_file(tmp_path: Path) -> None:
    """Not off its first hundred rows."""
    path = csv(tmp_path, "n\n" + "1\n" * 5_000 + "x\n")

    assert read(path).schema == {"n": pl.String}


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    """Spreadsheets write one."""
    assert read(csv(tmp_path, "\ufeffkey,text\n1,a\n")).columns == ["key", "text"]


def test_a_header_alone_is_a_table_without_rows(tmp_path: Path) -> None:
    """Of text columns."""
    assert read(csv(tmp_path, "key,text\n")).schema == {"key": pl.String, "text": pl.String}


@pytest.mark.parametrize("content", [b"a\ncaf\xe9\n", b"a,b\n1,2,3\n", b"a,a\n1,2\n", b"", b"\n"])
def test_bad_csv_is_refused(tmp_path: Path, content: bytes) -> None:
    """Not UTF-8, too many fields, two columns of one name, nothing."""
    with pytest.raises(SourceError, match=r"x\.csv"):
        read(csv(tmp_path, content))


def test_parquet_and_orc_are_told_by_bytes_even_if_named_csv(tmp_path: Path) -> None:
    """Bytes before names."""
    frame = pl.DataFrame({"a": [1]})
    ROWS.write(frame, tmp_path / "x.orc")

    assert_frame_equal(read((tmp_path / "x.orc").rename(tmp_path / "x.csv")), frame)


def test_orc_widens_what_it_has_no_type_for(tmp_path: Path) -> None:
    """Values stay, types grow."""
    frame = pl.DataFrame(
        {
            "u8": pl.Series([255], dtype=pl.UInt8),
            "u64": pl.Series([2**63 - 1], dtype=pl.UInt64),
            "enum": pl.Series(["b"], dtype=pl.Enum(["b", "a"])),
            "null": pl.Series([None]),
            "array": pl.Series([[1, 2]], dtype=pl.Array(pl.UInt8, 2)),
            "struct": pl.Series([{"a": 1, "c": "x"}]).cast(
                pl.Struct({"a": pl.UInt32, "c": pl.Categorical})
            ),
            "when": pl.Series([dt.datetime(1960, 1, 2, 3, 4, 5, 6)]),
            "zoned": pl.Series([dt.datetime(2024, 7, 1)]).dt.replace_time_zone("Europe/Berlin"),
        }
    )

    ROWS.write(frame, tmp_path / "x.orc")

    found = read(tmp_path / "x.orc")
    assert found.schema == {
        "u8": pl.Int16,
        "u64": pl.Int64,
        "enum": pl.String,
        "null": pl.String,
        "array": pl.List(pl.Int16),
        "struct": pl.Struct({"a": pl.Int64, "c": pl.String}),
        "when": pl.Datetime("ns"),
        "zoned": pl.Datetime("ns", "UTC"),
    }
    assert found.drop("zoned").rows() == frame.drop("zoned").rows()
    assert (found["zoned"] == frame["zoned"].dt.convert_time_zone("UTC")).all()


@pytest.mark.parametrize(
    ("kind", "column"),
    [
        ("orc", pl.Series([dt.datetime(9999, 1, 1)])),
        ("orc", pl.Series([dt.time(1)])),
        ("orc", pl.Series([[2**64 - 1]], dtype=pl.List(pl.UInt64))),
        ("orc", pl.Series([1], dtype=pl.Int128)),
        ("orc", pl.Series([{}], dtype=pl.Struct([]))),
        ("parquet", pl.Series([1], dtype=pl.Int128)),
        ("parquet", pl.Series([[{}]], dtype=pl.List(pl.Struct([])))),
        ("parquet", pl.Series([object()], dtype=pl.Object)),
        ("csv", pl.Series([b"x"])),
    ],
)
def test_what_a_format_cannot_hold_is_refused_by_name(
    tmp_path: Path, kind: str, column: pl.Series
) -> None:
    """Nothing is written."""
    with pytest.raises(SourceError, match="'odd'"):
        ROWS.write(column.rename("odd").to_frame(), tmp_path / f"x.{kind}")
    assert not list(tmp_path.iterdir())


def test_parquet_keeps_every_other_type(tmp_path: Path) -> None:
    """To the unit and the zone."""
    frame = pl.DataFrame(
        {
            "u64": pl.Series([2**64 - 1], dtype=pl.UInt64),
            "enum": pl.Series(["b"], dtype=pl.Enum(["b", "a"])),
            "time": [dt.time(1, 2, 3)],
            "took": [dt.timedelta(days=1)],
            "null": pl.Series([None]),
            "array": pl.Series([[1, 2]], dtype=pl.Array(pl.UInt8, 2)),
            "zoned": pl.Series([dt.datetime(9999, 7, 1)]).dt.replace_time_zone("Europe/Berlin"),
        }
    )

    ROWS.write(frame, tmp_path / "x.parquet")

    assert_frame_equal(read(tmp_path / "x.parquet"), frame)


def test_row_groups_and_stripes_are_bounded(tmp_path: Path) -> None:
    """So that one in memory at a time is little."""
    frame = pl.DataFrame({"n": range(120_000)}).with_columns(text=pl.format("text {}", "n"))
    for name in ("x.orc", "x.parquet"):
        ROWS.write(frame, tmp_path / name)

    assert orc.ORCFile(tmp_path / "x.orc").nstripes == 3
    assert pq.ParquetFile(tmp_path / "x.parquet").num_row_groups == 3


def test_a_written_file_has_the_usual_rights(tmp_path: Path) -> None:
    """Those of any file made here, not of a temporary one."""
    (tmp_path / "plain").touch()
    ROWS.write(pl.DataFrame({"a": [1]}), tmp_path / "x.parquet")

    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(modes) == 1


@pytest.mark.parametrize("kind", ["parquet", "orc"])
def test_text_that_is_not_utf8_is_a_source_error(tmp_path: Path, kind: str) -> None:
    """Polars would panic; and the ORC child, still writing, must not be waited for."""
    bad = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")]
    )
    table = pa.table({"text": bad.take(pa.array([0, 1] * 100_000))})
    path = tmp_path / f"x.{kind}"
    if kind == "orc":
        orc.write_table(table, path, stripe_size=1, batch_size=50_000)
    else:
        pq.write_table(table, path)

    with pytest.raises(SourceError):
        ROWS.collect(ROWS.scan([path]))
    with pytest.raises(SourceError):
        list(ROWS.batches([path]))


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "breaks the ORC reader"),
        ("raise SystemExit('bad stripe')", "bad stripe"),
        ("print('not Arrow' * 100_000)", "reader failed|BrokenPipe|cannot be read"),
        ("", "reader failed"),
    ],
)
def test_an_orc_reader_that_breaks_is_a_source_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    """It dies in its own process, not in ours."""
    ROWS.write(pl.DataFrame({"a": [1]}), tmp_path / "x.orc")
    (tmp_path / "child.py").write_text(script)
    orc_children.end_waiting()
    with monkeypatch.context() as patch:
        patch.setattr(orc_children, "_CHILD", tmp_path / "child.py")

        with pytest.raises(SourceError, match=said):
            ROWS.collect(ROWS.scan([tmp_path / "x.orc"]))

    assert ROWS.collect(ROWS.scan([tmp_path / "x.orc"]))["a"].to_list() == [1]


def reading() -> list[str]:
    """Processes of ours that read ORC, or wait to."""
    of_threads = Path("/proc/self/task").glob("*/children")
    children = [child for path in of_threads for child in path.read_text().split()]
    return [child for child in children if b"child.py" in cmdline(child)]


def cmdline(process: str) -> bytes:
    return Path(f"/proc/{process}/cmdline").read_bytes()


def test_one_orc_reader_reads_many_files(tmp_path: Path) -> None:
    """It waits for the next, also when a file between could not be read and ended it."""
    orc_children.end_waiting()
    for number in range(3):
        texts = [f"{number} {i}" for i in range(5_000)]
        ROWS.write(pl.DataFrame({"a": texts}), tmp_path / f"{number}.orc")
    found = [read(tmp_path / "0.orc"), read(tmp_path / "1.orc")]
    first = reading()
    broken = tmp_path / "broken.orc"
    content = bytearray((tmp_path / "2.orc").read_bytes())
    content[3:2_000] = b"\xff" * 1_997  # a block longer than the file
    broken.write_bytes(content)

    with pytest.raises(SourceError):
        read(broken)

    assert len(first) == 1
    assert reading() == []
    found.append(read(tmp_path / "2.orc"))
    assert [frame["a"][-1] for frame in found] == ["0 4999", "1 4999", "2 4999"]


def test_files_read_side_by_side_do_not_mix(tmp_path: Path) -> None:
    """Each has a reader of its own for the while, of which two stay."""
    paths = [tmp_path / f"{number}.orc" for number in range(4)]
    for number, path in enumerate(paths):
        ROWS.write(pl.DataFrame({"a": [number] * 120_000}), path)

    rounds = list(zip(*(ROWS.batches([path]) for path in paths), strict=True))

    assert [[frame["a"].unique().item() for frame in found] for found in rounds] == [
        [0, 1, 2, 3]
    ] * len(rounds)
    assert len(reading()) <= 2


def test_an_orc_reader_that_has_grown_is_not_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So memory does not grow with the number of files."""
    script = Path(orc_children._CHILD).read_text().replace("ENOUGH = 160", "ENOUGH = 1")
    (tmp_path / "child.py").write_text(script)
    monkeypatch.setattr(orc_children, "_CHILD", tmp_path / "child.py")
    orc_children.end_waiting()
    ROWS.write(pl.DataFrame({"a": [1]}), tmp_path / "x.orc")

    assert read(tmp_path / "x.orc")["a"].item() == read(tmp_path / "x.orc")["a"].item()

    assert reading() == []


ASKED = """
import os, signal, sys
from pathlib import Path
from datahub.adapters.rows_polars import PolarsRows
list(PolarsRows().batches([Path(sys.argv[1])]))
print(Path("/proc/thread-self/children").read_text(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_an_orc_reader_ends_with_who_asked_it(tmp_path: Path) -> None:
    """Also when that was killed."""
    ROWS.write(pl.DataFrame({"a": [1]}), tmp_path / "x.orc")
    words = [sys.executable, "-c", ASKED, str(tmp_path / "x.orc")]

    child = subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()

    assert child.isdigit()
    for _ in range(600):
        if not Path(f"/proc/{child}").exists() or b"orc_child" not in cmdline(child):
            break
        time.sleep(0.05)
    else:
        pytest.fail("it waits for nobody")


def test_orc_is_read_after_the_folder_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that waits is told where a file is, not where it was from another folder."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        ROWS.write(pl.DataFrame({"a": [name]}), tmp_path / name / "x.orc")
    found = []
    for name in ("one", "two"):
        monkeypatch.chdir(tmp_path / name)
        found.append(read(Path("x.orc"))["a"].item())

    assert found == ["one", "two"]


def test_an_orc_reader_is_ended_when_nobody_reads_on(tmp_path: Path) -> None:
    """Breaking off a loop leaves no process behind."""
    frame = pl.DataFrame({"n": range(200_000)}).with_columns(t=pl.format("{} text", "n"))
    ROWS.write(frame, tmp_path / "x.orc")
    orc_children.end_waiting()
    batches = ROWS.batches([tmp_path / "x.orc"], size=10)

    assert next(batches).height == 10
    batches.close()  # type: ignore[attr-defined]  # a generator, by way of Iterator

    assert reading() == []


INTERRUPTED = """
import os, signal, sys
from pathlib import Path
import polars as pl
from datahub.adapters.rows_polars import writing
whole = writing._Unfailing.write
def write(self, content):
    os.kill(os.getpid(), signal.SIGINT)
    return whole(self, content)
writing._Unfailing.write = write
try:
    writing.write(pl.DataFrame({"a": range(10)}), Path(sys.argv[1]))
except KeyboardInterrupt:
    print("interrupted")
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
"""


@pytest.mark.parametrize("name", ["rows.parquet", "rows.orc"])
def test_an_interrupt_while_a_file_is_written_is_heard_after_it(tmp_path: Path, name: str) -> None:
    """Arrow ends the whole process where an exception meets it in a write."""
    ran = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path / name)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ran.returncode, ran.stdout) == (0, "interrupted\n"), ran.stderr
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from datahub.adapters.rows_polars.writing import whole_file
from datahub.adapters.versions_embedded import EmbeddedVersionStore
from datahub.machine.bytes.files import ObjectFiles
with whole_file(EmbeddedVersionStore(ObjectFiles(Path(sys.argv[1]))).stage(".parquet")) as handle:
    handle.write(b"rows")
    handle.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_half_a_file_of_a_killed_process_is_removed_by_the_next(tmp_path: Path) -> None:
    from datahub import Hub

    Hub.init(tmp_path, dataset="mail")
    staging = tmp_path / ".datahub" / "staging"
    subprocess.run([sys.executable, "-c", KILLED, str(staging.parent)], check=False)
    assert len(list(staging.iterdir())) == 1

    assert Hub.open(tmp_path).fsck() == []

    assert list(staging.iterdir()) == []


def test_lists_of_fixed_size_with_nulls_come_in_by_batches(tmp_path: Path) -> None:
    """A batch is a slice of a row group, at which polars breaks off."""
    lists = [[1, 2], None, [None, 4], None, [5, 6], [7, 8]]
    inner = pa.array(lists, pa.list_(pa.int64(), 2))
    nested = pa.StructArray.from_arrays([inner], ["at"])
    pq.write_table(pa.table({"flat": inner, "nested": nested}), tmp_path / "rows.parquet")
    rows = PolarsRows()

    frame = pl.concat(rows.batches([tmp_path / "rows.parquet"], size=4))

    assert frame["flat"].to_list() == lists
    assert frame["nested"].to_list() == [{"at": pair} for pair in lists]
    assert frame.equals(rows.collect(rows.scan([tmp_path / "rows.parquet"])))
