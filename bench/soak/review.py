"""Review through a proxy that drops, delays, doubles and cuts, with kills of either side.

Label Studio's own people work past the proxy, and what they did is the reference: at each calm
point, after one push and pull that nothing disturbs, the log holds what they said, and nothing
else; every row is asked once; what cannot be taken is told; and nothing waits for ever.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer

import polars as pl

from bench.soak.faults import Proxy
from bench.soak.outcome import ALL, Bounds, Outcome
from bench.soak.people import CLASSES, People, Said
from datahub import Hub
from datahub.adapters.labelstudio_server import LabelStudioServer, ServerInfo
from datahub.adapters.review_labelstudio.answers import Cursor
from datahub.core.errors import DatahubError, Unavailable
from datahub.core.relabel import Annotation, current

COUNT = 1_000
ROWS = 400
BUDGET = 5
SHARE = 0.7  # of all requests that meet a fault, once some have passed
PASSED = 14  # at the most: a push makes about so many requests
STEPS = 20  # between two calm points
TRIES = 6  # of one command, one after the other
WHERE = {"queue": "label-studio", "dataset": "mail", "branch": "work"}
LFS = """\
from datahub import keywords

offer = keywords("offer", ["winner", "prize", "free"], 1)
thanks = keywords("thanks", ["thanks", "tomorrow", "dinner"], 0)
"""
SETTINGS = 'dataset = "mail"\nqueue = "label-studio"\nend_model = "none"\n'


def soak(folder: Path, *, count: int, seed: int, bounds: Bounds = ALL) -> Outcome:
    """Go on until `count` faults have been met, and begin no round after so many minutes."""
    outcome = Outcome()
    environment = Path(
        os.environ.get("DATAHUB_LABELSTUDIO_ENVIRONMENT", "~/.cache/datahub/label-studio-1.23.2")
    ).expanduser()
    empty = environment.with_name(environment.name + "-empty")
    if empty.exists():
        shutil.copytree(empty, folder / "studio")
    server = LabelStudioServer(folder / "studio", environment=environment)
    try:
        started = server.start()
    except Unavailable as error:
        outcome.skipped.append(str(error))
        return outcome
    began = time.monotonic()
    try:
        proxy = Proxy(started.url or "", seed=seed, share=0.0)
        run = Run(folder / "project", server, started, proxy, outcome, seed)
        run.prepare()
        while run.faults < count and not _over(began, bounds.minutes):
            run.disturbed()
            run.calm_point()
            print(f"{run.faults} faults, {time.monotonic() - began:.0f} s", *outcome.findings)
        run.ended()
    finally:
        server.stop()
    return outcome


def _over(began: float, minutes: float | None) -> bool:
    return minutes is not None and time.monotonic() - began > 60 * minutes


@dataclass
class Run:
    """One soak: a project, a server, people, and what stands between them."""

    project: Path
    server: LabelStudioServer
    info: ServerInfo
    proxy: Proxy
    outcome: Outcome
    seed: int
    kills: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.people = People(self.info.url or "", self.info.token, self.seed)
        self.rounds = 0

    @property
    def faults(self) -> int:
        """How many there were."""
        return sum(self.proxy.spoilt.values()) + sum(self.kills.values())

    def prepare(self) -> None:
        """A project with labels on the branch `work`, in which nobody was asked yet."""
        self.project.mkdir()
        words = ["WINNER of the prize", "free offer", "thanks for dinner", "see you tomorrow", "ok"]
        rows = [(n, f"{words[n % 5]} number {n} {words[n % 3]}") for n in range(ROWS)]
        frame = pl.DataFrame(rows, schema=["id", "text"], orient="row")
        frame.write_parquet(self.project / "mail.parquet")
        os.environ["DATAHUB_LABELSTUDIO_URL"] = self.proxy.url
        os.environ["DATAHUB_LABELSTUDIO_TOKEN"] = self.info.token
        for words in (
            ["init", "--dataset", "mail"],
            ["import", "mail.parquet", "--key", "id", "--classes", ",".join(CLASSES)],
            ["switch", "-c", "work"],
            ["lf", "run"],
            ["label", "fit"],
        ):
            if words[0] == "lf":
                (self.project / "datahub.toml").write_text(SETTINGS)
                (self.project / "labeling_functions" / "first.py").write_text(LFS)
            subprocess.run(self._command(*words), cwd=self.project, check=True)

    def disturbed(self) -> None:
        """Steps of people, and pushes and pulls that may fail."""
        for _ in range(STEPS):
            self.people.project = self._project()
            self.people.act(self.random.randrange(1, 5))
            self._seldom()
            draw = self.random.random()
            if draw < 0.04:
                self.proxy.calm()
                self._killed(self.random.choice(["push", "pull"]))
            elif draw < 0.06:
                with self._server_killed():
                    self._try(self.random.choice(["push", "pull"]))
            else:
                verb = "push" if draw < 0.5 else "pull"
                for _ in range(TRIES):
                    self.proxy.spoil(SHARE, after=int(PASSED * self.random.random() ** 2))
                    if self._try(verb):
                        break

    def calm_point(self) -> None:
        """Without faults one push and one pull make all good: hold it to that."""
        self.proxy.calm()
        self.rounds += 1
        self.people.project = self._project()
        self._try("pull", calm=True)
        self._try("push", calm=True)
        self.people.project = self._project()
        hub = Hub.open(self.project)
        log = list(hub.at("mail", ref="work").log)
        self._check_answers(log)
        self._check_refused(hub, log)
        self._check_tasks(hub, log)
        if Hub.open(self.project).review_pull().annotations:
            self._wrong("doubled", "a pull brought what the one before had brought")

    def ended(self) -> None:
        """Keep the figures."""
        tried = self.outcome.tried
        tried["faults"] = self.faults
        tried["calm points"] = self.rounds
        tried.update({f"fault: {kind}": n for kind, n in self.proxy.spoilt.items()})
        tried.update({f"request: {kind}": n for kind, n in self.proxy.met.items()})
        tried.update(self.kills)
        tried.update({f"people: {what}": n for what, n in self.people.did.items()})

    def _check_answers(self, log: list[Annotation]) -> None:
        lines = Counter((line.id, line.time, line.withdrawn) for line in log)
        for entry, times in lines.items():
            if times > 1:
                self._wrong("doubled", f"the log has {entry} {times} times")
        now = {number_of(line): line for line in current(log)}
        said = {n: s for n, s in {**self.people.answers, **self.people.stay}.items() if not s.bad}
        for number, answer in said.items():
            line = now.pop(number, None)
            if line is None:
                self._wrong("lost", f"answer {number}: {answer}")
            elif (line.key, line.label) != (answer.key, answer.label):
                self._wrong("altered", f"answer {number}: {answer} became {line}")
            elif line.annotator != answer.who and "deleted account" not in line.annotator:
                self._wrong("altered", f"answer {number} of {answer.who} is {line.annotator}'s")
        for number, line in now.items():
            self._wrong("missed", f"answer {number} does not stand any more: {line}")

    def _check_refused(self, hub: Hub, log: list[Annotation]) -> None:
        told: Counter[object] = Counter(
            key for key, reason in hub.review_refused() if "not pushed" not in reason
        )
        bad = Counter(said.key for said in self.people.answers.values() if said.bad)
        if told != bad:
            self._wrong("missed", f"refused are {told - bad}, and not {bad - told}")

    def _check_tasks(self, hub: Hub, log: list[Annotation]) -> None:
        asked: dict[tuple[object, str], list[bool]] = defaultdict(list)
        for task in self.people.tasks():
            data, counts = task["data"], ("total_annotations", "cancelled_annotations")
            if "row_key" in data:
                asked[data["row_key"], data["row_hash"]].append(any(task[n] for n in counts))
        for row, answered in asked.items():
            if len(answered) > 1 and not all(answered):
                self._wrong("doubled", f"row {row[0]} is asked {len(answered)} times")
        live = {(line.key, line.row_hash) for line in current(log)}
        for entry in hub.catalog.ledger(**WHERE):
            row = (entry.key, entry.row_hash)
            if entry.state in ("intent", "gone", "stale"):
                self._wrong("stuck", f"{entry}")
            if entry.state == "asked" and row not in asked:
                self._wrong("lost", f"{entry} is not asked")
            if (entry.state == "answered") != (row in live) and entry.state != "dropped":
                self._wrong("altered", f"{entry}, while its answers stand: {row in live}")

    def _seldom(self) -> None:
        draw = self.random.random()
        if draw < 0.006:
            log = current(Hub.open(self.project).at("mail", ref="work").log)
            taken = {number_of(e): Said(e.key, e.label, False, e.annotator) for e in log}
            self.people.delete_project(taken)
        elif draw < 0.012:
            self.people.delete_all_tasks()
        elif draw < 0.018:
            self.people.delete_account()

    def _try(self, verb: str, *, calm: bool = False) -> bool:
        """Whether the command did its work."""
        self.outcome.tried[f"{verb}es" if verb == "push" else f"{verb}s"] += 1
        hub = Hub.open(self.project)
        try:
            if verb == "push":
                hub.review_push(budget=BUDGET)
            else:
                hub.review_pull()
            return True
        except Unavailable as error:
            self.outcome.tried[f"{verb} failed, to be repeated"] += 1
            if calm:
                self._wrong("stuck", f"{verb} without a fault: {error}")
        except DatahubError as error:
            self._wrong("crashed", f"{verb}: {type(error).__name__}: {error}")
        return False

    def _killed(self, verb: str) -> None:
        """A command, killed at any moment."""
        child = subprocess.Popen(
            self._command("review", verb), cwd=self.project, stderr=subprocess.DEVNULL
        )
        try:
            child.wait(timeout=self.random.uniform(1.0, 6.0))
            self.outcome.tried["commands that were faster than their kill"] += 1
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            self.kills["kills of datahub"] += 1

    @contextmanager
    def _server_killed(self) -> Iterator[None]:
        """The server dies in the middle of a command, and is started again after it."""
        timer = Timer(self.random.uniform(0.1, 1.0), os.killpg, (self.info.pid, 9))
        timer.start()
        try:
            yield
        finally:
            timer.join()
            self.kills["kills of Label Studio"] += 1
            time.sleep(0.2)
            self.info = self.server.start()
            self.proxy.target = self.people.url = self.info.url or ""

    def _project(self) -> int:
        """The project that datahub asks in, past all it may still be called."""
        project = Cursor.from_json(Hub.open(self.project).catalog.cursor(**WHERE)).project
        return project if project and self.people.exists(project) else 0

    def _command(self, *words: str) -> list[str]:
        return [str(Path(sys.executable).with_name("datahub")), *words]

    def _wrong(self, kind: str, what: str) -> None:
        self.outcome.went_wrong(kind, f"calm point {self.rounds}: {what}")


def number_of(line: Annotation) -> str:
    """The server's number of an annotation."""
    return line.id.partition("@")[0]
