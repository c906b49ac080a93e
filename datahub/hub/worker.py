"""The worker: claims jobs, and runs each in a process of its own.

It holds a job by beats, which also carry progress and log. It ends the process where somebody
asks for that (SIGTERM to the group, after a grace SIGKILL), and at once where the job is
another's by now. Times of jobs are the hub's clock; intervals are this machine's own.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Event
from typing import TYPE_CHECKING, Any

from datahub.core.errors import DatahubError
from datahub.core.job import Job, JobFailure, JobProgress, LeaseLost, retry_after
from datahub.hub.job_run import committed
from datahub.hub.results.jobs import Worked
from datahub.machine.child_process import ChildProcess
from datahub.machine.processes import machine

if TYPE_CHECKING:
    from datahub.hub.jobs import Jobs

LEASE = timedelta(seconds=30)
GRACE = 10.0  # seconds between SIGTERM and SIGKILL
_IDLE = 1.0  # seconds between two looks for a job
_TICK = 0.5  # seconds between two looks at a job that runs
_ENDING = 2.0  # seconds that a process has to end, once it has said what came of the job
_CODE = "from datahub.hub.job_process import main; main()"


@dataclass
class Worker:
    """Works until it is told to stop; with `once`, until no job is due.

    `stop` is set by whoever wants it to end: the job in hand goes back to the queue.
    """

    hub: Jobs
    once: bool = False
    stop: Event = field(default_factory=Event)
    lease: timedelta = LEASE
    grace: float = GRACE
    counts: dict[str, int] = field(default_factory=dict)

    def run(self) -> Worked:
        """Work; what the jobs came to."""
        name = f"{machine()} {os.getpid()}"
        while not self.stop.is_set():
            job = self._claim(name)
            if job is not None:
                state = _Attempt(self, job).run()
                self.counts[state] = self.counts.get(state, 0) + 1
            elif self.once:
                break
            else:
                self.stop.wait(_IDLE)
        names = ("done", "failed", "cancelled", "queued", "lost")
        return Worked(*(self.counts.get(state, 0) for state in names))

    def _claim(self, name: str) -> Job | None:
        try:
            return self.hub.job_store.claim(name, time=self.hub.clock(), lease=self.lease)
        except DatahubError as error:
            if self.once:
                raise
            self.hub.warn_once([f"no job can be claimed: {error.message}"])
            return None


class _Attempt:
    """One attempt of one job."""

    def __init__(self, worker: Worker, job: Job) -> None:
        self._worker = worker
        self._hub = worker.hub
        self._job = job
        self._lines: list[str] = []
        self._progress: JobProgress | None = None
        self._end: dict[str, Any] = {}
        self._cancel = False
        self._end_at = float("inf")
        self._kill_at = float("inf")
        self._beat_at = 0.0
        self._held_until = time.monotonic() + worker.lease.total_seconds()

    def run(self) -> str:
        """The state that the job is in then; `lost`: another worker has it."""
        settings = {"root": str(self._hub.settings.root), "job": self._job.id}
        seconds = self._worker.lease.total_seconds()
        child = ChildProcess(_CODE, {**settings, "fence": self._job.fence, "lease": seconds})
        try:
            while not self._look(child):
                self._ask_to_end(child)
            child.kill()
            return self._settle(child).state
        except LeaseLost:
            return "lost"
        except DatahubError as error:  # the lease will run out, and the job is tried again
            self._hub.warn_once([f"job {self._job.id} cannot be settled: {error.message}"])
            return "lost"
        finally:
            child.kill()

    def _look(self, child: ChildProcess) -> bool:
        """Take in what the process says, and hold the job; whether it has ended."""
        messages, lines, has_ended = child.listen(_TICK)
        self._lines += lines
        for message in messages:
            if "progress" in message:
                self._progress = JobProgress(*message["progress"])
            else:
                self._end, self._end_at = message, time.monotonic() + _ENDING
        self._hold()
        return has_ended or time.monotonic() >= self._end_at

    def _hold(self) -> None:
        """Tell what is new, and see whether somebody asked for the end.

        Raises LeaseLost, also where a catalog that does not answer outlasts the lease.
        """
        try:
            if self._lines or self._progress or time.monotonic() >= self._beat_at:
                self._beat()
            elif not self._cancel:
                self._cancel = self._hub.job_store.get(self._job.id).cancel
        except LeaseLost:
            raise
        except DatahubError as error:
            if time.monotonic() >= self._held_until:
                raise LeaseLost(self._job.lease) from error

    def _beat(self) -> None:
        now, lease = self._hub.clock(), self._worker.lease
        job = self._hub.job_store.beat(
            self._job.lease,
            time=now,
            until=now + lease,
            progress=self._progress,
            lines=self._lines,
        )
        self._lines, self._progress, self._cancel = [], None, job.cancel
        self._held_until = time.monotonic() + lease.total_seconds()
        self._beat_at = time.monotonic() + lease.total_seconds() / 3

    def _ask_to_end(self, child: ChildProcess) -> None:
        """Where somebody wants the end: first ask, and after the grace do not ask."""
        now = time.monotonic()
        if self._kill_at < float("inf"):
            if now >= self._kill_at:
                child.kill()
        elif self._cancel or self._worker.stop.is_set():
            self._kill_at = now + self._worker.grace
            child.terminate()

    def _settle(self, child: ChildProcess) -> Job:
        jobs, lease, now = self._hub.job_store, self._job.lease, self._hub.clock()
        if "result" in self._end:
            return jobs.finish(lease, "done", time=now, result=self._end["result"])
        made = None if self._end else committed(self._hub, jobs.get(self._job.id))
        if made is not None:  # it died between its commit and its report
            return jobs.finish(lease, "done", time=now, result=made)
        if self._cancel:
            return jobs.finish(lease, "cancelled", time=now)
        if "failure" in self._end:
            failure = JobFailure(**self._end["failure"])
            if self._end["final"]:
                return jobs.finish(lease, "failed", time=now, failure=failure)
        elif self._worker.stop.is_set():
            return jobs.give_back(lease, time=now, due=now)
        else:
            failure = JobFailure(
                "job_died",
                f"The process of the job ended by {child.end}, without a word.",
                "The job's log may say why; a process that needs too much memory is killed.",
            )
        due = now + timedelta(seconds=retry_after(self._job.attempt))
        return jobs.give_back(lease, time=now, due=due, failure=failure)
