"""Connections to versions.db that have read, and wait for the next that reads.

To open one costs more than most of what is asked of it: SQLite reads its settings and the schema,
and whoever closes the last one folds the log into the file.
"""

from __future__ import annotations

import os
import sqlite3
import weakref
from pathlib import Path

File = tuple[int, int] | None  # which file a path leads to, if any
Held = list[tuple[int, File, sqlite3.Connection]]

_KEPT = 4  # of one store: as many threads may read at a time without opening again
_OF_PARENTS: list[sqlite3.Connection] = []  # never closed here: their locks are the parent's


class IdleConnections:
    """Of one store. A connection serves the process that opened it, and the file that it opened."""

    def __init__(self) -> None:
        self._held: Held = []
        weakref.finalize(self, _close_all, self._held)

    def taken(self, file: File) -> sqlite3.Connection | None:
        """One that was idle, with that file open."""
        while True:
            try:
                process, opened, connection = self._held.pop()
            except IndexError:
                return None
            if process != os.getpid():
                _OF_PARENTS.append(connection)
            elif opened != file:
                connection.close()
            else:
                return connection

    def give(self, connection: sqlite3.Connection, file: File) -> None:
        """Keep one, in no transaction, for the next; `file` is what it opened, at the latest."""
        if len(self._held) < _KEPT:
            self._held.append((os.getpid(), file, connection))
        else:
            connection.close()

    def close(self) -> None:
        """Close those that are idle now."""
        _close_all(self._held)


def identity(path: Path) -> File:
    """Which file lies at a path now."""
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_dev, state.st_ino


def _close_all(held: Held) -> None:
    while True:
        try:
            process, _, connection = held.pop()
        except IndexError:  # another thread may take one meanwhile
            return
        if process == os.getpid():
            connection.close()
        else:
            _OF_PARENTS.append(connection)
