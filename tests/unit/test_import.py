"""Rows in and out: however they come, the same rows are the same objects."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datahub.core.errors import DatahubError, InputError, NotFound, SourceError
from datahub.flow.dataset import parts
from datahub.flow.dataset.at import At
from datahub.flow.dataset.tables import dataset_at
from datahub.flow.rows import sorting, source
from datahub.flow.rows.export import ExportReport, export_rows
from datahub.flow.rows.source import ImportReport, Mode
from datahub.flow.steps import Step
from datahub.hub.registry import adapter
from datahub.machine.bytes.files import ObjectFiles
from datahub.ports import Rows, VersionStore
from tests.whole_tables import read_table

TIME = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True, scope="module")
def _small() -> Iterator[None]:
    """Parts of eight rows, and runs of a few rows, so that all of it happens."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "ROWS_PER_PART", 8)
        patch.setattr(sorting, "RUN_BYTES", 300)
        yield


@dataclass
class Project:
    """A store, and what one does with it."""

    folder: Path
    store: VersionStore
    rows: Rows
    files: int = 0

    @classmethod
    def make(cls, folder: Path) -> Project:
        store = adapter("version_store", "embedded").create(
            ObjectFiles(folder / "store"), branch="main", author="ann", time=TIME
        )
        return cls(folder, store, adapter("rows", "polars")())

    def write(self, *frames: pl.DataFrame, suffix: str = ".parquet") -> Path:
        self.files += 1
        folder = self.folder / f"came{self.files}"
        for number, frame in enumerate(frames):
            (folder / str(number)).mkdir(parents=True)
            self.rows.write(frame, folder / str(number) / f"rows{suffix}")
        return folder

    def take(
        self,
        *frames: pl.DataFrame,
        mode: Mode = "replace",
        key: str | None = "id",
        gold: str | None = None,
        suffix: str = ".parquet",
    ) -> ImportReport:
        return source.import_rows(
            self.write(*frames, suffix=suffix),
            source.Import.begin(
                self.store,
                self.rows,
                Step("main", "ann", TIME, f"step{self.files}"),
                "mail",
                key=key,
                gold=gold,
                classes=["ham", "spam"],
                text=None,
                mode=mode,
            ),
        )

    def objects(self) -> dict[str, str]:
        return self.store.objects("main", "datasets/")

    def table(self, table: str = "rows") -> pl.DataFrame:
        return read_table(self.store, self.rows, "main", "mail", table, made_by="import")

    def export(self, path: Path, *, table: str = "rows", kind: str | None = None) -> ExportReport:
        at = At.of(self.store, self.rows, "main", "mail")
        return export_rows(at, path, table=table, kind=kind)


def mail(texts: dict[Any, str]) -> pl.DataFrame:
    keys = pl.Series("id", list(texts), dtype=None if texts else pl.Int64)
    return pl.DataFrame([keys, pl.Series("text", list(texts.values()), dtype=pl.String)])


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.make(tmp_path)


TEXTS = st.dictionaries(st.integers(0, 200), st.sampled_from("abc"), min_size=1, max_size=60)


@settings(max_examples=12, deadline=None)
@given(TEXTS, st.randoms(use_true_random=False), st.integers(1, 4), st.booleans(), st.booleans())
def test_rows_in_any_order_and_any_files_come_to_the_same_objects(
    texts: dict[int, str], random: Any, files: int, named: bool, golden: bool
) -> None:
    """Whether the key is given or made, with and without gold."""
    frame = mail(texts).with_columns(kind=pl.col("text").replace({"a": "ham", "b": "spam"}))
    frame = frame.with_columns(kind=pl.when(pl.col("text") == "c").then(None).otherwise("kind"))
    frame = frame if named else frame.drop("id")
    frame = frame if golden else frame.drop("kind")
    places = list(range(frame.height))
    random.shuffle(places)
    shuffled = frame[places]
    size = -(-frame.height // files)
    with tempfile.TemporaryDirectory() as folder:
        one, many = Project.make(Path(folder) / "1"), Project.make(Path(folder) / "2")
        key, gold = "id" if named else None, "kind" if golden else None

        one.take(frame, key=key, gold=gold)
        many.take(*shuffled.iter_slices(size), key=key, gold=gold)

        assert one.objects() == many.objects()
        assert (
            one.table()
            .drop("row_key", strict=False)
            .sort(pl.all())
            .equals(frame.drop("kind", strict=False).sort(pl.all()))
        )


@settings(max_examples=12, deadline=None)
@given(st.lists(TEXTS, min_size=2, max_size=4))
def test_an_upsert_is_what_all_rows_anew_would_be(rounds: list[dict[int, str]]) -> None:
    """Object for object: the history of a dataset is not in its layout."""
    with tempfile.TemporaryDirectory() as folder:
        ours, fresh = Project.make(Path(folder) / "1"), Project.make(Path(folder) / "2")
        rows: dict[int, str] = {}
        for texts in rounds:
            rows |= texts

            ours.take(mail(texts), mode="upsert")

        fresh.take(mail(rows))
        assert ours.objects() == fresh.objects()


def test_an_append_leaves_the_parts_before_it(project: Project) -> None:
    """Their objects and paths are the same."""
    project.take(mail(dict.fromkeys(range(100), "a")))
    before = dataset_at(project.store, "main", "mail").parts

    project.take(mail(dict.fromkeys(range(100, 110), "b")), mode="append")

    after = dataset_at(project.store, "main", "mail").parts
    assert after[: len(before) - 1] == before[:-1]
    assert sum(part.rows for part in after) == 110


def test_a_key_that_is_there_cannot_be_appended(project: Project) -> None:
    """Nothing changes, and the hint says what would."""
    project.take(mail({1: "a", 2: "b"}))
    before = project.objects()

    with pytest.raises(InputError, match="Key 2 is in dataset 'mail' already") as raised:
        project.take(mail({3: "a", 2: "b"}), mode="append")

    assert "--upsert" in raised.value.hint
    assert project.objects() == before


def test_the_same_rows_again_change_nothing(project: Project) -> None:
    """Not even a commit is made."""
    first = project.take(mail({1: "a", 2: "b"}))

    assert project.take(mail({2: "b", 1: "a"})).commit == first.commit
    assert project.take(mail({2: "b"}), mode="upsert").commit == first.commit


def test_an_added_column_is_null_in_the_rows_that_were_there(project: Project) -> None:
    """All parts get it."""
    project.take(mail(dict.fromkeys(range(40), "a")))

    project.take(mail({7: "b", 50: "c"}).with_columns(n=pl.lit(1)), mode="upsert")

    found = project.table()
    assert found.height == 41
    assert found.filter(pl.col("n") == 1)["id"].to_list() == [7, 50]
    assert dataset_at(project.store, "main", "mail").parts[0].nulls["n"] > 0


def test_gold_stays_where_none_came(project: Project) -> None:
    """An upsert without gold takes no gold away."""
    project.take(mail({1: "a", 2: "b"}).with_columns(kind=pl.lit("ham")), gold="kind")

    project.take(mail({2: "c", 3: "c"}), mode="upsert")

    assert project.table("gold")["label"].to_list() == ["ham", "ham", None]
    assert project.table()["text"].to_list() == ["a", "c", "c"]


@pytest.mark.parametrize(
    ("frames", "mode", "says"),
    [
        ([mail({1: "a"}), mail({2: "a", 1: "b"})], "replace", "1 keys in 'id' are on several"),
        (
            [mail({1: "a"}), mail({None: "a"}).cast({"id": pl.Int64})],
            "replace",
            "first is row 1 of rows.parquet",
        ),
        ([mail({1: "a"}).with_columns(pl.col("text").str.len_chars())], "upsert", "was String"),
        ([mail({1: "a"}).select("id", body="text")], "upsert", "no column 'text'"),
        ([mail({"x": "a"})], "upsert", "'id' was Int64 and is String now"),
        ([mail({1: "a"}).with_columns(_gold=1)], "replace", "cannot be named '_gold'"),
    ],
)
def test_rows_that_do_not_fit_are_refused(
    project: Project, frames: list[pl.DataFrame], mode: Mode, says: str
) -> None:
    """Across files; with a hint, and nothing has changed."""
    project.take(mail({7: "a"}))
    before = project.objects()

    with pytest.raises(InputError, match=says) as raised:
        project.take(*frames, mode=mode)

    assert raised.value.hint
    assert project.objects() == before
    assert list((project.folder / "store" / "staging").iterdir()) == []


def test_files_of_unequal_schemas_are_refused(project: Project) -> None:
    """The column and both files are named."""
    with pytest.raises(SourceError, match="Column 'text'"):
        project.take(mail({1: "a"}), mail({2: "b"}).with_columns(text=1))


def test_a_folder_without_rows_is_refused(project: Project, tmp_path: Path) -> None:
    """Hidden files and other things in it do not count."""
    (tmp_path / "empty" / "_temporary").mkdir(parents=True)
    (tmp_path / "empty" / "_temporary" / "a.parquet").write_bytes(b"PAR1")
    (tmp_path / "empty" / "note.txt").write_text("hello")

    with pytest.raises(SourceError, match="without a file of rows"):
        project.rows.files(tmp_path / "empty")


@pytest.mark.parametrize("kind", ["parquet", "orc", "csv"])
def test_an_exported_folder_comes_back_as_the_same_rows(
    project: Project, tmp_path: Path, kind: str
) -> None:
    """A file for each part; the parts are the same objects again."""
    project.take(mail({i: "abc"[i % 3] for i in range(50)}))
    before = project.objects()

    made = project.export(tmp_path / "out", kind=kind)

    assert made == ExportReport(50, len(dataset_at(project.store, "main", "mail").parts))
    again = source.import_rows(
        tmp_path / "out",
        source.Import.begin(
            project.store,
            project.rows,
            Step("main", "ann", TIME, "again"),
            "mail",
            key="id",
            gold=None,
            classes=[],
            text=None,
        ),
    )
    assert project.objects() == before
    assert again.dataset.rows == 50


def test_one_exported_file_is_streamed_in_order(project: Project, tmp_path: Path) -> None:
    """All parts, one table."""
    project.take(mail(dict.fromkeys(range(50), "a")))

    assert project.export(tmp_path / "out.parquet") == ExportReport(50, 1)

    assert pl.read_parquet(tmp_path / "out.parquet").equals(project.table())


@pytest.mark.parametrize(
    ("table", "kind", "error"),
    [("labels", None, NotFound), ("strange", None, InputError), ("rows", "xls", InputError)],
)
def test_what_cannot_be_exported_is_said(
    project: Project, tmp_path: Path, table: str, kind: str | None, error: type[DatahubError]
) -> None:
    """And nothing is written."""
    project.take(mail({1: "a"}))

    with pytest.raises(error):
        project.export(tmp_path / "out.csv", table=table, kind=kind)

    assert not (tmp_path / "out.csv").exists()


def test_a_folder_that_holds_something_is_not_written_over(
    project: Project, tmp_path: Path
) -> None:
    """Nothing is lost."""
    project.take(mail({1: "a"}))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")

    with pytest.raises(InputError, match="is not empty"):
        project.export(tmp_path / "out", kind="parquet")
