"""A column that is null throughout takes the type that comes, by whatever way, in any order."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.orc as orc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datahub import Hub
from datahub.core.errors import InputError, MergeConflict, SourceError
from datahub.flow.dataset import parts
from datahub.flow.history.diff import diff
from tests.integration.conftest import Datahub
from tests.regression.imports import Imports

# Arrow types with values of them, and what each is where all of it is null.
TYPES: dict[str, tuple[Any, list[Any], Any]] = {
    "text": (pa.string(), ["late", None], pa.null()),
    "number": (pa.int64(), [7, None], pa.null()),
    "list": (pa.list_(pa.string()), [["a"], [], None], pa.list_(pa.null())),
    "array": (pa.list_(pa.int64(), 2), [[1, 2], None], pa.list_(pa.null(), 2)),
    "struct": (
        pa.struct({"a": pa.string(), "b": pa.int64()}),
        [{"a": "x", "b": 1}, None],
        pa.struct({"a": pa.null(), "b": pa.int64()}),
    ),
    "deep": (
        pa.list_(pa.struct({"a": pa.list_(pa.date32())})),
        [[{"a": [None]}], []],
        pa.list_(pa.struct({"a": pa.null()})),
    ),
}
EMPTY: dict[str, list[Any]] = {
    "list": [[], None, [None]],
    "array": [None, [None, None]],
    "struct": [{"a": None, "b": 3}, None],
    "deep": [[{"a": None}], [], None],
}


@pytest.fixture(autouse=True, scope="module")
def _small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "ROWS_PER_PART", 8)
        yield


def table(kind: str, ids: list[int], *, null: bool) -> Any:
    """Rows with these ids, their note of a type or null throughout."""
    typed, values, without = TYPES[kind]
    values = EMPTY.get(kind, [None]) if null else values
    notes = [values[number % len(values)] for number in ids]
    return pa.table({"id": ids, "note": pa.array(notes, without if null else typed)})


def notes_of(frame: pl.DataFrame) -> dict[int, Any]:
    return dict(frame.select("id", "note").iter_rows())


def as_read(tables: list[Any]) -> dict[int, Any]:
    """The same by pyarrow."""
    return {row["id"]: row["note"] for one in tables for row in one.to_pylist()}


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(st.sampled_from(list(TYPES)), st.lists(st.booleans(), min_size=2, max_size=4), st.data())
def test_any_order_of_null_and_typed_files_comes_to_the_same_objects(
    kind: str, nulls: list[bool], data: st.DataObject
) -> None:
    """In one folder, by append and by upsert; the values are those of the files."""
    tables = [
        table(kind, list(range(number * 20, number * 20 + 15)), null=null)
        for number, null in enumerate(nulls)
    ]
    order = data.draw(st.permutations(range(len(tables))))
    mode: Any = data.draw(st.sampled_from(["append", "upsert"]))
    with tempfile.TemporaryDirectory() as name:
        whole, step = Imports(Path(name) / "1"), Imports(Path(name) / "2")
        came = Path(name) / "came"
        came.mkdir()
        for place, number in enumerate(order):
            pq.write_table(tables[number], came / f"{place}.parquet")

        whole.take(came)
        for place in range(len(order)):
            last = step.take(came / f"{place}.parquet", mode=mode if place else "replace")

        assert notes_of(whole.table()) == as_read(tables)
        assert whole.known().parts == step.known().parts
        assert whole.known().columns == step.known().columns
        assert step.take(came).commit == last.commit
        assert step.take(came / "0.parquet", mode="upsert").commit == last.commit


def test_duckdb_reads_the_same_from_a_folder(tmp_path: Path) -> None:
    """Monday has no note at all, Tuesday has."""
    here = Imports(tmp_path / "here")
    came = tmp_path / "came"
    came.mkdir()
    pq.write_table(table("text", [1, 2], null=True), came / "monday.parquet")
    pq.write_table(table("text", [3, 4], null=False), came / "tuesday.parquet")

    here.take(came)

    with duckdb.connect() as db:
        theirs = db.read_parquet(f"{came}/*.parquet", union_by_name=True).fetchall()
    assert here.table().rows() == sorted(theirs)
    assert dict(here.known().columns)["note"] == "String"


def test_several_files_are_read_alike_by_every_way(tmp_path: Path) -> None:
    """Scanned, read and in batches, of Parquet and ORC together."""
    rows = Imports(tmp_path / "here").rows
    files = [tmp_path / "a.parquet", tmp_path / "b.orc", tmp_path / "c.parquet"]
    pq.write_table(table("text", [1], null=True), files[0])
    orc.write_table(table("text", [2, 3], null=False), files[1])
    pq.write_table(table("text", [4], null=True), files[2])

    scanned = rows.collect(rows.scan(files))

    assert scanned.schema == {"id": pl.Int64, "note": pl.String}
    assert scanned.rows() == [(1, None), (2, "late"), (3, None), (4, None)]
    for some in (files, files[::2], files[:2]):
        wanted = rows.collect(rows.scan(some))
        assert rows.read(some).equals(wanted)
        assert pl.concat(rows.batches(some)).equals(wanted)


def test_two_types_that_are_none_of_them_null_are_refused(tmp_path: Path) -> None:
    """The file that gave the column its type is named, not the first."""
    here = Imports(tmp_path / "here")
    came = tmp_path / "came"
    came.mkdir()
    pq.write_table(table("text", [1], null=True), came / "a.parquet")
    pq.write_table(table("text", [2], null=False), came / "b.parquet")
    pq.write_table(table("number", [3], null=False), came / "c.parquet")

    with pytest.raises(SourceError, match=r"'note' is String in .*b\.parquet and Int64 in .*c\."):
        here.take(came)

    here.take(came / "b.parquet")
    with pytest.raises(InputError, match="'note' was String and is Int64 now"):
        here.take(came / "c.parquet", mode="append")


def test_in_place_a_column_takes_no_type(tmp_path: Path) -> None:
    """The files, or the parts that are there, would have to be written again: that is said."""
    here = Imports(tmp_path / "here")
    came = tmp_path / "came"
    came.mkdir()
    pq.write_table(table("text", [1, 2], null=True), came / "a.parquet")
    pq.write_table(table("text", [3, 4], null=False), came / "b.parquet")

    with pytest.raises(InputError, match=r"'note' is Null in .*a\.parquet, and String elsewhere"):
        here.take(came, in_place=True)
    here.take(came / "a.parquet", in_place=True)
    with pytest.raises(InputError, match="'note' is null in all rows that are there") as raised:
        here.take(came / "b.parquet", mode="append", in_place=True)

    assert "Import without --in-place" in raised.value.hint
    here.take(came / "b.parquet", mode="append")
    assert notes_of(here.table()) == {1: None, 2: None, 3: None, 4: "late"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(TYPES))
@pytest.mark.parametrize("swapped", [False, True])
def test_a_merge_gives_all_rows_the_type_of_the_side_that_has_one(
    kind: str, swapped: bool, tmp_path: Path
) -> None:
    """Also rows that came on the other side alone, far from all others."""
    here = Imports(tmp_path / "here")
    base, late, more = (tmp_path / f"{name}.parquet" for name in ("base", "late", "more"))
    ids = [list(range(40)), list(range(40, 60)), list(range(200, 240))]
    tables = [
        table(kind, some, null=null) for some, null in zip(ids, [True, False, True], strict=True)
    ]
    for one, path in zip(tables, (base, late, more), strict=True):
        pq.write_table(one, path)
    start = here.take(base).commit.id
    for branch in ("typed", "null"):
        here.store.create_branch(branch, at="main")
    here.take(late, mode="append", branch="typed")
    here.take(more, mode="append", branch="null")
    into, theirs = ("null", "typed") if swapped else ("typed", "null")

    here.merge(theirs, into=into, base="main")

    assert notes_of(here.table(into)) == as_read(tables)
    here.take(base, branch="main")
    for path in (late, more):
        here.take(path, mode="append")
    assert here.known(into).parts == here.known().parts
    assert here.known(into).columns == here.known().columns
    differing = diff(start, into, lines=5, store=here.store, rows=here.rows).rows[0]
    assert (differing.added, differing.removed, differing.changed) == (60, 0, 0)


def test_a_merge_of_two_types_is_a_conflict(tmp_path: Path) -> None:
    """One side wrote text where the other wrote numbers, and the base has neither."""
    here = Imports(tmp_path / "here")
    for kind, null in (("text", True), ("text", False), ("number", False)):
        name = "base" if null else kind
        pq.write_table(table(kind, [1, 2, 3], null=null), tmp_path / f"{name}.parquet")
    here.take(tmp_path / "base.parquet")
    for branch in ("text", "number"):
        here.store.create_branch(branch, at="main")
        here.take(tmp_path / f"{branch}.parquet", mode="upsert", branch=branch)

    with pytest.raises(MergeConflict) as raised:
        here.merge("number", into="text", base="main")

    assert [one.column for one in raised.value.conflicts][:1] == ["note"]


def test_a_new_column_of_one_side_reaches_rows_that_came_on_the_other(tmp_path: Path) -> None:
    """All parts of a dataset have the same columns, also after a merge."""
    here = Imports(tmp_path / "here")
    pq.write_table(table("text", list(range(40)), null=False), tmp_path / "base.parquet")
    wide = pq.read_table(tmp_path / "base.parquet")
    pq.write_table(wide.append_column("n", pa.array([1] * 40)), tmp_path / "wide.parquet")
    pq.write_table(table("text", list(range(200, 240)), null=False), tmp_path / "more.parquet")
    here.take(tmp_path / "base.parquet")
    for branch in ("wide", "more"):
        here.store.create_branch(branch, at="main")
        mode: Any = "append" if branch == "more" else "upsert"
        here.take(tmp_path / f"{branch}.parquet", mode=mode, branch=branch)

    here.merge("wide", into="more", base="main")

    found = here.table("more")
    assert found["n"].to_list() == [1] * 40 + [None] * 40


@pytest.mark.slow
def test_labels_and_answers_stay_where_a_column_takes_its_type(
    datahub: Datahub, labeled: Path
) -> None:
    """The content of a row is the same: null is null."""
    first = labeled / "mail.parquet"
    pl.read_parquet(first).with_columns(note=None).write_parquet(first)
    for words in (
        ["import", "mail.parquet", "--key", "id", "--gold", "kind"],
        ["lf", "run"],
        ["label", "fit"],
    ):
        ran = datahub(*words)
        assert ran.code == 0, ran.err
    hub = Hub.open(labeled)
    hub.review_push(budget=3)
    task, asked = hub.review_open()[0]
    hub.review_answer([(task, "spam")], annotator="bob")
    hub.review_pull()
    before = lines(labeled)
    late = pl.DataFrame({"id": [900], "text": ["hello"], "kind": ["ham"], "note": ["late"]})
    late.write_parquet(labeled / "tuesday.parquet")

    ran = datahub("import", "tuesday.parquet", "--append", "--gold", "kind")

    assert ran.code == 0, ran.err
    assert "rows keep theirs, 1 have none yet" in ran.out
    after = lines(labeled)
    assert after.pop(900)["status"] == "new"
    assert after == before
    assert after[asked.key]["source"] == "annotation"
    for words in (["lf", "run"], ["label", "fit"]):
        assert datahub(*words).code == 0
    assert lines(labeled)[asked.key]["source"] == "annotation"


def lines(project: Path) -> dict[Any, dict[str, Any]]:
    """Lines of labels by key."""
    Hub.open(project).export_rows(project / "out.parquet", table="labels")
    return {row["id"]: row for row in pl.read_parquet(project / "out.parquet").to_dicts()}
