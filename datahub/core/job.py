"""Jobs: long acts that wait for a worker, and what becomes of them. Pure: the time is told.

    queued -> running -> done | failed | cancelled

A worker holds a running job for a while (its lease) and says again and again that it is at it.
A lease that ran out makes the job claimable again, under the next fence: a number that grows with
each claim, so that whoever held the job before cannot speak for it any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

from datahub.core.error_kinds import Conflict, InputError, NotFound
from datahub.core.error_texts import storable

JobState = Literal["queued", "running", "done", "failed", "cancelled"]
EndState = Literal["done", "failed", "cancelled"]
EventKind = Literal["state", "progress", "log"]

STATES: tuple[JobState, ...] = get_args(JobState)
ENDED: tuple[EndState, ...] = get_args(EndState)
ATTEMPTS = 5  # that a job gets, where nobody says otherwise
LOG_LINES = 10_000  # of one job; what comes after is not kept
LINE_LENGTH = 2_000


@dataclass(frozen=True)
class JobRequest:
    """What somebody wants done. `author` makes its commits.

    Jobs of one `lane` run one at a time, in the order they were submitted: it is the branch that
    they work on. Those without a lane wait for nobody. `expected` is the head that the branch
    must still have when the job first runs; empty: any. `key` makes a second submission of the
    same author the same job.
    """

    kind: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    branch: str = ""
    author: str = ""
    lane: str = ""
    expected: str = ""
    key: str = ""
    attempts: int = ATTEMPTS


@dataclass(frozen=True)
class JobProgress:
    """How far a job is: `done` of `total` of a stage; a total of 0 is not known yet."""

    stage: str = ""
    done: int = 0
    total: int = 0

    @property
    def share(self) -> float:
        """From 0 to 1.

        >>> JobProgress("label", 3, 4).share, JobProgress().share
        (0.75, 0.0)
        """
        return min(1.0, self.done / self.total) if self.total > 0 else 0.0


@dataclass(frozen=True)
class JobFailure:
    """Why a job failed: the error's stable code, its message and its hint."""

    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Lease:
    """The right to act for a job. It is lost when it runs out and another claims the job."""

    job: int
    fence: int


@dataclass(frozen=True)
class Job:
    """One job as it is now. `base` is the head that its first attempt started from.

    `cancel` says that somebody asked for its end; `result` is what the call returned, as JSON.
    """

    id: int
    request: JobRequest
    state: JobState
    created: datetime
    attempt: int = 0
    fence: int = 0
    worker: str = ""
    base: str = ""
    progress: JobProgress = JobProgress()
    cancel: bool = False
    started: datetime | None = None
    ended: datetime | None = None
    lease_until: datetime | None = None
    result: Mapping[str, Any] | None = None
    failure: JobFailure | None = None

    @property
    def kind(self) -> str:
        """What kind of job it is."""
        return self.request.kind

    @property
    def arguments(self) -> Mapping[str, Any]:
        """What it was asked to do."""
        return self.request.arguments

    @property
    def branch(self) -> str:
        """The branch that it works on."""
        return self.request.branch

    @property
    def author(self) -> str:
        """Who asked for it, and makes its commits."""
        return self.request.author

    @property
    def attempts(self) -> int:
        """How often it is tried."""
        return self.request.attempts

    @property
    def commit(self) -> str | None:
        """The id of the commit that it made."""
        return None if self.result is None else self.result.get("commit")

    @property
    def report(self) -> Any:
        """What the command of its kind prints; None where an attempt died just before it told."""
        return None if self.result is None else self.result.get("report")

    @property
    def mark(self) -> str:
        """What its commits say in their metadata: no other job has it, of whatever catalog.

        An attempt that follows one that died knows by it what was committed already.
        """
        return f"{self.id} {self.created.isoformat()}"

    @property
    def lease(self) -> Lease:
        """What its present worker acts with."""
        return Lease(self.id, self.fence)

    @property
    def has_ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in ENDED


@dataclass(frozen=True)
class JobEvent:
    """Something that happened to a job. Ids grow; of progress only the newest event is kept.

    `data` is {"state", "attempt"}, {"stage", "done", "total"} or {"line"}, by kind.
    """

    id: int
    job: int
    kind: EventKind
    time: datetime
    data: Mapping[str, Any]


class JobNotFound(NotFound):
    """No job of that number."""

    code = "job_not_found"

    def __init__(self, job: int) -> None:
        super().__init__(f"There is no job {job}.", hint="`datahub job list` shows the jobs.")
        self.job = job


class JobEnded(Conflict):
    """A job that has ended cannot be cancelled."""

    code = "job_ended"

    def __init__(self, job: int, state: str) -> None:
        super().__init__(
            f"Job {job} is {state} already.", hint="`datahub job show` shows what came of it."
        )
        self.job = job
        self.state = state


class LeaseLost(Conflict):
    """Another worker has the job, or it has ended: who held it before must stop."""

    code = "lease_lost"

    def __init__(self, lease: Lease) -> None:
        super().__init__(
            f"Job {lease.job} is no longer held under fence {lease.fence}.",
            hint="Nothing to do: whoever holds the job now goes on with it.",
        )
        self.lease = lease


class OtherJob(Conflict):
    """An idempotency key was used before, for something else."""

    code = "idempotency_key_reused"

    def __init__(self, key: str, job: int) -> None:
        super().__init__(
            f"The idempotency key {key!r} was used for job {job}, which asks for something else.",
            hint="Use a new key for each job; the same key only to submit the same job again.",
        )
        self.key = key
        self.job = job


def checked_request(request: JobRequest) -> JobRequest:
    """The request, if it can be kept. Raises InputError."""
    if not request.kind:
        raise InputError("A job has a kind.")
    if not 1 <= request.attempts <= 100:
        raise InputError(f"A job gets 1 to 100 attempts, not {request.attempts}.")
    if len(request.key) > 200:
        raise InputError("An idempotency key has at most 200 characters.")
    return request


def same_request(one: JobRequest, other: JobRequest) -> bool:
    """Whether two submissions under one key ask for the same.

    >>> same_request(JobRequest("gc"), JobRequest("gc", {"dry_run": True}))
    False
    """
    asks = [(r.kind, dict(r.arguments), r.branch, r.expected) for r in (one, other)]
    return asks[0] == asks[1]


def log_line(text: str) -> str:
    r"""A line of a log as every database can hold it, cut where it is too long.

    >>> log_line("done\n")
    'done'
    """
    line = storable(text.rstrip("\n"))
    return line if len(line) <= LINE_LENGTH else line[: LINE_LENGTH - 1] + "…"


def retry_after(attempt: int) -> float:
    """Seconds before a job is tried again after so many attempts.

    >>> [retry_after(n) for n in (1, 2, 3, 20)]
    [1.0, 2.0, 4.0, 60.0]
    """
    return float(min(60, 2 ** (min(attempt, 10) - 1)))
