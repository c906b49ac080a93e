"""Upkeep: what fsck finds and gc takes away, on every version store."""

from __future__ import annotations

import datetime as dt
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from datahub.core.dataset import Dataset, Part
from datahub.core.layout import dataset_file, table_part
from datahub.core.versions import Damage
from datahub.flow.history.upkeep import fsck
from datahub.ports import Upkeep, VersionStore
from tests.contract.test_rivals import SPAWN, Opened, opened
from tests.contract.test_version_store import (
    GATE,
    START,
    SUITE,
    Make,
    commit,
    make,
    merge,
    propose,
)
from tests.lakefs_server import LakeFSServer

__all__ = ["make", "opened"]  # fixtures


@pytest.fixture
def store(make: Make, tmp_path: Path) -> VersionStore:
    return make(tmp_path)


FUTURE = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
PAST = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


def lies(store: VersionStore, oid: str, server: Callable[[], LakeFSServer]) -> Path:
    """The file with these bytes, where the store itself keeps it."""
    here = Path(store.fetch(oid))
    if type(store).__name__ == "EmbeddedVersionStore":
        return here
    folder = server().folder
    if folder is None:
        pytest.skip("the server's storage is not on this machine")
    content = here.read_bytes()
    [found] = [
        f for f in (folder / "blocks").rglob("*") if f.is_file() and f.read_bytes() == content
    ]
    return found


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Callable[[], LakeFSServer]:
    return lambda: request.getfixturevalue("lakefs")


def found(store: VersionStore, *, deep: bool = True) -> list[Damage]:
    return fsck(store=store, deep=deep)


@pytest.mark.parametrize("deep", [True, False])
def test_what_is_whole_has_no_damage(store: VersionStore, deep: bool) -> None:
    commit(
        store, "main", {"rows": b"1", "empty": b"", SUITE: b"{}", "expectations/gates.toml": GATE}
    )
    store.create_branch("work", at="main")
    commit(store, "work", {"rows": b"2"})
    merge(store, "work")
    store.create_tag("v1", at="work")

    assert found(store, deep=deep) == []


@pytest.mark.parametrize("deep", [True, False])
def test_bytes_that_are_gone_are_named_with_where_they_were(
    store: VersionStore, server: Callable[[], LakeFSServer], deep: bool
) -> None:
    commit(store, "main", {"rows": b"precious bytes", "more": b"2"})
    oid = store.objects("main")["rows"]
    lies(store, oid, server).unlink()

    [damage] = found(store, deep=deep)

    assert (damage.kind, damage.id) == ("object", oid)
    assert "not there" in damage.what
    assert damage.where.endswith("rows")


def test_other_bytes_are_found_by_reading_them(
    store: VersionStore, server: Callable[[], LakeFSServer]
) -> None:
    commit(store, "main", {"rows": b"precious bytes"})
    oid = store.objects("main")["rows"]
    file = lies(store, oid, server)
    file.chmod(0o644)
    file.write_bytes(b"prezious bytes")

    [damage] = found(store)

    assert (damage.kind, damage.id) == ("object", oid)
    assert found(store, deep=False) == []


def test_what_only_a_tag_holds_is_looked_at_too(
    store: VersionStore, server: Callable[[], LakeFSServer]
) -> None:
    commit(store, "main", {"rows": b"only the tag holds these"})
    oid = store.objects("main")["rows"]
    store.create_tag("v1", at="main")
    commit(store, "main", {"rows": None, "other": b"1"})
    lies(store, oid, server).unlink()

    assert [damage.id for damage in found(store)] == [oid]


def test_a_dataset_that_names_rows_that_are_not_there_is_named(store: VersionStore) -> None:
    there = store.put(b"rows")
    parts = (Part(there, 1, "a", "a"), Part("1" * 64, 1, "b", "b"))
    known = Dataset("news", "id", (("id", "String"),), parts)
    commit(
        store,
        "main",
        {
            dataset_file("news"): known.to_json().encode(),
            table_part("news", "rows", there): b"rows",
        },
    )
    commit(store, "main", {dataset_file("mail"): b"{"})

    assert sorted((d.kind, d.id) for d in found(store)) == [
        ("dataset", "mail"),
        ("dataset", "news"),
    ]


def test_gc_leaves_all_that_a_name_reaches(store: VersionStore) -> None:
    commit(store, "main", {"rows": b"1"})
    store.create_tag("v1", at="main")
    commit(store, "main", {"rows": b"2"})
    assert isinstance(store, Upkeep)

    store.collect(before=FUTURE, dry_run=False)

    assert store.read(store.objects("main")["rows"]) == b"2"
    assert store.read(store.objects("v1")["rows"]) == b"1"
    assert found(store) == []


def test_gc_on_trial_takes_nothing(store: VersionStore) -> None:
    commit(store, "main", {"rows": b"1"})
    assert isinstance(store, Upkeep)
    first = store.collect(before=FUTURE, dry_run=True)

    assert store.collect(before=FUTURE, dry_run=True) == first
    assert store.collect(before=FUTURE, dry_run=False) == first


def test_what_was_stored_since_stays_for_the_commit_that_comes(store: VersionStore) -> None:
    oid = store.put(b"about to be committed")
    assert isinstance(store, Upkeep)

    store.collect(before=PAST, dry_run=False)

    commit(store, "main", {"rows": b"about to be committed"})
    assert store.objects("main")["rows"] == oid


def test_a_merge_that_somebody_is_judging_is_left_alone(store: VersionStore) -> None:
    store.create_branch("work", at="main")
    commit(store, "work", {"rows": b"1"})
    candidate = propose(store, "work")
    assert isinstance(store, Upkeep)

    assert store.collect(before=PAST, dry_run=False).leases == 0

    store.drop(candidate)


# gc, and who else is at work


def _work(opened: Opened, held: str, pipe: Connection) -> None:
    """Put, and find what is read already; then, when told to, commit the one and read the other."""
    store = opened()
    path, oid = store.fetch(held), store.put(b"about to be committed")
    pipe.send("at work")
    pipe.recv()
    at = {"message": "", "author": "ann", "time": START, "expected": store.branches()["main"]}
    store.commit("main", {"new": oid}, **at)  # type: ignore[arg-type]
    pipe.send(Path(path).read_bytes())


@contextmanager
def at_work(opened: Opened, held: str) -> Iterator[tuple[BaseProcess, Connection]]:
    """Another process with files in use, which has come to its pause."""
    here, there = SPAWN.Pipe()
    process = SPAWN.Process(target=_work, args=(opened, held, there), daemon=True)
    process.start()
    there.close()
    try:
        assert here.recv() == "at work"
        yield process, here
    finally:
        process.kill()
        process.join(60)


@pytest.mark.slow
def test_gc_leaves_what_a_running_process_has_put_or_reads(opened: Opened) -> None:
    store = opened()
    commit(store, "main", {"rows": b"read by another"})
    assert isinstance(store, Upkeep)

    with at_work(opened, store.objects("main")["rows"]) as (_, pipe):
        taken = [store.collect(before=FUTURE, dry_run=False) for _ in range(2)]
        pipe.send("go on")
        assert pipe.recv() == b"read by another"

    assert [each.at_work for each in taken] == [1, 1]
    assert store.read(store.objects("main")["new"]) == b"about to be committed"


@pytest.mark.slow
def test_gc_leaves_nothing_to_a_process_that_was_killed(opened: Opened) -> None:
    store = opened()
    commit(store, "main", {"rows": b"was read by another"})
    with at_work(opened, store.objects("main")["rows"]) as (process, _):
        process.kill()
        process.join(60)
        assert isinstance(store, Upkeep)

        taken = store.collect(before=FUTURE, dry_run=False)

    assert (taken.at_work, taken.objects > 0) == (0, True)
    assert store.read(store.objects("main")["rows"]) == b"was read by another"


# On lakeFS


def _die_while_judging(access: dict[str, object]) -> None:
    from datahub.adapters.versions_lakefs import LakeFSVersionStore

    store = LakeFSVersionStore.at(**access)  # type: ignore[arg-type]
    store.propose(
        "work",
        into="main",
        changes={},
        message="",
        author="ann",
        time=START,
        expected=store.branches()["main"],
    )
    os.kill(os.getpid(), signal.SIGKILL)


def test_gc_takes_the_temporary_branch_of_a_killed_merge(
    lakefs: LakeFSServer, tmp_path: Path
) -> None:
    from datahub.adapters.versions_lakefs import LakeFSVersionStore

    access = lakefs.new_repository(tmp_path)
    store = LakeFSVersionStore.create(**access, branch="main", author="ann", time=START)
    store.create_branch("work", at="main")
    commit(store, "work", {"rows": b"1"})
    dying = multiprocessing.get_context("spawn").Process(target=_die_while_judging, args=(access,))
    dying.start()
    dying.join(60)
    assert dying.exitcode == -signal.SIGKILL

    assert store.collect(before=PAST, dry_run=True).leases == 1
    assert store.collect(before=PAST, dry_run=False).leases == 1
    assert store.collect(before=PAST, dry_run=False).leases == 0


def test_gc_leaves_a_copy_that_another_reads_and_takes_the_one_beside_it(
    lakefs: LakeFSServer, tmp_path: Path
) -> None:
    from datahub.adapters.versions_lakefs import LakeFSVersionStore

    access = lakefs.new_repository(tmp_path)
    store = LakeFSVersionStore.create(**access, branch="main", author="ann", time=START)
    commit(store, "main", {"rows": b"read by another", "more": b"read by nobody"})
    objects = store.objects("main")
    for oid in objects.values():
        os.utime(access["files"].fetch(oid), (1, 1))

    with at_work(partial(LakeFSVersionStore.at, **access), objects["rows"]):
        store.collect(before=FUTURE, dry_run=False)

    assert access["files"].missing(objects.values()) == set(objects.values()) - {objects["rows"]}


def test_gc_takes_local_copies_that_come_again_when_they_are_read(
    lakefs: LakeFSServer, tmp_path: Path
) -> None:
    from datahub.adapters.versions_lakefs import LakeFSVersionStore

    access = lakefs.new_repository(tmp_path)
    store = LakeFSVersionStore.create(**access, branch="main", author="ann", time=START)
    commit(store, "main", {"rows": b"on the server"})
    oid, waiting = store.objects("main")["rows"], store.put(b"not committed yet")

    taken = store.collect(before=FUTURE, dry_run=False)

    assert taken.objects >= 1
    assert access["files"].missing([oid, waiting]) == {oid}
    assert store.read(oid) == b"on the server"


def test_fsck_names_a_guarded_branch_without_its_hook(lakefs: LakeFSServer, tmp_path: Path) -> None:
    from tests.integration.lakes import ACTION, Lake

    lake = Lake(lakefs, tmp_path)
    lake.commit("main", {"rows": b"1", SUITE: b"{}", "expectations/gates.toml": GATE})
    assert found(lake.store) == []
    lake.unprotect()
    lake.delete("main", ACTION)
    assert [(d.kind, d.id) for d in found(lake.store)] == [("guard", "main")]
    lake.foreign("main", ACTION, b"name: datahub gate\non: {post-merge: }\nhooks: []\n")

    assert [(d.kind, d.id) for d in found(lake.store)] == [("guard", "main")]


def test_every_store_can_be_looked_after(make: Make, tmp_path: Path) -> None:
    assert isinstance(make(tmp_path / "another"), Upkeep)
