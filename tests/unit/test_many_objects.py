"""Many objects put together: the same as one by one, with one wait for the disk."""

from __future__ import annotations

import datetime as dt
import errno
import os
import socket
import stat
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datahub.adapters.versions_embedded import EmbeddedVersionStore as Store
from datahub.core.errors import InputError, StorageError
from datahub.machine import sync
from datahub.machine.bytes.files import ObjectFiles

TIME = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
MANY = 100  # enough that they wait for the disk together
CHUNK = 1 << 20  # what is read of a file at a time


def new(place: Path) -> Store:
    return Store.create(ObjectFiles(place / ".datahub"), branch="main", author="a", time=TIME)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return new(tmp_path)


@pytest.fixture(params=["together", "each"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whether this file system is one whose files wait together, whatever it is."""
    monkeypatch.setattr(sync, "can_sync_disk", lambda folder: request.param == "together")
    return str(request.param)


def objects(place: Path) -> set[str]:
    return {path.parent.name + path.name for path in (place / ".datahub/objects").glob("??/*")}


def staged(place: Path) -> list[Path]:
    return list((place / ".datahub" / "staging").iterdir())


def some_files(place: Path, count: int = MANY) -> list[Path]:
    (place / "given").mkdir()
    paths = [place / "given" / str(i) for i in range(count)]
    for i, path in enumerate(paths):
        path.write_bytes(b"content %d" % i)
    return paths


# The same as one by one

CONTENTS = st.lists(
    st.tuples(st.sampled_from(["bytes", "file", "staged", "link"]), st.integers(0, 40)),
    max_size=90,
)


def given_to(store: Store, place: Path, what: list[tuple[str, int]]) -> list[Path | bytes]:
    """Contents as a caller may hold them: at hand, in a file, behind a link, in a staged file."""
    place.mkdir()
    found: list[Path | bytes] = []
    for number, (kind, value) in enumerate(what):
        content = b"%d" % value * value
        path = store.stage(".x") if kind == "staged" else place / str(number)
        if kind != "bytes":
            path.write_bytes(content)
        if kind == "link":
            path = place / f"link-{number}"
            path.symlink_to(place / str(number))
        found.append(content if kind == "bytes" else path)
    return found


@settings(max_examples=40)
@given(what=CONTENTS, held=st.sets(st.integers(0, 40), max_size=10), together=st.booleans())
def test_ids_and_objects_are_those_of_putting_one_by_one(
    what: list[tuple[str, int]], held: set[int], together: bool
) -> None:
    """In whatever form, again and again, also where some are there already."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sync, "can_sync_disk", lambda folder: together)
        one, other = Path(folder, "one"), Path(folder, "other")
        at_once, by_one = new(one), new(other)
        for store in (at_once, by_one):
            for value in held:
                store.put(b"%d" % value * value)

        ids = at_once.put_all(given_to(at_once, one / "given", what))
        expected = [by_one.put(each) for each in given_to(by_one, other / "given", what)]

        assert ids == expected
        assert objects(one) == objects(other)
        assert staged(one) == []
        assert all(sha256(at_once.read(oid)).hexdigest() == oid for oid in objects(one))


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_a_file_of_any_size_is_copied_whole(store: Store, tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    (tmp_path / "given").write_bytes(content)

    oid = store.put(tmp_path / "given")

    assert store.read(oid) == (tmp_path / "given").read_bytes() == content


def test_what_is_put_is_read_only_whatever_the_umask(store: Store, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        oids = store.put_all([b"at hand", *some_files(tmp_path)])
    finally:
        os.umask(before)

    assert {stat.S_IMODE(store.fetch(oid).stat().st_mode) for oid in oids} == {0o444}
    assert os.access(tmp_path / "given" / "0", os.W_OK)


def test_no_contents_are_no_objects(store: Store) -> None:
    assert store.put_all([]) == []


# Durable first, then seen


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What the store does to files, in order: written, synced, named."""
    seen: list[tuple[str, str]] = []

    def told(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def telling(*args: Any, **kwargs: Any) -> Any:
            what = args[0]
            path = Path(f"/proc/self/fd/{what}").readlink() if isinstance(what, int) else what
            seen.append((name, str(path)))
            return call(*args, **kwargs)

        return telling

    for name in ("write", "fsync", "replace"):
        monkeypatch.setattr(os, name, told(name, getattr(os, name)))
    monkeypatch.setattr(sync, "sync_disk", told("sync_disk", sync.sync_disk))
    return seen


@pytest.mark.usefixtures("way")
def test_nothing_gets_its_name_before_its_bytes_are_on_the_disk(
    store: Store, tmp_path: Path, events: list[tuple[str, str]]
) -> None:
    """And the names are on the disk when the ids are told."""
    oids = store.put_all(some_files(tmp_path))

    safe: set[str] = set()
    written: set[str] = set()
    named: set[str] = set()
    for event, path in events:
        if event == "write":
            written.add(path)
        elif event == "sync_disk":
            safe |= written
        elif event == "fsync":
            safe.add(path)
            named -= {path}
        elif "/staging/" in path:
            assert path in safe
            named |= {str(tmp_path / ".datahub/objects" / oid[:2]) for oid in oids}
    assert len(written) == MANY
    assert named == set()


def test_on_a_disk_that_tells_its_failures_many_wait_together(
    store: Store, tmp_path: Path, events: list[tuple[str, str]], way: str
) -> None:
    """A hundred objects: one wait for their bytes, and one for each folder they lie in."""
    folders = {oid[:2] for oid in store.put_all(some_files(tmp_path))}

    waits = [event for event, _ in events if event in ("fsync", "sync_disk")]
    assert waits.count("sync_disk") == (1 if way == "together" else 0)
    assert waits.count("fsync") == len(folders) + 1 + (0 if way == "together" else MANY)


def test_a_disk_that_fails_shows_nothing_and_keeps_nothing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(handle: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(sync, "can_sync_disk", lambda folder: True)
    monkeypatch.setattr(sync, "sync_disk", failing)
    before = objects(tmp_path)

    with pytest.raises(StorageError, match="Input/output error"):
        store.put_all(some_files(tmp_path))

    assert objects(tmp_path) == before
    assert staged(tmp_path) == []


def test_waiting_for_a_disk_tells_what_the_system_says(tmp_path: Path) -> None:
    handle = os.open(tmp_path, os.O_RDONLY)
    sync.sync_disk(handle)
    os.close(handle)

    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        sync.sync_disk(handle)


def test_a_file_system_without_a_disk_is_not_waited_for_as_a_whole() -> None:
    assert not sync.can_sync_disk("/proc")


# Files that are none, and files that change

HOSTILE: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "folder": Path.mkdir,
    "dangling link": lambda path: path.symlink_to("nowhere"),
    "circle of links": lambda path: path.symlink_to(path.name),
    "link to a folder": lambda path: path.symlink_to("/"),
    "socket": lambda path: bound(path),
    "device": lambda path: path.symlink_to("/dev/zero"),
    "nothing": lambda path: None,
}


def bound(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the name of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_no_file_is_refused_and_nothing_of_the_rest_is_seen(
    store: Store, tmp_path: Path, kind: str
) -> None:
    paths: list[Path | bytes] = [*some_files(tmp_path)]
    HOSTILE[kind](tmp_path / "hostile")
    paths.insert(70, tmp_path / "hostile")
    before = objects(tmp_path)

    with pytest.raises(InputError, match="hostile is not a file"):
        store.put_all(paths)
    with pytest.raises(InputError, match="hostile is not a file"):
        store.put(tmp_path / "hostile")

    assert objects(tmp_path) == before
    assert staged(tmp_path) == []
    assert len(store.put_all(path for path in paths if path != tmp_path / "hostile")) == MANY


@pytest.mark.parametrize("size", [100, 3 * CHUNK])
@pytest.mark.parametrize("change", ["longer", "shorter", "other"])
def test_a_file_that_changes_while_it_is_read_is_refused(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, change: str
) -> None:
    path = tmp_path / "given"
    path.write_bytes(b"a" * size)
    before, read = objects(tmp_path), os.read

    def reading(file: int, count: int) -> bytes:
        monkeypatch.setattr(os, "read", read)
        found = read(file, count)
        path.write_bytes(b"b" * {"longer": size + 1, "shorter": size // 2, "other": size}[change])
        os.utime(path, ns=(1, 1))  # a later time than before, however fast this is
        return found

    monkeypatch.setattr(os, "read", reading)
    with pytest.raises(InputError, match="changed while"):
        store.put(path)

    assert objects(tmp_path) == before
    assert staged(tmp_path) == []
    assert store.read(store.put(path)) == path.read_bytes()


def test_a_file_that_may_not_be_read_is_named(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the system says it to all but root."""
    path, opened = tmp_path / "given", os.open

    def opening(what: Any, *args: Any, **kwargs: Any) -> int:
        if what == path:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return opened(what, *args, **kwargs)

    monkeypatch.setattr(os, "open", opening)
    with pytest.raises(InputError, match="permission denied"):
        store.put(path)


@pytest.mark.parametrize("kind", ["pipe", "folder", "nothing"])
def test_what_is_no_file_is_refused_in_the_scratch_folder_too(store: Store, kind: str) -> None:
    path = store.stage(".x")
    HOSTILE[kind](path)

    with pytest.raises(InputError, match="is not a file"):
        store.put(path)


@pytest.mark.usefixtures("way")
def test_a_copy_of_a_repository_without_its_empty_folders_takes_objects(
    store: Store, tmp_path: Path
) -> None:
    (tmp_path / ".datahub" / "staging").rmdir()
    one = store.put(b"one")
    (tmp_path / ".datahub" / "staging").rmdir()
    many = store.put_all(some_files(tmp_path))

    assert {one, *many} <= objects(tmp_path)


def test_an_interrupted_caller_leaves_nothing_staged(store: Store, tmp_path: Path) -> None:
    """A staged file that had been reached is gone; one that had not is its owner's still."""
    reached, later = store.stage(".x"), store.stage(".x")
    for path in (reached, later):
        path.write_bytes(b"rows")

    def contents() -> Any:
        yield reached
        yield from some_files(tmp_path)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.put_all(contents())

    assert staged(tmp_path) == [later]
