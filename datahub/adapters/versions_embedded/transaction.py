"""One transaction on the graph: nodes of trees, commits, heads, tags, leased candidates."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from dulwich.errors import ChecksumMismatch, ObjectFormatException
from dulwich.object_format import SHA256
from dulwich.objects import Commit, ObjectID

from datahub.core import objecttree
from datahub.core.errors import BranchNotFound, NotFound, TagNotFound
from datahub.core.objecttree import Node, NodeId
from datahub.core.versions import CommitId
from datahub.machine.faults import damage_error

# Made when it is first needed: earlier repositories have none, and earlier datahubs ignore it.
_STOOD = "CREATE TABLE IF NOT EXISTS stood (branch TEXT NOT NULL, head TEXT NOT NULL)"
_NODE_LIMIT = 2000  # nodes in memory: some 50 MB
_LINK_LIMIT = 50_000  # commits in memory: some 50 MB
_ONE_BY_ONE = 16  # commits that a walk reads each by itself; then it reads many at a time
_GENERATIONS = 128  # that it reads at a time, and four times as many each time after
_AT_ONCE = 500  # nodes that are read together
_NOW = "strftime('%Y-%m-%dT%H:%M:%S+00:00', 'now')"


@dataclass(frozen=True)
class Landing:
    """How a candidate is to land: with one parent or two, and with which metadata of its own."""

    squash: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)


class Link(NamedTuple):
    """A commit as it is stored: the order of a history and its trees, without more of git."""

    generation: int  # 1 for a root, else more than any parent's
    tree: str
    parents: tuple[CommitId, ...]
    body: bytes


@dataclass(frozen=True)
class Read:
    """What was read and checked before. None of it ever changes."""

    nodes: dict[NodeId, Node] = field(default_factory=dict)
    links: dict[CommitId, Link] = field(default_factory=dict)


class Transaction:
    """What may be asked of the graph, and added to it, within one transaction."""

    def __init__(self, connection: sqlite3.Connection, read: Read) -> None:
        self._connection = connection
        self._nodes = read.nodes
        self._links = read.links
        self._alone = 0  # commits that were read each by itself
        self._unchecked: dict[CommitId, tuple[int, object]] = {}  # read with others
        self._generations = _GENERATIONS
        self._bodies: dict[NodeId, object] = {}  # of nodes that were read with others

    def body(self, node_id: NodeId) -> bytes:
        """What is stored under an id, checked against it. Raises StorageError."""
        body = self._bodies.pop(node_id, None)
        if body is None:
            body = self._value("SELECT body FROM node WHERE id = ?", node_id)
        if not isinstance(body, bytes):
            raise damage_error(f"The history lacks node {node_id}.")
        if objecttree.node_id(body) != node_id:
            raise damage_error(
                f"The history holds other bytes for node {node_id} than were stored."
            )
        return body

    def node(self, node_id: NodeId) -> Node:
        """A node of a tree. Raises StorageError."""
        node = self._nodes.get(node_id)
        if node is None:
            try:
                node = objecttree.decode(self.body(node_id))
            except ValueError as error:
                raise damage_error(f"What is stored as {node_id} is no node of a tree.") from error
            if len(self._nodes) >= _NODE_LIMIT:
                self._nodes.clear()
            self._nodes[node_id] = node
        return node

    def read_ahead(self, node_ids: Iterable[NodeId]) -> None:
        """Read nodes together that will be asked for. Each is checked when it is."""
        ids = [node_id for node_id in dict.fromkeys(node_ids) if node_id not in self._nodes]
        self._bodies.clear()
        for start in range(0, len(ids), _AT_ONCE):
            chunk = ids[start : start + _AT_ONCE]
            query = f"SELECT id, body FROM node WHERE id IN ({', '.join('?' * len(chunk))})"
            self._bodies.update(self._connection.execute(query, chunk))

    def add_bodies(self, bodies: Mapping[NodeId, bytes]) -> None:
        """Add what is not there."""
        self._connection.executemany("INSERT OR IGNORE INTO node VALUES (?, ?)", bodies.items())

    def commit(self, commit_id: CommitId) -> Commit:
        """A commit, checked against its id."""
        body = self._value('SELECT body FROM "commit" WHERE id = ?', commit_id)
        if not isinstance(body, bytes):
            raise damage_error(f"The history lacks commit {commit_id}.")
        commit, object_id = Commit(), ObjectID(commit_id.encode())
        try:
            commit.set_raw_chunks([body], object_format=SHA256, verify_sha=object_id)
        except (ChecksumMismatch, ObjectFormatException, ValueError) as error:
            raise damage_error(
                f"The history holds other bytes for commit {commit_id} than were stored."
            ) from error
        return commit

    def link(self, commit_id: CommitId) -> Link:
        """How a commit hangs together with others, checked against its id. Raises StorageError.

        A walk goes from children to parents, so those of the generations before are read with it.
        """
        link = self._links.get(commit_id)
        if link is None:
            alone = self._alone
            link = self._read_link(commit_id)
            if _ONE_BY_ONE < self._alone != alone:
                self._read_before(link.generation)
        return link

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
        generation = self._value('SELECT generation FROM "commit" WHERE id = ?', commit_id)
        if generation is None:
            raise damage_error(f"The history lacks commit {commit_id}.")
        return int(str(generation))

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
        head = self._value("SELECT head FROM branch WHERE name = ?", branch)
        if head is None:
            raise BranchNotFound(branch)
        return str(head)

    def set_head(self, branch: str, commit_id: CommitId) -> None:
        """Point a branch, new or not, at a commit."""
        self._connection.execute("INSERT OR REPLACE INTO branch VALUES (?, ?)", (branch, commit_id))

    def stood(self, branch: str) -> list[CommitId]:
        """Heads at which a branch was guarded, and from which it did not go on by commits."""
        if self._value("SELECT 1 FROM sqlite_master WHERE name = ?", "stood") is None:
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
        terms = json.dumps({"squash": landing.squash, "metadata": dict(landing.metadata)})
        self._connection.execute(
            f"INSERT INTO candidate VALUES (?, ?, {_NOW}, ?)", (candidate, into, terms)
        )

    def landing(self, candidate: CommitId) -> Landing:
        """How a leased candidate is to land."""
        terms = self._value("SELECT landing FROM candidate WHERE id = ?", candidate)
        return Landing(**json.loads(str(terms)))

    def destination(self, candidate: CommitId) -> str:
        """The branch a leased candidate is for. Raises NotFound."""
        branch = self._value("SELECT destination FROM candidate WHERE id = ?", candidate)
        if branch is None:
            raise NotFound(
                f"There is no candidate {candidate[:12]}: it has landed or was dropped.",
                hint="Merge again: that makes a new candidate and judges it.",
            )
        return str(branch)

    def release(self, candidate: CommitId) -> None:
        """Forget a candidate."""
        self._forget("candidate", "id", "id", candidate)

    def roots(self, *, since: str = "") -> dict[str, CommitId]:
        """What is to be kept, by what keeps it: refs, and leases and lost names since a time."""
        roots = {f"branch {name}": head for name, head in self.heads().items()}
        roots |= {f"tag {name}": target for name, target in self.tags().items()}
        for query in (
            "SELECT 'candidate ' || id, id FROM candidate WHERE leased >= ?",
            "SELECT 'deleted ' || target, target FROM gone WHERE time >= ?",
        ):
            roots.update(self._connection.execute(query, (since,)))
        return roots

    def all_ids(self, table: Literal["node", "commit"]) -> set[str]:
        """The ids of all that is there."""
        return {row[0] for row in self._connection.execute(f'SELECT id FROM "{table}"')}

    def discard(self, table: Literal["node", "commit"], ids: Iterable[str]) -> None:
        """Take away what nothing reaches."""
        self._connection.executemany(f'DELETE FROM "{table}" WHERE id = ?', ((i,) for i in ids))

    def leases_before(self, time: str) -> int:
        """How many candidates were leased before a time."""
        count = self._value("SELECT count(*) FROM candidate WHERE leased < ?", time)
        return int(str(count))

    def forget_before(self, time: str) -> None:
        """Take away leases and lost names of before a time."""
        self._connection.execute("DELETE FROM gone WHERE time < ?", (time,))
        self._connection.execute("DELETE FROM candidate WHERE leased < ?", (time,))

    def faults(self) -> list[str]:
        """What SQLite finds wrong with its file."""
        rows = [str(row[0]) for row in self._connection.execute("PRAGMA quick_check")]
        return [row for row in rows if row != "ok"]

    def _read_link(self, commit_id: CommitId) -> Link:
        row = self._unchecked.pop(commit_id, None)
        if row is None:
            query = 'SELECT generation, body FROM "commit" WHERE id = ?'
            row = self._connection.execute(query, (commit_id,)).fetchone()
            self._alone += 1
        if row is None or not isinstance(row[1], bytes):
            raise damage_error(f"The history lacks commit {commit_id}.")
        link = _parse(commit_id, row[0], row[1])
        if link is None:
            raise damage_error(
                f"The history holds other bytes for commit {commit_id} than were stored."
            )
        if len(self._links) >= _LINK_LIMIT:
            self._links.clear()
        self._links[commit_id] = link
        return link

    def _read_before(self, generation: int) -> None:
        """Read all commits of the generations before one. Each is checked when it is asked for."""
        rows = self._connection.execute(
            'SELECT id, generation, body FROM "commit" WHERE generation BETWEEN ? AND ?',
            (generation - self._generations, generation - 1),
        )
        self._unchecked.update({row[0]: row[1:] for row in rows})
        self._generations *= 4

    def _forget(self, table: str, key: str, target: str, name: str) -> int:
        """Delete a name, and remember what it named and when it went."""
        self._connection.execute(
            f"INSERT INTO gone SELECT {target}, {_NOW} FROM {table} WHERE {key} = ?",
            (name,),
        )
        cursor = self._connection.execute(f"DELETE FROM {table} WHERE {key} = ?", (name,))
        return cursor.rowcount

    def _value(self, query: str, argument: str) -> object:
        row = self._connection.execute(query, (argument,)).fetchone()
        return None if row is None else row[0]


def _parse(commit_id: CommitId, generation: int, body: bytes) -> Link | None:
    """A commit as git writes one, if these are the bytes that its id names."""
    if hashlib.sha256(b"commit %d\0%b" % (len(body), body)).hexdigest() != commit_id:
        return None
    parents: tuple[CommitId, ...] = ()
    at = 70  # after "tree", its id and the end of that line
    while body[at : at + 7] == b"parent ":
        parents += (body[at + 7 : at + 71].decode(),)
        at += 72
    return Link(generation, body[5:69].decode(), parents, body)
