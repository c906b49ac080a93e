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
from collections.abc import Callable, Mapping
from dataclasses import dataclass

NodeId = str
Read = Callable[[NodeId], bytes]  # the body of a node, already checked against its id
Keys = list[str]
_GROUP = 6  # bits: 64 entries to a node
_ID = 32  # bytes


@dataclass(frozen=True)
class Node:
    """One run of entries. `keys` are sorted; `ids[i]` belongs to `keys[i]`."""

    level: int
    keys: Keys
    ids: list[str]


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
    bits = _GROUP * (level + 1)
    digest = hashlib.sha256(key.encode()).digest()
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


def _shared(one: str, other: str) -> str:
    """What both start with: in sorted keys, all between the first and the last do."""
    pairs = zip(one, other, strict=False)
    same = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
    return one[:same]


def _written(level: int, keys: Keys, ids: list[str], made: dict[NodeId, bytes]) -> dict[str, str]:
    """Write a run of entries as nodes of a level; first key -> id of each."""
    cuts = [i for i, key in enumerate(keys) if i and begins(key, level)]
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
