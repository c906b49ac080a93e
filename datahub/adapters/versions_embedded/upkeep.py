"""fsck and gc: what is damaged, and what nothing reaches any more.

Nodes and commits are added in the transaction that names them, so what no name reaches is
not on its way in. Objects are stored before their commit: their age decides, and storing
one again makes it new.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from dulwich.objects import ObjectID

from datahub.adapters.versions_embedded import commits, trees
from datahub.adapters.versions_embedded.transaction import Transaction
from datahub.core import objecttree
from datahub.core.errors import StorageError
from datahub.core.versions import Collected, CommitId, Damage, ObjectId
from datahub.machine.bytes.files import ObjectFiles
from datahub.machine.faults import damage_error


class Walk:
    """Everything that some commits reach, each thing once, and what is wrong on the way."""

    def __init__(self, graph: Transaction) -> None:
        self._graph = graph
        self.commits: set[CommitId] = set()
        self.nodes: set[objecttree.NodeId] = set()
        self.objects: dict[ObjectId, str] = {}  # where it was met first
        self.damages: list[Damage] = []

    def reach(self, name: str, start: CommitId) -> None:
        """Walk from one commit that `name` leads to."""
        stack, where = [start], name  # `where`: the name itself, or a commit before
        while stack:
            commit_id = stack.pop()
            if commit_id in self.commits:
                continue
            self.commits.add(commit_id)
            try:
                commit = commits.read(self._graph, commit_id)
                tree = self._graph.commit(commit_id).tree
            except StorageError as error:
                kind = "ref" if where == name else "commit"
                self._report(kind, commit_id, error, where)
                continue
            self._reach_tree(tree.decode(), f"commit {commit_id[:12]}")
            stack += commit.parents
            where = f"commit {commit_id[:12]}"

    def _reach_tree(self, tree: str, where: str) -> None:
        if tree in self.nodes:
            return
        self.nodes.add(tree)
        try:
            pair = trees.roots(self._graph, ObjectID(tree.encode()))
        except StorageError as error:
            self._report("node", tree, error, where)
            return
        for root in (pair.content, pair.own):
            self._reach_node(root, where)
        try:
            trees.check_parted(self._graph, pair)
        except StorageError as error:
            self._report("node", tree, error, where)

    def _reach_node(
        self, node_id: objecttree.NodeId, where: str, *, first: str = "", level: int | None = None
    ) -> None:
        """`first` and `level` are what the node above says of it."""
        if node_id in self.nodes:
            return
        self.nodes.add(node_id)
        try:
            node = self._graph.node(node_id)
        except StorageError as error:
            self._report("node", node_id, error, where)
            return
        if level is not None and (node.level != level or node.keys[:1] != [first]):
            self._report(
                "node", node_id, damage_error("It is not what the node above says."), where
            )
        if list(node.keys) != sorted(set(node.keys)):
            self._report("node", node_id, damage_error("Its paths are not in order."), where)
        for key, oid in zip(node.keys, node.ids, strict=True):
            if node.level:
                self._reach_node(oid, where, first=key, level=node.level - 1)
            else:
                self.objects.setdefault(oid, f"{where}, {key}")

    def _report(self, kind: str, thing: str, error: StorageError, where: str) -> None:
        self.damages.append(Damage(kind, thing, error.message, where))  # type: ignore[arg-type]


def check(graph: Transaction, files: ObjectFiles, *, deep: bool) -> list[Damage]:
    """All that is wrong with what is reached. `graph` has read nothing yet."""
    damages = [Damage("database", "versions.db", fault, "") for fault in graph.faults()]
    walk = Walk(graph)
    for name, commit_id in graph.roots().items():
        if not name.startswith("deleted "):
            walk.reach(name, commit_id)
    damages += [*walk.damages, *_generations(graph, walk.commits)]
    missing = set() if deep else files.missing(walk.objects)
    for oid, where in walk.objects.items():
        fault = files.fault(oid) if deep or oid in missing else None
        if fault is not None:
            damages.append(Damage("object", oid, fault, where))
    return damages


def _generations(graph: Transaction, commit_ids: set[CommitId]) -> Iterator[Damage]:
    """Commits whose stored generation is not 1 + the greatest of their parents'.

    The order of a merge base rests on it, and it is in no id.
    """
    generations = graph.generations()
    right: dict[CommitId, int] = {}
    stack = sorted(commit_ids & generations.keys(), key=generations.__getitem__, reverse=True)
    while stack:
        commit_id = stack[-1]
        try:
            parents = [parent.decode() for parent in graph.commit(commit_id).parents]
        except StorageError:
            parents = []  # the walk has said what is wrong with it
        unknown = [p for p in parents if p not in right and p in generations]
        if unknown and commit_id not in right:
            stack += unknown
            continue
        stack.pop()
        if commit_id in right:
            continue
        right[commit_id] = 1 + max((right.get(parent, 0) for parent in parents), default=0)
        if generations[commit_id] != right[commit_id]:
            yield Damage(
                "commit",
                commit_id,
                f"its generation is {right[commit_id]}, and {generations[commit_id]} is stored",
                "versions.db",
            )


@dataclass(frozen=True)
class Dead:
    """What nothing reaches, and nothing has reached since a time."""

    before: datetime
    commits: set[CommitId]
    nodes: set[objecttree.NodeId]
    objects: dict[ObjectId, int]  # with their sizes
    leases: int
    at_work: int

    def count(self) -> Collected:
        """How many there are."""
        return Collected(
            commits=len(self.commits),
            nodes=len(self.nodes),
            objects=len(self.objects),
            bytes=sum(self.objects.values()),
            leases=self.leases,
            at_work=self.at_work,
        )


def dead(graph: Transaction, files: ObjectFiles, *, before: datetime) -> Dead:
    """Find it; to remove it, within a transaction that keeps writers out.

    The time is that when the first of the others at work began, if it was earlier than `before`.
    Raises StorageError where the history is damaged.
    """
    before, at_work = files.running.since(before)
    walk = Walk(graph)
    for name, commit_id in graph.roots(since=_iso(before)).items():
        walk.reach(name, commit_id)
    if walk.damages:
        raise StorageError(
            f"The history is damaged: {walk.damages[0].what}",
            hint="`datahub fsck` lists the damage. Nothing is removed until it is repaired.",
        )
    old = files.older(before.timestamp())
    return Dead(
        before,
        graph.all_ids("commit") - walk.commits,
        graph.all_ids("node") - walk.nodes,
        {oid: size for oid, size in old if oid not in walk.objects},
        graph.leases_before(_iso(before)),
        at_work,
    )


def remove(files: ObjectFiles, dead: Dead) -> int:
    """Remove objects; return how many.

    A commit of one would come after this transaction, and looks for it again.
    """
    for oid in dead.objects:
        files.remove(oid, stored_before=dead.before.timestamp())
    return len(dead.objects)


def cut_short(count: int, error: StorageError) -> StorageError:
    """The error for objects that are gone, and a history that could not be written."""
    return StorageError(
        f"{count} objects were removed. The history could not be made shorter: {error.message}",
        hint="Run `datahub gc` again: there may be room now.",
    )


def forget(graph: Transaction, dead: Dead) -> None:
    """Remove the rest."""
    graph.discard("commit", dead.commits)
    graph.discard("node", dead.nodes)
    graph.forget_before(_iso(dead.before))


def _iso(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds")
