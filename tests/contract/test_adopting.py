"""Any version store that can take a whole history over: all of it, ids and all, or nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from datahub.core.errors import Conflict, DatahubError, InputError, ObjectNotFound
from datahub.core.versions import Changes, Commit
from datahub.hub.registry import REGISTRY, load
from datahub.machine.bytes.files import ObjectFiles
from datahub.ports import Adopting, VersionStore

TIME = dt.datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=dt.UTC)
History = list[tuple[Commit, Changes]]
STORES = [name for name, cls in REGISTRY["version_store"].items() if hasattr(load(cls), "adopt")]


def made(name: str, folder: Path) -> VersionStore:
    store: VersionStore = load(REGISTRY["version_store"][name]).create(
        ObjectFiles(folder / ".datahub"), branch="main", author="somebody else", time=TIME
    )
    return store


@pytest.fixture(params=STORES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def old(name: str, tmp_path: Path) -> VersionStore:
    """A history of two branches and a tag, with what ids are made of in it."""
    store = made(name, tmp_path / "old")

    def commit(branch: str, changes: Changes, author: str, **metadata: str) -> None:
        store.commit(
            branch,
            changes,
            message="Ein Wort: \u00fc\n\nand more",
            author=author,
            time=TIME.astimezone(dt.timezone(dt.timedelta(hours=5))),
            expected=store.branches()[branch],
            metadata=metadata,
        )

    commit("main", {f"rows/{i}": store.put(b"%d" % i) for i in range(300)}, "Ann <a@x>")
    store.create_branch("work", at="main")
    commit("work", {"rows/7": store.put(b"seven"), "rows/8": None}, "bob", lfs="3")
    store.create_tag("v1", at="main")
    return store


def history_of(store: VersionStore) -> History:
    """All commits of `work`, parents first, each with its changes to the first one."""
    return [(commit, changes_of(store, commit)) for commit in reversed(store.log("work"))]


def changes_of(store: VersionStore, commit: Commit) -> Changes:
    if not commit.parents:
        return store.objects(commit.id)
    return {change.path: change.new for change in store.changes(commit.parents[0], commit.id)}


def new_with_objects(name: str, old: VersionStore, folder: Path) -> VersionStore:
    store = made(name, folder / "new")
    for _, changes in history_of(old):
        for oid in changes.values():
            if oid is not None:
                store.put(old.fetch(oid))
    return store


def adopt(store: VersionStore, history: Sequence[tuple[Commit, Changes]], **refs: str) -> None:
    assert isinstance(store, Adopting)
    tags = {"v1": refs.pop("v1")} if "v1" in refs else {}
    store.adopt(history, branches=refs, tags=tags)


def state(store: VersionStore) -> object:
    return store.branches(), store.tags(), store.log("main"), store.objects("main")


def test_a_history_is_taken_over_with_every_id_and_name(
    name: str, old: VersionStore, tmp_path: Path
) -> None:
    store = new_with_objects(name, old, tmp_path)

    adopt(store, history_of(old), **old.branches(), **old.tags())

    assert state(store) == state(old)
    assert store.log("work") == old.log("work")
    assert {p: store.read(o) for p, o in store.objects("work").items()} == {
        p: old.read(o) for p, o in old.objects("work").items()
    }


def test_a_branch_that_the_history_does_not_name_is_gone(
    name: str, old: VersionStore, tmp_path: Path
) -> None:
    store = new_with_objects(name, old, tmp_path)

    adopt(store, history_of(old), trunk=old.branches()["work"])

    assert list(store.branches()) == ["trunk"]


def test_a_repository_with_a_history_of_its_own_takes_no_other(
    name: str, old: VersionStore, tmp_path: Path
) -> None:
    store = new_with_objects(name, old, tmp_path)
    adopt(store, history_of(old), **old.branches())
    before = state(store)

    with pytest.raises(Conflict):
        adopt(store, history_of(old), **old.branches())

    assert state(store) == before


def altered(history: History, way: str) -> History:
    (first, second, last) = history
    commit, changes = last
    if way == "message":
        return [first, second, (replace(commit, message="other"), changes)]
    if way == "time":
        return [first, second, (replace(commit, time=commit.time + dt.timedelta(1)), changes)]
    if way == "left out":
        return [first, second, (commit, {"rows/8": None})]
    if way == "parent":
        return [first, last]
    if way == "path":
        return [first, second, (commit, {**changes, "../outside": "ab" * 32})]
    if way == "not stored":
        return [first, second, (commit, {**changes, "rows/9": "ab" * 32})]
    return [first, last, second]


@pytest.mark.parametrize(
    "way", ["message", "time", "left out", "parent", "path", "not stored", "order"]
)
def test_a_history_that_is_not_what_its_ids_say_changes_nothing(
    name: str, old: VersionStore, tmp_path: Path, way: str
) -> None:
    store = new_with_objects(name, old, tmp_path)
    before = state(store)
    expected: type[DatahubError] = ObjectNotFound if way == "not stored" else InputError

    with pytest.raises(expected):
        adopt(store, altered(history_of(old), way), **old.branches())

    assert state(store) == before


@pytest.mark.parametrize("refs", [{"main": "ab" * 32}, {"..": ""}, {"a b": ""}])
def test_a_name_for_nothing_or_that_no_branch_can_have_changes_nothing(
    name: str, old: VersionStore, tmp_path: Path, refs: dict[str, str]
) -> None:
    store = new_with_objects(name, old, tmp_path)
    before, head = state(store), old.branches()["main"]

    with pytest.raises(InputError):
        adopt(store, history_of(old), **{ref: target or head for ref, target in refs.items()})

    assert state(store) == before
