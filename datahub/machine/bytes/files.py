"""Data objects on disk: `objects/ab/cdef...`, named by the SHA-256 of their bytes.

An object is whole or absent: written in `staging/`, synced, renamed (many wait for the disk
together). It is read-only and never changes; the same bytes are stored once. An object that was
taken as a hard link is another file's too: then reading tells a change of that file, as it does
any other damage.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path

from datahub.core.errors import InputError, ObjectNotFound, StorageError
from datahub.core.versions import ObjectId, Objects
from datahub.machine.bytes import sharing
from datahub.machine.bytes.arrivals import Arrivals, LinkSource, stamp
from datahub.machine.bytes.running import Running
from datahub.machine.faults import translate_errors
from datahub.machine.processes import is_alive, machine
from datahub.machine.sync import sync_folder

_ID = re.compile(r"[0-9a-f]{64}")
_FEW = 8  # objects of one folder that are looked up one by one
_MANY = 64  # contents from which on waiting for the whole disk is cheaper than for each
_ROUND = 10_000  # contents that wait for the disk together
_STAGED_NAME = re.compile(r"([0-9a-f]{12})-(\d+)-[0-9a-f]{32}")


class ObjectFiles:
    """The bytes of one repository, and the scratch folder they come in by."""

    def __init__(self, folder: Path) -> None:
        """Nothing is made yet: a folder that is not there holds no object."""
        self.folder = folder.absolute()
        self._objects = self.folder / "objects"
        self._staging = self.folder / "staging"
        self.running = Running(self.folder)  # who may be using them
        self._sound: dict[ObjectId, tuple[int, ...]] = {}
        self._durable: set[str] = set()  # folders of objects/ whose names are known to be synced
        self._linked: dict[Path, LinkSource] = {}  # staged files that are others' too

    def make_folders(self) -> None:
        """Make the folders of a new repository; those that are there stay."""
        missing = [folder for folder in (self._objects, self._staging) if not folder.is_dir()]
        with translate_errors("make the folders of the repository"):
            for path in missing:
                path.mkdir(parents=True, exist_ok=True)
            if missing:
                sync_folder(self._objects.parent)

    def stage(self, suffix: str) -> Path:
        """A fresh path; its name says whose it is, so that `clean` leaves the living alone."""
        if "/" in suffix or "\0" in suffix:
            raise InputError(f"{suffix!r} is no suffix.", hint='Use one like ".parquet".')
        with translate_errors("stage a file"):
            self._staging.mkdir(exist_ok=True)
        return self._staging / f"{_staged_name()}{suffix}"

    def unstage(self, path: Path) -> None:
        """Remove a staged file that nothing will take."""
        self._linked.pop(path, None)
        with translate_errors("remove a staged file"):
            path.unlink(missing_ok=True)

    def clean(self) -> None:
        """Remove what processes of this machine left behind when they died."""
        self.running.clean()
        # Housekeeping: a folder that cannot be written can still be read.
        with suppress(OSError):
            for path in self._staging.iterdir():
                owner = _STAGED_NAME.search(path.name)
                if owner and owner[1] == machine() and not is_alive(int(owner[2])):
                    if path.is_dir():
                        shutil.rmtree(path, ignore_errors=True)
                    else:
                        path.unlink(missing_ok=True)

    def put(self, content: Path | bytes) -> ObjectId:
        """Store bytes, or a file: one in the scratch folder is moved, any other copied."""
        name = "an object" if isinstance(content, bytes) else content.name
        with translate_errors(f"store {name}"):
            return self._store([content], many=False)[0]

    def share(self, path: Path, *, hard_link: bool) -> Path:
        """A staged file with the bytes of another, without a copy of them."""
        with translate_errors(f"take {path.name} without a copy"):
            target = self.stage("")
            sharing.share_bytes(path, target, hard_link=hard_link)
            state = target.stat()
            if state.st_nlink > 1:
                self._linked[target] = LinkSource(path, stamp(state), stat.S_IMODE(state.st_mode))
            return target

    def put_all(self, contents: Iterable[Path | bytes]) -> list[ObjectId]:
        """Store files and bytes, as one by one; where they are many, they wait together."""
        oids: list[ObjectId] = []
        rest = iter(contents)
        while first := list(islice(rest, _MANY)):
            group = chain(first, islice(rest, _ROUND - _MANY))
            with translate_errors("store files"):
                oids += self._store(group, many=len(first) == _MANY)
        return oids

    def missing(self, oids: Iterable[ObjectId]) -> set[ObjectId]:
        """Those whose bytes are not there. Many are looked up a folder at a time."""
        wanted_ids = set(oids)
        absent = {oid for oid in wanted_ids if not _is_id(oid)}
        folders: dict[str, set[ObjectId]] = {}
        for oid in wanted_ids - absent:
            folders.setdefault(oid[:2], set()).add(oid)
        with translate_errors("look for an object"):
            for folder, inside in folders.items():
                if len(inside) <= _FEW or not (self._objects / folder).is_dir():
                    absent |= {oid for oid in inside if not self._path(oid).is_file()}
                else:
                    with os.scandir(self._objects / folder) as entries:
                        absent |= inside - {folder + entry.name for entry in entries}
        return absent

    def check_held(self, objects: Objects) -> None:
        """Raises ObjectNotFound for the first path whose object is not there."""
        missing = self.missing(objects.values())
        for path, oid in objects.items():
            if oid in missing:
                raise ObjectNotFound(oid, path)

    def fetch(self, oid: ObjectId) -> Path:
        """The file itself, checked unless it was, and has not been touched since."""
        if not _is_id(oid):
            raise ObjectNotFound(oid)
        path = self._path(oid)
        with translate_errors(f"read object {oid}"):
            if not path.is_file():
                raise ObjectNotFound(oid)
            if not self._is_sound(oid):
                raise _mismatch(path)
        return path

    def hold(self, oid: ObjectId) -> Path:
        """The file, as new as if it were stored now: a collection by others leaves it alone."""
        path = self.fetch(oid)
        try:
            if self.running.is_before(_stored_at(path.stat())):
                self._renew(oid)
        except FileNotFoundError as error:  # a collection was faster
            raise ObjectNotFound(oid) from error
        except OSError:
            pass  # another user's: it can be read, and only looks older than it is
        return path

    def size(self, oid: ObjectId) -> int:
        """How many bytes an object has; they are not checked for it."""
        if not _is_id(oid):
            raise ObjectNotFound(oid)
        with translate_errors(f"look at object {oid}"):
            try:
                return self._path(oid).stat().st_size
            except FileNotFoundError as error:
                raise ObjectNotFound(oid) from error

    def read(self, oid: ObjectId) -> bytes:
        """The bytes, always checked."""
        if not _is_id(oid):
            raise ObjectNotFound(oid)
        with translate_errors(f"read object {oid}"):
            try:
                content = self._path(oid).read_bytes()
            except FileNotFoundError as error:
                raise ObjectNotFound(oid) from error
        if hashlib.sha256(content).hexdigest() != oid:
            raise _mismatch(self._path(oid))
        return content

    def fault(self, oid: ObjectId) -> str | None:
        """What is wrong with an object, if anything; its bytes are read again."""
        self._sound.pop(oid, None)
        try:
            self.fetch(oid)
        except ObjectNotFound:
            return "is not there"
        except StorageError as error:
            return error.message
        return None

    def older(self, time: float) -> Iterator[tuple[ObjectId, int]]:
        """Objects that were last stored before a time, with their size."""
        for folder in self._objects.iterdir():
            if folder.is_dir():
                for path in folder.iterdir():
                    state = path.stat()
                    if _stored_at(state) < time and _is_id(folder.name + path.name):
                        yield folder.name + path.name, state.st_size

    def remove(self, oid: ObjectId, *, stored_before: float) -> None:
        """Take an object away, unless somebody has just stored it again."""
        with translate_errors(f"remove object {oid}"), suppress(FileNotFoundError):
            if _stored_at(self._path(oid).stat()) < stored_before:
                self._path(oid).unlink()
                self._sound.pop(oid, None)

    def _path(self, oid: ObjectId) -> Path:
        return self._objects.joinpath(oid[:2], oid[2:])

    def _store(self, contents: Iterable[Path | bytes], *, many: bool) -> list[ObjectId]:
        fresh = self._staging / _staged_name()
        with Arrivals(fresh, many=many, is_held=self._is_held) as arrivals:
            for content in contents:
                if isinstance(content, bytes):
                    arrivals.take_bytes(content)
                elif content.parent == self._staging and not content.is_symlink():
                    arrivals.move(content, self._linked.pop(content, None))
                else:
                    arrivals.copy(content)
            arrivals.sync()
            for oid, path in arrivals.files.items():
                self._name(oid, path)
                arrivals.release(oid)
            self._sync_names({oid[:2] for oid in arrivals.oids})
            return arrivals.oids

    def _is_held(self, oid: ObjectId) -> bool:
        """Whether an object is there, and sound. If so, it is now as new as a fresh one."""
        try:
            if not self._is_sound(oid):
                return False
            with suppress(PermissionError):  # another user's: then it only looks older than it is
                self._renew(oid)
        except FileNotFoundError:
            return False
        return True

    def _name(self, oid: ObjectId, path: Path) -> None:
        """Let an object be seen, whose bytes are durable."""
        target = self._path(oid)
        try:
            path.replace(target)
        except FileNotFoundError:
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
        self._sound.pop(oid, None)

    def _sync_names(self, folders: set[str]) -> None:
        """Make names durable, also of objects that were there: who put them may have died."""
        for folder in folders:
            sync_folder(self._objects / folder)
        if not folders <= self._durable:
            sync_folder(self._objects)
            self._durable |= folders

    def _renew(self, oid: ObjectId) -> None:
        """Make a sound object as new as a fresh one to `collect`."""
        os.utime(self._path(oid))
        self._sound[oid] = stamp(self._path(oid).stat())

    def _is_sound(self, oid: ObjectId) -> bool:
        with self._path(oid).open("rb") as file:
            now = stamp(os.fstat(file.fileno()))
            if self._sound.get(oid) != now:
                if hashlib.file_digest(file, "sha256").hexdigest() != oid:
                    return False
                self._sound[oid] = now
        return True


def _stored_at(state: os.stat_result) -> float:
    """When an object was last stored; the mtime of one with two names is that of its file."""
    return max(state.st_mtime, state.st_ctime) if state.st_nlink > 1 else state.st_mtime


def _mismatch(path: Path) -> StorageError:
    oid = path.parent.name + path.name
    if path.stat().st_nlink > 1:
        return StorageError(
            f"Object {oid} does not hold the bytes that were stored: its file has a second name "
            "(import --in-place --hard-link gives it one), under which it was changed.",
            hint="Undo that change, or import a copy of the file as it was: storing the same "
            "bytes repairs the object.",
        )
    return StorageError(
        f"Object {oid} does not hold the bytes that were stored.",
        hint="Restore objects/ from a copy, or run again the step that made it: "
        "storing the same bytes repairs it.",
    )


def _staged_name() -> str:
    """New, and says whose it is."""
    return f"{machine()}-{os.getpid()}-{uuid.uuid4().hex}"


def _is_id(oid: ObjectId) -> bool:
    return _ID.fullmatch(oid) is not None
