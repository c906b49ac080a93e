"""The search tree of a commit against a plain mapping."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datahub.core import objecttree
from datahub.core.objecttree import Node, NodeId, Read, decode, encode

PATHS = [f"datasets/n/rows/{i // 100:03d}/{i:06d}.parquet" for i in range(700)] + ["", "é", "b\n"]
IDS = [f"{i:064x}" for i in range(3)]
# A seed spells a whole mapping: hypothesis is slow at drawing hundreds of paths.
SEEDS = st.tuples(st.integers(0, 2**32), st.sampled_from([0, 1, 5, 60, 400]))
PREFIXES = st.sampled_from(["", "d", "datasets/n/rows/003", "datasets/n/rows/003/", "z", "é"])


def drawn(seed: tuple[int, int]) -> dict[str, str]:
    """About so many of the paths, with ids."""
    found = {}
    for path in PATHS:
        digest = hashlib.sha256(f"{seed[0]} {path}".encode()).digest()
        if int.from_bytes(digest[:2], "big") % 700 < seed[1]:
            found[path] = IDS[digest[2] % 3]
    return found


class Shelf:
    """Nodes that were added, and how many were read."""

    def __init__(self) -> None:
        self.bodies: dict[NodeId, bytes] = {}
        self.reads = 0

    def add(self, made: tuple[NodeId, dict[NodeId, bytes]]) -> NodeId:
        self.bodies |= made[1]
        return made[0]

    def __call__(self, node: NodeId) -> Node:
        self.reads += 1
        return decode(self.bodies[node])


def changes_to(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str | None]:
    return {path: new.get(path) for path in old.keys() | new.keys()}


@given(SEEDS, SEEDS, PREFIXES)
def test_a_tree_holds_what_a_mapping_would(
    one: tuple[int, int], other: tuple[int, int], prefix: str
) -> None:
    """Read whole, by prefix and by path, also after an edit; the difference is exact."""
    old, new = drawn(one), drawn(other)
    shelf = Shelf()
    read: Read = shelf

    root = shelf.add(objecttree.build(old))
    after = shelf.add(objecttree.edit(root, changes_to(old, new), read))

    wanted = {path: oid for path, oid in sorted(new.items()) if path.startswith(prefix)}
    assert list(objecttree.entries(after, read, prefix)) == list(wanted.items())
    assert all(objecttree.object_at(after, path, read) == new.get(path) for path in PATHS)
    assert objecttree.differences(root, after, read, prefix) == [
        (path, old.get(path), new.get(path))
        for path in sorted(old.keys() | new.keys())
        if path.startswith(prefix) and old.get(path) != new.get(path)
    ]


@given(SEEDS, SEEDS)
def test_the_same_mapping_is_the_same_tree_however_it_was_made(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    """Built at once, by one edit of another tree, or path by path."""
    old, new = drawn(one), drawn(other)
    shelf = Shelf()
    root = shelf.add(objecttree.build(old))

    at_once = shelf.add(objecttree.build(new))
    by_edit = shelf.add(objecttree.edit(root, changes_to(old, new), shelf))
    step = root
    for path, oid in list(changes_to(old, new).items()):
        step = shelf.add(objecttree.edit(step, {path: oid}, shelf))

    assert at_once == by_edit == step


def test_work_follows_what_differs() -> None:
    """Ten of a hundred thousand paths: a few dozen nodes are read and written."""
    held = {f"rows/{i // 1000:03d}/{i:06d}": IDS[0] for i in range(100_000)}
    shelf = Shelf()
    root = shelf.add(objecttree.build(held))
    shelf.reads = 0

    new, made = objecttree.edit(root, dict.fromkeys(list(held)[::10_000], IDS[1]), shelf)
    shelf.add((new, made))
    edit_reads, shelf.reads = shelf.reads, 0
    found = objecttree.differences(root, new, shelf)

    assert len(found) == 10
    assert len(made) < 40
    assert edit_reads < 120
    assert shelf.reads < 60


@pytest.mark.parametrize("body", [b"", b"\0\0\0\0\1", b"\0\0\0\0\1" + b"\0" * 32, b"\0\0\0\0\0\0b"])
def test_bytes_that_are_no_node_are_told(body: bytes) -> None:
    with pytest.raises(ValueError):
        decode(body)


@pytest.mark.parametrize("oid", ["", "1", "x" * 64, "0" * 62])
def test_an_id_that_is_no_hash_has_no_place_in_a_tree(oid: str) -> None:
    with pytest.raises(ValueError):
        encode(Node(0, ["a"], [oid]))
