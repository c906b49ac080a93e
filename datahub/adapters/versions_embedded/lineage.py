"""How commits hang together: their order in a history, and their best common ancestor.

Both walk by generation, which is greater for a commit than for any of its ancestors, and so
read no more of a history than they need. Clocks decide nothing but which of two commits is
shown first where neither comes after the other.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

from datahub.adapters.versions_embedded import commits
from datahub.adapters.versions_embedded.transaction import Transaction
from datahub.core.errors import InputError
from datahub.core.versions import CommitId
from datahub.machine.faults import damage_error

_LEFT, _RIGHT, _BELOW = 1, 2, 4  # reached from one side, from the other, by way of a common one


def history(graph: Transaction, start: CommitId) -> Iterator[CommitId]:
    """The commit itself and all its ancestors: children before parents, else the newest first."""
    children = Children(graph, start)
    ready = _NewestFirst(graph)
    ready.push(start)
    while ready:
        commit_id = ready.pop()
        yield commit_id
        for parent in _parents(graph, commit_id):
            if children.show_child(parent):
                ready.push(parent)


def merge_base(graph: Transaction, ours: CommitId, theirs: CommitId) -> CommitId:
    """The best common ancestor, the same whichever side asks. Raises InputError."""
    marks = {ours: _LEFT}
    marks[theirs] = marks.get(theirs, 0) | _RIGHT
    heap = [(-graph.link(commit_id).generation, commit_id) for commit_id in marks]
    heapq.heapify(heap)
    bases: list[tuple[int, CommitId]] = []
    pending = len(heap)  # of those that wait, how many are not below a common one
    while pending and heap:
        rank, commit_id = heapq.heappop(heap)
        mark = marks[commit_id]
        pending -= not mark & _BELOW
        if mark == _LEFT | _RIGHT:
            bases.append((-rank, commit_id))
            mark |= _BELOW
        for entry in _ranked(graph, commit_id):
            before = marks.get(entry[1])
            marks[entry[1]] = after = (before or 0) | mark
            if before is None:
                heapq.heappush(heap, entry)
                pending += not after & _BELOW
            else:
                pending -= bool(after & _BELOW) and not before & _BELOW
    if not bases:
        raise InputError(
            f"{ours[:12]} and {theirs[:12]} share no history.",
            hint="Import the other's rows into a branch of this repository instead.",
        )
    return max(bases)[1]


def _parents(graph: Transaction, commit_id: CommitId) -> Sequence[CommitId]:
    """A commit's parents. Raises StorageError as `_ranked` does."""
    return [parent for _, parent in _ranked(graph, commit_id)]


def _ranked(graph: Transaction, commit_id: CommitId) -> list[tuple[int, CommitId]]:
    """(generation, parent), negative: for a heap. Raises StorageError for a wrong generation.

    Where it is not below that of a child, a history would lack commits, and say nothing.
    """
    link = graph.link(commit_id)
    entries = [(-graph.link(parent).generation, parent) for parent in link.parents]
    for rank, _ in entries:
        if -rank >= link.generation:
            raise damage_error(f"The history has a wrong generation for commit {commit_id}.")
    return entries


class Children:
    """How many children of each commit are still to be shown, as far as it was looked."""

    def __init__(self, graph: Transaction, start: CommitId) -> None:
        self._graph = graph
        self._count = {start: 0}
        self._waiting = [(-graph.link(start).generation, start)]

    def show_child(self, parent: CommitId) -> bool:
        """One child of a commit was shown: whether that was the last."""
        self._look(self._graph.link(parent).generation)
        self._count[parent] -= 1
        return self._count[parent] == 0

    def _look(self, generation: int) -> None:
        """Count the parents of all commits above a generation: no other is a child of one in it."""
        while self._waiting and -self._waiting[0][0] > generation:
            for rank, parent in _ranked(self._graph, heapq.heappop(self._waiting)[1]):
                if parent not in self._count:
                    self._count[parent] = 0
                    heapq.heappush(self._waiting, (rank, parent))
                self._count[parent] += 1


class _NewestFirst:
    """Commits of which none comes after another; the time of one that waits alone is not read."""

    def __init__(self, graph: Transaction) -> None:
        self._graph = graph
        self._alone: CommitId | None = None
        self._several: list[tuple[float, CommitId]] = []

    def __bool__(self) -> bool:
        return self._alone is not None or bool(self._several)

    def push(self, commit_id: CommitId) -> None:
        """Let one more wait."""
        if not self:
            self._alone = commit_id
            return
        for entry in (self._alone, commit_id):
            if entry is not None:
                time = commits.read(self._graph, entry).time.timestamp()
                heapq.heappush(self._several, (-time, entry))
        self._alone = None

    def pop(self) -> CommitId:
        """The newest."""
        if self._alone is not None:
            commit_id, self._alone = self._alone, None
            return commit_id
        return heapq.heappop(self._several)[1]
