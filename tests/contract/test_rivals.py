"""Rival processes on any version store: no update is lost, and heads are one line.

They commit to one branch and to their own, merge into main, tag, cut and delete branches; whoever
lost a race hears StaleHead and does it again on the new head. Meanwhile somebody reads, and
collects garbage of no age at all.
"""

from __future__ import annotations

import datetime as dt
import json
import multiprocessing
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from datahub.core.errors import StaleHead
from datahub.core.versions import Commit
from datahub.hub.registry import REGISTRY, load
from datahub.machine.bytes.files import ObjectFiles
from datahub.ports import Upkeep, VersionStore
from tests.integration.lakes import TIME, commit, merge
from tests.lakefs_server import LakeFSServer

RIVALS, ROUNDS = 3, 5
FUTURE = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
SPAWN = multiprocessing.get_context("spawn")

Opened = Callable[[], VersionStore]


@pytest.fixture(params=sorted(REGISTRY["version_store"]))
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """Opens one repository, in whichever process."""
    made = REGISTRY["version_store"][request.param]
    first = {"branch": "main", "author": "ann", "time": TIME}
    if request.param == "embedded":
        load(made).create(ObjectFiles(tmp_path / ".datahub"), **first)
        return partial(_embedded, made, tmp_path / ".datahub")
    server: LakeFSServer = request.getfixturevalue("lakefs")
    access = server.new_repository(tmp_path)
    load(made).create(**access, **first)
    return partial(_at, f"{made}.at", access)


def _embedded(made: str, folder: Path) -> VersionStore:
    """The store of a process, with files of its own."""
    return _at(made, {"files": ObjectFiles(folder)})


def _at(made: str, access: dict[str, Any]) -> VersionStore:
    module, _, name = made.partition(":")
    at: Any = import_module(module)
    for part in name.split("."):
        at = getattr(at, part)
    store: VersionStore = at(**access)
    return store


def until_it_lands(act: Callable[[], Commit]) -> Commit:
    while True:
        try:
            return act()
        except StaleHead:
            continue


def work(opened: Opened, me: str, told: Path) -> None:
    store, moves = opened(), []
    store.create_branch(me, at="main")
    for i in range(ROUNDS):
        for branch, act in (
            ("shared", lambda i=i: commit(store, "shared", {f"shared/{me}/{i}": b"%d" % i})),
            (me, lambda i=i: commit(store, me, {f"own/{me}/{i}": me.encode() + b"%d" % i})),
            ("main", lambda: merge(store, me)),
        ):
            made = until_it_lands(act)
            moves.append([branch, made.parents[0], made.id])
        tagged = store.create_tag(f"{me}-v{i}", at=me)
        moves.append(["tag", f"{me}-v{i}", tagged.id])
        store.create_branch(f"{me}-cut", at="shared")
        store.delete_branch(f"{me}-cut")
    told.write_text(json.dumps(moves))


@pytest.mark.slow
def test_whatever_rivals_do_every_update_stands_and_heads_move_one_by_one(
    opened: Opened, tmp_path: Path
) -> None:
    store = opened()
    assert isinstance(store, Upkeep)
    store.create_branch("shared", at="main")
    names = [f"rival{number}" for number in range(RIVALS)]
    told = [tmp_path / f"{name}.json" for name in names]
    rivals = [
        SPAWN.Process(target=work, args=(opened, name, file))
        for name, file in zip(names, told, strict=True)
    ]
    for rival in rivals:
        rival.start()
    seen: dict[str, list[str]] = {"main": [], "shared": []}
    while any(rival.is_alive() for rival in rivals):
        for branch, heads in seen.items():
            head = store.branches()[branch]
            assert store.objects(head) is not None
            heads.append(head)
        store.collect(before=FUTURE, dry_run=False)
        rivals[0].join(0.05)
    assert [rival.exitcode for rival in rivals] == [0] * RIVALS

    moves = [move for file in told for move in json.loads(file.read_text())]
    for branch in ("main", "shared"):
        line = first_parents(store, branch)
        of_branch = [(old, new) for where, old, new in moves if where == branch]
        assert sorted(of_branch) == sorted(zip(line[1:], line[:-1], strict=True))
        assert len(of_branch) == RIVALS * ROUNDS
        assert [line.index(head) for head in seen[branch]] == sorted(
            (line.index(head) for head in seen[branch]), reverse=True
        )
    for name in names:
        for i in range(ROUNDS):
            assert f"shared/{name}/{i}" in store.objects("shared")
            assert f"own/{name}/{i}" in store.objects("main")
    tags = {name: target for what, name, target in moves if what == "tag"}
    assert store.tags() == tags
    assert {*store.branches()} == {"main", "shared", *names}
    assert store.check() == []


def first_parents(store: VersionStore, branch: str) -> list[str]:
    """The heads that a branch had, newest first, down to the repository's beginning."""
    line = [store.commit_at(branch)]
    while line[-1].parents:
        line.append(store.commit_at(line[-1].parents[0]))
    return [one.id for one in line]
