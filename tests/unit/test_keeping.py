"""Rows that stay as they were keep their labels, whatever else an import does."""

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

from datahub.core.conflicts import Settling
from datahub.core.layout import label_model_file
from datahub.flow.dataset import parts
from datahub.flow.dataset import patching as relabel
from datahub.flow.dataset.at import At
from datahub.flow.dataset.patching import patch_labels
from datahub.flow.dataset.tables import dataset_at, write_part
from datahub.flow.merge.merge import merge_commits
from datahub.flow.publish.consistency import key_mismatches, label_gaps, mismatches
from datahub.flow.rows.keeping import rows_without_label
from datahub.flow.rows.source import Import, ImportReport, Mode, import_rows
from datahub.flow.steps import Step, begin, end
from datahub.hub.registry import adapter
from datahub.machine.bytes.files import ObjectFiles
from datahub.ports import Rows, VersionStore
from tests.whole_tables import read_table

TIME = datetime(2026, 1, 1, tzinfo=UTC)
Texts = dict[int, str]  # key -> content
Line = tuple[str | None, str]  # a label and who gave it
Labels = dict[int, Line]


@pytest.fixture(autouse=True, scope="module")
def _small() -> Iterator[None]:
    """Parts of eight rows, and few patches, so that cuts move and patches are folded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "ROWS_PER_PART", 8)
        patch.setattr(relabel, "MOST_PATCHES", 2)
        yield


@dataclass
class Mail:
    """A store with one dataset."""

    folder: Path
    store: VersionStore
    rows: Rows
    steps: int = 0
    branch: str = "main"

    @classmethod
    def make(cls, folder: Path) -> Mail:
        store = adapter("version_store", "embedded").create(
            ObjectFiles(folder / "store"), branch="main", author="ann", time=TIME
        )
        return cls(folder, store, adapter("rows", "polars")())

    def step(self) -> Step:
        self.steps += 1
        return Step(self.branch, "ann", TIME, f"step{self.steps:03d}")

    def take(self, texts: Texts, mode: Mode = "replace", **more: str) -> ImportReport:
        """Import these rows."""
        columns: dict[str, pl.Series] = {
            "id": pl.Series(list(texts), dtype=pl.Int64),
            "text": pl.Series(list(texts.values()), dtype=pl.String),
        }
        path = self.folder / f"came{self.steps}.parquet"
        frame = pl.DataFrame(columns).with_columns(pl.lit(v).alias(n) for n, v in more.items())
        frame.write_parquet(path)
        return import_rows(
            path,
            Import.begin(
                self.store,
                self.rows,
                self.step(),
                "mail",
                key="id",
                gold=None,
                classes=("ham", "spam"),
                text="text",
                mode=mode,
            ),
        )

    def label(self, said: Labels) -> None:
        """Labels of all rows, as a fit writes them."""
        known = dataset_at(self.store, self.branch, "mail")
        table, changes = _lines(said), dict[str, str | None]()
        for part in known.parts:
            here = table.filter(pl.col("id").is_between(part.first_key, part.last_key))
            changes |= write_part(
                self.store, self.rows, here, dataset="mail", table="labels", part=part.sha256
            )
        changes[label_model_file("mail")] = self.store.put(b"{}")
        self.commit(changes)

    def patch(self, said: Labels) -> None:
        """Other labels for some rows, as a pull writes them."""
        step = self.step()
        changes = patch_labels(
            At.of(self.store, self.rows, self.branch, "mail"), _lines(said), step_id=step.id
        )
        self.commit(changes)

    def commit(self, changes: dict[str, str | None]) -> None:
        step = self.step()
        end(self.store, step, begin(self.store, step), changes, message="Label")

    def merge(self, source: str) -> None:
        """Merge a branch into this one; where both changed a row, this one's."""
        ours, theirs = (self.store.commit_at(ref) for ref in (self.branch, source))
        made, _ = merge_commits(
            self.store.merge_base(ours.id, theirs.id),
            ours,
            theirs,
            names=(source, self.branch),
            resolution=Settling(side="ours"),
            store=self.store,
            rows=self.rows,
            step=self.step(),
        )
        self.commit(made)

    def texts(self) -> Texts:
        """The rows."""
        if "datasets/mail/dataset.json" not in self.store.objects(self.branch):
            return {}
        table = read_table(self.store, self.rows, self.branch, "mail", "rows", made_by="import")
        return dict(table.select("id", "text").iter_rows())

    def labels(self) -> Labels:
        """Labels of all rows that have a line which is not that of a new row."""
        if not At.of(self.store, self.rows, self.branch, "mail").has("labels"):
            return {}
        table = read_table(
            self.store, self.rows, self.branch, "mail", "labels", made_by="label fit"
        )
        new = table.filter(pl.col("status") == "new")
        assert new["label"].null_count() == new["source"].null_count() == new.height
        assert new["annotations"].list.len().sum() == 0
        told = table.filter(pl.col("status") != "new").select("id", "label", "source")
        return {key: (label, source) for key, label, source in told.iter_rows()}


def _lines(said: Labels) -> pl.DataFrame:
    lines = [
        {
            "id": key,
            "label": label,
            "status": "annotated" if who == "annotation" else "accepted",
            "source": who,
            "outcome": "accept",
            "reason": None,
            "annotations": [f"a{key}"] if who == "annotation" else [],
        }
        for key, (label, who) in sorted(said.items())
    ]
    names = ("label", "status", "source", "outcome", "reason")
    schema = pl.Schema({"id": pl.Int64(), **dict.fromkeys(names, pl.String())})
    schema["annotations"] = pl.List(pl.String)
    return pl.DataFrame(lines, schema=schema)


texts = st.dictionaries(st.integers(0, 60), st.sampled_from("abc"), min_size=1, max_size=50)
other_texts = st.dictionaries(st.integers(0, 60), st.sampled_from("de"), min_size=1, max_size=20)
said = st.tuples(
    st.sampled_from(["ham", "spam", None]), st.sampled_from(["label_model", "annotation"])
)
changes = st.lists(st.tuples(st.sampled_from(["append", "upsert", "replace"]), texts), max_size=4)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(texts, st.data(), changes)
def test_labels_after_an_import_are_those_of_the_rows_that_stay(
    first: Texts, data: st.DataObject, rounds: list[tuple[Mode, Texts]]
) -> None:
    """After any appends, upserts and re-imports: the labels before, less rows that moved."""
    with tempfile.TemporaryDirectory() as folder:
        mail = Mail.make(Path(folder))
        mail.take(first)
        held = data.draw(st.fixed_dictionaries(dict.fromkeys(sorted(first), said)))
        mail.label(held)
        for _ in range(data.draw(st.integers(0, 3))):
            some = data.draw(st.dictionaries(st.sampled_from(sorted(first)), said, max_size=6))
            mail.patch(some)
            held |= some
        now = dict(first)
        for mode, came in rounds:
            before = dict(now)
            if mode == "append":
                came = {key: text for key, text in came.items() if key not in now}
            if not came:
                continue
            now = dict(came) if mode == "replace" else now | came
            held = {key: one for key, one in held.items() if now.get(key) == before.get(key)}

            made = mail.take(came, mode)

            assert mail.labels() == held
            if now == before:
                continue
            assert mismatches(At.of(mail.store, mail.rows, "main", "mail")) == []
            assert key_mismatches(At.of(mail.store, mail.rows, "main", "mail")) == []
            assert At.of(mail.store, mail.rows, "main", "mail").has("labels") == bool(held)
            if held:
                assert (made.kept, made.unlabeled) == (len(held), len(now) - len(held))
                left = rows_without_label(At.of(mail.store, mail.rows, "main", "mail"))
                assert left == len(now) - len(held)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(texts, st.data())
def test_labels_of_a_merge_are_those_of_both_sides_on_the_rows_that_they_had(
    first: Texts, data: st.DataObject
) -> None:
    """Row by row, three ways: a person's label before a model's, and none where models differ."""
    with tempfile.TemporaryDirectory() as folder:
        mail = Mail.make(Path(folder))
        mail.take(first)
        base = data.draw(st.fixed_dictionaries(dict.fromkeys(sorted(first), said)))
        mail.label(base)
        mail.store.create_branch("work", at="main")
        rows, labels = list[Texts](), list[Labels]()
        changing = data.draw(st.sampled_from([("main",), ("work",), ("main", "work")]))
        for branch in ("main", "work"):
            mail.branch = branch
            if branch in changing:
                mail.take(data.draw(other_texts), "upsert")
            known = mail.labels()
            if known:
                mail.patch(data.draw(st.dictionaries(st.sampled_from(sorted(known)), said)))
            rows.append(mail.texts())
            labels.append(mail.labels())
        mail.branch = "main"

        mail.merge("work")

        now = {
            key: text
            for key in rows[0].keys() | rows[1].keys() | first.keys()
            if (text := _merged(first.get(key), rows[0].get(key), rows[1].get(key))) is not None
        }
        assert mail.texts() == now
        assert mail.labels() == {
            key: line
            for key, text in now.items()
            if (line := _label(base.get(key), *_of(key, text, rows, labels))) is not None
        }
        assert mismatches(At.of(mail.store, mail.rows, "main", "mail")) == []
        assert key_mismatches(At.of(mail.store, mail.rows, "main", "mail")) == []


def _merged(base: str | None, ours: str | None, theirs: str | None) -> str | None:
    return theirs if ours == base else ours


def _of(key: int, text: str, rows: list[Texts], labels: list[Labels]) -> list[Line | None]:
    """Each side's line of a row, where the side has the row as it is merged."""
    return [
        told.get(key) if had.get(key) == text else None
        for had, told in zip(rows, labels, strict=True)
    ]


def _label(base: Line | None, ours: Line | None, theirs: Line | None) -> Line | None:
    if ours is None or theirs is None:
        return ours or theirs
    if theirs in (base, ours):
        return ours
    if ours == base:
        return theirs
    if ours[0] == theirs[0]:
        return ours
    people = [line for line in (ours, theirs) if line[1] == "annotation"]
    return people[0] if len(people) == 1 else None


def test_a_row_that_comes_back_has_no_label(tmp_path: Path) -> None:
    """Also where a patch of the first labels was of the very part that comes back with it."""
    mail = Mail.make(tmp_path)
    mail.take({1: "a", 2: "b"})
    mail.label({1: ("ham", "label_model"), 2: ("ham", "label_model")})
    mail.patch({2: ("spam", "annotation")})
    mail.take({1: "a", 2: "x"})

    mail.take({1: "a", 2: "b"})

    assert mail.labels() == {1: ("ham", "label_model")}


def test_a_new_column_is_part_of_every_row(tmp_path: Path) -> None:
    """An LF may read it, so the label goes; answers to the row count for the next fit."""
    mail = Mail.make(tmp_path)
    mail.take({1: "a", 2: "b"})
    mail.label({1: ("ham", "label_model"), 2: ("ham", "label_model")})

    made = mail.take({3: "c"}, "append", sender="ann")

    assert (made.kept, mail.labels()) == (0, {})


def test_an_append_writes_labels_of_the_parts_that_it_changes_alone(tmp_path: Path) -> None:
    """Cost follows the change: every other part keeps its object and its patches."""
    mail = Mail.make(tmp_path)
    mail.take(dict.fromkeys(range(200), "a"))
    mail.label(dict.fromkeys(range(200), ("ham", "label_model")))
    before = mail.store.objects("main", "datasets/mail/labels/")

    mail.take({500: "b"}, "append")

    after = mail.store.objects("main", "datasets/mail/labels/")
    assert len(before) > 10
    assert len(before.items() & after.items()) == len(before) - 1
    assert label_gaps(At.of(mail.store, mail.rows, "main", "mail")) == [
        "1 of 201 rows of mail have no label yet"
    ]
