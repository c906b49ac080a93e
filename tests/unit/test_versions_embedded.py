"""The embedded version store: what is its own, below the promises of the port."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from datahub.adapters.versions_embedded import EmbeddedVersionStore, commits, trees
from datahub.adapters.versions_embedded.graph import Graph
from datahub.core.errors import (
    ConfigError,
    Conflict,
    Guarded,
    InputError,
    RefNotFound,
    StorageError,
)
from datahub.core.layout import GATES
from datahub.core.verdict import Verdict
from datahub.core.versions import Commit, suite_hash
from datahub.machine.bytes.files import ObjectFiles

TIME = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / ".datahub"


@pytest.fixture
def store(folder: Path) -> EmbeddedVersionStore:
    return EmbeddedVersionStore.create(ObjectFiles(folder), branch="main", author="ann", time=TIME)


def commit(store: EmbeddedVersionStore, files: dict[str, bytes], branch: str = "main") -> Commit:
    changes = {path: store.put(content) for path, content in files.items()}
    head = store.branches()[branch]
    return store.commit(branch, changes, message="m", author="a", time=TIME, expected=head)


def sql(folder: Path, statement: str, *values: object) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / "versions.db", isolation_level=None)) as connection:
        return connection.execute(statement, values).fetchall()


# Making and opening


def test_a_new_repository_says_its_format_in_its_first_commit(store: EmbeddedVersionStore) -> None:
    (path, oid), *rest = store.objects("main").items()

    assert (path, rest) == ("_datahub/format.json", [])
    assert json.loads(store.read(oid)) == {"format": 3}
    assert store.commit_at("main").author == "ann"


def test_a_repository_is_not_made_twice(store: EmbeddedVersionStore, folder: Path) -> None:
    made = commit(store, {"a": b"1"})

    with pytest.raises(Conflict):
        EmbeddedVersionStore.create(ObjectFiles(folder), branch="other", author="bob", time=TIME)

    assert EmbeddedVersionStore(ObjectFiles(folder)).branches() == {"main": made.id}


def test_a_repository_whose_making_was_cut_short_can_be_made(folder: Path) -> None:
    folder.mkdir()
    (folder / "versions.db").touch()

    with pytest.raises(ConfigError):
        EmbeddedVersionStore(ObjectFiles(folder))
    EmbeddedVersionStore.create(ObjectFiles(folder), branch="main", author="ann", time=TIME)

    assert list(EmbeddedVersionStore(ObjectFiles(folder)).branches()) == ["main"]


def test_opening_what_is_no_repository_tells_how_to_make_one(folder: Path) -> None:
    with pytest.raises(ConfigError) as error:
        EmbeddedVersionStore(ObjectFiles(folder))

    assert "datahub init" in error.value.hint
    assert not folder.exists()


def test_a_format_of_the_future_is_not_touched(store: EmbeddedVersionStore, folder: Path) -> None:
    sql(folder, "PRAGMA user_version = 4")

    with pytest.raises(ConfigError, match="format version 4"):
        EmbeddedVersionStore(ObjectFiles(folder))


def test_a_file_that_is_no_database_is_told(store: EmbeddedVersionStore, folder: Path) -> None:
    (folder / "versions.db").write_bytes(b"no database" * 1000)

    with pytest.raises(StorageError) as error:
        EmbeddedVersionStore(ObjectFiles(folder))

    assert error.value.hint


def test_a_folder_with_odd_signs_in_its_name_holds_a_repository(tmp_path: Path) -> None:
    folder = tmp_path / "a b?mode=ro#%41é" / ".datahub"

    store = EmbeddedVersionStore.create(ObjectFiles(folder), branch="main", author="ann", time=TIME)

    assert commit(store, {"a": b"1"}) == EmbeddedVersionStore(ObjectFiles(folder)).commit_at("main")


# Bytes on disk


def test_an_object_lies_read_only_under_its_id(store: EmbeddedVersionStore, folder: Path) -> None:
    staged = store.stage(".parquet")
    staged.write_bytes(b"rows")
    inode = staged.stat().st_ino

    oid = store.put(staged)

    lies = folder / "objects" / oid[:2] / oid[2:]
    assert store.fetch(oid) == lies
    assert lies.stat().st_ino == inode
    assert stat.S_IMODE(lies.stat().st_mode) == 0o444


@pytest.mark.parametrize("bad", [b"", b"row", b"r0ws"])
def test_other_bytes_than_were_stored_are_told_and_mended_by_the_right_ones(
    store: EmbeddedVersionStore, bad: bytes
) -> None:
    oid = store.put(b"rows")
    path = store.fetch(oid)
    path.chmod(0o644)
    path.write_bytes(bad)

    for read in (store.fetch, store.read):
        with pytest.raises(StorageError) as error:
            read(oid)
        assert error.value.hint
    store.put(b"rows")

    assert store.fetch(oid).read_bytes() == b"rows"


def test_a_link_in_the_scratch_folder_is_copied_not_moved(
    store: EmbeddedVersionStore, tmp_path: Path
) -> None:
    (tmp_path / "mine").write_bytes(b"rows")
    staged = store.stage("")
    staged.symlink_to(tmp_path / "mine")

    oid = store.put(staged)

    assert not store.fetch(oid).is_symlink()
    assert (tmp_path / "mine").stat().st_mode & stat.S_IWUSR


def test_a_dead_process_leaves_nothing_in_the_scratch_folder(
    store: EmbeddedVersionStore, folder: Path
) -> None:
    """What belongs to a living process, or is nobody's, stays."""
    program = (
        "import sys; from pathlib import Path\n"
        "from datahub.adapters.versions_embedded import EmbeddedVersionStore as Store\n"
        "from datahub.machine.bytes.files import ObjectFiles\n"
        f"Store(ObjectFiles(Path({str(folder)!r}))).stage('.part').touch()\n"
        "print('staged', flush=True); sys.stdin.read()"
    )
    (folder / "staging" / "mine.txt").touch()
    mine = store.stage(".tmp")
    mine.touch()
    living = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert living.stdout is not None
    living.stdout.readline()

    EmbeddedVersionStore(ObjectFiles(folder))
    while_living = list((folder / "staging").glob(f"*-{living.pid}-*"))
    living.communicate()
    EmbeddedVersionStore(ObjectFiles(folder))

    assert len(while_living) == 1
    assert {path.name for path in (folder / "staging").iterdir()} == {"mine.txt", mine.name}


# The graph


def test_a_small_commit_writes_only_the_trees_it_touches(
    store: EmbeddedVersionStore, folder: Path
) -> None:
    """A leaf, two levels of nodes above it, and the pair of roots: the other leaves stay."""
    commit(store, {f"a/{i}/{j}": b"1" for i in range(60) for j in range(40)})
    before = sql(folder, "SELECT count(*) FROM node")[0][0]

    commit(store, {"a/7/1": b"2"})

    assert sql(folder, "SELECT count(*) FROM node")[0][0] == int(str(before)) + 4


def test_a_prefix_of_several_ids_names_none(store: EmbeddedVersionStore, folder: Path) -> None:
    for end in ("0", "1"):
        sql(folder, 'INSERT INTO "commit" VALUES (?, 1, ?)', "abcdef01" + end * 56, b"")

    with pytest.raises(RefNotFound) as error:
        store.commit_at("abcdef01")

    assert "Several" in error.value.hint


def test_a_history_with_other_bytes_is_told(store: EmbeddedVersionStore, folder: Path) -> None:
    sql(folder, "UPDATE node SET body = zeroblob(20)")
    with pytest.raises(StorageError):
        EmbeddedVersionStore(ObjectFiles(folder)).objects("main")

    sql(folder, "UPDATE \"commit\" SET body = replace(body, 'ann', 'bob')")
    with pytest.raises(StorageError):
        store.log("main")

    sql(folder, 'DELETE FROM "commit"')
    with pytest.raises(StorageError):
        store.commit_at("main")


def test_unrelated_histories_have_no_merge_base(store: EmbeddedVersionStore, folder: Path) -> None:
    write_past_the_guard(folder, {}, (), branch="other")

    with pytest.raises(InputError):
        store.merge_base("main", "other")


def test_a_reader_does_not_wait_for_a_writer(store: EmbeddedVersionStore, folder: Path) -> None:
    head = store.branches()
    with Graph(folder / "versions.db").writing() as graph:
        graph.set_head("unfinished", head["main"])

        assert store.branches() == head
        assert store.log("main")

    assert "unfinished" in store.branches()


def test_a_writer_that_waits_too_long_says_so(store: EmbeddedVersionStore, folder: Path) -> None:
    path = folder / "versions.db"
    with (
        Graph(path).writing(),
        pytest.raises(Conflict) as error,
        Graph(path, patience=0.01).writing(),
    ):
        pass

    assert error.value.hint


def test_threads_share_a_store(store: EmbeddedVersionStore) -> None:
    store_ids: list[str] = []

    def work(name: str) -> None:
        store.create_branch(name, at="main")
        for i in range(5):
            store_ids.append(commit(store, {f"{name}/{i}": b"%d" % i}, branch=name).id)

    threads = [threading.Thread(target=work, args=(f"work-{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(store_ids)) == 20
    assert all(len(store.log(f"work-{i}")) == 6 for i in range(4))


# The guard


def write_past_the_guard(
    folder: Path, files: dict[str, str], parents: tuple[str, ...], branch: str = "main"
) -> None:
    """A commit that no door would take, as an older or broken version might have left it."""
    with Graph(folder / "versions.db").writing() as graph:
        made = commits.write(
            graph,
            trees.edit(graph, None, files),
            parents,
            message="",
            author="",
            time=TIME,
            metadata={},
        )
        graph.set_head(branch, made)


def test_rules_on_the_head_that_cannot_be_read_guard_it_until_repaired(
    store: EmbeddedVersionStore, folder: Path
) -> None:
    head = store.branches()["main"]
    broken = store.put(b"[[gate")
    write_past_the_guard(folder, {**store.objects(head), GATES: broken}, (head,))
    store.create_branch("work", at=head)
    commit(store, {"expectations/labels.json": b"{}"}, branch="work")

    with pytest.raises(Guarded):
        commit(store, {"a": b"1"})
    with pytest.raises(Guarded):
        store.delete_branch("main")

    candidate = store.propose(
        "work",
        into="main",
        changes={c.path: c.new for c in store.changes("main", "work")},
        message="",
        author="",
        time=TIME,
        expected=store.branches()["main"],
    )
    verdict = Verdict(
        passed=True,
        content_id=candidate.content_id,
        source=candidate.source,
        judged_head=candidate.judged_head,
        suite_hash=suite_hash(store.objects("main")),
        time=TIME,
    )
    with pytest.raises(Guarded):
        store.land(candidate, verdict)
    store.land(candidate, Verdict(**{**vars(verdict), "kind": "rules", "reason": "repair"}))
    commit(store, {"a": b"1"})


def test_rules_whose_bytes_are_gone_or_changed_let_nothing_through(
    store: EmbeddedVersionStore, folder: Path
) -> None:
    commit(store, {GATES: b""})
    path = store.fetch(store.objects("main")[GATES])
    path.chmod(0o644)
    path.write_bytes(b"# other rules")

    with pytest.raises(StorageError):
        commit(store, {"a": b"1"})


# Processes


def test_two_processes_lose_no_commit_of_one_another(
    store: EmbeddedVersionStore, folder: Path
) -> None:
    program = """
import sys
from datetime import datetime, timezone
from pathlib import Path
from datahub.adapters.versions_embedded import EmbeddedVersionStore
from datahub.machine.bytes.files import ObjectFiles
from datahub.core.errors import StaleHead
store = EmbeddedVersionStore(ObjectFiles(Path(sys.argv[1])))
sys.stdin.readline()
for i in range(20):
    oid = store.put(f"{sys.argv[2]}/{i}".encode())
    while True:
        head = store.branches()["main"]
        try:
            store.commit("main", {f"{sys.argv[2]}/{i}": oid}, message="", author="",
                         time=datetime.now(timezone.utc), expected=head)
            break
        except StaleHead:
            continue
"""
    running = [
        subprocess.Popen([sys.executable, "-c", program, str(folder), name], stdin=subprocess.PIPE)
        for name in ("one", "two")
    ]
    for process in running:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    assert [process.wait() for process in running] == [0, 0]

    found = {path for path in store.objects("main") if re.match("one|two", path)}
    assert found == {f"{name}/{i}" for name in ("one", "two") for i in range(20)}
    assert len(store.log("main")) == 41
    assert not any((folder / "staging").iterdir())


# Connections that are kept


def test_a_history_put_in_the_place_of_another_is_read(tmp_path: Path) -> None:
    """A store that is open follows the path, not the file that it opened before."""
    first, second = (
        EmbeddedVersionStore.create(
            ObjectFiles(tmp_path / name), branch=name, author="ann", time=TIME
        )
        for name in ("one", "two")
    )
    assert [*first.branches(), *second.branches()] == ["one", "two"]

    (tmp_path / "two" / "versions.db").replace(tmp_path / "one" / "versions.db")
    for left in ("versions.db-wal", "versions.db-shm"):
        (tmp_path / "one" / left).unlink(missing_ok=True)

    assert list(first.branches()) == ["two"]


def test_a_forked_process_reads_by_connections_of_its_own(store: EmbeddedVersionStore) -> None:
    """What the parent has open stays the parent's: both read and write on."""
    head = store.branches()["main"]

    child = os.fork()
    if child == 0:
        try:
            store.create_branch("child", at=head)
            os._exit(0 if set(store.branches()) == {"main", "child"} else 1)
        finally:
            os._exit(2)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    commit(store, {"a": b"1"})
    assert set(store.branches()) == {"main", "child"}
