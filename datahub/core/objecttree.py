"""The tree of a commit: path -> object id, as a search tree whose shape the paths alone decide.

A node is a run of entries in order of their keys: in a leaf (level 0) path -> object id,
above it first key -> id of the node below. A key begins a new node of level n where the
SHA-256 of the key starts with n + 1 groups of six zero bits: about 64 entries to a node, and
the same mapping is the same tree, in whatever order it was made. So its root names it, two
trees share all that is equal, and work follows what differs. Pure: nodes are read by a
function, and new ones are returned.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass

NodeId = str
Keys = list[str]
_GROUP = 6  # bits: 64 entries to a node
_ID = 32  # bytes


@dataclass(frozen=True)
class Node:
    """One run of entries. `keys` are sorted; `ids[i]` belongs to `keys[i]`."""

    level: int
    keys: Keys
    ids: list[str]


Read = Callable[[NodeId], Node]


def encoded(node: Node) -> bytes:
    """The bytes of a node: level, number of entries, ids, what all keys start with, their rests.

    Raises ValueError where an id is not 64 hexadecimal digits.
    """
    ids = bytes.fromhex("".join(node.ids))
    if len(ids) != _ID * len(node.ids):
        raise ValueError("An id is no SHA-256.")
    shared = _shared(node.keys[0], node.keys[-1]) if node.keys else ""
    rests = "\0".join([shared, *[key[len(shared) :] for key in node.keys]])
    return bytes([node.level]) + len(node.ids).to_bytes(4, "big") + ids + rests.encode()


def decoded(body: bytes) -> Node:
    """What `encoded` wrote. Raises ValueError for anything else."""
    if len(body) < 5:
        raise ValueError("A node ends early.")
    count = int.from_bytes(body[1:5], "big")
    end = 5 + _ID * count
    digits = body[5:end].hex()
    shared, *rests = body[end:].decode().split("\0")
    if len(rests) != count or len(digits) != 2 * _ID * count:
        raise ValueError("A node holds another number of entries than it says.")
    ids = [digits[i : i + 2 * _ID] for i in range(0, len(digits), 2 * _ID)]
    return Node(body[0], [shared + rest for rest in rests], ids)


def node_id(body: bytes) -> NodeId:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(body).hexdigest()


def begins(key: str, level: int) -> bool:
    """Whether a node of this level begins with `key`, whatever stands before it."""
    digest = hashlib.sha256(key.encode()).digest()
    if digest[0] >> (8 - _GROUP):
        return False
    bits = _GROUP * (level + 1)
    return int.from_bytes(digest, "big") >> (8 * _ID - bits) == 0


def built(objects: Mapping[str, str]) -> tuple[NodeId, dict[NodeId, bytes]]:
    """The tree of a mapping: its root, and all its nodes.

    >>> one = built({"a": "0" * 64, "b": "1" * 64})
    >>> one == built({"b": "1" * 64, "a": "0" * 64})
    True
    """
    made: dict[NodeId, bytes] = {}
    keys = sorted(objects)
    return _raised(_written(0, keys, [objects[key] for key in keys], made), 0, made), made


def entries(root: NodeId, read: Read, prefix: str = "") -> Iterator[tuple[str, str]]:
    """(path, object id) under a prefix, in order; only nodes that may hold it are read."""
    node = read(root)
    for key, oid in _under(node, prefix):
        if node.level == 0:
            yield key, oid
        else:
            yield from entries(oid, read, prefix)


def found(root: NodeId, path: str, read: Read) -> str | None:
    """The object id at a path."""
    node = read(root)
    while node.level:
        node = read(node.ids[max(0, bisect_right(node.keys, path) - 1)])
    at = bisect_left(node.keys, path)
    return node.ids[at] if node.keys[at : at + 1] == [path] else None


def differences(
    old: NodeId, new: NodeId, read: Read, prefix: str = ""
) -> list[tuple[str, str | None, str | None]]:
    """(path, old, new) of what differs under a prefix; equal nodes are not read."""
    sides = [{old}, {new}]
    level = [read(root).level for root in (old, new)]
    while sides[0] != sides[1]:
        shared = sides[0] & sides[1]
        sides = [side - shared for side in sides]
        if level == [0, 0]:
            break
        highest = max(level)
        for i in (0, 1):
            if level[i] == highest:
                nodes = [read(node) for node in sides[i]]
                sides[i] = {below for node in nodes for _, below in _under(node, prefix)}
                level[i] -= 1
    else:
        return []
    was, now = (
        {key: oid for node in side for key, oid in _under(read(node), prefix)} for side in sides
    )
    paths = sorted(path for path in was.keys() | now.keys() if was.get(path) != now.get(path))
    return [(path, was.get(path), now.get(path)) for path in paths]


def edited(
    root: NodeId, changes: Mapping[str, str | None], read: Read
) -> tuple[NodeId, dict[NodeId, bytes]]:
    """The tree after changes (None takes a path away): its root, and the nodes to add."""
    made: dict[NodeId, bytes] = {}

    def reading(node: NodeId) -> Node:
        return decoded(made[node]) if node in made else read(node)

    edits, level, top = dict(changes), 0, read(root).level
    while edits and level < top:
        edits = _edited_level(root, level, edits, read, made)
        level += 1
    if not edits:
        return root, {}
    nodes = _edited_level(root, top, edits, read, made)
    raised = _raised({key: node for key, node in nodes.items() if node is not None}, top, made)
    return _lowered(raised, reading), made


def _edited_level(
    root: NodeId,
    level: int,
    edits: Mapping[str, str | None],
    read: Read,
    made: dict[NodeId, bytes],
) -> dict[str, str | None]:
    """Edit the nodes of one level; return what that does to the entries of the level above.

    From the last node to the first: what no longer begins a node goes to the end of the node
    before it.
    """
    above: dict[str, str | None] = {}
    waiting = sorted(edits)
    carried: dict[str, str] = {}
    inside: set[str] = set()
    beneath: str | None = None  # the first key of the node that has just been taken apart
    while waiting or beneath is not None:
        last = waiting[-1] if waiting else None
        key, strictly = (last or "", False) if beneath is None else (beneath, True)
        node, node_key, first = _node_at(root, level, key, strictly, read)
        mine = dict(zip(node.keys, node.ids, strict=True))
        while waiting and (first or waiting[-1] >= node.keys[0]):
            path = waiting.pop()
            oid = edits[path]
            if oid is None:
                mine.pop(path, None)
            else:
                mine[path] = oid
        mine |= carried
        inside.update(node.keys[1:])
        carried, beneath = {}, None
        keys = sorted(mine)
        if node_key is not None:
            above[node_key] = None
        if keys and not first and not begins(keys[0], level):
            carried, beneath = mine, node.keys[0]
        elif not keys and not first:
            pass
        else:
            above.update(_written(level, keys, [mine[k] for k in keys], made, inside))
    return above


def _node_at(
    root: NodeId, level: int, key: str, strictly: bool, read: Read
) -> tuple[Node, str | None, bool]:
    """The node of a level that a key belongs to (`strictly`: the one before the key's own).

    With the key that it has in the node above (the root has none), and whether it is the first.
    """
    node, node_key, first = read(root), None, True
    while node.level > level:
        cut = bisect_left(node.keys, key) if strictly else bisect_right(node.keys, key)
        at = max(0, cut - 1)
        first = first and at == 0
        node_key = node.keys[at]
        node = read(node.ids[at])
    return node, node_key, first


def _lowered(root: NodeId, read: Read) -> NodeId:
    """The lowest level that is one node."""
    node = read(root)
    while node.level and len(node.ids) == 1:
        root = node.ids[0]
        node = read(root)
    return root


def _under(node: Node, prefix: str) -> Iterable[tuple[str, str]]:
    """The entries of a node that hold, or may lead to, keys with a prefix."""
    start = bisect_left(node.keys, prefix)
    end = bisect_right(node.keys, prefix, key=lambda key: key[: len(prefix)])
    if node.level:
        start = max(0, start - 1)
    return zip(node.keys[start:end], node.ids[start:end], strict=True)


def _shared(one: str, other: str) -> str:
    """What both start with: in sorted keys, all between the first and the last do."""
    pairs = zip(one, other, strict=False)
    same = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
    return one[:same]


def _written(
    level: int,
    keys: Keys,
    ids: list[str],
    made: dict[NodeId, bytes],
    inside: Container[str] = (),
) -> dict[str, str]:
    """Write a run of entries as nodes of a level; first key -> id of each.

    `inside` are keys that are known not to begin a node.
    """
    cuts = [i for i, key in enumerate(keys) if i and key not in inside and begins(key, level)]
    found = {}
    for start, end in zip([0, *cuts], [*cuts, len(keys)], strict=True):
        if start < end:
            body = encoded(Node(level, keys[start:end], ids[start:end]))
            found[keys[start]] = node_id(body)
            made[found[keys[start]]] = body
    return found


def _raised(nodes: dict[str, str], level: int, made: dict[NodeId, bytes]) -> NodeId:
    """The root above the nodes of a level."""
    while len(nodes) > 1:
        level += 1
        nodes = _written(level, list(nodes), list(nodes.values()), made)
    if nodes:
        return next(iter(nodes.values()))
    empty = encoded(Node(0, [], []))
    made[node_id(empty)] = empty
    return node_id(empty)
