"""Where errors of the disk and of SQLite stop: each becomes one of ours, with what to do."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from datahub.core.errors import Conflict, StorageError

_FULL = (
    "Free some space (or raise the limit) and run the command again: nothing was changed. "
    "`datahub gc` frees what nothing reaches, also on a full disk."
)
_READ_ONLY = "Make the folder .datahub writable for you and run the command again."
_RESTORE = "Restore the folder .datahub from a copy; nothing in it was changed by this command."
_LIMIT = "The system's limits are used up: close what is not needed and run the command again."
_LOOK = "Look at the disk that holds .datahub, then run the command again: nothing was changed."

_OS_HINTS = {
    **dict.fromkeys((errno.ENOSPC, errno.EFBIG, errno.EDQUOT), _FULL),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), _READ_ONLY),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE, errno.ENOMEM), _LIMIT),
}
_SQLITE_HINTS = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_IOERR: "Is the disk full, or a file size limit reached? " + _FULL,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: "datahub must be able to write beside versions.db. " + _READ_ONLY,
    sqlite3.SQLITE_CORRUPT: _RESTORE,
    sqlite3.SQLITE_NOTADB: _RESTORE,
}


@contextmanager
def translate_errors(action: str) -> Iterator[None]:
    """Raise StorageError (or Conflict, for a lock held too long) for what the system said.

    `doing` completes "Could not ...".
    """
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        hint = _OS_HINTS.get(error.errno or 0, _LOOK)
        raise StorageError(f"Could not {action}: {reason}.", hint=hint) from error
    except sqlite3.Error as error:
        # The low byte is the error, the rest its kind. Python's own errors carry no code.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise Conflict(
                f"Could not {action}: another process is writing to this repository.",
                hint="Nothing was changed. Run the command again when the other one is done.",
            ) from error
        hint = _SQLITE_HINTS.get(code, _LOOK)
        raise StorageError(f"Could not {action}: {error}.", hint=hint) from error


def damage_error(message: str) -> StorageError:
    """The error for stored things that are not what was stored."""
    return StorageError(message, hint=_RESTORE)
