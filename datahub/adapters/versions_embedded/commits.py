"""Commits: between ours and dulwich's, their order, and their common ancestor."""

from __future__ import annotations

import datetime as dt
import heapq
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from dulwich import objects
from dulwich.graph import find_merge_base
from dulwich.objects import ObjectID

from datahub.adapters.versions_embedded.graph import Transaction
from datahub.core.errors import InputError
from datahub.core.versions import Commit, CommitId, in_utc
from datahub.machine.faults import damaged

if TYPE_CHECKING:
    from dulwich.repo import BaseRepo

# Ends every message: author, time and metadata to the letter, as ASCII JSON on one line.
_TRAILER = b"\n\nDatahub: "


def written(
    graph: Transaction,
    tree: ObjectID,
    parents: Sequence[CommitId],
    *,
    message: str,
    author: str,
    time: dt.datetime,
    metadata: Mapping[str, str],
) -> CommitId:
    """Add a commit; return its id. The time has a zone: it is kept in UTC."""
    time = in_utc(time)
    exact = {"author": author, "metadata": dict(metadata), "time": time.isoformat()}
    trailer = json.dumps(exact, sort_keys=True, separators=(",", ":"))
    made = objects.Commit()
    made.tree = tree
    made.parents = [ObjectID(parent.encode()) for parent in parents]
    # For git's eyes; a name there holds none of these signs.
    made.author = made.committer = re.sub(r"[<>\n\0]", "", author).encode(errors="replace") + b" <>"
    made.author_time = made.commit_time = int(time.timestamp())
    made.author_timezone = made.commit_timezone = 0
    made.message = message.encode(errors="surrogatepass") + _TRAILER + trailer.encode()
    return graph.add_commit(made)


def read(graph: Transaction, commit_id: CommitId) -> Commit:
    """A commit in our words."""
    found = graph.commit(commit_id)
    message, trailer, exact = found.message.rpartition(_TRAILER)
    if not trailer:
        raise damaged(f"Commit {commit_id} was not written by datahub.")
    told = json.loads(exact)
    return Commit(
        id=commit_id,
        parents=tuple(parent.decode() for parent in found.parents),
        message=message.decode(errors="surrogatepass"),
        author=told["author"],
        time=dt.datetime.fromisoformat(told["time"]),
        metadata=told["metadata"],
    )


def tree(graph: Transaction, commit_id: CommitId) -> ObjectID:
    """The tree that a commit names."""
    return ObjectID(graph.commit(commit_id).tree)


def history(graph: Transaction, start: CommitId) -> Iterator[Commit]:
    """All ancestors and the commit itself: children before parents, else the newest first."""
    found: dict[CommitId, Commit] = {}
    children: dict[CommitId, int] = {start: 0}
    waiting = [start]
    while waiting:
        commit = read(graph, waiting.pop())
        found[commit.id] = commit
        for parent in commit.parents:
            if parent not in children:
                waiting.append(parent)
            children[parent] = children.get(parent, 0) + 1
    ready = [(-found[start].time.timestamp(), start)]
    while ready:
        commit = found[heapq.heappop(ready)[1]]
        yield commit
        for parent in commit.parents:
            children[parent] -= 1
            if children[parent] == 0:
                heapq.heappush(ready, (-found[parent].time.timestamp(), parent))


def merge_base(graph: Transaction, ours: CommitId, theirs: CommitId) -> CommitId:
    """The best common ancestor, the same whichever side asks. Raises InputError."""
    sides = [ObjectID(ours.encode()), ObjectID(theirs.encode())]
    bases = find_merge_base(cast("BaseRepo", _ByGeneration(graph)), sides)
    if not bases:
        raise InputError(
            f"{ours[:12]} and {theirs[:12]} share no history.",
            hint="Import the other's rows into a branch of this repository instead.",
        )
    return max((graph.generation(base.decode()), base.decode()) for base in bases)[1]


class _ByGeneration:
    """As much of a repository as dulwich's merge base asks for.

    It walks by commit time, which clocks (and equal times) put in the wrong order, and stops
    at 1970; so the time that it is told is the generation.
    """

    shallows: frozenset[ObjectID] = frozenset()

    def __init__(self, graph: Transaction) -> None:
        self._graph = graph
        self.object_store = self

    def parents_provider(self) -> _ByGeneration:
        """Itself."""
        return self

    def __getitem__(self, commit_id: ObjectID) -> objects.Commit:
        commit = self._graph.commit(commit_id.decode())
        commit.commit_time = self._graph.generation(commit_id.decode())
        return commit

    def get_parents(
        self, commit_id: ObjectID, commit: objects.Commit | None = None
    ) -> list[ObjectID]:
        """Parents of a commit, which may be at hand."""
        return (commit or self[commit_id]).parents
