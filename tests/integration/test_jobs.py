"""Workers do each job once: whatever is killed, and whoever asks for the end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from datahub.core.errors import StaleHead
from datahub.core.job import Job, LeaseLost
from datahub.flow.steps import JobStamp
from datahub.hub import Hub, results
from datahub.hub.job_run import run_job
from datahub.hub.worker import Worker
from datahub.machine.processes import is_alive, state
from tests.projects import LFS, mail

LEASE = timedelta(seconds=30)
WAITING = """

@labeling_function()
def waits(x):
    import pathlib, time
    print("seen", x.id, flush=True)
    while pathlib.Path(__file__).with_name("wait").exists():
        time.sleep(0.05)
    return SPAM if x.id % 2 else HAM
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A project with rows, and an LF that waits as long as a file is there."""
    folder = tmp_path_factory.mktemp("mail")
    hub, _ = Hub.init(folder, dataset="mail")
    (folder / "labeling_functions" / "first.py").write_text(LFS + WAITING)
    mail().write_parquet(folder / "mail.parquet")
    hub.import_rows(folder / "mail.parquet", key="id", gold="kind")
    yield hub
    hub.close()


@pytest.fixture
def hub(project: Hub, request: pytest.FixtureRequest) -> Iterator[Hub]:
    """The project on a branch of the test's own, whose jobs are all ended afterwards."""
    branch = re.sub(r"\W+", "-", request.node.name).strip("-")
    project.create_branch(branch, at="main")
    yield project.on(branch, author="ann")
    wait_file(project).unlink(missing_ok=True)
    for job in project.jobs(states=["running", "queued"]):
        project.job_cancel(job.id)
    Worker(later(project), once=True).run()


def wait_file(hub: Hub) -> Path:
    """While it is there, the LF waits."""
    return hub.settings.root / "labeling_functions" / "wait"


def later(hub: Hub) -> Hub:
    """The same an hour later: leases ran out."""
    view = hub.on(hub.branch)
    view.clock = lambda: datetime.now(UTC) + timedelta(hours=1)
    return view


def claimed(hub: Hub, worker: str = "gone") -> Job:
    job = hub.job_store.claim(worker, time=hub.clock(), lease=LEASE)
    assert job is not None
    return job


def commits_of(hub: Hub, job: int) -> list[str]:
    mark = hub.job(job).mark
    return [commit.id for commit in hub.log() if commit.metadata.get("job") == mark]


def until(true: Callable[[], object]) -> None:
    """Wait for something that another process does; for a minute at most."""
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.1)


def is_voting(hub: Hub, job: int) -> bool:
    """Whether the job's process is past the look for what was committed."""
    return bool(hub.job(job).base)


def children(pid: int) -> list[int]:
    """Processes that a process started and that have not ended."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


@contextmanager
def working(hub: Hub) -> Iterator[tuple[Worker, Callable[[], int]]]:
    """A worker in a thread of this process, and its job's process; it is stopped at the end."""
    worker = Worker(hub, grace=5)
    before = set(children(os.getpid()))
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield worker, lambda: next(iter(set(children(os.getpid())) - before), 0)
    finally:
        worker.stop.set()
        thread.join(60)
        assert not thread.is_alive()


def has_ended(pid: int) -> bool:
    return not is_alive(pid) or (state(pid) or "Z")[0] == "Z"


def check_votes(hub: Hub) -> None:
    votes = hub.votes()
    column = votes.matrix[:, votes.lfs.index("waits")]
    assert column.tolist() == [row % 2 for row in range(mail().height)]


def test_without_a_job_a_worker_with_once_ends(project: Hub) -> None:
    assert project.work(once=True) == results.Worked(0, 0, 0, 0, 0)


def test_jobs_of_a_branch_run_in_their_order_and_commit_once_each(hub: Hub) -> None:
    run, export = hub.job_submit("lf run"), hub.job_submit("export", {"table": "rows"})

    assert hub.work(once=True) == results.Worked(2, 0, 0, 0, 0)

    done = hub.job(run.id)
    assert commits_of(hub, run.id) == [done.commit]
    assert done.report["rows"] == mail().height
    assert (done.author, hub.commit_at().author) == ("ann", "ann")
    assert done.progress.share == 1
    log = [event.data["line"] for event in hub.job_log(run.id) if event.kind == "log"]
    assert [line.rpartition(": ")[2] for line in log] == [f"seen {i}" for i in mail()["id"]]
    check_votes(hub)
    file = hub.settings.root / hub.job(export.id).report["file"]
    assert pl.read_parquet(file)["id"].to_list() == mail()["id"].to_list()


def test_a_job_that_cannot_be_done_fails_with_its_reason_and_is_not_tried_again(hub: Hub) -> None:
    job = hub.job_submit("label fit", {"dataset": "none"})

    assert hub.work(once=True).failed == 1

    assert hub.job(job.id).attempt == 1
    failure = results.Job.of(hub.job(job.id)).failure
    assert failure is not None
    assert failure.code == "dataset_not_found"


def test_an_attempt_that_died_after_its_commit_is_not_done_again(hub: Hub) -> None:
    job = hub.job_submit("lf run")
    commit = run_job(hub, claimed(hub), lease=LEASE)["commit"]

    assert Worker(later(hub), once=True).run().done == 1

    done = hub.job(job.id)
    assert (done.commit, done.report, done.attempt) == (commit, None, 2)
    assert commits_of(hub, job.id) == [commit]


def test_whoever_lost_the_job_does_not_commit(hub: Hub) -> None:
    """The lease goes to another while LFs vote: the fence is looked at just before the commit."""
    job, head = hub.job_submit("lf run"), hub.commit_id()
    first = claimed(hub)
    thieves: list[Job] = []

    def steal(what: str, done: int, total: int) -> None:
        if not thieves:
            thieves.append(claimed(later(hub), "thief"))

    hub.progress = steal

    with pytest.raises(LeaseLost):
        run_job(hub, first, lease=LEASE)

    assert hub.commit_id() == head
    assert hub.job(job.id).worker == "thief"


@pytest.mark.parametrize("when", ["before its work", "during its work"])
def test_a_commit_that_an_earlier_attempt_was_late_with_is_not_done_twice(
    hub: Hub, when: str
) -> None:
    """It had passed its last check of the fence, and lands when the next attempt has looked."""
    job, head = hub.job_submit("lf run"), hub.commit_id()
    first = claimed(hub)
    attempt = later(hub)
    now = attempt.clock()
    second = claimed(attempt, "next")
    late = hub.on(hub.branch, head=head, job=JobStamp(first.mark, lambda: None))

    def land(*_: object) -> None:
        if hub.commit_id() == head:
            late.lf_run()

    def land_and_tell() -> datetime:
        land()
        return now

    if when == "before its work":
        attempt.clock = land_and_tell  # the lease is held between the look and the work
    else:
        attempt.progress = land
    with pytest.raises(StaleHead):
        run_job(attempt, second, lease=LEASE)
    outcome = run_job(attempt, hub.job(job.id), lease=LEASE)

    assert commits_of(hub, job.id) == [hub.commit_id()] == [outcome["commit"]]


def test_a_branch_that_moved_before_the_job_began_is_not_touched(hub: Hub) -> None:
    job = hub.on(hub.branch, head=hub.commit_id()).job_submit("lf run")
    (hub.settings.root / "notes.md").write_text(hub.branch)
    head = hub.commit(["notes.md"], message="Note", start=hub.settings.root).id

    with pytest.raises(StaleHead):
        run_job(hub, claimed(hub), lease=LEASE)

    assert hub.commit_id() == head
    assert hub.job(job.id).base == ""


@pytest.mark.slow
@pytest.mark.parametrize("act", ["cancel", "stop", "fence-out"])
def test_a_job_that_is_to_end_ends_with_its_process(hub: Hub, act: str) -> None:
    wait_file(hub).touch()
    job, head = hub.job_submit("lf run"), hub.commit_id()
    with working(hub) as (worker, child):
        until(lambda: is_voting(hub, job.id))
        pid = child()
        if act == "cancel":
            hub.job_cancel(job.id)
        elif act == "stop":
            worker.stop.set()
        else:
            claimed(later(hub), "thief")
        until(lambda: worker.counts)
        counts = dict(worker.counts)

    state, attempt = {"cancel": ("cancelled", 1), "stop": ("queued", 0)}.get(act, ("running", 2))
    assert (hub.job(job.id).state, hub.job(job.id).attempt) == (state, attempt)
    assert counts == {"lost" if act == "fence-out" else state: 1}
    assert pid
    assert has_ended(pid)
    assert hub.commit_id() == head


@pytest.mark.slow
def test_a_process_that_is_killed_is_tried_again_and_commits_once(hub: Hub) -> None:
    wait_file(hub).touch()
    job = hub.job_submit("lf run")
    with working(hub) as (worker, child):
        until(lambda: is_voting(hub, job.id))
        os.kill(child(), signal.SIGKILL)
        until(lambda: worker.counts)
        failure = hub.job(job.id).failure
        wait_file(hub).unlink()
        until(lambda: hub.job(job.id).has_ended)

    assert failure is not None
    assert "signal 9" in failure.message
    assert (hub.job(job.id).state, hub.job(job.id).attempt) == ("done", 2)
    assert commits_of(hub, job.id) == [hub.commit_id()]
    check_votes(hub)


@pytest.mark.slow
def test_a_process_that_is_killed_after_its_commit_was_done(hub: Hub) -> None:
    """Though somebody asked for its end: what is committed is not said to be cancelled."""
    wait_file(hub).touch()
    job = hub.job_submit("lf run")
    with working(hub) as (worker, child):
        until(lambda: is_voting(hub, job.id))
        commit = hub.store.commit(
            hub.branch,
            {"notes.md": hub.store.put(b"made by the job")},
            message="What the process would commit",
            author="ann",
            time=hub.clock(),
            expected=hub.commit_id(),
            metadata={"job": job.mark},
        )
        hub.job_cancel(job.id)
        os.kill(child(), signal.SIGKILL)
        until(lambda: worker.counts)

    done = hub.job(job.id)
    assert (done.state, done.commit, done.report) == ("done", commit.id, None)


@pytest.mark.slow
def test_the_job_of_a_worker_that_is_killed_goes_on_elsewhere(hub: Hub) -> None:
    wait_file(hub).touch()
    job = hub.job_submit("lf run")
    code = "import sys; from datahub.hub import Hub; Hub.open(sys.argv[1]).work()"
    worker = subprocess.Popen([sys.executable, "-c", code, str(hub.settings.root)])
    try:
        until(lambda: is_voting(hub, job.id))
        (pid,) = children(worker.pid)
    finally:
        worker.kill()
        worker.wait()
    until(lambda: has_ended(pid))
    assert hub.job(job.id).state == "running"  # until its lease runs out
    wait_file(hub).unlink()

    assert Worker(later(hub), once=True).run().done == 1

    assert hub.job(job.id).attempt == 2
    assert commits_of(hub, job.id) == [hub.commit_id()]
    check_votes(hub)
