"""A dataset at a commit, on every store: what is read is the commit's, and is read once."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from datahub.core.errors import DatasetNotFound, NotFound, RefNotFound
from datahub.core.layout import table_prefix
from datahub.core.versions import Objects
from datahub.flow.dataset.at import At
from datahub.flow.dataset.contents import Contents
from datahub.flow.rows.source import Import, import_rows
from datahub.flow.steps import Step
from datahub.hub.registry import REGISTRY, load
from datahub.machine.bytes.files import ObjectFiles
from datahub.ports import Rows, VersionStore

TIME = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


def embedded(request: pytest.FixtureRequest, folder: Path) -> dict[str, Any]:
    return {}


def lakefs(request: pytest.FixtureRequest, folder: Path) -> dict[str, Any]:
    options: dict[str, Any] = request.getfixturevalue("lakefs").new_repository(folder)
    return options


OPTIONS: dict[str, Callable[[pytest.FixtureRequest, Path], dict[str, Any]]] = {
    "embedded": embedded,
    "lakefs": lakefs,
}


class Counting:
    """A real store; each call is counted by its name and its first words."""

    def __init__(self, store: VersionStore) -> None:
        self._store = store
        self.calls: Counter[tuple[Any, ...]] = Counter()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def counted(*words: Any, **named: Any) -> Any:
            self.calls[name, *map(str, words)] += 1
            return method(*words, **named)

        return counted if callable(method) else method

    def count(self, name: str) -> int:
        return sum(times for call, times in self.calls.items() if call[0] == name)


@pytest.fixture
def rows() -> Rows:
    adapter: Rows = load(REGISTRY["rows"]["polars"])()
    return adapter


@pytest.fixture(params=sorted(REGISTRY["version_store"]))
def store(request: pytest.FixtureRequest, tmp_path: Path, rows: Rows) -> Counting:
    """Two datasets on main, counted from here on."""
    make = load(REGISTRY["version_store"][request.param]).create
    options = OPTIONS[request.param](request, tmp_path)
    where = [] if options else [ObjectFiles(tmp_path / ".datahub")]
    store = make(*where, **options, branch="main", author="ann", time=TIME)
    for name in ("mail", "news"):
        put(store, rows, tmp_path, name, ["a", "b", "c"])
    return Counting(store)


def put(store: Any, rows: Rows, folder: Path, name: str, texts: list[str]) -> None:
    """Commit a dataset."""
    pl.DataFrame({"id": range(len(texts)), "text": texts}).write_parquet(folder / f"{name}.parquet")
    import_rows(
        folder / f"{name}.parquet",
        Import.begin(
            store,
            rows,
            Step("main", "ann", TIME, "step"),
            name,
            key="id",
            gold=None,
            classes=["x", "y"],
            text=None,
        ),
    )


def read_everything(at: At) -> list[Any]:
    """Whatever an `At` tells."""
    first = at.dataset.parts[0]
    told = [at.exists, at.dataset, at.votes, at.model, at.triage, list(at.log), list(at.batches)]
    tables = ("rows", "gold", "votes", "soft_labels", "labels")
    told += [(at.has(table), dict(at.objects(table)), at.files(table)) for table in tables]
    told += [at.content([0, 2]), at.patches.lines, at.oid("rows", first)]
    return [*told, [frame.to_dicts() for _, frame in at.parts("rows")]]


def test_a_ref_is_resolved_once(store: Counting, rows: Rows) -> None:
    at = At.of(store, rows, "main", "mail")
    head = at.commit.id
    read_everything(at)

    assert store.count("commit_at") == 1
    assert {call[1] for call in store.calls if call[0] == "objects"} == {head}


def test_what_was_read_is_not_asked_for_again(store: Counting, rows: Rows) -> None:
    at = At.of(store, rows, "main", "mail")
    once = read_everything(at)
    listed, read = store.count("objects"), store.count("read")

    assert read_everything(at) == once
    assert (store.count("objects"), store.count("read")) == (listed, read)
    assert max(times for call, times in store.calls.items() if call[0] == "objects") == 1


def test_a_listing_serves_all_that_lies_below_it(store: Counting, rows: Rows) -> None:
    at = At.of(store, rows, "main", "mail")
    whole = at.objects()
    read_everything(at)
    read_everything(at.beside("mail"))

    assert store.count("objects") == 1
    assert at.objects("rows") == {p: o for p, o in whole.items() if p.startswith(at_rows())}


def at_rows() -> str:
    return table_prefix("mail", "rows")


def test_all_datasets_of_a_commit_share_one_listing(store: Counting, rows: Rows) -> None:
    commit = store.commit_at("main")
    datasets = At.datasets(store, rows, commit)

    assert [at.name for at in datasets] == ["mail", "news"]
    for at in datasets:
        assert read_everything(at)
    assert store.count("objects") == 1


def test_it_stays_the_commit_that_it_was(store: Counting, rows: Rows, tmp_path: Path) -> None:
    at = At.of(store, rows, "main", "mail")
    put(store, rows, tmp_path, "mail", ["other"])

    assert at.dataset.rows == 3
    assert At.of(store, rows, "main", "mail").dataset.rows == 1


def test_what_is_not_there_is_said(store: Counting, rows: Rows) -> None:
    at = At.of(store, rows, "main", "mail")

    assert not at.beside("none").exists
    with pytest.raises(DatasetNotFound, match="main"):
        _ = at.beside("none").dataset
    with pytest.raises(NotFound, match="no soft labels at 'main'") as error:
        at.check("soft_labels", made_by="label fit")
    assert "datahub label fit" in error.value.hint
    with pytest.raises(NotFound, match="no gold"):
        at.check_gold()
    with pytest.raises(RefNotFound):
        At.of(store, rows, "nowhere", "mail")


@pytest.mark.parametrize("wider", ["", "datasets/", "datasets/mail/", "datasets/mail/rows/"])
def test_any_prefix_is_listed_as_the_store_would(store: Counting, wider: str) -> None:
    """Also one that ends in the middle of a name, and one that names nothing."""
    commit = store.commit_at("main")
    contents = Contents(store, commit)
    contents.under(wider)
    objects: Objects = store.objects(commit.id)
    paths = list(objects)
    for prefix in {path[:length] for path in paths for length in range(len(path) + 1)} | {"no/"}:
        assert contents.under(prefix) == store.objects(commit.id, prefix)
        assert list(contents.under(prefix)) == sorted(contents.under(prefix))
