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
Idle = list[tuple[int, File, sqlite3.Connection]]

_CAPACITY = 4  # of one store: as many threads may read at a time without opening again
_OF_PARENTS: list[sqlite3.Connection] = []  # never closed here: their locks are the parent's


class IdleConnections:
    """Of one store. A connection serves the process that opened it, and the file that it opened."""

    def __init__(self) -> None:
        self._connections: Idle = []
        weakref.finalize(self, _close_all, self._connections)

    def take(self, file: File) -> sqlite3.Connection | None:
        """One that was idle, with that file open."""
        while True:
            try:
                process, source, connection = self._connections.pop()
            except IndexError:
                return None
            if process != os.getpid():
                _OF_PARENTS.append(connection)
            elif source != file:
                connection.close()
            else:
                return connection

    def give(self, connection: sqlite3.Connection, file: File) -> None:
        """Keep one, in no transaction, for the next; `file` is what it opened, at the latest."""
        if len(self._connections) < _CAPACITY:
            self._connections.append((os.getpid(), file, connection))
        else:
            connection.close()

    def close(self) -> None:
        """Close those that are idle now."""
        _close_all(self._connections)


def identity(path: Path) -> File:
    """Which file lies at a path now."""
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_dev, state.st_ino


def _close_all(connections: Idle) -> None:
    while True:
        try:
            process, _, connection = connections.pop()
        except IndexError:  # another thread may take one meanwhile
            return
        if process == os.getpid():
            connection.close()
        else:
            _OF_PARENTS.append(connection)
