"""Crashes of the command line.

`datahub import`, `lf run`, `label fit`, `merge`, `tag create` and `gc --keep-days 0` are run on
one project, each as a process that is killed (SIGKILL) at a random moment of the time that it
takes. Then: every commit that a command told must be in its branch's history, every tag there,
fsck must find nothing, nothing of the dead may lie in the scratch folder or be taken for at work,
and the same command, run again, must do its work.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.harness import Case, Figures, Result, Watch

if TYPE_CHECKING:
    from datahub import Hub

ROUNDS = 120
ROWS = 2_000
LFS = """\
from datahub import keywords

offer = keywords("offer", ["winner", "free", "round{number}"], 1)
thanks = keywords("thanks", ["thanks"], 0)
"""
DONE = (b"there is nothing to merge", b"tag_exists")  # by the one that was killed


@dataclass
class Outcome:
    """What so many rounds came to; the last five should be none."""

    rounds: int = 0
    killed: int = 0
    acknowledged: int = 0
    lost: int = 0
    damages: int = 0
    left_behind: int = 0
    believed: int = 0  # dead processes taken for at work
    stuck: list[str] = field(default_factory=list)  # what the command said when run again


def run(rounds: int, folder: Path, *, seed: int) -> Outcome:
    """Kill so many commands, one kind after the other, and look what is left after each."""
    project, chance, outcome = Project(folder), random.Random(seed), Outcome()
    taken = {act: project.timed(act) for act in ACTS}
    for number in range(rounds):
        act = ACTS[number % len(ACTS)]
        outcome.rounds += 1
        project.change(act)
        outcome.killed += project.killed(act, chance.random() * taken[act])
        project.look(outcome)
        again = project.finished(act)
        if again.returncode != 0:
            outcome.stuck.append(f"{act}: {again.stderr.decode()[-200:]}")
    project.look(outcome)
    outcome.acknowledged = len(project.told)
    return outcome


class Project:
    """A project, and what its commands told of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        self.told: list[tuple[str, str]] = []  # branch or tag, and the commit
        folder.mkdir(parents=True)
        self._run("init", "--dataset", "mail").check_returncode()
        self.change("import")
        shape = ("--key", "id", "--classes", "ham,spam", "--text", "text")
        self._run("import", "rows.csv", *shape).check_returncode()
        self._run("branch", "create", "work").check_returncode()

    def change(self, act: str) -> None:
        """Give a command something new to do."""
        self._number += 1
        if act == "import":
            lines = (
                f"{i},{'free winner' if i % 3 else 'thanks a lot'} {i} {self._number * (i < 50)}\n"
                for i in range(ROWS)
            )
            (self._folder / "rows.csv").write_text("id,text\n" + "".join(lines), encoding="utf-8")
        if act == "lf run":
            place = self._folder / "labeling_functions" / "first.py"
            place.write_text(LFS.format(number=self._number), encoding="utf-8")
        if act == "merge":
            (self._folder / "note.md").write_text(f"note {self._number}\n", encoding="utf-8")
            self._run("commit", "note.md", "-m", "a note", "-b", "work").check_returncode()

    def timed(self, act: str) -> float:
        """How long a command takes that is left alone."""
        self.change(act)
        start = time.perf_counter()
        self.finished(act).check_returncode()
        return time.perf_counter() - start

    def finished(self, act: str) -> subprocess.CompletedProcess[bytes]:
        """Run a command to its end."""
        ran = self._run(*self._words(act))
        if any(word in ran.stdout + ran.stderr for word in DONE):
            ran.returncode = 0
            return ran
        self._hear(act, ran.returncode, ran.stdout)
        return ran

    def killed(self, act: str, after: float) -> bool:
        """Kill a command, unless it is done by then."""
        process = subprocess.Popen(
            self._command(*self._words(act)),
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            process.kill()
        said, _ = process.communicate()
        self._hear(act, process.returncode, said)
        return process.returncode == -signal.SIGKILL

    def look(self, outcome: Outcome) -> None:
        """Count what is not as it was told, and what is left of the dead."""
        from datahub import Hub

        hub: Hub = Hub.open(self._folder)
        history = {name: {one.id for one in hub.store.log(name)} for name in ("main", "work")}
        tags = hub.store.tags()
        for name, commit in self.told:
            outcome.lost += commit not in history.get(name, {tags.get(name)})
        outcome.damages += len(hub.fsck())
        place = self._folder / ".datahub"
        outcome.left_behind += len(list((place / "staging").iterdir()))
        outcome.believed += len(list((place / "running").iterdir())) - 1

    def _words(self, act: str) -> list[str]:
        model = ["--end-model", "none", "--model", "weighted", "--seed", str(self._number)]
        words = {
            "import": ["import", "rows.csv", "--upsert", "--key", "id", "-b", "work"],
            "lf run": ["lf", "run", "-b", "work"],
            "label fit": ["label", "fit", "-b", "work", *model],
            "merge": ["merge", "work", "--into", "main"],
            "tag": ["tag", "create", f"v{self._number}", "work"],
            "gc": ["gc", "--keep-days", "0"],
        }
        return [*words[act], "--json"]

    def _hear(self, act: str, code: int, said: bytes) -> None:
        if code == 0 and act != "gc":
            told: Any = json.loads(said)["commit"]
            name = f"v{self._number}" if act == "tag" else "main" if act == "merge" else "work"
            self.told.append((name, told if isinstance(told, str) else told["id"]))

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "datahub.cli.app", *words]

    def _run(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            self._command(*words), cwd=self._folder, capture_output=True, check=False
        )


ACTS = ("import", "lf run", "label fit", "merge", "tag", "gc")


def crash_rounds(watch: Watch) -> Figures:
    """ROUNDS of it."""
    folder = watch.scratch / "crash_cli" / str(os.getpid())
    try:
        return vars(run(ROUNDS, folder, seed=0))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unharmed(result: Result) -> bool:
    found = result.figures["ours"]
    faults = ("lost", "damages", "left_behind", "believed", "stuck")
    return found["killed"] > ROUNDS / 3 and not any(found[what] for what in faults)


CASES = (
    Case(
        "cli_crash",
        f"{ROUNDS:,} commands killed: import, lf run, label fit, merge, tag, gc",
        crash_rounds,
        no_peer="a promise of ours, not a race",
        goal="nothing lost, damaged, left behind or stuck",
        met=_unharmed,
        timeout=7200.0,
    ),
)
