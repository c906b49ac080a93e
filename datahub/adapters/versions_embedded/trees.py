"""What a commit holds: one search tree of the user's objects, one of datahub's own.

The tree that a commit names is a short text with the roots of both, so that the root of
the first is the content id. Nodes are those of core.objecttree.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from dulwich.objects import ObjectID

from datahub.adapters.versions_embedded.transaction import Transaction
from datahub.core import objecttree
from datahub.core.errors import InputError
from datahub.core.layout import OWN
from datahub.core.versions import Change, Changes, CommitId, ObjectId
from datahub.machine.faults import damage_error

_MOST = 256  # commits that are looked at together


@dataclass(frozen=True)
class Roots:
    """The two trees of a commit."""

    content: objecttree.NodeId
    own: objecttree.NodeId

    def body(self) -> bytes:
        """What is stored."""
        return f"content {self.content}\nown {self.own}\n".encode()


def roots(graph: Transaction, tree: ObjectID) -> Roots:
    """The roots that a commit's tree names. Raises StorageError."""
    text = graph.body(tree.decode())
    ids = re.fullmatch(rb"content ([0-9a-f]{64})\nown ([0-9a-f]{64})\n", text)
    if ids is None:
        raise damage_error(f"Tree {tree.decode()} is not one of datahub.")
    return Roots(ids[1].decode(), ids[2].decode())


def check_parted(graph: Transaction, pair: Roots) -> None:
    """Raise StorageError unless each of the two trees holds what belongs there.

    A content id is of the first: what lay in the other beside datahub's own would be judged by
    nobody. A verdict is read from the second.
    """
    own = objecttree.entries(pair.own, graph.node)
    strange = next((path for path, _ in own if not path.startswith(OWN)), None)
    strange = strange or next((p for p, _ in objecttree.entries(pair.content, graph.node, OWN)), "")
    if strange:
        raise damage_error(f"A tree of the history holds {strange!r} where it does not belong.")


def objects_of(graph: Transaction, tree: ObjectID, prefix: str = "") -> dict[str, ObjectId]:
    """Path -> object id, by path; only nodes that may hold the prefix are read."""
    pair = roots(graph, tree)
    check_parted(graph, pair)
    content = dict(objecttree.entries(pair.content, graph.node, prefix))
    own = dict(objecttree.entries(pair.own, graph.node, prefix))
    return dict(sorted({**content, **own}.items())) if own else content


def finder(graph: Transaction, tree: ObjectID) -> Callable[[str], ObjectId | None]:
    """A function path -> the object there, for as many paths as one likes."""
    pair = roots(graph, tree)

    def find(path: str) -> ObjectId | None:
        root = pair.own if path.startswith(OWN) else pair.content
        return objecttree.object_at(root, path, graph.node)

    return find


def new_objects(
    graph: Transaction, changes: Changes, sides: Sequence[ObjectID]
) -> dict[str, ObjectId]:
    """What changes set that none of these trees holds there."""
    finders = [finder(graph, side) for side in sides]
    return {
        path: oid
        for path, oid in changes.items()
        if oid is not None and all(at(path) != oid for at in finders)
    }


def changes_of(graph: Transaction, old: ObjectID, new: ObjectID, prefix: str = "") -> list[Change]:
    """What differs under a prefix, by path."""
    was, now = roots(graph, old), roots(graph, new)
    check_parted(graph, now)
    differences = objecttree.differences(was.content, now.content, graph.node, prefix)
    differences += objecttree.differences(was.own, now.own, graph.node, prefix)
    return [Change(*difference) for difference in sorted(differences)]


class ChangeFilter:
    """Which commits hold something else under a prefix than each of their parents does."""

    def __init__(self, graph: Transaction, prefix: str) -> None:
        self._graph = graph
        self._prefix = prefix
        self._roots: dict[str, objecttree.NodeId] = {}  # by tree: a parent is soon asked itself

    def of(self, commit_ids: Iterator[CommitId]) -> Iterator[CommitId]:
        """Those of these commits, in order; more and more of them are looked at together."""
        size = 1
        while chunk := list(islice(commit_ids, size)):
            links = [self._graph.link(commit_id) for commit_id in chunk]
            links += [self._graph.link(parent) for link in links for parent in link.parents]
            self._read_roots([link.tree for link in links])
            yield from filter(self._is_touched, chunk)
            size = min(2 * size, _MOST)

    def _is_touched(self, commit_id: CommitId) -> bool:
        """Whether a commit is one; a first one: whether it holds anything there."""
        link = self._graph.link(commit_id)
        root = self._roots[link.tree]
        if not link.parents:
            return _holds(self._graph, root, self._prefix)
        before = (self._roots[self._graph.link(parent).tree] for parent in link.parents)
        return all(objecttree.differ(old, root, self._graph.node, self._prefix) for old in before)

    def _read_roots(self, names: Sequence[str]) -> None:
        """The roots of the trees that a path with this prefix is in, with their nodes."""
        new = [name for name in dict.fromkeys(names) if name not in self._roots]
        self._graph.read_ahead(new)
        for name in new:
            pair = roots(self._graph, ObjectID(name.encode()))
            self._roots[name] = pair.own if self._prefix.startswith(OWN) else pair.content
        self._graph.read_ahead(self._roots[name] for name in names)


def edit(graph: Transaction, tree: ObjectID | None, changes: Changes) -> ObjectID:
    """Write `changes` into a tree (None: an empty one); return the new one's id.

    Raises InputError where a path would be a file and a folder at once.
    """
    if tree is None:
        empty, nodes = objecttree.build({})
        graph.add_bodies(nodes)
        old = Roots(empty, empty)
    else:
        old = roots(graph, tree)
    own = {path: oid for path, oid in changes.items() if path.startswith(OWN)}
    content = {path: oid for path, oid in changes.items() if path not in own} if own else changes
    new = Roots(_edit_tree(graph, old.content, content), _edit_tree(graph, old.own, own))
    _check_apart(graph, old.content, new.content, content)
    tree_id = objecttree.node_id(new.body())
    graph.add_bodies({tree_id: new.body()})
    return ObjectID(tree_id.encode())


def _edit_tree(graph: Transaction, root: objecttree.NodeId, changes: Changes) -> objecttree.NodeId:
    new, nodes = objecttree.edit(root, changes, graph.node)
    graph.add_bodies(nodes)
    return new


def _check_apart(
    graph: Transaction, old: objecttree.NodeId, new: objecttree.NodeId, changes: Changes
) -> None:
    """No path that was set is a folder too, and none lies in a file."""
    files = [path for path, oid in changes.items() if oid is not None]
    folders = {folder for path in files for folder in _folders(path)}
    clash = next((path for path in files if path in folders), None)
    clash = clash or next((f for f in folders if objecttree.object_at(new, f, graph.node)), None)
    if clash is None:
        old_folders = {f for f in folders if _holds(graph, old, f + "/")} | {""}
        if next(objecttree.entries(old, graph.node), None) is not None:
            below = (p for p in files if p.rpartition("/")[0] in old_folders)
            clash = next((p for p in below if _holds(graph, new, p + "/")), None)
    if clash is not None:
        raise InputError(
            f"{clash!r} would be a file and a folder at once.",
            hint="Remove the one in the same commit, or choose another path.",
        )


def _folders(path: str) -> list[str]:
    pieces = path.split("/")
    return ["/".join(pieces[:i]) for i in range(1, len(pieces))]


def _holds(graph: Transaction, root: objecttree.NodeId, prefix: str) -> bool:
    return next(objecttree.entries(root, graph.node, prefix), None) is not None
