"""The graph in SQLite: nodes of trees, commits, branch heads, tags, leased candidates.

Commits are dulwich's objects under SHA-256 ids; nodes are core.objecttree's. A change is one
`BEGIN IMMEDIATE`: it happens wholly or not at all, one at a time, and never stops a reader
(write-ahead log).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from dulwich.errors import ChecksumMismatch, ObjectFormatException
from dulwich.object_format import SHA256
from dulwich.objects import Commit, ObjectID

from datahub.adapters.versions_embedded.idle import IdleConnections, identity
from datahub.core import objecttree
from datahub.core.errors import BranchNotFound, ConfigError, Conflict, NotFound, TagNotFound
from datahub.core.objecttree import Node, NodeId
from datahub.core.versions import CommitId
from datahub.machine.disk import no_room
from datahub.machine.faults import damaged, translated

FORMAT = 3
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
# Made when it is first needed: earlier repositories have none, and earlier datahubs ignore it.
_STOOD = "CREATE TABLE IF NOT EXISTS stood (branch TEXT NOT NULL, head TEXT NOT NULL)"
_KEPT = 2000  # nodes in memory: some 50 MB
_NOW = "strftime('%Y-%m-%dT%H:%M:%S+00:00', 'now')"


@dataclass(frozen=True)
class Landing:
    """How a candidate is to land: with one parent or two, and with which metadata of its own."""

    squash: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)


class Transaction:
    """What may be asked of the graph, and added to it, within one transaction."""

    def __init__(self, connection: sqlite3.Connection, nodes: dict[NodeId, Node]) -> None:
        """`nodes` are some that were read and checked before: they never change."""
        self._connection = connection
        self._nodes = nodes

    def body(self, node_id: NodeId) -> bytes:
        """What is stored under an id, checked against it. Raises StorageError."""
        body = self._one("SELECT body FROM node WHERE id = ?", node_id)
        if not isinstance(body, bytes):
            raise damaged(f"The history lacks node {node_id}.")
        if objecttree.node_id(body) != node_id:
            raise damaged(f"The history holds other bytes for node {node_id} than were stored.")
        return body

    def node(self, node_id: NodeId) -> Node:
        """A node of a tree. Raises StorageError."""
        found = self._nodes.get(node_id)
        if found is None:
            try:
                found = objecttree.decode(self.body(node_id))
            except ValueError as error:
                raise damaged(f"What is stored as {node_id} is no node of a tree.") from error
            if len(self._nodes) >= _KEPT:
                self._nodes.clear()
            self._nodes[node_id] = found
        return found

    def add_bodies(self, bodies: Mapping[NodeId, bytes]) -> None:
        """Add what is not there."""
        self._connection.executemany("INSERT OR IGNORE INTO node VALUES (?, ?)", bodies.items())

    def commit(self, commit_id: CommitId) -> Commit:
        """A commit, checked against its id."""
        body = self._one('SELECT body FROM "commit" WHERE id = ?', commit_id)
        if not isinstance(body, bytes):
            raise damaged(f"The history lacks commit {commit_id}.")
        read, named = Commit(), ObjectID(commit_id.encode())
        try:
            read.set_raw_chunks([body], object_format=SHA256, verify_sha=named)
        except (ChecksumMismatch, ObjectFormatException, ValueError) as error:
            raise damaged(
                f"The history holds other bytes for commit {commit_id} than were stored."
            ) from error
        return read

    def add_commit(self, commit: Commit) -> CommitId:
        """Add a commit unless it is there; return its id."""
        commit.object_format = SHA256
        commit_id = commit.get_id(SHA256).decode()
        generation = 1 + max((self.generation(p.decode()) for p in commit.parents), default=0)
        self._connection.execute(
            'INSERT OR IGNORE INTO "commit" VALUES (?, ?, ?)',
            (commit_id, generation, commit.as_raw_string()),
        )
        return commit_id

    def generation(self, commit_id: CommitId) -> int:
        """1 for a root, else more than any parent's."""
        found = self._one('SELECT generation FROM "commit" WHERE id = ?', commit_id)
        if found is None:
            raise damaged(f"The history lacks commit {commit_id}.")
        return int(str(found))

    def commits_starting(self, prefix: str) -> list[CommitId]:
        """Ids of at most two commits that start so."""
        rows = self._connection.execute(
            'SELECT id FROM "commit" WHERE id >= ? AND id < ? LIMIT 2', (prefix, prefix + "g")
        )
        return [row[0] for row in rows]

    def heads(self) -> dict[str, CommitId]:
        """Branch -> head, by name."""
        return dict(self._connection.execute("SELECT name, head FROM branch ORDER BY name"))

    def head(self, branch: str) -> CommitId:
        """Raises BranchNotFound."""
        found = self._one("SELECT head FROM branch WHERE name = ?", branch)
        if found is None:
            raise BranchNotFound(branch)
        return str(found)

    def set_head(self, branch: str, commit_id: CommitId) -> None:
        """Point a branch, new or not, at a commit."""
        self._connection.execute("INSERT OR REPLACE INTO branch VALUES (?, ?)", (branch, commit_id))

    def stood(self, branch: str) -> list[CommitId]:
        """Heads at which a branch was guarded, and from which it did not go on by commits."""
        if self._one("SELECT 1 FROM sqlite_master WHERE name = ?", "stood") is None:
            return []  # from before there was such a table
        rows = self._connection.execute(
            "SELECT head FROM stood WHERE branch = ? ORDER BY rowid", (branch,)
        )
        return [row[0] for row in rows]

    def note_guarded(self, branch: str, head: CommitId, *, after: CommitId) -> None:
        """Remember the head of a guarded branch that was made on top of `after`."""
        self._connection.execute(_STOOD)
        self._connection.execute("DELETE FROM stood WHERE branch = ? AND head = ?", (branch, after))
        self._connection.execute("INSERT INTO stood VALUES (?, ?)", (branch, head))

    def generations(self) -> dict[CommitId, int]:
        """What is stored of every commit."""
        return dict(self._connection.execute('SELECT id, generation FROM "commit"'))

    def remove_branch(self, branch: str) -> None:
        """Forget a branch's name."""
        self._forget("branch", "name", "head", branch)

    def tags(self) -> dict[str, CommitId]:
        """Tag -> commit, by name."""
        return dict(self._connection.execute("SELECT name, target FROM tag ORDER BY name"))

    def set_tag(self, tag: str, commit_id: CommitId) -> None:
        """Name a commit."""
        self._connection.execute("INSERT INTO tag VALUES (?, ?)", (tag, commit_id))

    def remove_tag(self, tag: str) -> None:
        """Raises TagNotFound."""
        if not self._forget("tag", "name", "target", tag):
            raise TagNotFound(tag)

    def lease(self, candidate: CommitId, *, into: str, landing: Landing) -> None:
        """Keep a candidate until it is released; from now on, whatever time its commit states."""
        told = json.dumps({"squash": landing.squash, "metadata": dict(landing.metadata)})
        self._connection.execute(
            f"INSERT INTO candidate VALUES (?, ?, {_NOW}, ?)", (candidate, into, told)
        )

    def landing(self, candidate: CommitId) -> Landing:
        """How a leased candidate is to land."""
        found = self._one("SELECT landing FROM candidate WHERE id = ?", candidate)
        return Landing(**json.loads(str(found)))

    def destination(self, candidate: CommitId) -> str:
        """The branch a leased candidate is for. Raises NotFound."""
        found = self._one("SELECT destination FROM candidate WHERE id = ?", candidate)
        if found is None:
            raise NotFound(
                f"There is no candidate {candidate[:12]}: it has landed or was dropped.",
                hint="Merge again: that makes a new candidate and judges it.",
            )
        return str(found)

    def release(self, candidate: CommitId) -> None:
        """Forget a candidate."""
        self._forget("candidate", "id", "id", candidate)

    def roots(self, *, since: str = "") -> dict[str, CommitId]:
        """What is to be kept, by what keeps it: refs, and leases and lost names since a time."""
        found = {f"branch {name}": head for name, head in self.heads().items()}
        found |= {f"tag {name}": target for name, target in self.tags().items()}
        for query in (
            "SELECT 'candidate ' || id, id FROM candidate WHERE leased >= ?",
            "SELECT 'deleted ' || target, target FROM gone WHERE time >= ?",
        ):
            found.update(self._connection.execute(query, (since,)))
        return found

    def all_ids(self, table: Literal["node", "commit"]) -> set[str]:
        """The ids of all that is there."""
        return {row[0] for row in self._connection.execute(f'SELECT id FROM "{table}"')}

    def discard(self, table: Literal["node", "commit"], ids: Iterable[str]) -> None:
        """Take away what nothing reaches."""
        self._connection.executemany(f'DELETE FROM "{table}" WHERE id = ?', ((i,) for i in ids))

    def leases_before(self, time: str) -> int:
        """How many candidates were leased before a time."""
        found = self._one("SELECT count(*) FROM candidate WHERE leased < ?", time)
        return int(str(found))

    def forget_before(self, time: str) -> None:
        """Take away leases and lost names of before a time."""
        self._connection.execute("DELETE FROM gone WHERE time < ?", (time,))
        self._connection.execute("DELETE FROM candidate WHERE leased < ?", (time,))

    def faults(self) -> list[str]:
        """What SQLite finds wrong with its file."""
        rows = [str(row[0]) for row in self._connection.execute("PRAGMA quick_check")]
        return [row for row in rows if row != "ok"]

    def _forget(self, table: str, key: str, target: str, name: str) -> int:
        """Delete a name, and remember what it named and when it went."""
        self._connection.execute(
            f"INSERT INTO gone SELECT {target}, {_NOW} FROM {table} WHERE {key} = ?",
            (name,),
        )
        done = self._connection.execute(f"DELETE FROM {table} WHERE {key} = ?", (name,))
        return done.rowcount

    def _one(self, query: str, argument: str) -> object:
        row = self._connection.execute(query, (argument,)).fetchone()
        return None if row is None else row[0]


class Graph:
    """The file versions.db. Transactions share nothing but what they have read of nodes.

    A connection that has read is kept for the next that reads.
    """

    def __init__(self, path: Path, *, patience: float = 30.0) -> None:
        """`patience`: seconds to wait for another process's write."""
        self.path = path
        self._patience = patience
        self._nodes: dict[NodeId, Node] = {}
        self._idle = IdleConnections()

    def close(self) -> None:
        """Close the connections that wait for the next that reads."""
        self._idle.close()

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """One state of the graph, however others write meanwhile."""
        with translated("read the history"), self._reading() as connection:
            yield Transaction(connection, self._nodes)

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """All that is done within takes effect at the end, or none of it."""
        with (
            translated("write to the history"),
            # Never an idle one: who writes again and again would be back before anyone who waits.
            closing(self._opened("BEGIN IMMEDIATE")[0]) as connection,
        ):
            yield Transaction(connection, self._nodes)
            connection.execute("COMMIT")  # without it, closing takes everything back

    @contextmanager
    def making(self) -> Iterator[Transaction]:
        """`writing`, to a graph that is not there yet. Raises Conflict."""
        with (
            translated("make the history"),
            closing(self._begun("BEGIN IMMEDIATE", mode="rwc")) as connection,
        ):
            if _format(connection) != 0:
                raise Conflict(
                    f"{self.path.parent} is a repository already.",
                    hint="Use it as it is, or choose another folder.",
                )
            for statement in _SCHEMA:
                connection.execute(statement)
            yield Transaction(connection, self._nodes)
            connection.execute("COMMIT")

    def check(self) -> None:
        """Raise ConfigError unless this is a repository in a format that we know."""
        found = 0
        with translated("open the repository"):
            if self.path.is_file():
                with self._reading() as connection:
                    found = _format(connection)
        if found == 0:
            raise ConfigError(
                f"{self.path.parent} is no repository.",
                hint="`datahub init` begins one here. A history that is elsewhere comes with a "
                "copy of its .datahub, or by `datahub git import`.",
            )
        if found != FORMAT:
            raise ConfigError(
                f"{self.path.parent} has format version {found}; this datahub knows {FORMAT}.",
                hint="Upgrade datahub."
                if found > FORMAT
                else "An earlier datahub made it: export the rows with that one, and import them.",
            )

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that has begun to read."""
        file = identity(self.path)
        connection, alone = self._idle.taken(file), False
        if connection is None:
            connection, alone = self._opened("BEGIN")
        try:
            if not connection.in_transaction:
                connection.execute("BEGIN")
                _format(connection)  # a plain BEGIN has read nothing yet
            yield connection
            connection.execute("ROLLBACK")
        except BaseException:
            connection.close()
            raise
        if alone:
            connection.close()
        else:
            self._idle.give(connection, file)

    def _opened(self, begin: str) -> tuple[sqlite3.Connection, bool]:
        """A connection that has begun, and whether nobody else may have one meanwhile.

        So it is on a full disk: that makes no file of shared memory.
        """
        try:
            return self._begun(begin), False
        except sqlite3.OperationalError as error:
            if not no_room(error):
                raise
            return self._begun(begin, locking="EXCLUSIVE"), True

    def _begun(
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
            connection.execute(begin)
            _format(connection)  # a plain BEGIN has read nothing yet
        except BaseException:
            connection.close()
            raise
        return connection


def _format(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
