"""The embedded version store when its process is killed, or its disk is full or read-only.

Children are forks of the test: they act on a copy of one small repository.
"""

from __future__ import annotations

import datetime as dt
import io
import multiprocessing
import os
import resource
import shutil
import signal
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from datahub.adapters.versions_embedded import EmbeddedVersionStore as Store
from datahub.core.errors import ConfigError, StorageError
from datahub.core.layout import GATES
from datahub.core.verdict import Verdict
from datahub.core.versions import suite_hash
from datahub.machine import sync
from datahub.machine.bytes import files
from datahub.machine.bytes.files import ObjectFiles
from tests.integration.disks import disk_of

pytestmark = pytest.mark.slow

TIME = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
GATE = b'[[gate]]\nbranch = "main"\ndataset = "news"\nsuite = "labels.json"\n'
FORK = multiprocessing.get_context("fork")

Act = Callable[[Path], None]


def commit(store: Store, files: dict[str, bytes], branch: str) -> str:
    changes = {path: store.put(content) for path, content in files.items()}
    head = store.branches()[branch]
    made = store.commit(branch, changes, message="m", author="a", time=TIME, expected=head)
    return made.id


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository: `main` is guarded, `work` is ahead of it."""
    folder = tmp_path_factory.mktemp("pattern") / ".datahub"
    store = Store.create(ObjectFiles(folder), branch="main", author="a", time=TIME)
    commit(store, {"rows/1": b"1", "expectations/labels.json": b"{}", GATES: GATE}, "main")
    store.create_branch("work", at="main")
    commit(store, {"rows/1": b"2"}, "work")
    return folder


@pytest.fixture
def folder(pattern: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pattern, tmp_path / ".datahub"))


def put_and_commit(folder: Path) -> None:
    store = Store(ObjectFiles(folder))
    staged = store.stage(".parquet")
    staged.write_bytes(b"rows" * 1000)
    changes = {"rows/2": store.put(staged), "rows/1": store.put(b"3")}
    head = store.branches()["work"]
    store.commit("work", changes, message="m", author="a", time=TIME, expected=head)


def put_many_and_commit(folder: Path) -> None:
    store = Store(ObjectFiles(folder))
    given = folder.parent / "given"
    given.mkdir(exist_ok=True)
    paths = [given / str(i) for i in range(5)]
    for path in paths:
        path.write_bytes(path.name.encode() * 1000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "_MANY", len(paths))
        patch.setattr(sync, "can_sync_disk", lambda folder: True)
        oids = store.put_all(paths)
    changes = {f"rows/{path.name}": oid for path, oid in zip(paths, oids, strict=True)}
    head = store.branches()["work"]
    store.commit("work", changes, message="m", author="a", time=TIME, expected=head)


def propose_and_land(folder: Path) -> None:
    store = Store(ObjectFiles(folder))
    head = store.branches()["main"]
    candidate = store.propose(
        "work",
        into="main",
        changes={"rows/1": store.objects("work")["rows/1"]},
        message="m",
        author="a",
        time=TIME,
        expected=head,
    )
    store.land(
        candidate,
        Verdict(
            passed=True,
            content_id=candidate.content_id,
            source=candidate.source,
            judged_head=head,
            suite_hash=suite_hash(store.objects(head)),
            time=TIME,
        ),
    )


def make(folder: Path) -> None:
    Store.create(ObjectFiles(folder.parent / "new"), branch="main", author="a", time=TIME)


def die_at(step: int) -> None:
    """From now on, this process kills itself just before its n-th step.

    A step is any call by which the store writes: each SQL statement that is no query, each
    close of the database (which moves the log into it), each file just opened for writing, each
    sync, change of mode, rename, unlink, new folder and folder taken away.
    """
    left = step

    def tick() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def stepping(*args: Any, **kwargs: Any) -> Any:
            tick()
            return call(*args, **kwargs)

        return stepping

    class Connection(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            if not sql.startswith("SELECT"):
                tick()
            return super().execute(sql, *values)

        def close(self) -> None:
            tick()
            super().close()

    connect, opened, low = sqlite3.connect, io.open, os.open

    def opening(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        made = opened(file, mode, *args, **kwargs)
        if "r" not in mode:
            tick()  # it is there now, and empty
        return made

    def opening_low(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        made = low(path, flags, *args, **kwargs)
        if flags & os.O_CREAT:
            tick()
        return made

    patched: Any = sqlite3
    patched.connect = lambda *args, **kwargs: connect(*args, factory=Connection, **kwargs)
    patched = io
    patched.open = opening  # by this name pathlib opens
    patched = os
    patched.open = opening_low
    patched = sync
    patched.sync_disk = counted(sync.sync_disk)
    for name in (
        "fsync",
        "fchmod",
        "rename",
        "replace",
        "unlink",
        "mkdir",
        "rmdir",
        "link",
        "write",
    ):
        setattr(os, name, counted(getattr(os, name)))


def run_until(step: int, act: Act, folder: Path) -> int | None:
    def child() -> None:
        die_at(step)
        act(folder)
        os._exit(0)

    process = FORK.Process(target=child)
    process.start()
    process.join()
    return process.exitcode


def assert_whole(folder: Path) -> dict[str, str]:
    """Everything a branch reaches can be read, and nothing of the dead is left."""
    store = Store(ObjectFiles(folder))
    heads = store.branches()
    for branch in heads:
        for entry in store.log(branch):
            for oid in store.objects(entry.id).values():
                store.fetch(oid)
    for path in (folder / "objects").glob("??/*"):
        store.read(path.parent.name + path.name)
    assert list((folder / "staging").iterdir()) == []
    return heads


@pytest.mark.parametrize(
    ("act", "branch"),
    [(put_and_commit, "work"), (put_many_and_commit, "work"), (propose_and_land, "main")],
)
def test_a_kill_at_any_step_leaves_the_old_head_or_the_new(
    pattern: Path, tmp_path: Path, act: Act, branch: str
) -> None:
    """And the next process works on as if nothing had been."""
    old = Store(ObjectFiles(pattern)).branches()
    moved = []
    exitcode, step = None, 0
    while exitcode != 0:
        folder = Path(shutil.copytree(pattern, tmp_path / str(step) / ".datahub"))
        exitcode = run_until(step, act, folder)
        assert exitcode in (0, -signal.SIGKILL)

        heads = assert_whole(folder)

        moved.append(heads[branch] != old[branch])
        if moved[-1]:
            parents = Store(ObjectFiles(folder)).commit_at(branch).parents
            assert old[branch] in parents
        else:
            act(folder)
            assert assert_whole(folder)[branch] != old[branch]
        step += 1
    assert len(moved) > 15
    assert moved == sorted(moved)
    assert moved[0] is False
    assert moved[-1] is True


def test_a_kill_while_a_repository_is_made_leaves_none_or_a_whole_one(tmp_path: Path) -> None:
    exitcode, step = None, 0
    while exitcode != 0:
        folder = tmp_path / str(step) / ".datahub"
        folder.mkdir(parents=True)
        exitcode = run_until(step, make, folder)
        assert exitcode in (0, -signal.SIGKILL)

        new = folder.parent / "new"
        try:
            Store(ObjectFiles(new))
        except ConfigError:
            make(folder)
        assert list(assert_whole(new)) == ["main"]
        step += 1


def test_what_was_acknowledged_survives_a_kill_at_any_instant(folder: Path) -> None:
    moment = 0.03
    for _ in range(6):
        told, tell = FORK.Pipe(duplex=False)

        def child() -> None:
            store = Store(ObjectFiles(folder))
            for i in range(10_000):
                tell.send(commit(store, {f"rows/{i % 7}": os.urandom(3000)}, "work"))  # noqa: B023

        process = FORK.Process(target=child)
        process.start()
        tell.close()
        acknowledged = [told.recv()]
        time.sleep(moment)
        process.kill()
        process.join()
        while True:
            try:
                acknowledged.append(told.recv())
            except EOFError:
                break

        assert_whole(folder)
        history = [entry.id for entry in Store(ObjectFiles(folder)).log("work")]
        # one more may have been committed than was told
        assert acknowledged[::-1] in (
            history[: len(acknowledged)],
            history[1 : len(acknowledged) + 1],
        )
        moment += 0.011


# Full and read-only disks


def told_in_a_child(act: Callable[[], None]) -> StorageError | None:
    """The StorageError that `act` raises in a fork, or None. Another error fails the test."""
    told, tell = FORK.Pipe(duplex=False)

    def child() -> None:
        try:
            act()
        except StorageError as error:
            tell.send((error.message, error.hint))
        else:
            tell.send(None)

    process = FORK.Process(target=child)
    process.start()
    process.join()
    assert process.exitcode == 0
    found = told.recv()
    return None if found is None else StorageError(found[0], hint=found[1])


def limited(size: int, act: Callable[[], object]) -> Callable[[], None]:
    """`act` where no file can grow beyond `size` bytes."""

    def run() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        act()

    return run


def put_among_many(store: Store, path: Path) -> object:
    return store.put_all([*(b"%d" % i for i in range(100)), path])


@pytest.mark.parametrize(
    "put",
    [
        Store.put,
        lambda store, path: store.put(path.read_bytes()),
        put_among_many,
    ],
)
def test_an_object_that_does_not_fit_leaves_nothing(
    folder: Path, tmp_path: Path, put: Callable[[Store, Path], object]
) -> None:
    given = tmp_path / "rows.parquet"
    given.write_bytes(b"rows" * 5000)
    store = Store(ObjectFiles(folder))
    held = sorted((folder / "objects").glob("*/*"))

    error = told_in_a_child(limited(10_000, lambda: put(store, given)))

    assert error is not None
    assert "space" in error.hint
    assert sorted((folder / "objects").glob("*/*")) == held
    assert list((folder / "staging").iterdir()) == []
    assert store.read(store.put(given)) == given.read_bytes()


def test_a_history_that_cannot_grow_keeps_the_old_head(folder: Path) -> None:
    store = Store(ObjectFiles(folder))
    oid = store.put(b"row")
    heads = store.branches()
    changes = {f"rows/more/{i}": oid for i in range(3000)}

    def act() -> None:
        store.commit("work", changes, message="m", author="a", time=TIME, expected=heads["work"])

    size = (folder / "versions.db").stat().st_size
    for limit in (size + 1, size + 20_000, size + 100_000):
        error = told_in_a_child(limited(limit, act))

        assert error is not None
        assert "space" in error.hint
        assert assert_whole(folder) == heads

    act()
    assert len(store.objects("work", "rows/more/")) == 3000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    with disk_of("1m", tmp_path / "disk") as place:
        yield place


def copied(pattern: Path, disk: Path) -> Path:
    """The pattern on a disk that has no room for the file which keeps some."""
    ignore = shutil.ignore_patterns("spare")
    return Path(shutil.copytree(pattern, disk / ".datahub", ignore=ignore))


def test_a_full_disk_is_told_and_harms_nothing(pattern: Path, small_disk: Path) -> None:
    """Whatever is left of it, a commit happens wholly or not at all."""
    folder = copied(pattern, small_disk)
    heads = Store(ObjectFiles(folder)).branches()
    filler = small_disk / "filler"
    refused: list[str] = []
    for left in range(0, 160_000, 8192):
        free = os.statvfs(small_disk)
        filler.write_bytes(b"x" * max(0, free.f_bavail * free.f_frsize - left))
        try:
            commit(Store(ObjectFiles(folder)), {"rows/2": b"rows" * 1000, "rows/1": b"3"}, "work")
        except StorageError as error:
            refused.append(error.hint)
            assert assert_whole(folder) == heads
        else:
            break
        filler.unlink()
    filler.unlink(missing_ok=True)

    assert len(refused) > 3
    assert all("space" in hint for hint in refused)
    assert assert_whole(folder)["work"] != heads["work"]
    propose_and_land(folder)
    assert assert_whole(folder)["main"] != heads["main"]


@pytest.mark.parametrize("together", [True, False])
def test_many_objects_that_do_not_fit_are_none(
    pattern: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch, together: bool
) -> None:
    monkeypatch.setattr(sync, "can_sync_disk", lambda folder: together)
    folder = copied(pattern, small_disk)
    store = Store(ObjectFiles(folder))
    held = sorted((folder / "objects").glob("*/*"))
    contents = [b"%d" % i * 2000 for i in range(200)]

    with pytest.raises(StorageError) as error:
        store.put_all(contents)

    assert "space" in error.value.hint
    assert sorted((folder / "objects").glob("*/*")) == held
    assert list((folder / "staging").iterdir()) == []
    assert len(store.put_all(contents[:70])) == 70


def test_a_read_only_folder_is_told(pattern: Path) -> None:
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        folder = Path(shutil.copytree(pattern, Path(place) / ".datahub"))
        store = Store(ObjectFiles(folder))
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)

        def act(call: Callable[[], object]) -> Callable[[], None]:
            def run() -> None:
                if os.geteuid() == 0:  # who may write everywhere
                    os.setuid(65534)
                call()

            return run

        for call in (
            lambda: store.put(b"new"),
            lambda: store.create_branch("new", at="main"),
            lambda: Store.create(ObjectFiles(folder / "new"), branch="main", author="a", time=TIME),
        ):
            error = told_in_a_child(act(call))

            assert error is not None
            assert "writable" in error.hint
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        assert_whole(folder)
