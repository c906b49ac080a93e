"""Jobs under kill -9: real workers run `lf run`, and they or their jobs' processes die.

There is a kill for every tenth job or more often. Then every job must be done, its branch must
hold one commit of it and no other, votes must be right, and no process may be left.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import polars as pl

from bench.soak.outcome import Outcome
from datahub.core.job import Job
from datahub.hub import Hub

COUNT = 2000
_WORKERS = 4
_ROWS = 40
_STUCK = 300.0  # seconds without a job that ends
_LFS = """\
from snorkel.labeling import labeling_function


@labeling_function()
def odd(x):
    return x.id % 2
"""
_WORK = """\
import sys
from datetime import timedelta
from datahub.hub import Hub
from datahub.hub.worker import Worker
Worker(Hub.open(sys.argv[1]), lease=timedelta(seconds=5), grace=1).run()
"""


def soak(
    folder: Path, *, count: int, seed: int, workers: int = _WORKERS, pause: float = 10.0
) -> Outcome:
    """Submit `count` jobs, kill something every `pause` seconds, and see what came of the jobs."""
    outcome = Outcome()
    with _project(folder, count) as hub:
        main = hub.commit_id("main")
        jobs = [hub.on(f"b{number}").job_submit("lf run") for number in range(count)]
        with _workers(folder, workers) as running:
            _kill_until_done(hub, running, random.Random(seed), outcome, pause)
        _check(hub, [hub.job(job.id) for job in jobs], main, outcome)
    return outcome


@contextmanager
def _project(folder: Path, branches: int) -> Iterator[Hub]:
    hub, _ = Hub.init(folder / "project", dataset="mail")
    (folder / "project" / "labeling_functions" / "odd.py").write_text(_LFS)
    rows = folder / "rows.parquet"
    pl.DataFrame({"id": range(_ROWS), "text": "x"}).write_parquet(rows)
    with hub:
        hub.import_rows(rows, key="id", classes=["even", "odd"], dataset="mail")
        for number in range(branches):
            hub.create_branch(f"b{number}", at="main")
        yield hub


def _start(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", _WORK, str(folder / "project")])


@contextmanager
def _workers(folder: Path, count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """So many workers; one that ended is another by the next look at `running`."""
    running = [_start(folder) for _ in range(count)]
    try:
        yield running
    finally:
        for worker in running:
            worker.terminate()
        for worker in running:
            worker.wait()


def _kill_until_done(
    hub: Hub,
    running: list[subprocess.Popen[bytes]],
    chance: random.Random,
    outcome: Outcome,
    pause: float,
) -> None:
    folder = hub.settings.root.parent
    ended, since, kill_at = 0, time.monotonic(), time.monotonic() + pause * chance.random()
    while len(open_jobs := hub.jobs(states=["queued", "running"], limit=100_000)):
        time.sleep(0.2)
        now = time.monotonic()
        if (count := -len(open_jobs)) != ended:
            ended, since = count, now
        if now - since > _STUCK:
            break
        if now >= kill_at:
            number = chance.randrange(len(running))
            _kill(running, number, folder, chance, outcome)
            kill_at = now + 2 * pause * chance.random()


def _kill(
    running: list[subprocess.Popen[bytes]],
    number: int,
    folder: Path,
    chance: random.Random,
    outcome: Outcome,
) -> None:
    """Kill a worker, which another one replaces, or the process of the job that it runs."""
    worker = running[number]
    children = _children(worker.pid)
    if children and chance.random() < 0.5:
        with suppress(ProcessLookupError):
            os.kill(children[0], signal.SIGKILL)
        outcome.tried["processes killed"] += 1
        return
    worker.kill()
    worker.wait()
    running[number] = _start(folder)
    outcome.tried["workers killed" if children else "idle workers killed"] += 1


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    with suppress(OSError):
        return [int(child) for task in tasks for child in task.read_text().split()]
    return []


def _check(hub: Hub, jobs: list[Job], main: str, outcome: Outcome) -> None:
    for number, job in enumerate(jobs):
        outcome.tried["jobs"] += 1
        outcome.tried["attempts"] += job.attempt
        outcome.tried["found committed"] += job.state == "done" and job.report is None
        commits = [commit for commit in hub.log(f"b{number}") if commit.id != main][:-1]
        own = [commit.id for commit in commits if commit.metadata.get("job") == job.mark]
        if job.attempt == job.attempts and job.state == "failed" and not commits:
            outcome.tried["given up: killed at every attempt"] += 1
        elif job.state != "done":
            outcome.went_wrong("lost" if job.has_ended else "stuck", f"job {job.id}: {job.failure}")
        elif own != [job.commit] or len(commits) != 1:
            outcome.went_wrong("doubled", f"job {job.id}: {len(commits)} commits, own {own}")
        elif hub.votes(ref=f"b{number}").matrix[:, 0].tolist() != [i % 2 for i in range(_ROWS)]:
            outcome.went_wrong("altered", f"the votes of job {job.id}")
    if left := _left(hub.settings.root):
        outcome.went_wrong("stuck", f"processes {left} are left")


def _left(root: Path) -> list[int]:
    """Processes of jobs or workers of the project that run on, some seconds later."""
    time.sleep(3)
    left = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if str(root).encode() in file.read_bytes() and file.parent.name != str(os.getpid()):
                left.append(int(file.parent.name))
    return left
