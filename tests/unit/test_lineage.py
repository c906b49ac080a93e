"""Walks through histories: the same as the plain definitions say, and no further than needed."""

from __future__ import annotations

import datetime as dt
import random
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datahub.adapters.versions_embedded import EmbeddedVersionStore, commits, lineage, trees
from datahub.adapters.versions_embedded.graph import Graph
from datahub.adapters.versions_embedded.transaction import Transaction
from datahub.core import objecttree
from datahub.core.errors import InputError, StorageError
from datahub.core.versions import CommitId
from datahub.machine.bytes.files import ObjectFiles

TIME = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
SEEDS = st.integers(0, 2**32)


def drawn(graph: Transaction, seed: int) -> list[CommitId]:
    """A history of some forty commits, with several roots, merges of many and equal times."""
    chance = random.Random(seed)
    tree = trees.edit(graph, None, {"a": "0" * 64})
    ids: list[CommitId] = []
    for number in range(chance.randrange(1, 40)):
        several = 0 if chance.random() < 0.05 else min(len(ids), chance.choice((1, 1, 1, 2, 2, 3)))
        ids.append(
            commits.write(
                graph,
                tree,
                chance.sample(ids[-8:], min(several, len(ids[-8:]))),
                message=str(number),
                author="ann",
                time=TIME + dt.timedelta(seconds=chance.randrange(5)),
                metadata={},
            )
        )
    return ids


def ancestors(parents: Mapping[CommitId, Sequence[CommitId]], start: CommitId) -> set[CommitId]:
    """A commit and all before it."""
    reached, waiting = {start}, [start]
    while waiting:
        new = set(parents[waiting.pop()]) - reached
        reached |= new
        waiting += new
    return reached


def in_order(graph: Transaction, start: CommitId) -> list[CommitId]:
    """What `history` promises, by its definition: of the commits that may come next, the newest."""
    left = {one: commits.read(graph, one) for one in ancestors(parents_of(graph), start)}
    order: list[CommitId] = []
    while left:
        later = {parent for commit in left.values() for parent in commit.parents}
        chosen = min((-left[one].time.timestamp(), one) for one in left if one not in later)[1]
        order.append(chosen)
        del left[chosen]
    return order


def parents_of(graph: Transaction) -> dict[CommitId, tuple[CommitId, ...]]:
    return {one: graph.link(one).parents for one in graph.all_ids("commit")}


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    folder = tmp_path_factory.mktemp("history")
    EmbeddedVersionStore.create(ObjectFiles(folder), branch="main", author="ann", time=TIME)
    return Graph(folder / "versions.db")


@given(SEEDS)
def test_a_history_is_in_its_order_whatever_it_is_like(graph: Graph, seed: int) -> None:
    with graph.writing() as writing:
        ids = drawn(writing, seed)

        assert list(lineage.history(writing, ids[-1])) == in_order(writing, ids[-1])


@given(SEEDS)
def test_a_merge_base_is_a_common_ancestor_that_is_before_no_other(graph: Graph, seed: int) -> None:
    with graph.writing() as writing:
        ids = drawn(writing, seed)
        ours, theirs = ids[-1], random.Random(seed).choice(ids)
        parents = parents_of(writing)
        common = ancestors(parents, ours) & ancestors(parents, theirs)
        below = {one for commit in common for one in ancestors(parents, commit) - {commit}}

        if not common:
            with pytest.raises(InputError):
                lineage.merge_base(writing, ours, theirs)
            return
        base = lineage.merge_base(writing, ours, theirs)
        assert base == max((writing.generation(one), one) for one in common - below)[1]
        assert base == lineage.merge_base(writing, theirs, ours)


def line(store: EmbeddedVersionStore, count: int) -> None:
    """So many commits on `main`, of which each tenth changes dataset `b`, the rest `a`."""
    head = store.commit_at("main").id
    for number in range(count):
        name = "b" if number % 10 == 0 else "a"
        oid = store.put(b"%d" % number)
        head = store.commit(
            "main",
            {f"datasets/{name}/rows/{number % 90:02d}": oid},
            message=str(number),
            author="ann",
            time=TIME,
            expected=head,
        ).id


class Counting(Transaction):
    """A transaction that counts the commits that it looks at."""

    looked: set[CommitId]

    def link(self, commit_id: CommitId) -> object:  # type: ignore[override]
        self.looked.add(commit_id)
        return super().link(commit_id)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> EmbeddedVersionStore:
    files = ObjectFiles(tmp_path_factory.mktemp("long"))
    store = EmbeddedVersionStore.create(files, branch="main", author="ann", time=TIME)
    line(store, 300)
    return store


@pytest.mark.parametrize(
    ("walk", "most"), [("log", 14), ("base", 6)], ids=["ten commits of a log", "a near merge base"]
)
def test_a_walk_reads_what_it_needs_of_a_long_history(
    long: EmbeddedVersionStore, walk: str, most: int
) -> None:
    with long._graph.reading() as graph:
        graph.__class__ = Counting
        assert isinstance(graph, Counting)
        graph.looked = set()
        head = graph.head("main")
        if walk == "log":
            history = lineage.history(graph, head)
            assert len([next(history) for _ in range(10)]) == 10
        else:
            fourth = commits.read(graph, commits.read(graph, head).parents[0]).parents[0]
            assert lineage.merge_base(graph, head, fourth) == fourth

        assert len(graph.looked) <= most


def test_a_log_of_a_prefix_is_what_changed_under_it(long: EmbeddedVersionStore) -> None:
    messages = [commit.message for commit in long.log("main", prefix="datasets/b/")]

    assert messages == [str(number) for number in range(290, -1, -10)]
    assert [c.message for c in long.log("main", prefix="datasets/b/", limit=2)] == ["290", "280"]
    assert long.log("main", prefix="datasets/c/") == []


def test_a_commit_that_is_damaged_in_a_long_history_is_told(tmp_path: Path) -> None:
    """Commits that are read many at a time are checked each, once the walk comes by."""
    store = EmbeddedVersionStore.create(
        ObjectFiles(tmp_path), branch="main", author="ann", time=TIME
    )
    line(store, 60)
    damaged = store.log("main")[40]
    with sqlite3.connect(tmp_path / "versions.db") as database:
        database.execute(
            "UPDATE \"commit\" SET body = replace(body, 'ann', 'bob') WHERE id = ?", (damaged.id,)
        )

    again = EmbeddedVersionStore(ObjectFiles(tmp_path))
    assert len(again.log("main", limit=30)) == 30
    with pytest.raises(StorageError, match=damaged.id):
        again.log("main")


KEYS = st.lists(
    st.sampled_from([f"{folder}/{i:03d}" for folder in ("a", "b", "bc", "c") for i in range(300)]),
    max_size=300,
)


@given(SEEDS, KEYS, st.sampled_from(["", "a", "a/", "b/", "b/00", "bc/", "c/29", "d/"]))
def test_trees_differ_where_there_are_differences(
    seed: int, changed: list[str], prefix: str
) -> None:
    chance = random.Random(seed)
    paths = [f"{folder}/{i:03d}" for folder in ("a", "b", "bc", "c") for i in range(300)]
    old = dict.fromkeys(chance.sample(paths, chance.randrange(len(paths))), "0" * 64)
    new = {**old, **{path: chance.choice("01") * 64 for path in changed}}
    for path in chance.sample(sorted(new), chance.randrange(min(3, len(new) + 1))):
        del new[path]
    (was, before), (now, after) = objecttree.build(old), objecttree.build(new)
    bodies = {**before, **after}

    def read(node: str) -> objecttree.Node:
        return objecttree.decode(bodies[node])

    there = bool(objecttree.differences(was, now, read, prefix))
    assert objecttree.differ(was, now, read, prefix) == there
