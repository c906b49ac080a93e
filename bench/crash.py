"""Crashes of the embedded version store.

A process commits, imports, merges, tags, cuts and deletes branches and collects garbage, one
after the other at random, tells each act when it is done, and is killed (SIGKILL) at a
random moment. Then: everything that was told must be there, fsck must find nothing, nothing of
the dead may lie in the scratch folder, and the next process must be able to write.
"""

from __future__ import annotations

import datetime as dt
import multiprocessing
import os
import random
import shutil
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from bench.harness import Case, Figures, Result, Watch

if TYPE_CHECKING:
    from datahub.adapters.versions_embedded import EmbeddedVersionStore

TIME = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
FUTURE = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
FORK = multiprocessing.get_context("fork")
ROUNDS = 1000
MANY = 80  # objects that are stored together
FRESH = 40  # rounds until a new repository: each round reads all of it

Told = tuple[str, str, str]  # what (branch or tag), its name, the commit


@dataclass
class Outcome:
    """What so many rounds came to; all but the first two should be none."""

    rounds: int = 0
    acknowledged: int = 0
    lost: int = 0
    damages: int = 0
    left_behind: int = 0
    stuck: int = 0


def run(rounds: int, folder: Path, *, seed: int) -> Outcome:
    """Kill so many processes, and look what is left after each."""
    chance, outcome = random.Random(seed), Outcome()
    for number in range(rounds):
        place = folder / str(number // FRESH) / ".datahub"
        if number % FRESH == 0:
            _make(place)
        told = _killed(place, number, chance)
        outcome.rounds += 1
        outcome.acknowledged += len(told)
        _look(place, told, number, outcome)
        if number % FRESH == FRESH - 1:
            shutil.rmtree(place.parent)
    return outcome


def _make(place: Path) -> None:
    from datahub.adapters.versions_embedded import EmbeddedVersionStore
    from datahub.machine.bytes.files import ObjectFiles

    store = EmbeddedVersionStore.create(ObjectFiles(place), branch="main", author="a", time=TIME)
    store.create_branch("work", at="main")


def _killed(place: Path, number: int, chance: random.Random) -> list[Told]:
    """What a process told before it was killed."""
    hear, tell = FORK.Pipe(duplex=False)
    process = FORK.Process(target=_work, args=(place, number, chance.random(), tell))
    process.start()
    tell.close()
    told: list[Told] = [hear.recv()]
    time.sleep(chance.random() * 0.25)
    process.kill()
    process.join()
    try:
        while True:
            told.append(hear.recv())
    except EOFError:
        return told


def _work(place: Path, number: int, seed: float, tell: Connection) -> None:
    from datahub.adapters.versions_embedded import EmbeddedVersionStore
    from datahub.machine.bytes.files import ObjectFiles

    store, chance = EmbeddedVersionStore(ObjectFiles(place)), random.Random(seed)
    acts = (_commit, _import, _merge, _tag, _branch, _collect)
    for act in range(1_000_000):
        chosen = acts[act % 2] if act < 2 else chance.choice(acts)
        for told in chosen(store, f"{number}-{act}", chance):
            tell.send(told)


def _commit(store: EmbeddedVersionStore, name: str, chance: random.Random) -> list[Told]:
    oid = store.put(os.urandom(chance.randrange(3000)) + name.encode())
    return [_committed(store, {f"rows/{chance.randrange(300)}": oid}, name)]


def _import(store: EmbeddedVersionStore, name: str, chance: random.Random) -> list[Told]:
    changes = {}
    for i in range(5):
        staged = store.stage(".parquet")
        staged.write_bytes(os.urandom(2000))
        changes[f"imported/{chance.randrange(50)}/{i}"] = store.put(staged)
    many = store.put_all(os.urandom(500) for _ in range(MANY))
    changes |= {f"imported/many/{i}": oid for i, oid in enumerate(many)}
    return [_committed(store, changes, name)]


def _committed(store: EmbeddedVersionStore, changes: dict[str, str], name: str) -> Told:
    head = store.branches()["work"]
    made = store.commit("work", changes, message=name, author="a", time=TIME, expected=head)
    return ("branch", "work", made.id)


def _merge(store: EmbeddedVersionStore, name: str, chance: random.Random) -> list[Told]:
    from datahub.core.verdict import Verdict
    from datahub.core.versions import suite_hash

    head, work = store.commit_at("main"), store.commit_at("work")
    if store.merge_base(head.id, work.id) == work:
        return []
    candidate = store.propose(
        work.id,
        into="main",
        changes={
            change.path: change.new
            for change in store.changes(head.id, work.id)
            if not change.path.startswith("_datahub/")
        },
        message=name,
        author="a",
        time=TIME,
        expected=head.id,
    )
    verdict = Verdict(
        passed=True,
        content_id=candidate.content_id,
        source=candidate.source,
        judged_head=head.id,
        suite_hash=suite_hash({}),
        time=TIME,
    )
    return [("branch", "main", store.land(candidate, verdict).id)]


def _tag(store: EmbeddedVersionStore, name: str, chance: random.Random) -> list[Told]:
    return [("tag", f"v{name}", store.create_tag(f"v{name}", at="work").id)]


def _branch(store: EmbeddedVersionStore, name: str, chance: random.Random) -> list[Told]:
    """Cut a branch, commit to it, and let it go: garbage."""
    made = store.create_branch(f"cut-{name}", at="work")
    oid = store.put(os.urandom(2000))
    store.commit(
        f"cut-{name}", {"rows/0": oid}, message="", author="a", time=TIME, expected=made.id
    )
    store.delete_branch(f"cut-{name}")
    return []


def _collect(store: EmbeddedVersionStore, name: str, chance: random.Random) -> list[Told]:
    store.collect(before=FUTURE, dry_run=False)
    return []


def _look(place: Path, told: list[Told], number: int, outcome: Outcome) -> None:
    from datahub.adapters.versions_embedded import EmbeddedVersionStore
    from datahub.core.errors import DatahubError
    from datahub.machine.bytes.files import ObjectFiles

    store = EmbeddedVersionStore(ObjectFiles(place))
    history = {name: {one.id for one in store.log(name)} for name in ("main", "work")}
    tags = store.tags()
    for what, name, commit in told:
        there = commit in history[name] if what == "branch" else tags.get(name) == commit
        outcome.lost += not there
    outcome.damages += len(store.check())
    outcome.left_behind += len(list((place / "staging").iterdir()))
    outcome.left_behind += len(list((place / "running").iterdir())) - 1  # our own
    try:
        store.create_tag(f"after-{number}", at="main")
    except DatahubError:
        outcome.stuck += 1


def crash_rounds(watch: Watch) -> Figures:
    """ROUNDS of it."""
    folder = watch.scratch / "crash" / str(os.getpid())
    try:
        return vars(run(ROUNDS, folder, seed=0))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unharmed(result: Result) -> bool:
    found = result.figures["ours"]
    return not any(found[what] for what in ("lost", "damages", "left_behind", "stuck"))


CASES = (
    Case(
        "versions_crash",
        f"{ROUNDS:,} processes killed while they import, commit, merge, tag, collect",
        crash_rounds,
        no_peer="a promise of ours, not a race",
        goal="nothing lost, damaged, left behind or stuck",
        met=_unharmed,
        timeout=7200.0,
    ),
)
