"""Results of jobs: what waits for a worker, runs, or has ended."""

from __future__ import annotations

from dataclasses import dataclass

from datahub.hub.results.shape import Cell, Shape, Time


@dataclass(frozen=True)
class JobProgress(Shape):
    """How far a job is: `done` of `total` of a stage; a total of 0 is not known yet."""

    stage: str
    done: int
    total: int
    share: float


@dataclass(frozen=True)
class JobFailure(Shape):
    """Why a job failed, or why its last attempt did where it waits for the next."""

    code: str
    message: str
    hint: str


@dataclass(frozen=True)
class Job(Shape):
    """A job. `state` is queued, running, done, failed or cancelled.

    `attempt` of at most `attempts` counts from 1 on; 0: none began. `base` is the head of the
    branch that the first attempt started from. `cancel`: somebody asked for its end. `commit` is
    what it committed. `report` is what the command of its kind prints with `--json`, and for an
    export `ExportedFile`; null where an attempt died between its commit and its report.
    """

    id: int
    kind: str
    state: str
    branch: str
    author: str
    arguments: dict[str, Cell]
    created: Time
    started: Time | None
    ended: Time | None
    attempt: int
    attempts: int
    worker: str
    base: str
    cancel: bool
    progress: JobProgress
    commit: str | None
    report: Cell
    failure: JobFailure | None


@dataclass(frozen=True)
class JobEvent(Shape):
    """Something that happened to a job: `kind` is state, progress or log.

    `data` is {"state", "attempt"}, {"stage", "done", "total"} or {"line"}, by kind. Ids grow; of
    progress only the newest event is kept.
    """

    id: int
    kind: str
    time: Time
    data: dict[str, Cell]


@dataclass(frozen=True)
class ExportedFile(Shape):
    """What an export job wrote: `file` lies in the project's own folder, and `ref` is a commit."""

    file: str
    dataset: str
    table: str
    ref: str
    rows: int


@dataclass(frozen=True)
class Worked(Shape):
    """How many attempts a worker ended, by what became of their jobs.

    `queued` went back, to be tried again; `lost` were claimed by another worker meanwhile.
    """

    done: int
    failed: int
    cancelled: int
    queued: int
    lost: int
