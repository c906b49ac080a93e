"""What still works on a full disk: reading, and the few steps that lead to room again.

A project keeps a file of 1 MiB for that moment, `.datahub/spare`. Who takes a name away, switches
the branch or collects garbage gives it up meanwhile.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from datahub.core.errors import StorageError

SPARE = 1 << 20  # some hundred pages of SQLite's log
_LEAST = 1 << 16
_PLENTY = 16 * SPARE  # free bytes from which on the file is made
_NO_ROOM = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL)
_NO_WRITING = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM)

State = tuple[int, int, int, int]


def keep_spare(folder: Path) -> None:
    """Keep room in a project's folder, unless all of it is kept or it is hard to come by."""
    spare = folder / "spare"
    with suppress(OSError):  # a folder that cannot be written can still be read
        if not spare.exists() or spare.stat().st_size < SPARE:
            free = os.statvfs(folder)
            if free.f_bavail * free.f_frsize >= _PLENTY:
                spare.unlink(missing_ok=True)
                _fill(spare, SPARE)


@contextmanager
def using_spare(folder: Path) -> Iterator[None]:
    """Let what is done within use the room that is kept; then keep as much as there is again."""
    spare = folder / "spare"
    with suppress(OSError):
        spare.unlink()
    try:
        yield
    finally:
        size = SPARE
        while size >= _LEAST and not _fill(spare, size):
            size //= 2


def no_room(error: sqlite3.Error) -> bool:
    """Whether SQLite may have failed because nothing can be written.

    It makes a file of shared memory for whoever reads a database with a log of writes.
    """
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _NO_ROOM


def cannot_write(error: sqlite3.Error) -> bool:
    """Whether SQLite failed because it may write nothing in the folder, not even shared memory."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _NO_WRITING


def connect_frozen(path: Path) -> tuple[sqlite3.Connection, State]:
    """A connection that reads a database in a folder that nobody may write to, and its state.

    SQLite then takes no lock and looks at no log, so who reads checks afterwards that the state is
    the same (`state_of`). Raises StorageError where a log has what the file does not.
    """
    state = state_of(path)
    if state[-1]:
        raise StorageError(
            f"{path.name} has a log of writes beside it, which cannot be read in a folder that "
            "cannot be written.",
            hint="Run `datahub log` once where the folder can be written; or make it writable.",
        )
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    return connection, state


def state_of(path: Path) -> State:
    """What changes when a database is written to: file, size, time, and the size of its log."""
    state, log = path.stat(), Path(f"{path}-wal")
    size = log.stat().st_size if log.exists() else 0
    return state.st_ino, state.st_size, state.st_mtime_ns, size


def connect_to_read(
    connect: Callable[[], sqlite3.Connection], path: Path | None = None
) -> tuple[sqlite3.Connection, bool]:
    """A connection that can read, and whether nobody else may have one meanwhile.

    So it is on a full disk. Where the folder cannot be written, the database of `path` is read as
    it stands.
    """
    connection = connect()
    try:
        connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error as error:
        connection.close()
        if path is not None and path.is_file() and cannot_write(error):
            return connect_frozen(path)[0], True
        if not no_room(error):
            raise
        alone = connect()
        alone.execute("PRAGMA locking_mode = EXCLUSIVE")  # then it needs no shared memory
        return alone, True
    return connection, False


def _fill(path: Path, size: int) -> bool:
    """Make a file of so many bytes, which are taken from what is free; whether it was made."""
    try:
        with path.open("xb") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.write(bytes(size))
    except FileExistsError:
        return True  # another process made it
    except OSError:
        with suppress(OSError):
            path.unlink()
        return False
    return True
