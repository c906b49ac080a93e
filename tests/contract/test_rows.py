"""The promises of the port Rows, on every backend that hub knows."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from polars.testing.parametric import dataframes

from datahub.core.errors import InputError, SourceError, StorageError
from datahub.hub import REGISTRY
from datahub.ports import Rows

FORMATS = ["parquet", "orc"]
HELD = [
    pl.Int8,
    pl.Int64,
    pl.Float64,
    pl.Boolean,
    pl.String,
    pl.Date,
    pl.Binary,
    pl.List,
    pl.Struct,
]
ARTICLES = pl.DataFrame(
    {
        "key": ["a", "b", "c", "d", "e"],
        "text": ["one", "", None, "naïve £5 \0 ", "five"],
        "votes": [[1, None], [], None, [0], [2, 2]],
        "n": [1, -(2**63), None, 4, 2**63 - 1],
    }
)


@pytest.fixture(params=sorted(REGISTRY["rows"]))
def rows(request: pytest.FixtureRequest) -> Rows:
    """Each backend in turn; one that cannot be built without values fails here."""
    module, name = REGISTRY["rows"][request.param].split(":")
    backend: Rows = getattr(import_module(module), name)()
    return backend


@pytest.fixture(params=FORMATS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each format that holds types."""
    return str(request.param)


def many(count: int) -> pl.DataFrame:
    """Rows enough for several row groups and stripes."""
    return pl.DataFrame({"key": range(count)}).with_columns(
        text=pl.format("text {}", pl.col("key") * 7919)
    )


def test_rows_come_back_as_they_were_written(rows: Rows, kind: str, tmp_path: Path) -> None:
    """Values, nulls, types and order survive both formats."""
    path = tmp_path / f"x.{kind}"

    assert rows.write(ARTICLES, path) == 5

    assert_frame_equal(rows.collect(rows.scan([path])), ARTICLES)
    assert_frame_equal(pl.concat(rows.batches([path])), ARTICLES)


def test_the_format_is_read_off_the_bytes(rows: Rows, kind: str, tmp_path: Path) -> None:
    """Objects of a store have no suffix."""
    rows.write(ARTICLES, tmp_path / f"x.{kind}")
    bare = (tmp_path / f"x.{kind}").rename(tmp_path / "5fe1*[a]")

    assert_frame_equal(rows.collect(rows.scan([bare])), ARTICLES)


def test_a_table_without_rows_keeps_its_columns(rows: Rows, kind: str, tmp_path: Path) -> None:
    """No rows is a fact, not an error."""
    path = tmp_path / f"x.{kind}"

    assert rows.write(ARTICLES.clear(), path) == 0

    assert_frame_equal(rows.collect(rows.scan([path])), ARTICLES.clear())
    assert sum(batch.height for batch in rows.batches([path])) == 0


def test_several_files_are_one_table_in_file_order(rows: Rows, tmp_path: Path) -> None:
    """Also where their formats differ."""
    paths = [tmp_path / "1.orc", tmp_path / "2.parquet", tmp_path / "3.orc"]
    for number, path in enumerate(paths):
        rows.write(ARTICLES.slice(2 * number, 2), path)

    assert_frame_equal(rows.collect(rows.scan(paths)), ARTICLES)
    assert_frame_equal(pl.concat(rows.batches(paths, size=1)), ARTICLES)


def test_several_files_of_one_format_keep_their_order(
    rows: Rows, kind: str, tmp_path: Path
) -> None:
    """The order of the paths counts, not of their names."""
    paths = [tmp_path / f"{name}.{kind}" for name in "zay"]
    for number, path in enumerate(paths):
        rows.write(ARTICLES.slice(2 * number, 2), path)

    assert_frame_equal(rows.collect(rows.scan(paths)), ARTICLES)


def test_batches_are_bounded_ordered_and_projected(rows: Rows, kind: str, tmp_path: Path) -> None:
    """Across row groups and stripes, columns in the order asked for."""
    path = tmp_path / f"x.{kind}"
    rows.write(many(120_001), path)

    batches = list(rows.batches([path], columns=["text", "key"], size=7_000))

    assert max(batch.height for batch in batches) <= 7_000
    assert_frame_equal(pl.concat(batches), many(120_001).select("text", "key"))


def test_a_query_gets_what_it_asks_for(rows: Rows, kind: str, tmp_path: Path) -> None:
    """Projection, filter, head and tail are pushed into the file and still right."""
    path = tmp_path / f"x.{kind}"
    table = many(120_001)
    rows.write(table, path)
    key = pl.col("key")
    queries: list[Callable[[pl.LazyFrame], pl.LazyFrame]] = [
        lambda t: t.select("text", "key").slice(49_990, 20),
        lambda t: t.filter(key % 1000 == 7).select("text"),
        lambda t: t.filter(key >= 100_000).head(3),
        lambda t: t.head(100_003).filter(key >= 100_000),
        lambda t: t.tail(2),
        lambda t: t.select(pl.len()),
        lambda t: t.head(0),
        lambda t: t.group_by(key % 2).len().sort("key"),
    ]

    for query in queries:
        assert_frame_equal(rows.collect(query(rows.scan([path]))), query(table.lazy()).collect())


def test_the_same_rows_give_the_same_bytes(rows: Rows, kind: str, tmp_path: Path) -> None:
    """However the frame was cut up in memory, eager or lazy."""
    table = many(120_001)
    cut = pl.concat([table[:3], table[3:60_000], table[60_000:]], rechunk=False)
    frames: list[pl.DataFrame | pl.LazyFrame] = [table, cut, table.lazy()]
    for number, frame in enumerate(frames):
        rows.write(frame, tmp_path / f"{number}.{kind}")

    first, *others = [(tmp_path / f"{number}.{kind}").read_bytes() for number in range(3)]

    assert all(other == first for other in others)


def test_categories_are_written_by_name(rows: Rows, kind: str, tmp_path: Path) -> None:
    """Their numbers depend on what the process saw before."""
    one, two = tmp_path / f"1.{kind}", tmp_path / f"2.{kind}"
    names = pl.DataFrame({"topic": ["tech", "sport"]})
    rows.write(names.cast(pl.Categorical), one)
    pl.Series(["sport", "tech"]).cast(pl.Categorical)

    rows.write(names.cast(pl.Categorical), two)

    assert one.read_bytes() == two.read_bytes()
    assert_frame_equal(rows.collect(rows.scan([one])), names)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    frame=dataframes(
        min_cols=1,
        max_cols=4,
        max_size=30,
        allow_infinity=True,
        allowed_dtypes=[pl.Int8, pl.Int64, pl.Float64, pl.Boolean, pl.String, pl.Date, pl.Binary],
    ),
    size=st.integers(1, 8),
)
def test_any_table_round_trips(
    rows: Rows, kind: str, tmp_path: Path, frame: pl.DataFrame, size: int
) -> None:
    """Whatever the values, by `scan` and by `batches`."""
    path = tmp_path / f"x.{kind}"
    rows.write(frame, path)

    assert_frame_equal(rows.collect(rows.scan([path])), frame)
    assert_frame_equal(pl.concat([frame.clear(), *rows.batches([path], size=size)]), frame)


@pytest.mark.slow
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    names=st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\0")),
        min_size=1,
        max_size=4,
        unique=True,
    ),
    dotted=st.booleans(),
)
@example(names=["x", "*"], dotted=False)
@example(names=["*", "^.*$"], dotted=True)
@example(names=["a", "^a$"], dotted=False)
def test_any_column_name_round_trips(
    rows: Rows, kind: str, tmp_path: Path, names: list[str], dotted: bool
) -> None:
    """Also an empty name, a pattern, and `a.b` beside a struct `a` with a field `b`."""
    path = tmp_path / f"x.{kind}"
    frame = pl.DataFrame({name: [number] for number, name in enumerate(names)})
    if dotted:
        frame = frame.with_columns(pl.struct(b=pl.lit(7)).alias("a"), pl.lit(8).alias("a.b"))
    rows.write(frame, path)
    last = frame.columns[-1]
    by_name = pl.selectors.by_name(last)

    assert_frame_equal(rows.collect(rows.scan([path])), frame)
    assert_frame_equal(rows.collect(rows.scan([path]).select(by_name)), frame[[last]])
    assert_frame_equal(pl.concat(rows.batches([path], columns=[last])), frame[[last]])


def test_a_missing_file_is_named(rows: Rows, tmp_path: Path) -> None:
    """Before anything is collected."""
    with pytest.raises(SourceError, match=r"nowhere\.parquet does not exist"):
        rows.scan([tmp_path / "nowhere.parquet"])
    with pytest.raises(SourceError, match=r"nowhere\.parquet does not exist"):
        rows.batches([tmp_path / "nowhere.parquet"])


@pytest.mark.parametrize("content", [b"", b"PAR1", b"ORC", b"PAR1PAR1", b"hello", b"\0" * 40])
def test_what_is_no_table_is_refused(rows: Rows, tmp_path: Path, content: bytes) -> None:
    """Empty, cut off after the magic, or something else."""
    path = tmp_path / "object"
    path.write_bytes(content)

    with pytest.raises(SourceError, match="object") as caught:
        rows.scan([path])

    assert caught.value.hint


def test_a_folder_is_refused(rows: Rows, tmp_path: Path) -> None:
    """Even if it holds a table."""
    rows.write(ARTICLES, tmp_path / "x.parquet")

    with pytest.raises(SourceError, match="is a folder"):
        rows.scan([tmp_path])


def test_no_files_are_refused(rows: Rows) -> None:
    """There is no schema to answer with."""
    with pytest.raises(SourceError):
        rows.scan([])


@pytest.mark.slow
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cut=st.floats(0, 1), flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255))))
def test_corruption_is_told_in_our_words(
    rows: Rows, kind: str, tmp_path: Path, cut: float, flips: list[tuple[float, int]]
) -> None:
    """Cut off or altered anywhere: rows or SourceError, and nothing else."""
    whole, path = tmp_path / f"whole.{kind}", tmp_path / "object"
    if not whole.exists():
        rows.write(many(3_000), whole)
    content = bytearray(whole.read_bytes())
    for where, byte in flips:
        content[min(int(where * len(content)), len(content) - 1)] = byte
    path.write_bytes(content if flips else content[: int(cut * len(content))])

    for read in (lambda: rows.collect(rows.scan([path])), lambda: list(rows.batches([path]))):
        with suppress(SourceError):
            read()


def test_a_corrupt_page_in_the_middle_is_found(rows: Rows, kind: str, tmp_path: Path) -> None:
    """The footer is whole, so `scan` cannot know; collecting, iterating and writing can."""
    path = tmp_path / f"x.{kind}"
    rows.write(many(60_000), path)
    content = bytearray(path.read_bytes())
    quarter = len(content) // 4
    content[quarter : 2 * quarter] = b"\xff" * quarter
    path.write_bytes(content)
    frame = rows.scan([path])

    with pytest.raises(SourceError):
        rows.collect(frame)
    with pytest.raises(SourceError, match="x"):
        list(rows.batches([path]))
    with pytest.raises(SourceError):
        rows.write(frame, tmp_path / "copy.parquet")
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_a_column_that_changed_type_is_named(rows: Rows, kind: str, tmp_path: Path) -> None:
    """With both types and both files."""
    one, two = tmp_path / f"1.{kind}", tmp_path / f"2.{kind}"
    rows.write(pl.DataFrame({"key": [1], "n": [1]}), one)
    rows.write(pl.DataFrame({"key": [1], "n": ["1"]}), two)

    with pytest.raises(
        SourceError, match=rf"'n' is Int64 in .*1\.{kind} and String in .*2\.{kind}"
    ):
        rows.scan([one, two])


@pytest.mark.parametrize("other", [{"key": [1]}, {"key": [1], "n": [1], "m": [1]}])
def test_a_column_too_few_or_too_many_is_named(
    rows: Rows, tmp_path: Path, other: dict[str, list[int]]
) -> None:
    """Absence is told as such."""
    one, two = tmp_path / "1.parquet", tmp_path / "2.parquet"
    rows.write(pl.DataFrame({"key": [1], "n": [1]}), one)
    rows.write(pl.DataFrame(other), two)

    with pytest.raises(SourceError, match="absent"):
        rows.batches([one, two])


def test_columns_in_another_order_are_refused(rows: Rows, tmp_path: Path) -> None:
    """One table has one order of columns."""
    one, two = tmp_path / "1.parquet", tmp_path / "2.orc"
    rows.write(pl.DataFrame({"a": [1], "b": [1]}), one)
    rows.write(pl.DataFrame({"b": [1], "a": [1]}), two)

    with pytest.raises(SourceError, match="another order"):
        rows.scan([one, two])


def test_a_column_that_is_not_there_is_named(rows: Rows, kind: str, tmp_path: Path) -> None:
    """At the call, not at the first batch."""
    path = tmp_path / f"x.{kind}"
    rows.write(ARTICLES, path)

    with pytest.raises(SourceError, match="no column 'titel'"):
        rows.batches([path], columns=["key", "titel"])
    with pytest.raises(InputError):
        rows.batches([path], size=0)


@pytest.mark.parametrize("name", ["x", "x.txt", "x.parquet.gz"])
def test_an_unknown_suffix_is_refused(rows: Rows, tmp_path: Path, name: str) -> None:
    """Nothing is written."""
    with pytest.raises(SourceError, match="no suffix of a known format"):
        rows.write(ARTICLES, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_type_the_format_cannot_hold_is_named(rows: Rows, tmp_path: Path) -> None:
    """And nothing is left behind."""
    durations = pl.DataFrame({"took": pl.Series([1], dtype=pl.Duration("us"))})
    too_large = pl.DataFrame({"id": pl.Series([2**64 - 1], dtype=pl.UInt64)})

    with pytest.raises(SourceError, match="'took'"):
        rows.write(durations, tmp_path / "x.orc")
    with pytest.raises(SourceError, match="'id'"):
        rows.write(too_large, tmp_path / "x.orc")
    with pytest.raises(SourceError, match="'votes'"):
        rows.write(ARTICLES, tmp_path / "x.csv")
    with pytest.raises(SourceError, match="columns"):
        rows.write(pl.DataFrame(), tmp_path / "x.parquet")

    assert not list(tmp_path.iterdir())


@contextmanager
def file_size_limit(limit: int) -> Iterator[None]:
    """No file of this process grows past `limit` bytes meanwhile: what a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("suffix", ["parquet", "orc", "csv"])
@pytest.mark.parametrize("limit", [0, 10, 2_000, 6_000])
def test_a_full_disk_leaves_what_was_there(
    rows: Rows, tmp_path: Path, suffix: str, limit: int
) -> None:
    """The old file whole, no half of the new one, no scrap beside it."""
    path = tmp_path / f"x.{suffix}"
    rows.write(ARTICLES.select("key", "text"), path)
    before = path.read_bytes()

    with file_size_limit(limit), pytest.raises(StorageError, match=f"x.{suffix}") as caught:
        rows.write(many(120_000), path)

    assert caught.value.hint
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", [".parquet", ".orc", ".csv"])
def test_frames_become_the_files_of_a_folder(rows: Rows, tmp_path: Path, suffix: str) -> None:
    """In their order; folders above it are made, and one that is there and empty is taken."""
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "a" / "b", tmp_path / "empty"):
        assert rows.write_folder(many(5).iter_slices(2), folder, suffix=suffix) == [2, 2, 1]

        assert_frame_equal(rows.collect(rows.scan(rows.files(folder))), many(5))
        assert not list(folder.parent.glob(".*"))


def test_no_frame_is_a_folder_without_files(rows: Rows, tmp_path: Path) -> None:
    """It was asked for, so it is there."""
    assert rows.write_folder([], tmp_path / "out", suffix=".parquet") == []
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_that_holds_something_is_left_alone(rows: Rows, tmp_path: Path) -> None:
    """Also where it came to hold it while the frames were made; and where it is a file."""

    def meanwhile() -> Iterator[pl.DataFrame]:
        yield many(1)
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "theirs").write_text("theirs")

    for _ in range(2):
        with pytest.raises(InputError):
            rows.write_folder(meanwhile(), tmp_path / "out", suffix=".parquet")
    with pytest.raises(InputError):
        rows.write_folder([many(1)], tmp_path / "out" / "theirs", suffix=".parquet")

    assert [path.name for path in tmp_path.rglob("*")] == ["out", "theirs"]


def test_a_full_disk_leaves_no_part_of_a_folder(rows: Rows, tmp_path: Path) -> None:
    """The first file had room, the second has not."""
    with file_size_limit(4_000), pytest.raises(StorageError) as caught:
        rows.write_folder([many(10), many(120_000)], tmp_path / "out", suffix=".parquet")

    assert "was left behind" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
import polars as pl
from datahub.hub.registry import adapter

def frames():
    yield pl.DataFrame({"a": [1]})
    yield pl.DataFrame({"a": [2]})
    os.kill(os.getpid(), signal.SIGKILL)

adapter("rows", sys.argv[1])().write_folder(frames(), Path(sys.argv[2]), suffix=".parquet")
"""


def test_a_killed_process_leaves_no_part_of_a_folder_for_one(
    request: pytest.FixtureRequest, rows: Rows, tmp_path: Path
) -> None:
    """The folder is not there; what was begun has another name, and goes with the next."""
    name = request.node.callspec.params["rows"]
    words = [sys.executable, "-c", KILLED, name, str(tmp_path / "out")]

    killed = subprocess.run(words, cwd=Path(__file__).parents[2], check=False)

    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    assert all(path.name.startswith(".") for path in tmp_path.iterdir())
    assert rows.write_folder([many(1)], tmp_path / "out", suffix=".parquet") == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_that_is_not_there_is_a_storage_error(rows: Rows, tmp_path: Path) -> None:
    """The adapter makes files, not folders."""
    with pytest.raises(StorageError):
        rows.write(ARTICLES, tmp_path / "no" / "x.parquet")


def test_a_lazy_frame_that_cannot_be_computed_is_a_source_error(rows: Rows, tmp_path: Path) -> None:
    """No error of polars gets out, nothing is left behind."""
    broken = pl.LazyFrame({"a": ["x"]}).select(pl.col("a").cast(pl.Int64))

    with pytest.raises(SourceError):
        rows.collect(broken)
    with pytest.raises(SourceError):
        rows.write(broken, tmp_path / "x.parquet")
    with pytest.raises(SourceError):
        rows.write(broken.select("b"), tmp_path / "x.parquet")

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".parquet", ".orc", ".csv"])
def test_frames_in_a_row_are_one_table(rows: Rows, tmp_path: Path, suffix: str) -> None:
    """Byte for byte what they are as one frame, however they are cut."""
    frame = pl.DataFrame({"id": range(10), "text": ["a"] * 10})

    assert rows.write(frame.iter_slices(3), tmp_path / f"many{suffix}") == 10

    rows.write(frame, tmp_path / f"one{suffix}")
    many, one = (tmp_path / f"{name}{suffix}" for name in ("many", "one"))
    assert many.read_bytes() == one.read_bytes()


def test_the_files_of_a_folder_are_those_of_rows(rows: Rows, tmp_path: Path) -> None:
    """By path, folders in it too; a file is one itself; hidden names and others do not count."""
    for name in ("b.parquet", "a/c.orc", "_tmp/d.parquet", ".e.csv", "note.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"hello" if name == "note.txt" else b"PAR1")

    assert rows.files(tmp_path) == [tmp_path / "a" / "c.orc", tmp_path / "b.parquet"]
    assert rows.files(tmp_path / "b.parquet") == [tmp_path / "b.parquet"]


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(dataframes(min_cols=1, max_cols=5, max_size=40, allowed_dtypes=HELD), st.data())
def test_a_rewritten_file_is_the_file_of_all_its_rows(
    rows: Rows, kind: str, tmp_path: Path, frame: pl.DataFrame, data: st.DataObject
) -> None:
    """Some columns new, the others kept: the bytes are those of writing all of it."""
    names = data.draw(st.lists(st.sampled_from(frame.columns), min_size=1, unique=True))
    new = frame.with_columns(frame[name].reverse() for name in names)
    old, whole, path = (tmp_path / f"{name}.{kind}" for name in ("old", "whole", "path"))
    rows.write(frame, old)
    rows.write(new, whole)

    rows.rewrite(old, new.select(pl.col(names)), path)

    assert path.read_bytes() == whole.read_bytes()


def test_several_row_groups_are_rewritten(rows: Rows, kind: str, tmp_path: Path) -> None:
    """Each keeps what it holds of the other columns."""
    old, whole, path = (tmp_path / f"{name}.{kind}" for name in ("old", "whole", "path"))
    frame = many(120_001).with_columns(n=pl.col("key") % 7)
    new = frame.with_columns(n=pl.col("n").replace(3, None))
    rows.write(frame, old)
    rows.write(new, whole)

    rows.rewrite(old, new.select("n"), path)

    assert path.read_bytes() == whole.read_bytes()
    assert_frame_equal(pl.concat(rows.batches([path])), new)


def test_files_are_alike_in_the_columns_that_did_not_change(rows: Rows, tmp_path: Path) -> None:
    """Equal numbers, the same values; a file is like itself."""
    frame = many(60_000).with_columns(n=pl.col("key") % 7)
    one, two, three = (tmp_path / f"{n}.parquet" for n in range(3))
    rows.write(frame, one)
    rows.write(frame.with_columns(n=pl.when(pl.col("key") == 59_000).then(1).otherwise("n")), two)
    rows.write(frame.with_columns(text=pl.lit("x")), three)

    assert rows.alike([one, two, three, one]) == {
        "key": (0, 0, 0, 0),
        "text": (0, 0, 2, 0),
        "n": (0, 1, 0, 0),
    }


def test_files_of_other_columns_or_rows_are_not_held_against_each_other(
    rows: Rows, tmp_path: Path
) -> None:
    """Another number of rows, an added column, another type, another format: None."""
    frame = many(100)
    rows.write(frame, tmp_path / "first.parquet")
    others = {
        "fewer.parquet": frame.head(99),
        "wider.parquet": frame.with_columns(n=pl.lit(1)),
        "typed.parquet": frame.with_columns(pl.col("key").cast(pl.Int32)),
        "dated.parquet": frame.with_columns(pl.col("key").cast(pl.Duration("us"))),
        "other.orc": frame,
    }

    for name, other in others.items():
        rows.write(other, tmp_path / name)
        assert rows.alike([tmp_path / "first.parquet", tmp_path / name]) is None, name


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(dataframes(cols=3, max_size=20, allowed_dtypes=HELD), st.data())
def test_what_is_alike_is_the_same(
    rows: Rows, tmp_path: Path, frame: pl.DataFrame, data: st.DataObject
) -> None:
    """Whatever the types: columns of one number hold the same values."""
    name = data.draw(st.sampled_from(frame.columns))
    other = frame.with_columns(frame[name].shuffle(1))
    paths = [tmp_path / "one.parquet", tmp_path / "two.parquet"]
    for path, table in zip(paths, (frame, other), strict=True):
        rows.write(table, path)

    found = rows.alike(paths)

    kept = [n for n, (one, two) in (found or {}).items() if one == two]
    assert found is None or set(frame.columns) - {name} <= set(kept)
    assert_frame_equal(frame.select(pl.col(kept)), other.select(pl.col(kept)))


def test_rows_that_are_read_are_those_of_the_batches(rows: Rows, kind: str, tmp_path: Path) -> None:
    """All of them in file order, over row groups and files; columns in the order asked for."""
    paths = [tmp_path / f"{n}.{kind}" for n in range(2)]
    for number, path in enumerate(paths):
        rows.write(many(120_001).with_columns(pl.col("key") + number * 200_000), path)

    found = rows.read(paths, columns=["text", "key"])

    assert_frame_equal(found, pl.concat(rows.batches(paths, columns=["text", "key"])))
    assert_frame_equal(rows.read(paths[:1]), many(120_001))
    assert_frame_equal(rows.read(paths[:1], columns=["text"]), many(120_001).select("text"))


@pytest.mark.parametrize("names", [["*"], ["^a.*$", "b"], ["_", "__"], [""]])
def test_columns_of_any_name_are_read(rows: Rows, tmp_path: Path, names: list[str]) -> None:
    """A name is a name, and no pattern."""
    frame = pl.DataFrame({name: [1, 2] for name in [*names, "ab"]})
    rows.write(frame, tmp_path / "x.parquet")

    assert_frame_equal(rows.read([tmp_path / "x.parquet"], columns=names), frame[names])


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_file_that_is_damaged_is_a_source_error(
    rows: Rows, kind: str, tmp_path: Path, share: float
) -> None:
    """Cut off, or zeros in the middle: said by name where it is read."""
    whole, short, zeros = (tmp_path / f"{name}.{kind}" for name in ("whole", "short", "zeros"))
    rows.write(many(60_000), whole)
    raw = whole.read_bytes()
    place = int(len(raw) * share)
    short.write_bytes(raw[:place])
    zeros.write_bytes(raw[:place] + bytes(4000) + raw[place + 4000 :])

    for path in (short, zeros):
        with pytest.raises(SourceError, match=path.name):
            rows.read([path])
