"""Contents on their way into a repository: in the scratch folder, hashed, and made durable.

A file is read once, which gives both its copy and its id. Nothing here has its name as an object
yet: that comes after `sync`, from whoever knows where objects lie.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from datahub.core.errors import InputError
from datahub.core.versions import ObjectId
from datahub.machine import sync
from datahub.machine.bytes import sharing

_CHUNK = 1 << 20
_MODE = 0o444
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.ENAMETOOLONG)


@dataclass(frozen=True)
class LinkSource:
    """A file that became a staged one too: what it was when that was made."""

    path: Path
    stamp: tuple[int, ...]
    mode: int


def stamp(state: os.stat_result) -> tuple[int, ...]:
    """What differs once a file was touched."""
    return state.st_size, state.st_mtime_ns, state.st_ino


class Arrivals:
    """Contents that arrive together. A context: what is staged still at its end is removed."""

    def __init__(self, fresh: Path, *, many: bool, is_held: Callable[[ObjectId], bool]) -> None:
        """`fresh`: a new name in the scratch folder; `is_held`: whether an object is there.

        Where they are many, they wait for the disk together.
        """
        self.oids: list[ObjectId] = []  # of all, as they came
        self.files: dict[ObjectId, Path] = {}  # of those that are not there yet
        self._is_held = is_held
        self._fresh = fresh
        self._numbers = count()
        self._masked: bool | None = None  # whether the umask takes away some of _MODE
        self._leftovers: dict[Path, LinkSource | None] = {}  # files to remove at the end
        self._folder: int | None = None  # of its own, open, where they do
        if many and sync.can_sync_disk(fresh.parent):
            fresh.mkdir(parents=True)
            self._folder = os.open(fresh, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def __enter__(self) -> Arrivals:
        return self

    def __exit__(self, *_: object) -> None:
        for path in list(self._leftovers):
            self._remove(path)
        if self._folder is not None:
            os.close(self._folder)
            with suppress(OSError):
                self._fresh.rmdir()

    def take_bytes(self, content: bytes) -> None:
        """Bytes."""
        oid = hashlib.sha256(content).hexdigest()
        if not self._is_there(oid):
            with self._new() as (path, file):
                _write(file, content)
            self.files[oid] = path
        self.oids.append(oid)

    def copy(self, path: Path) -> None:
        """A file that stays where it is. Raises InputError where it is none, or changes."""
        with _steady(path) as (file, size):
            content = os.read(file, min(size + 1, _CHUNK))
            arrival = None if len(content) == size else self._stream(file, content)
        if arrival:
            self._add(*arrival)
        else:
            self.take_bytes(content)

    def move(self, path: Path, source: LinkSource | None) -> None:
        """A file of the scratch folder: it becomes the object, and is removed where it cannot."""
        self._leftovers[path] = source
        with _steady(path) as (handle, _), open(handle, "rb", closefd=False) as file:
            os.fchmod(handle, _MODE)
            oid = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(handle)  # written by others, who may have been told what failed
            if source and stamp(os.fstat(handle)) != source.stamp:
                raise sharing.change_error(source.path)
        self._add(oid, path)

    def sync(self) -> None:
        """Wait until all that is staged is on the disk."""
        if self._folder is not None and self.files:
            sync.sync_disk(self._folder)

    def release(self, oid: ObjectId) -> None:
        """Its file is an object now."""
        del self._leftovers[self.files[oid]]

    def _add(self, oid: ObjectId, path: Path) -> None:
        if self._is_there(oid):
            self._remove(path)
        else:
            self.files[oid] = path
        self.oids.append(oid)

    def _is_there(self, oid: ObjectId) -> bool:
        return oid in self.files or self._is_held(oid)

    def _stream(self, source: int, content: bytes) -> tuple[ObjectId, Path]:
        digest = hashlib.sha256()
        with self._new() as (path, file):
            while content:
                digest.update(content)
                _write(file, content)
                content = os.read(source, _CHUNK)
        return digest.hexdigest(), path

    @contextmanager
    def _new(self) -> Iterator[tuple[Path, int]]:
        """A staged file, whole and durable at the end; where all are waited for, after `sync`."""
        number = str(next(self._numbers))
        path = self._fresh / number if self._folder else Path(f"{self._fresh}.{number}")
        self._leftovers[path] = None
        try:
            file = os.open(path, _NEW, _MODE)
        except FileNotFoundError:  # a copy of a repository may lack its empty folders
            path.parent.mkdir()
            file = os.open(path, _NEW, _MODE)
        try:
            yield path, file
            if self._masked is None:
                self._masked = stat.S_IMODE(os.fstat(file).st_mode) != _MODE
            if self._masked:
                os.fchmod(file, _MODE)
            if self._folder is None:
                os.fsync(file)
        finally:
            os.close(file)

    def _remove(self, path: Path) -> None:
        source = self._leftovers.pop(path)
        with suppress(OSError):
            if source:
                path.chmod(source.mode)  # a file that is not taken is as writable as it was
            path.unlink()


@contextmanager
def _steady(path: Path) -> Iterator[tuple[int, int]]:
    """A file, open, and its size; it must be the same at the end."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe: at once
    except OSError as error:
        if error.errno in _NO_FILE:
            raise _no_file(path) from error
        if error.errno == errno.EACCES:
            raise InputError(
                f"{path} cannot be read: permission denied.", hint="Make it readable for you."
            ) from error
        raise
    try:
        before = os.fstat(file)
        if not stat.S_ISREG(before.st_mode):
            raise _no_file(path)
        yield file, before.st_size
        if stamp(os.fstat(file)) != stamp(before):
            raise sharing.change_error(path)
    finally:
        os.close(file)


def _no_file(path: Path) -> InputError:
    return InputError(f"{path} is not a file.", hint="Name a file that exists.")


def _write(file: int, content: bytes) -> None:
    size = os.write(file, content)
    while size < len(content):
        size += os.write(file, memoryview(content)[size:])
