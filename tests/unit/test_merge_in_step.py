"""Row merges and diffs of a dataset in a store, against a plain dictionary three-way merge.

Parts have some eight rows. Where both sides keep the keys of a part, only the columns that differ
are read and written; where they do not, whole rows are: what comes out is the same.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datahub.core.conflicts import ASK, Settling
from datahub.core.errors import MergeConflict, NothingToCommit, StorageError
from datahub.flow.dataset import parts
from datahub.flow.dataset.tables import dataset_at
from datahub.flow.history.diff import diff
from datahub.flow.merge.merge import Report, merge_commits
from datahub.flow.rows import source
from datahub.flow.steps import Step
from datahub.hub.registry import adapter
from datahub.machine.bytes.files import ObjectFiles
from datahub.ports import Rows, VersionStore
from tests.whole_tables import read_table

TIME = datetime(2026, 1, 1, tzinfo=UTC)
SCHEMA = {"id": pl.Int64(), "a": pl.String(), "b": pl.Float64(), "kind": pl.String()}
COLUMNS = [*SCHEMA][1:]
Row = tuple[str | None, float | None, str | None]
Table = dict[int, Row]


@pytest.fixture(autouse=True, scope="module")
def _small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "ROWS_PER_PART", 8)
        yield


class Project:
    """A store with a branch for each state."""

    def __init__(self, folder: Path, base: Table) -> None:
        self.folder = folder
        self.rows: Rows = adapter("rows", "polars")()
        self.store: VersionStore = adapter("version_store", "embedded").create(
            ObjectFiles(folder / "store"), branch="base", author="ann", time=TIME
        )
        self.put("base", base)
        for branch in ("ours", "theirs"):
            self.store.create_branch(branch, at="base")

    def put(self, branch: str, table: Table, *more: pl.Expr) -> None:
        """Make a table the dataset of a branch, with more columns where there are some."""
        path = self.folder / "rows.parquet"
        lines = [(key, *row) for key, row in table.items()]
        frame = pl.DataFrame(lines, schema=SCHEMA, orient="row").with_columns(more)
        self.rows.write(frame, path)
        source.import_rows(
            path,
            source.Import.begin(
                self.store,
                self.rows,
                Step(branch, "ann", TIME, branch),
                "mail",
                key="id",
                gold="kind",
                classes=["ham", "spam"],
                text=None,
                mode="replace",
            ),
        )

    def merge(self, resolution: Settling = ASK) -> Report:
        """Merge theirs into ours, as a commit on ours."""
        base, ours, theirs = (self.store.commit_at(ref) for ref in ("base", "ours", "theirs"))
        step = Step("ours", "ann", TIME, "merging")
        changes, report = merge_commits(
            base,
            ours,
            theirs,
            names=("theirs", "ours"),
            resolution=resolution,
            store=self.store,
            rows=self.rows,
            step=step,
        )
        with suppress(NothingToCommit):
            self.store.commit(
                "ours", changes, message="m", author="ann", time=TIME, expected=ours.id
            )
        return report

    def table(self, ref: str) -> Table:
        """Rows and gold by key, NaN as text."""
        tables = [
            read_table(self.store, self.rows, ref, "mail", table, made_by="import")
            for table in ("rows", "gold")
        ]
        joined = tables[0].join(tables[1].rename({"label": "kind"}), on="id")
        return {row[0]: row[1:] for row in joined.select(*SCHEMA).iter_rows()}

    def objects(self, ref: str) -> dict[str, str]:
        return self.store.objects(ref, "datasets/mail/")


values = st.tuples(
    st.sampled_from([None, "x", "y"]),
    st.sampled_from([None, 0.0, 1.5]),
    st.sampled_from([None, "ham", "spam"]),
)
tables = st.dictionaries(st.integers(0, 60), values, min_size=1, max_size=40)
cells = st.dictionaries(
    st.tuples(st.integers(0, 60), st.integers(0, 2)), st.sampled_from([None, 0, 1]), max_size=12
)
PALETTE: tuple[tuple[Any, ...], ...] = (("x", "z"), (0.0, 2.5), ("ham", "spam"))


def edited(table: Table, edits: dict[tuple[int, int], int | None]) -> Table:
    """Cells of rows that are there, changed: no row comes or goes."""
    found = dict(table)
    for (key, column), choice in edits.items():
        if key in found:
            row = list(found[key])
            row[column] = None if choice is None else PALETTE[column][choice]
            found[key] = tuple(row)  # type: ignore[assignment]
    return found


def naive(base: Table, ours: Table, theirs: Table) -> tuple[Table, set[tuple[int, str | None]]]:
    """The merge with ours where both changed one thing, and the places of that."""
    found: Table = {}
    clashes: set[tuple[int, str | None]] = set()
    for key in sorted({*base, *ours, *theirs}):
        old, mine, other = (table.get(key) for table in (base, ours, theirs))
        if other in (old, mine):
            row = mine
        elif mine == old:
            row = other
        elif mine is None or other is None:
            row = mine
            clashes.add((key, None))
        else:
            before = old or (None, None, None)
            new = list(mine)
            for i, name in enumerate(COLUMNS):
                if mine[i] == before[i]:
                    new[i] = other[i]
                elif other[i] not in (before[i], mine[i]):
                    clashes.add((key, "gold" if name == "kind" else name))
            row = tuple(new)  # type: ignore[assignment]
        if row is not None:
            found[key] = row
    return found, clashes


def check(base: Table, ours: Table, theirs: Table) -> None:
    """Conflicts where the plain merge has them; ours in their places gives its rows and objects."""
    wanted, clashes = naive(base, ours, theirs)
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder), base)
        for branch, table in (("ours", ours), ("theirs", theirs)):
            if table != base:
                project.put(branch, table)
        found: set[object] = set()
        try:
            project.merge()
        except MergeConflict as error:
            found = {(one.key, one.column) for one in error.conflicts}
            project.merge(Settling(side="ours"))

        assert found == clashes
        assert project.table("ours") == wanted
        project.store.create_branch("afresh", at="base")
        if wanted != base:
            project.put("afresh", wanted)
        assert project.objects("ours") == project.objects("afresh")


SLOW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.slow
@SLOW
@given(tables, cells, cells)
def test_cells_that_change_merge_as_in_a_dictionary(
    base: Table, ours: dict[tuple[int, int], int | None], theirs: dict[tuple[int, int], int | None]
) -> None:
    """No row comes or goes; the objects are those of importing the merged rows."""
    check(base, edited(base, ours), edited(base, theirs))


@SLOW
@given(tables, tables, cells, st.booleans())
def test_rows_that_come_and_go_meet_cells_that_change(
    base: Table, other: Table, edits: dict[tuple[int, int], int | None], ours_is_other: bool
) -> None:
    """Parts of which one side moved the cuts beside parts that keep them."""
    sides = [other, edited(base, edits)]
    check(base, *(sides if ours_is_other else reversed(sides)))


@SLOW
@given(tables, cells)
def test_a_diff_counts_and_lists_what_changed(
    base: Table, edits: dict[tuple[int, int], int | None]
) -> None:
    """By row and by column, old and new values."""
    new = edited(base, edits)
    names = [name for name in COLUMNS if name != "kind"]
    changed = {key for key in base if base[key][:2] != new[key][:2]}
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder), base)
        if new != base:
            project.put("theirs", new)

        found = diff("base", "theirs", lines=100, store=project.store, rows=project.rows)

    rows = found.rows[0] if found.rows else None
    assert (rows.changed if rows else 0) == len(changed)
    lines = {line.key: line.columns for line in rows.lines} if rows else {}
    assert lines == {
        key: {
            name: (base[key][i], new[key][i])
            for i, name in enumerate(names)
            if base[key][i] != new[key][i]
        }
        for key in changed
    }


def test_a_decision_is_in_the_merged_cell(tmp_path: Path) -> None:
    """Both changed one cell of a row among others that merge."""
    base: Table = dict.fromkeys(range(40), ("x", 0.0, None))
    project = Project(tmp_path, base)
    project.put("ours", {**base, 3: ("mine", 0.0, None), 4: ("x", 1.5, None)})
    project.put("theirs", {**base, 3: ("other", 0.0, "spam"), 5: ("new", 0.0, None)})

    report = project.merge(Settling(side="theirs"))

    found = project.table("ours")
    assert {key: found[key] for key in (3, 4, 5)} == {
        3: ("other", 0.0, "spam"),
        4: ("x", 1.5, None),
        5: ("new", 0.0, None),
    }
    assert report.rows == 2


def test_an_empty_column_that_one_side_added_is_in_every_part(tmp_path: Path) -> None:
    """Nothing of it can be told by rows; all parts have it after the merge."""
    base: Table = dict.fromkeys(range(40), ("x", 0.0, None))
    project = Project(tmp_path, base)
    project.put("ours", edited(base, {(3, 0): 1}))
    project.put("theirs", base, pl.lit(None, pl.String).alias("note"))

    project.merge()

    assert project.table("ours") == edited(base, {(3, 0): 1})
    project.store.create_branch("afresh", at="base")
    project.put("afresh", edited(base, {(3, 0): 1}), pl.lit(None, pl.String).alias("note"))
    assert project.objects("ours") == project.objects("afresh")


def test_what_was_written_is_gone_where_a_conflict_is_left(tmp_path: Path) -> None:
    """Parts before the conflict were merged: no object and no staged file tells of it."""
    base: Table = dict.fromkeys(range(60), ("x", 0.0, None))
    project = Project(tmp_path, base)
    project.put("ours", edited(base, {(0, 0): 1, (59, 0): None}))
    project.put("theirs", edited(base, {(1, 1): 1, (59, 0): 1}))
    folder = tmp_path / "store"
    before = sorted(path for name in ("objects", "staging") for path in (folder / name).rglob("*"))

    with pytest.raises(MergeConflict):
        project.merge()

    after = sorted(path for name in ("objects", "staging") for path in (folder / name).rglob("*"))
    assert after == before


def test_a_damaged_part_stops_the_merge(tmp_path: Path) -> None:
    """Bytes that are not what was stored are told, and nothing is merged."""
    base: Table = dict.fromkeys(range(12), ("x", 0.0, None))
    project = Project(tmp_path, base)
    project.put("ours", edited(base, {(1, 0): 1}))
    project.put("theirs", edited(base, {(2, 0): 1}))
    part = dataset_at(project.store, "theirs", "mail").parts[0].sha256
    path = project.store.fetch(part)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-20])
    head = project.store.branches()["ours"]

    with pytest.raises(StorageError, match=part):
        project.merge()

    assert project.store.branches()["ours"] == head
