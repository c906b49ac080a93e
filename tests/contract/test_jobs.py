"""Jobs: each is claimed by one worker at a time, ends once, and waits for those before it."""

from __future__ import annotations

import datetime as dt
import multiprocessing
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import pytest

from datahub.core.errors import InputError
from datahub.core.job import (
    LINE_LENGTH,
    LOG_LINES,
    Job,
    JobEnded,
    JobFailure,
    JobNotFound,
    JobProgress,
    JobRequest,
    Lease,
    LeaseLost,
    OtherJob,
)
from datahub.hub import REGISTRY
from datahub.ports import Jobs
from tests.postgres_server import PostgresServer

BACKENDS = [(name, base) for name in REGISTRY["jobs"] for base in ("sqlite", "postgresql")]
NOON = dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)
LEASE = dt.timedelta(seconds=30)


def backend(name: str) -> Callable[..., Any]:
    module, _, made = REGISTRY["jobs"][name].partition(":")
    return cast("Callable[..., Any]", getattr(import_module(module), made))


@pytest.fixture(params=BACKENDS, ids="-".join)
def where(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    name, database = request.param
    if database == "sqlite":
        return name, f"sqlite:///{tmp_path}/catalog.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return name, server.new_database()


@pytest.fixture
def jobs(where: tuple[str, str]) -> Iterator[Jobs]:
    name, url = where
    made = backend(name)(url)
    made.upgrade()
    yield made
    made.close()


def after(seconds: float) -> dt.datetime:
    return NOON + dt.timedelta(seconds=seconds)


def asked(kind: str = "lf run", **more: Any) -> JobRequest:
    return JobRequest(kind, more.pop("arguments", {}), **more)


def claimed(jobs: Jobs, seconds: float = 0, worker: str = "w") -> Job:
    job = jobs.claim(worker, time=after(seconds), lease=LEASE)
    assert job is not None
    return job


def states(jobs: Jobs, job: int) -> list[str]:
    return [e.data["state"] for e in jobs.events(job) if e.kind == "state"]


def test_where_there_is_no_job_nothing_is_claimed_listed_or_found(jobs: Jobs) -> None:
    assert jobs.claim("w", time=NOON, lease=LEASE) is None
    assert jobs.newest() == []
    for call in (jobs.get, jobs.events):
        with pytest.raises(JobNotFound):
            call(7)
    with pytest.raises(JobNotFound):
        jobs.cancel(7, time=NOON)


def test_a_job_comes_back_as_it_was_asked_for(jobs: Jobs) -> None:
    request = JobRequest("import", {"é \x00": [1, None]}, "fix", "ann", "fix", "c0ffee", "k", 3)

    job = jobs.submit(request, time=NOON)

    assert job.request == request
    assert (job.state, job.attempt, job.created) == ("queued", 0, NOON)
    assert jobs.get(job.id) == job
    assert states(jobs, job.id) == ["queued"]


def test_a_job_that_is_done_has_its_result_and_its_history(jobs: Jobs) -> None:
    jobs.submit(asked(), time=NOON)
    job = claimed(jobs, 1, "worker-1")
    jobs.beat(
        job.lease,
        time=after(2),
        until=after(32),
        progress=JobProgress("label", 1, 4),
        lines=["one", "two\n"],
        base="c0ffee",
    )

    done = jobs.finish(job.lease, "done", time=after(3), result={"rows": 2225})

    assert (done.state, done.result, done.ended) == ("done", {"rows": 2225}, after(3))
    assert (done.worker, done.started, done.base) == ("worker-1", after(1), "c0ffee")
    assert done.progress.share == 0.25
    told = [(event.kind, event.data) for event in jobs.events(job.id)]
    assert told == [
        ("state", {"state": "queued", "attempt": 0}),
        ("state", {"state": "running", "attempt": 1}),
        ("log", {"line": "one"}),
        ("log", {"line": "two"}),
        ("progress", {"stage": "label", "done": 1, "total": 4}),
        ("state", {"state": "done", "attempt": 1}),
    ]


def test_events_go_on_after_the_last_that_was_seen_though_progress_is_replaced(
    jobs: Jobs,
) -> None:
    jobs.submit(asked(), time=NOON)
    job = claimed(jobs)
    seen = 0
    for number in range(5):
        progress = JobProgress("label", number, 5)
        jobs.beat(job.lease, time=after(number), until=after(99), progress=progress)
        (fresh,) = [e for e in jobs.events(job.id, after=seen) if e.kind == "progress"]
        assert fresh.data["done"] == number
        seen = fresh.id

    assert jobs.events(job.id, after=seen) == []
    assert len(jobs.events(job.id)) == 3
    assert len(jobs.events(job.id, limit=2)) == 2


def test_the_same_key_of_the_same_author_is_the_same_job(jobs: Jobs) -> None:
    job = jobs.submit(asked(author="ann", key="k"), time=NOON)

    assert jobs.submit(asked(author="ann", key="k"), time=after(9)) == job
    assert jobs.submit(asked(author="bob", key="k"), time=NOON).id != job.id
    with pytest.raises(OtherJob):
        jobs.submit(asked("gc", author="ann", key="k"), time=NOON)
    assert jobs.submit(asked(author="ann"), time=NOON).id != jobs.submit(asked(), time=NOON).id


def test_a_running_job_is_nobody_elses_until_its_lease_runs_out(jobs: Jobs) -> None:
    jobs.submit(asked(), time=NOON)
    first = claimed(jobs)
    jobs.beat(first.lease, time=after(20), until=after(50))

    assert jobs.claim("other", time=after(40), lease=LEASE) is None
    second = claimed(jobs, 51, "other")

    assert (second.id, second.attempt, second.worker) == (first.id, 2, "other")
    assert second.fence > first.fence


def test_who_lost_the_lease_changes_nothing(jobs: Jobs) -> None:
    jobs.submit(asked(), time=NOON)
    lost = claimed(jobs).lease
    now = claimed(jobs, 31, "other")

    late_calls: list[Callable[[], Job]] = [
        lambda: jobs.beat(lost, time=after(32), until=after(99), lines=["late"]),
        lambda: jobs.finish(lost, "done", time=after(32), result={"late": True}),
        lambda: jobs.give_back(lost, time=after(32), due=after(32)),
        lambda: jobs.beat(Lease(99, 1), time=after(32), until=after(99)),
    ]
    for call in late_calls:
        with pytest.raises(LeaseLost):
            call()

    assert jobs.get(now.id) == now
    assert "log" not in {event.kind for event in jobs.events(now.id)}


def test_a_job_ends_once(jobs: Jobs) -> None:
    jobs.submit(asked(), time=NOON)
    job = claimed(jobs)
    jobs.finish(job.lease, "failed", time=NOON, failure=JobFailure("x", "It broke.", "Fix it."))

    with pytest.raises(LeaseLost):
        jobs.finish(job.lease, "done", time=NOON)
    with pytest.raises(JobEnded):
        jobs.cancel(job.id, time=NOON)
    assert jobs.get(job.id).failure == JobFailure("x", "It broke.", "Fix it.")
    assert jobs.claim("w", time=after(999), lease=LEASE) is None


def test_a_job_whose_workers_die_at_every_attempt_fails_and_says_so(jobs: Jobs) -> None:
    job = jobs.submit(asked(attempts=2), time=NOON)
    claimed(jobs, 0)
    claimed(jobs, 31)

    assert jobs.claim("w", time=after(62), lease=LEASE) is None
    failed = jobs.get(job.id)
    assert (failed.state, failed.failure and failed.failure.code) == ("failed", "worker_died")


def test_a_job_given_back_waits_until_it_is_due_and_its_attempts_are_counted(jobs: Jobs) -> None:
    jobs.submit(asked(attempts=2), time=NOON)
    why = JobFailure("unavailable", "lakeFS did not answer.")

    jobs.give_back(claimed(jobs).lease, time=after(1), due=after(10), failure=why)
    assert jobs.claim("w", time=after(9), lease=LEASE) is None
    second = claimed(jobs, 10)
    last = jobs.give_back(second.lease, time=after(11), due=after(12), failure=why)

    assert (last.state, last.failure) == ("failed", why)


def test_a_worker_that_is_told_to_stop_costs_no_attempt(jobs: Jobs) -> None:
    jobs.submit(asked(attempts=1), time=NOON)

    back = jobs.give_back(claimed(jobs).lease, time=after(1), due=after(1))

    assert (back.state, back.attempt) == ("queued", 0)
    assert claimed(jobs, 2).fence > back.fence - 1


def test_jobs_of_a_lane_run_in_their_order_and_others_beside_them(jobs: Jobs) -> None:
    ids = [jobs.submit(asked(lane=lane), time=NOON).id for lane in ("a", "a", "b", "", "")]

    first = claimed(jobs)
    others = [claimed(jobs).id for _ in range(3)]

    assert [first.id, *others] == [ids[0], ids[2], ids[3], ids[4]]
    assert jobs.claim("w", time=NOON, lease=LEASE) is None
    jobs.finish(first.lease, "done", time=NOON)
    assert claimed(jobs).id == ids[1]


def test_a_job_that_waits_for_another_try_holds_its_lane(jobs: Jobs) -> None:
    first = jobs.submit(asked(lane="a"), time=NOON)
    jobs.submit(asked(lane="a"), time=NOON)
    why = JobFailure("unavailable", "down")

    jobs.give_back(claimed(jobs).lease, time=NOON, due=after(10), failure=why)

    assert jobs.claim("w", time=after(5), lease=LEASE) is None
    assert claimed(jobs, 11).id == first.id


def test_a_queued_job_is_cancelled_at_once_and_a_running_one_is_asked(jobs: Jobs) -> None:
    queued, running = (jobs.submit(asked(), time=NOON).id for _ in range(2))
    assert jobs.cancel(queued, time=NOON).state == "cancelled"
    job = claimed(jobs)
    assert job.id == running

    asked_to = jobs.cancel(running, time=NOON)

    assert (asked_to.state, asked_to.cancel) == ("running", True)
    assert jobs.beat(job.lease, time=NOON, until=after(30)).cancel
    jobs.finish(job.lease, "cancelled", time=after(2))
    assert states(jobs, running) == ["queued", "running", "cancelled"]


def test_a_job_whose_worker_died_after_it_was_to_stop_is_cancelled_not_run_again(
    jobs: Jobs,
) -> None:
    job = jobs.submit(asked(), time=NOON)
    claimed(jobs)
    jobs.cancel(job.id, time=NOON)

    assert jobs.claim("w", time=after(31), lease=LEASE) is None
    assert jobs.get(job.id).state == "cancelled"


def test_the_first_base_stays(jobs: Jobs) -> None:
    jobs.submit(asked(), time=NOON)
    job = claimed(jobs)

    for base in ("", "one", "two"):
        now = jobs.beat(job.lease, time=NOON, until=after(30), base=base)

    assert now.base == "one"


def test_a_log_is_cut_where_it_is_too_long_and_says_so_once(jobs: Jobs) -> None:
    jobs.submit(asked(), time=NOON)
    job = claimed(jobs)
    hostile = "x" * LINE_LENGTH * 2

    for count in (LOG_LINES - 1, 1, 2, 5):
        jobs.beat(job.lease, time=NOON, until=after(30), lines=["\ud800\x00", hostile] * count)

    lines = [e.data["line"] for e in jobs.events(job.id, limit=99_999) if e.kind == "log"]
    assert len(lines) == LOG_LINES + 1
    assert max(map(len, lines)) == LINE_LENGTH
    assert "not kept" in lines[-1]


def test_jobs_are_listed_newest_first_by_state_and_page(jobs: Jobs) -> None:
    ids = [jobs.submit(asked(), time=NOON).id for _ in range(4)]
    jobs.cancel(ids[2], time=NOON)

    assert [job.id for job in jobs.newest(limit=2)] == ids[:1:-1]
    assert [job.id for job in jobs.newest(before=ids[2])] == ids[1::-1]
    assert [job.id for job in jobs.newest(states=["queued"])] == [ids[3], ids[1], ids[0]]


@pytest.mark.parametrize(
    "request_",
    [
        JobRequest(""),
        JobRequest("gc", {"x": object()}),
        JobRequest("gc", attempts=0),
        JobRequest("gc", key="k" * 201),
    ],
)
def test_what_cannot_be_kept_is_refused(jobs: Jobs, request_: JobRequest) -> None:
    with pytest.raises(InputError):
        jobs.submit(request_, time=NOON)
    assert jobs.newest() == []


def claim_all(name: str, url: str, worker: str, start: Any, queue: Any) -> None:
    jobs = backend(name)(url)
    start.wait()
    mine = []
    while job := jobs.claim(worker, time=NOON, lease=LEASE):
        mine.append(job.id)
        jobs.finish(job.lease, "done", time=NOON)
    queue.put(mine)


def test_workers_in_many_processes_never_claim_one_job_twice(
    jobs: Jobs, where: tuple[str, str]
) -> None:
    ids = [jobs.submit(asked(lane=f"{n % 7}"), time=NOON).id for n in range(60)]
    spawn = multiprocessing.get_context("spawn")
    start, queue = spawn.Barrier(3), spawn.Queue()
    workers = [
        spawn.Process(target=claim_all, args=(*where, f"w{n}", start, queue)) for n in range(3)
    ]
    for process in workers:
        process.start()
    claims = [job for _ in workers for job in queue.get(timeout=60)]
    for process in workers:
        process.join(60)

    rest = []
    while job := jobs.claim("rest", time=NOON, lease=LEASE):  # a lane was busy as a worker left
        rest.append(job.id)
        jobs.finish(job.lease, "done", time=NOON)
    assert sorted(claims + rest) == ids
