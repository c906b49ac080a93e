"""Attacks on the gate, the audit and fsck: what no gate judged must not be called clean.

Each attempt takes a project with a guarded main and signed verdicts, mixes a person's work with
acts of a hostile user (commands, calls of the store, edits of its database, another client of a
server), and then asks the audit (with and without `since`) and fsck. Where a hostile act took
effect and all say clean, it was missed; where none was tried and any of them speaks, the alarm
is false. A refusal is an attack that was stopped, and no finding; what it left on a branch of its
own may be named.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.soak import gate_acts, gate_lake
from bench.soak.outcome import ALL, Bounds, Outcome
from datahub import Hub
from datahub.core.errors import DatahubError
from tests.contract import test_gate_parity as parity

COUNT = 300
ON_LAKEFS = 10  # one attempt in so many, where there is a server
SECRET = "the-secret-of-the-gate-for-soak-runs"


def soak(
    folder: Path, *, count: int, seed: int, lakefs: bool = True, bounds: Bounds = ALL
) -> Outcome:
    """Run `count` attempts, some `lakefs` ones where there is a server; the seed decides them.

    As many checks of several columns, as far as there are, are held against the stock engine.
    """
    outcome = Outcome()
    _hold_numbers(folder, outcome, count=count if lakefs else 0, seed=seed)
    project = folder / "project"
    gate_acts.make(project, secret=SECRET)
    with _lakes(folder, outcome, wanted=lakefs) as lakes:
        for number in bounds.tries(count):
            chance = random.Random(f"{seed}-{number}")
            if lakes is not None and number % ON_LAKEFS == 0:
                _judge(outcome, f"lakeFS {number}", *lakes(chance))
                continue
            here = folder / "attempt"
            shutil.copytree(project, here)
            _judge(outcome, f"attempt {number}", *_embedded(here, chance))
            shutil.rmtree(here)
    return outcome


def _embedded(project: Path, chance: random.Random) -> tuple[list[str], list[str], list[str]]:
    """What was done, what of it was hostile and took effect, and what was said of it."""
    pin = gate_acts.opened(project, SECRET).store.branches()["main"]
    done, hostile = list[str](), list[str]()
    for name in _plan(chance):
        act = gate_acts.WORK.get(name) or gate_acts.ATTACKS[name]
        try:
            act(gate_acts.opened(project, SECRET), chance)
        except DatahubError as error:
            done.append(f"{name} (stopped: {error.code})")
            if name in gate_acts.WORK:  # what an attack left behind stops work, too
                break
            continue
        done.append(name)
        hostile += [name] if name in gate_acts.ATTACKS else []
        if not _tried(done):  # the auditor keeps the last head that is known to be good
            pin = gate_acts.opened(project, SECRET).store.branches()["main"]
    return done, hostile, _said(gate_acts.opened(project, SECRET), pin)


def _plan(chance: random.Random) -> Iterator[str]:
    """Work, and in four attempts of five an attack or two in it."""
    work = [chance.choice(list(gate_acts.WORK)) for _ in range(chance.randrange(3))]
    attacks = chance.choice([0, 1, 1, 1, 2])
    names = work + chance.sample(list(gate_acts.ATTACKS), attacks)
    chance.shuffle(names)
    return iter(names)


def _said(hub: Hub, pin: str) -> list[str]:
    """What audit and fsck find; an error of theirs is as little a "clean" as a finding."""
    said = []
    asked: dict[str, Callable[[], bool]] = {
        "audit": lambda: hub.audit("main").clean,
        "audit --since": lambda: hub.audit("main", since=pin).clean,
        "fsck": lambda: not hub.fsck(),
    }
    for name, clean in asked.items():
        try:
            said += [] if clean() else [name]
        except DatahubError as error:
            said.append(f"{name}: {error.code}")
    return said


def _hold_numbers(folder: Path, outcome: Outcome, *, count: int, seed: int) -> None:
    """Checks of several columns over columns with nulls, by the gate and by the stock engine."""
    path = folder / "numbers.parquet"
    parity.rows(seed).write_parquet(path)
    checks = list(parity.expectations())
    some = random.Random(seed).sample(checks, min(count, len(checks)))
    outcome.tried["checks held against the stock engine"] = len(some)
    for check, ours, theirs in parity.differences(path, some):
        outcome.went_wrong("other answer", f"{check}: {ours}, and {theirs} by the stock engine")


def _judge(
    outcome: Outcome, name: str, done: list[str], hostile: list[str], said: list[str]
) -> None:
    outcome.tried["attempts"] += 1
    outcome.tried["attacks that took effect"] += len(hostile)
    outcome.tried.update(one for one in done if "(stopped" in one)
    outcome.tried["attempts without an attack"] += not hostile
    outcome.tried.update(f"{one.partition(' (')[0]}: took effect" for one in hostile)
    words = f"{name}: {', '.join(done) or 'nothing'}; said: {', '.join(said) or 'clean'}"
    if hostile and not said:
        outcome.went_wrong("missed", words)
    elif said and not _tried(done):
        outcome.went_wrong("false alarm", words)


def _tried(done: list[str]) -> bool:
    """Whether there was an attack among what was done, or stopped."""
    attacks = gate_acts.ATTACKS.keys() | gate_lake.ATTACKS.keys()
    return any(one.partition(" (")[0] in attacks for one in done)


_Lakes = Callable[[random.Random], tuple[list[str], list[str], list[str]]]


@contextmanager
def _lakes(folder: Path, outcome: Outcome, *, wanted: bool) -> Iterator[_Lakes | None]:
    """Attempts on a lakeFS server, if there is one."""
    why = gate_lake.missing() if wanted else "not asked for"
    if why:
        outcome.skipped.append(f"attempts on lakeFS: {why}")
        yield None
        return
    with gate_lake.server() as found:
        yield lambda chance: gate_lake.attempt(found, folder / "lake", chance, outcome)
