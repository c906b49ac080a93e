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
from functools import lru_cache

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


def encode(node: Node) -> bytes:
    """The bytes of a node: level, number of entries, ids, what all keys start with, their rests.

    Raises ValueError where an id is not 64 hexadecimal digits.
    """
    ids = bytes.fromhex("".join(node.ids))
    if len(ids) != _ID * len(node.ids):
        raise ValueError("An id is no SHA-256.")
    prefix = _common_prefix(node.keys[0], node.keys[-1]) if node.keys else ""
    rests = "\0".join([prefix, *[key[len(prefix) :] for key in node.keys]])
    return bytes([node.level]) + len(node.ids).to_bytes(4, "big") + ids + rests.encode()


def decode(body: bytes) -> Node:
    """What `encode` wrote. Raises ValueError for anything else."""
    if len(body) < 5:
        raise ValueError("A node ends early.")
    count = int.from_bytes(body[1:5], "big")
    end = 5 + _ID * count
    digits = body[5:end].hex()
    keys = _decode_keys(body[end:])
    if len(keys) != count or len(digits) != 2 * _ID * count:
        raise ValueError("A node holds another number of entries than it says.")
    return Node(body[0], keys, [digits[i : i + 2 * _ID] for i in range(0, len(digits), 2 * _ID)])


@lru_cache(maxsize=256)
def _decode_keys(text: bytes) -> Keys:
    """The keys of a node; a node that a commit put in place of another mostly has the same ones."""
    prefix, *rests = text.decode().split("\0")
    return [prefix + rest for rest in rests]


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


def build(objects: Mapping[str, str]) -> tuple[NodeId, dict[NodeId, bytes]]:
    """The tree of a mapping: its root, and all its nodes.

    >>> tree = build({"a": "0" * 64, "b": "1" * 64})
    >>> tree == build({"b": "1" * 64, "a": "0" * 64})
    True
    """
    bodies: dict[NodeId, bytes] = {}
    keys = sorted(objects)
    leaves = _write_nodes(0, keys, [objects[key] for key in keys], bodies)
    return _build_above(leaves, 0, bodies), bodies


def entries(root: NodeId, read: Read, prefix: str = "") -> Iterator[tuple[str, str]]:
    """(path, object id) under a prefix, in order; only nodes that may hold it are read."""
    node = read(root)
    for key, oid in _under(node, prefix):
        if node.level == 0:
            yield key, oid
        else:
            yield from entries(oid, read, prefix)


def object_at(root: NodeId, path: str, read: Read) -> str | None:
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
        common = sides[0] & sides[1]
        sides = [side - common for side in sides]
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


def differ(old: NodeId, new: NodeId, read: Read, prefix: str = "") -> bool:
    """Whether there are `differences` under a prefix; seldom reads a leaf to say so.

    Keys alone decide where nodes begin. So where all of a node is under the prefix, another node
    in its place holds other entries.
    """
    if old == new:
        return False
    was, now = read(old), read(new)
    before = after = _span(now, prefix)
    if was.keys is not now.keys:
        before = _span(was, prefix)
    if was.level != now.level or was.keys[before] != now.keys[after]:
        return bool(differences(old, new, read, prefix))
    keys, pairs = now.keys[after], list(zip(was.ids[before], now.ids[after], strict=True))
    places = [place for place, pair in enumerate(pairs) if pair[0] != pair[1]]
    if now.level == 0:
        return bool(places)
    if any(keys[place].startswith(prefix) and place + 1 < len(keys) for place in places):
        return True
    return any(differ(*pairs[place], read, prefix) for place in places)


def edit(
    root: NodeId, changes: Mapping[str, str | None], read: Read
) -> tuple[NodeId, dict[NodeId, bytes]]:
    """The tree after changes (None takes a path away): its root, and the nodes to add."""
    bodies: dict[NodeId, bytes] = {}

    def reading(node: NodeId) -> Node:
        return decode(bodies[node]) if node in bodies else read(node)

    edits, level, top = dict(changes), 0, read(root).level
    while edits and level < top:
        edits = _edit_level(root, level, edits, read, bodies)
        level += 1
    if not edits:
        return root, {}
    nodes = _edit_level(root, top, edits, read, bodies)
    new_root = _build_above(
        {key: node for key, node in nodes.items() if node is not None}, top, bodies
    )
    return _lowest_root(new_root, reading), bodies


def _edit_level(
    root: NodeId,
    level: int,
    edits: Mapping[str, str | None],
    read: Read,
    bodies: dict[NodeId, bytes],
) -> dict[str, str | None]:
    """Edit the nodes of one level; return what that does to the entries of the level above.

    From the last node to the first: what no longer begins a node goes to the end of the node
    before it.
    """
    above: dict[str, str | None] = {}
    queue = sorted(edits)
    surplus: dict[str, str] = {}
    inside: set[str] = set()
    beneath: str | None = None  # the first key of the node that has just been taken apart
    while queue or beneath is not None:
        last = queue[-1] if queue else None
        key, strictly = (last or "", False) if beneath is None else (beneath, True)
        node, node_key, first = _node_at(root, level, key, strictly, read)
        entries = dict(zip(node.keys, node.ids, strict=True))
        while queue and (first or queue[-1] >= node.keys[0]):
            path = queue.pop()
            oid = edits[path]
            if oid is None:
                entries.pop(path, None)
            else:
                entries[path] = oid
        entries |= surplus
        inside.update(node.keys[1:])
        surplus, beneath = {}, None
        keys = sorted(entries)
        if node_key is not None:
            above[node_key] = None
        if keys and not first and not begins(keys[0], level):
            surplus, beneath = entries, node.keys[0]
        elif not keys and not first:
            pass
        else:
            above.update(_write_nodes(level, keys, [entries[k] for k in keys], bodies, inside))
    return above


def _node_at(
    root: NodeId, level: int, key: str, strictly: bool, read: Read
) -> tuple[Node, str | None, bool]:
    """The node of a level that a key belongs to (`strictly`: the one before the key's own).

    With the key that it has in the node above (the root has none), and whether it is the first.
    """
    node, node_key, first = read(root), None, True
    while node.level > level:
        place = bisect_left(node.keys, key) if strictly else bisect_right(node.keys, key)
        at = max(0, place - 1)
        first = first and at == 0
        node_key = node.keys[at]
        node = read(node.ids[at])
    return node, node_key, first


def _lowest_root(root: NodeId, read: Read) -> NodeId:
    """The lowest level that is one node."""
    node = read(root)
    while node.level and len(node.ids) == 1:
        root = node.ids[0]
        node = read(root)
    return root


def _under(node: Node, prefix: str) -> Iterable[tuple[str, str]]:
    """The entries of a node that hold, or may lead to, keys with a prefix."""
    span = _span(node, prefix)
    return zip(node.keys[span], node.ids[span], strict=True)


def _span(node: Node, prefix: str) -> slice:
    """Where they are."""
    start = bisect_left(node.keys, prefix)
    end = bisect_right(node.keys, prefix, lo=start, key=lambda key: key[: len(prefix)])
    return slice(max(0, start - 1) if node.level else start, end)


def _common_prefix(first: str, last: str) -> str:
    """What both start with: in sorted keys, all between the first and the last do."""
    pairs = zip(first, last, strict=False)
    length = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(first), len(last)))
    return first[:length]


def _write_nodes(
    level: int,
    keys: Keys,
    ids: list[str],
    bodies: dict[NodeId, bytes],
    inside: Container[str] = (),
) -> dict[str, str]:
    """Write a run of entries as nodes of a level; first key -> id of each.

    `inside` are keys that are known not to begin a node.
    """
    cuts = [i for i, key in enumerate(keys) if i and key not in inside and begins(key, level)]
    nodes = {}
    for start, end in zip([0, *cuts], [*cuts, len(keys)], strict=True):
        if start < end:
            body = encode(Node(level, keys[start:end], ids[start:end]))
            nodes[keys[start]] = node_id(body)
            bodies[nodes[keys[start]]] = body
    return nodes


def _build_above(nodes: dict[str, str], level: int, bodies: dict[NodeId, bytes]) -> NodeId:
    """The root above the nodes of a level."""
    while len(nodes) > 1:
        level += 1
        nodes = _write_nodes(level, list(nodes), list(nodes.values()), bodies)
    if nodes:
        return next(iter(nodes.values()))
    empty = encode(Node(0, [], []))
    bodies[node_id(empty)] = empty
    return node_id(empty)
