"""Labels in patches read as rewritten labels do."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datahub.core.dataset import Dataset
from datahub.core.layout import dataset_file
from datahub.core.versions import ObjectId
from datahub.flow.dataset import parts
from datahub.flow.dataset import patching as relabel
from datahub.flow.dataset.at import At
from datahub.flow.dataset.patching import patch_labels
from datahub.flow.dataset.tables import (
    write_part,
)
from datahub.flow.publish.consistency import key_mismatches, mismatches
from datahub.flow.steps import Step, begin, end
from datahub.hub.registry import adapter
from datahub.machine.bytes.files import ObjectFiles
from datahub.ports import Rows, VersionStore
from tests.whole_tables import read_table

TIME = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = 60


@pytest.fixture(autouse=True, scope="module")
def _small_parts() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "ROWS_PER_PART", 10)
        patch.setattr(relabel, "MOST_PATCHES", 3)
        yield


def labels(names: list[str]) -> pl.DataFrame:
    """Lines of labels of rows 0, 1, 2, ..."""
    return pl.DataFrame({"id": range(len(names)), "label": names}).with_columns(
        pl.lit("accepted").alias("status"),
        pl.lit("label_model").alias("source"),
        pl.concat_list("label").alias("lfs"),
        pl.lit([], dtype=pl.List(pl.String)).alias("annotations"),
    )


def written(
    store: VersionStore, rows: Rows, known: Dataset, table: pl.DataFrame
) -> dict[str, ObjectId]:
    """Labels of all rows, stored part by part."""
    objects: dict[str, ObjectId] = {}
    start = 0
    for part in known.parts:
        lines = table[start : start + part.rows]
        objects |= write_part(
            store, rows, lines, dataset=known.name, table="labels", part=part.sha256
        )
        start += part.rows
    return objects


@dataclass
class Labeled:
    """A store whose one dataset has rows and labels."""

    store: VersionStore
    rows: Rows
    steps: int = 0

    @classmethod
    def make(cls, folder: Path) -> Labeled:
        store = adapter("version_store", "embedded").create(
            ObjectFiles(folder / "store"), branch="main", author="ann", time=TIME
        )
        made = cls(store, adapter("rows", "polars")())
        writer = parts.RowsWriter(store, made.rows, dataset="mail", key="id")
        writer.push(pl.DataFrame({"id": range(ROWS), "text": ["free"] * ROWS}))
        writer.finish()
        known = Dataset("mail", "id", writer.columns, tuple(writer.parts), ("a", "b"))
        table = written(store, made.rows, known, labels(["a"] * ROWS))
        described = {dataset_file("mail"): store.put(known.to_json().encode())}
        made.commit({**writer.objects, **table, **described})
        return made

    @property
    def at(self) -> At:
        return At.of(self.store, self.rows, "main", "mail")

    @property
    def known(self) -> Dataset:
        return self.at.dataset

    def commit(self, changes: dict[str, str | None]) -> None:
        self.steps += 1
        step = Step("main", "ann", TIME, f"step{self.steps}")
        end(self.store, step, begin(self.store, step), changes, message="Relabel")

    def patch(self, lines: pl.DataFrame) -> dict[str, str | None]:
        changes = patch_labels(
            At.of(self.store, self.rows, "main", "mail"), lines, step_id=f"step{self.steps}"
        )
        self.commit(changes)
        return changes

    def read(self) -> pl.DataFrame:
        return read_table(self.store, self.rows, "main", "mail", "labels", made_by="label fit")


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.dictionaries(st.integers(0, ROWS - 1), st.sampled_from("abc"), min_size=1, max_size=9),
        min_size=1,
        max_size=8,
    )
)
def test_patched_labels_are_those_of_a_table_written_anew(rounds: list[dict[int, str]]) -> None:
    """Round after round, folds and rewritten parts included, by every way of reading."""
    with tempfile.TemporaryDirectory() as folder:
        made = Labeled.make(Path(folder))
        plain = ["a"] * ROWS
        for changed in rounds:
            for key, name in changed.items():
                plain[key] = name

            lines = labels(plain).filter(pl.col("id").is_in(list(changed)))
            made.patch(lines.sample(fraction=1.0, shuffle=True, seed=7))

            assert made.read().equals(labels(plain))
            assert len(made.at.patch_files) <= relabel.MOST_PATCHES
        assert mismatches(At.of(made.store, made.rows, "main", "mail")) == []
        assert key_mismatches(At.of(made.store, made.rows, "main", "mail")) == []
        some = made.at.between("labels", 7, 31)
        assert pl.concat(list(some)).equals(labels(plain)[7:32])
        keyed = made.at.lines("labels", [59, 0, 99])
        assert pl.concat(list(keyed)).equals(labels(plain)[[0, 59]])
        files, instead = made.at.patched_files("labels")
        assert instead is not None
        read = [made.rows.read([path]) for path in files]
        put = pl.concat([labels(plain).clear(), *instead.lines.values()])
        kept = pl.concat(read).join(put, on="id", how="anti")
        assert pl.concat([kept, put]).sort("id").equals(labels(plain))


def test_a_patch_leaves_the_parts_alone(tmp_path: Path) -> None:
    """One small object is all that a relabel writes."""
    made = Labeled.make(tmp_path)

    changes = made.patch(labels(["b"])[:1])

    assert list(changes) == ["datasets/mail/labels/patches/000001-step1.parquet"]


def test_a_part_that_is_mostly_patched_is_written_anew(tmp_path: Path) -> None:
    """And its lines leave the patches, earlier ones too."""
    made = Labeled.make(tmp_path)
    first = made.known.parts[0]
    made.patch(labels(["b"])[:1])

    changes = made.patch(labels(["c"] * first.rows))

    assert made.at.patch_files == {}
    assert [path for path, oid in changes.items() if oid] == [
        f"datasets/mail/labels/{first.sha256[:2]}/{first.sha256}.parquet"
    ]


def test_a_patch_of_other_rows_does_not_count(tmp_path: Path) -> None:
    """A line is of one part as it was: labels of rewritten rows are under no old patch."""
    made = Labeled.make(tmp_path)
    made.patch(labels(["b"])[:1])
    known = made.known
    rows = pl.DataFrame({"id": range(ROWS), "text": ["paid"] * ROWS})
    groups = [(known.parts, rows)]
    at = At.of(made.store, made.rows, "main", "mail")
    writer = parts.rewrite_rows(at, groups)
    rewritten = Dataset("mail", "id", writer.columns, tuple(writer.parts), ("a", "b"))
    changes = parts.changed_rows(at, writer)
    changes |= written(made.store, made.rows, rewritten, labels(["c"] * ROWS))
    changes[dataset_file("mail")] = made.store.put(rewritten.to_json().encode())

    made.commit(changes)

    assert made.read().equals(labels(["c"] * ROWS))


def test_no_line_is_no_change(tmp_path: Path) -> None:
    """Nothing is written for nothing."""
    made = Labeled.make(tmp_path)

    at = At.of(made.store, made.rows, "main", "mail")
    assert patch_labels(at, labels([]), step_id="step9") == {}
