"""Nested trees: a flat mapping of paths is read from them, and changes are written into them.

A change writes the trees on its way to the root and no other.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass, field

from dulwich.objects import ObjectID, Tree

from datahub.adapters.versions_embedded.graph import Transaction
from datahub.core.errors import InputError
from datahub.core.versions import Changes, ObjectId

_FILE = stat.S_IFREG | 0o644
_FOLDER = stat.S_IFDIR


def objects_of(graph: Transaction, root: ObjectID, prefix: str = "") -> dict[str, ObjectId]:
    """Path -> object id, by path; only trees that may hold the prefix are read."""
    found: dict[str, ObjectId] = {}
    waiting = [("", root)]
    while waiting:
        above, tree_id = waiting.pop()
        for name, mode, object_id in graph.tree(tree_id).iteritems():
            path = above + name.decode()
            if mode == _FOLDER:
                path += "/"
                if path.startswith(prefix) or prefix.startswith(path):
                    waiting.append((path, ObjectID(object_id)))
            elif path.startswith(prefix):
                found[path] = object_id.decode()
    return dict(sorted(found.items()))


@dataclass
class _Edit:
    """What becomes of one name: a file set or taken away, and edits of what lies below it."""

    oid: ObjectId | None = None
    removed: bool = False
    below: dict[str, _Edit] = field(default_factory=dict)


def edited(graph: Transaction, root: ObjectID | None, changes: Changes) -> ObjectID:
    """Write `changes` into a tree (None: an empty one); return the new root's id.

    Raises InputError where a path would be a file and a folder at once.
    """
    top = _Edit()
    for path, oid in changes.items():
        edit = top
        for piece in path.split("/"):
            edit = edit.below.setdefault(piece, _Edit())
        edit.oid, edit.removed = oid, oid is None
    return _edited(graph, root, top.below, "") or graph.add_tree(Tree())


def _edited(
    graph: Transaction, tree_id: ObjectID | None, edits: Mapping[str, _Edit], above: str
) -> ObjectID | None:
    tree = Tree() if tree_id is None else graph.tree(tree_id)
    for piece, edit in edits.items():
        name, path = piece.encode(), above + piece
        mode, old = tree[name] if name in tree else (0, None)  # noqa: SIM401 (no mapping)
        file = old if mode == _FILE and not edit.removed else None
        folder = old if mode == _FOLDER else None
        if edit.below:
            folder = _edited(graph, folder, edit.below, path + "/")
        if edit.oid is not None:
            file = ObjectID(edit.oid.encode())
        if file is not None and folder is not None:
            raise InputError(
                f"{path!r} would be a file and a folder at once.",
                hint="Remove the one in the same commit, or choose another path.",
            )
        if file is not None:
            tree[name] = (_FILE, file)
        elif folder is not None:
            tree[name] = (_FOLDER, folder)
        elif name in tree:
            del tree[name]
    return graph.add_tree(tree) if len(tree) else None
