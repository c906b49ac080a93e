"""The graph in SQLite: nodes of trees, commits, branch heads, tags, leased candidates.

Commits are dulwich's objects under SHA-256 ids; nodes are core.objecttree's. A change is one
`BEGIN IMMEDIATE`: it happens wholly or not at all, one at a time, and never stops a reader
(write-ahead log).
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from datahub.adapters.versions_embedded.idle import IdleConnections, identity
from datahub.adapters.versions_embedded.transaction import Read, Transaction
from datahub.core.errors import ConfigError, Conflict
from datahub.machine.disk import State, cannot_write, connect_frozen, no_room, state_of
from datahub.machine.faults import translate_errors

FORMAT = 3
_LOGGER = logging.getLogger(__name__)
_SOON = 1.0  # seconds of waiting for another writer after which it is logged
_SCHEMA = (
    "CREATE TABLE node (id TEXT PRIMARY KEY, body BLOB NOT NULL)",
    # generation: 1 + the greatest of the parents'; order without trust in clocks
    'CREATE TABLE "commit" (id TEXT PRIMARY KEY, generation INTEGER NOT NULL, body BLOB NOT NULL)',
    "CREATE TABLE branch (name TEXT PRIMARY KEY, head TEXT NOT NULL)",
    # names that were taken away, and when: what they reached is kept for a while
    "CREATE TABLE gone (target TEXT NOT NULL, time TEXT NOT NULL)",
    "CREATE TABLE tag (name TEXT PRIMARY KEY, target TEXT NOT NULL)",
    # landing: how the merge commit is to be made, as JSON
    "CREATE TABLE candidate (id TEXT PRIMARY KEY, destination TEXT NOT NULL, leased TEXT NOT NULL,"
    " landing TEXT NOT NULL)",
    f"PRAGMA user_version = {FORMAT}",
)


class Graph:
    """The file versions.db. Transactions share nothing but what they have read of nodes.

    A connection that has read is kept for the next that reads.
    """

    def __init__(self, path: Path, *, patience: float = 30.0) -> None:
        """`patience`: seconds to wait for another process's write."""
        self.path = path
        self._patience = patience
        self._read = Read()
        self._idle = IdleConnections()

    def close(self) -> None:
        """Close the connections that wait for the next that reads."""
        self._idle.close()

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """One state of the graph, however others write meanwhile."""
        with translate_errors("read the history"), self._reading() as connection:
            yield Transaction(connection, self._read)

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """All that is done within takes effect at the end, or none of it."""
        with (
            translate_errors("write to the history"),
            # Never an idle one: who writes again and again would be back before anyone who waits.
            closing(self._open("BEGIN IMMEDIATE")[0]) as connection,
        ):
            yield Transaction(connection, self._read)
            connection.execute("COMMIT")  # without it, closing takes everything back

    @contextmanager
    def making(self) -> Iterator[Transaction]:
        """`writing`, to a graph that is not there yet. Raises Conflict."""
        with (
            translate_errors("make the history"),
            closing(self._connect("BEGIN IMMEDIATE", mode="rwc")) as connection,
        ):
            if _format(connection) != 0:
                raise Conflict(
                    f"{self.path.parent} is a repository already.",
                    hint="Use it as it is, or choose another folder.",
                )
            for statement in _SCHEMA:
                connection.execute(statement)
            yield Transaction(connection, self._read)
            connection.execute("COMMIT")

    def check(self) -> None:
        """Raise ConfigError unless this is a repository in a format that we know."""
        version = 0
        with translate_errors("open the repository"):
            if self.path.is_file():
                with self._reading() as connection:
                    version = _format(connection)
        if version == 0:
            raise ConfigError(
                f"{self.path.parent} is no repository.",
                hint="`datahub init` begins one here. A history that is elsewhere comes with a "
                "copy of its .datahub, or by `datahub git import`.",
            )
        if version != FORMAT:
            raise ConfigError(
                f"{self.path.parent} has format version {version}; this datahub knows {FORMAT}.",
                hint="Upgrade datahub."
                if version > FORMAT
                else "An earlier datahub made it: export the rows with that one, and import them.",
            )

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that has begun to read."""
        file = identity(self.path)
        connection, alone = self._idle.take(file), False
        state: State | None = None
        if connection is None:
            connection, alone, state = self._open_to_read()
        try:
            if not connection.in_transaction:
                connection.execute("BEGIN")
                _format(connection)  # a plain BEGIN has read nothing yet
            yield connection
            connection.execute("ROLLBACK")
            if state is not None and state_of(self.path) != state:
                raise Conflict(
                    f"{self.path.name} changed while it was read, and cannot be locked here.",
                    hint="Run the command again.",
                )
        except BaseException:
            connection.close()
            raise
        if alone:
            connection.close()
        else:
            self._idle.give(connection, file)

    def _open_to_read(self) -> tuple[sqlite3.Connection, bool, State | None]:
        """As `_open`; in a folder that cannot be written, the file as it stands, and its state."""
        try:
            return *self._open("BEGIN"), None
        except sqlite3.OperationalError as error:
            if not cannot_write(error):
                raise
            connection, state = connect_frozen(self.path)
            connection.execute("BEGIN")
            return connection, True, state

    def _open(self, begin: str) -> tuple[sqlite3.Connection, bool]:
        """A connection that has begun, and whether nobody else may have one meanwhile.

        So it is on a full disk: that makes no file of shared memory.
        """
        try:
            return self._connect(begin), False
        except sqlite3.OperationalError as error:
            if not no_room(error):
                raise
            return self._connect(begin, locking="EXCLUSIVE"), True

    def _connect(
        self, begin: str, *, mode: str = "rw", locking: str = "NORMAL"
    ) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self.path.as_uri()}?mode={mode}",
            uri=True,
            timeout=self._patience,
            isolation_level=None,
            check_same_thread=False,  # one thread after another, when it is idle
        )
        try:
            connection.execute(f"PRAGMA locking_mode = {locking}")  # before anything is read
            connection.execute("PRAGMA synchronous = FULL")
            if mode == "rwc":
                connection.execute("PRAGMA journal_mode = WAL")
            if begin == "BEGIN":
                connection.execute(begin)  # which waits for nobody
            else:
                self._begin(connection, begin)
            _format(connection)  # a plain BEGIN has read nothing yet
        except BaseException:
            connection.close()
            raise
        return connection

    def _begin(self, connection: sqlite3.Connection, begin: str) -> None:
        """Begin, and log a wait for another process that writes."""
        soon, start = min(_SOON, self._patience), time.monotonic()
        _wait_for(connection, soon)
        try:
            connection.execute(begin)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or soon == self._patience:
                raise
            _LOGGER.info("%s: waiting for another process that writes", self.path)
            _wait_for(connection, self._patience - (time.monotonic() - start))
            connection.execute(begin)
            _LOGGER.info("%s: waited %.1f s", self.path, time.monotonic() - start)
        _wait_for(connection, self._patience)


def _wait_for(connection: sqlite3.Connection, seconds: float) -> None:
    """How long a statement waits for others' locks from now on."""
    connection.execute(f"PRAGMA busy_timeout = {max(1, int(1000 * seconds))}")


def _format(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
