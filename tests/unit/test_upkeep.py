"""fsck and gc of the embedded store: what they find, what they take, what they leave."""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from datahub.adapters.versions_embedded import EmbeddedVersionStore as Store
from datahub.core.errors import NotFound, ObjectNotFound, RefNotFound, StorageError
from datahub.core.versions import Candidate, Collected, Commit
from datahub.machine.bytes.files import ObjectFiles

TIME = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
OLD = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
FUTURE = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
NOTHING = Collected(commits=0, nodes=0, objects=0, bytes=0, leases=0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / ".datahub"


@pytest.fixture
def store(folder: Path) -> Store:
    made = Store.create(ObjectFiles(folder), branch="main", author="ann", time=TIME)
    commit(made, {f"rows/{i}": b"%d" % i for i in range(200)})
    made.collect(before=FUTURE, dry_run=False)  # nodes that only making it needed
    return made


def commit(store: Store, files: dict[str, bytes | None], branch: str = "main") -> Commit:
    changes = {p: None if c is None else store.put(c) for p, c in files.items()}
    head = store.branches()[branch]
    return store.commit(branch, changes, message="m", author="a", time=TIME, expected=head)


def lies(folder: Path, oid: str) -> Path:
    return folder / "objects" / oid[:2] / oid[2:]


def sql(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "versions.db", isolation_level=None)) as connection:
        connection.execute(statement)


def make_old(folder: Path, oid: str) -> None:
    long_ago = (OLD - dt.timedelta(days=9)).timestamp()
    os.utime(lies(folder, oid), (long_ago, long_ago))


def propose(store: Store) -> Candidate:
    return store.propose(
        "work",
        into="main",
        changes={c.path: c.new for c in store.changes("main", "work")},
        message="m",
        author="a",
        time=TIME,
        expected=store.branches()["main"],
    )


# fsck


def test_a_whole_repository_has_no_damage(store: Store) -> None:
    store.create_branch("work", at="main")
    commit(store, {"rows/1": b"new"}, "work")
    propose(store)

    assert store.check() == []


def test_missing_and_changed_objects_are_found_wherever_history_holds_them(
    store: Store, folder: Path
) -> None:
    gone, cut = (store.objects("main")[f"rows/{i}"] for i in (7, 8))
    commit(store, {"rows/7": None, "rows/8": None})
    assert store.read(cut) == b"8"
    lies(folder, gone).unlink()
    lies(folder, cut).chmod(0o644)
    lies(folder, cut).write_bytes(b"")

    found = {damage.id: damage for damage in store.check()}

    assert found.keys() == {gone, cut}
    assert {damage.kind for damage in found.values()} == {"object"}
    assert "rows/7" in found[gone].where
    assert "not there" in found[gone].what


@pytest.mark.parametrize(
    ("statement", "kinds"),
    [
        ("DELETE FROM node WHERE id = (SELECT max(id) FROM node)", {"node"}),
        ("UPDATE node SET body = zeroblob(9) WHERE id = (SELECT min(id) FROM node)", {"node"}),
        ('DELETE FROM "commit" WHERE generation = 1', {"commit"}),
        ('UPDATE "commit" SET body = zeroblob(9) WHERE generation = 1', {"commit"}),
        ("UPDATE branch SET head = printf('%064d', 0)", {"ref"}),
        ("INSERT INTO tag VALUES ('v1', printf('%064d', 0))", {"ref"}),
    ],
)
def test_a_damaged_history_is_found_and_nothing_is_collected(
    store: Store, folder: Path, statement: str, kinds: set[str]
) -> None:
    """Also by a store that has read the sound nodes before."""
    store.objects("main")
    store.put(b"garbage")
    sql(folder, statement)

    assert {damage.kind for damage in store.check()} == kinds
    with pytest.raises(StorageError):
        Store(ObjectFiles(folder)).collect(before=FUTURE, dry_run=False)


# gc


def test_what_a_name_reaches_stays(store: Store) -> None:
    """A branch, a tag, and all their history."""
    store.create_branch("work", at="main")
    commit(store, {"rows/1": b"new", "rows/2": None}, "work")
    store.create_tag("v1", at="work")
    store.delete_branch("work")

    assert store.collect(before=FUTURE, dry_run=False) == NOTHING

    assert store.check() == []
    assert len(store.objects("v1")) == len(store.objects("main")) - 1


def test_what_nothing_reaches_goes(store: Store, folder: Path) -> None:
    store.create_branch("work", at="main")
    lost = commit(store, {"rows/1": b"lost rows"}, "work")
    oid = store.objects("work")["rows/1"]
    store.delete_branch("work")

    foretold = store.collect(before=FUTURE, dry_run=True)
    assert store.commit_at(lost.id) == lost
    assert store.collect(before=FUTURE, dry_run=False) == foretold

    assert (foretold.commits, foretold.objects, foretold.bytes) == (1, 1, len(b"lost rows"))
    assert foretold.nodes > 1
    assert not lies(folder, oid).exists()
    with pytest.raises(RefNotFound):
        store.commit_at(lost.id)
    assert store.check() == []


def test_what_was_stored_or_lost_its_name_lately_stays(store: Store) -> None:
    """A writer may be about to commit it, a reader may be reading it."""
    store.create_branch("work", at="main")
    lost = commit(store, {"rows/1": b"lost rows"}, "work")
    store.delete_branch("work")
    put = store.put(b"about to be committed")

    assert store.collect(before=OLD, dry_run=False) == NOTHING

    assert store.read(put) == b"about to be committed"
    assert store.read(store.objects(lost.id)["rows/1"]) == b"lost rows"


def test_storing_an_old_object_again_makes_it_new(store: Store, folder: Path) -> None:
    oid = store.put(b"stored long ago")
    make_old(folder, oid)
    assert store.collect(before=OLD, dry_run=True).objects == 1

    store.put(b"stored long ago")

    assert store.collect(before=OLD, dry_run=False).objects == 0
    assert store.read(oid) == b"stored long ago"


def test_a_candidate_is_kept_as_long_as_its_lease_is_young(store: Store) -> None:
    store.create_branch("work", at="main")
    commit(store, {"rows/1": b"new"}, "work")
    candidate = propose(store)

    assert store.collect(before=TIME - dt.timedelta(1), dry_run=False) == NOTHING
    assert len(store.objects(candidate.id)) == len(store.objects("main"))

    assert store.collect(before=FUTURE, dry_run=False).leases == 1
    with pytest.raises(NotFound):
        store.commit_at(candidate.id)
    assert store.check() == []


def test_bytes_that_were_collected_cannot_be_committed(store: Store) -> None:
    """The commit looks for them within its own transaction."""
    oid = store.put(b"slow")
    store.collect(before=FUTURE, dry_run=False)
    head = store.branches()["main"]

    with pytest.raises(ObjectNotFound):
        store.commit("main", {"a": oid}, message="", author="", time=TIME, expected=head)


@pytest.mark.slow
def test_others_write_on_while_garbage_is_collected(store: Store, folder: Path) -> None:
    """Two processes commit, a third collects what was old before any of them began."""
    garbage = [store.put(b"old %d" % i) for i in range(50)]
    for oid in garbage:
        make_old(folder, oid)
    program = """
import sys
from datetime import datetime, timezone
from pathlib import Path
from datahub.adapters.versions_embedded import EmbeddedVersionStore
from datahub.machine.bytes.files import ObjectFiles
store, name = EmbeddedVersionStore(ObjectFiles(Path(sys.argv[1]))), sys.argv[2]
store.create_branch(name, at="main")
for i in range(25):
    oids = {f"{name}/{i}/{j}": store.put(f"{name} {i} {j}".encode()) for j in range(4)}
    store.commit(name, oids, message="", author="", time=datetime.now(timezone.utc),
                 expected=store.branches()[name])
"""
    running = [
        subprocess.Popen([sys.executable, "-c", program, str(folder), name])
        for name in ("one", "two")
    ]
    taken = 0
    while any(process.poll() is None for process in running):
        taken += store.collect(before=OLD, dry_run=False).objects
    assert [process.wait() for process in running] == [0, 0]

    assert taken == len(garbage)
    assert store.check() == []
    assert len(store.objects("one", "one/")) == len(store.objects("two", "two/")) == 100


# gc, and who else is at work

OTHER = """
import sys
from datetime import datetime, timezone
from pathlib import Path
from datahub.adapters.versions_embedded import EmbeddedVersionStore
from datahub.machine.bytes.files import ObjectFiles
store = EmbeddedVersionStore(ObjectFiles(Path(sys.argv[1])))
"""
WRITER = """
oids = {f"slow/{i}": store.put(f"slow {i}".encode()) for i in range(20)}
print("put", flush=True)
sys.stdin.readline()
head = store.branches()["main"]
store.commit("main", oids, message="", author="", time=datetime.now(timezone.utc), expected=head)
"""
READER = """
held = store.objects("work")
print("reads", flush=True)
sys.stdin.readline()
assert store.read(held["rows/1"]) == b"lost rows"
assert len(store.objects(sys.argv[2])) == len(held)
"""


def at_work(program: str, folder: Path, *words: str) -> subprocess.Popen[str]:
    """Another process, which has come to its pause."""
    process = subprocess.Popen(
        [sys.executable, "-c", OTHER + program, str(folder), *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    return process


def test_what_a_running_writer_has_stored_is_kept_however_short_the_time(
    store: Store, folder: Path
) -> None:
    writer = at_work(WRITER, folder)

    kept = store.collect(before=FUTURE, dry_run=False)
    writer.communicate("go on\n")

    assert (kept.objects, kept.at_work, writer.returncode) == (0, 1, 0)
    assert len(store.objects("main", "slow/")) == 20
    assert store.check() == []


def test_what_a_running_reader_can_reach_is_kept_though_its_branch_is_deleted(
    store: Store, folder: Path
) -> None:
    store.create_branch("work", at="main")
    lost = commit(store, {"rows/1": b"lost rows"}, "work")
    reader = at_work(READER, folder, lost.id)
    store.delete_branch("work")

    kept = store.collect(before=FUTURE, dry_run=False)
    reader.communicate("go on\n")

    assert (kept.objects, kept.commits, reader.returncode) == (0, 0, 0)
    assert store.collect(before=FUTURE, dry_run=False).objects == 1  # nobody reads it now


def test_a_process_that_was_killed_keeps_nothing(store: Store, folder: Path) -> None:
    writer = at_work(WRITER, folder)
    writer.kill()
    writer.communicate()

    assert store.collect(before=FUTURE, dry_run=False).objects == 20


def test_another_process_with_the_id_of_one_that_was_killed_keeps_nothing(
    store: Store, folder: Path
) -> None:
    """Its id is that of a living one (our parent), which began at another time."""
    (own,) = (folder / "running").iterdir()
    machine, _, _, number = own.name.split("-")
    stale = folder / "running" / f"{machine}-{os.getppid()}-1-{number}"
    stale.touch()
    store.put(b"garbage")

    assert store.collect(before=FUTURE, dry_run=False).objects == 1
    assert not stale.exists()


def test_a_process_of_another_machine_is_believed_for_a_day(store: Store, folder: Path) -> None:
    elsewhere = folder / "running" / f"{'ab' * 6}-1-1-{'cd' * 16}"
    elsewhere.touch()
    store.put(b"garbage")

    assert store.collect(before=FUTURE, dry_run=False).at_work == 1

    two_days_ago = elsewhere.stat().st_mtime - 2 * 86_400
    os.utime(elsewhere, (two_days_ago, two_days_ago))
    assert store.collect(before=FUTURE, dry_run=False).objects == 1


def test_who_is_done_leaves_nothing_behind(store: Store, folder: Path) -> None:
    reader = Store(ObjectFiles(folder))
    assert len(list((folder / "running").iterdir())) == 2

    del reader

    assert len(list((folder / "running").iterdir())) == 1
    at_work(WRITER, folder).communicate("go on\n")
    assert len(list((folder / "running").iterdir())) == 1
