"""Jobs in SQLite or PostgreSQL, in the catalog's database.

Every write begins at one row of `job`. On SQLite one writer works at a time (BEGIN IMMEDIATE); on
PostgreSQL the row is locked, and who claims passes over rows that others have locked. So events
of one job are written in the order of their ids.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from datahub.adapters.catalog_sql import tables
from datahub.adapters.catalog_sql.database import Database
from datahub.adapters.catalog_sql.job_rows import (
    add_events,
    event_of,
    job_of,
    log_events,
    new_row,
    state_event,
)
from datahub.core.job import (
    EndState,
    Job,
    JobEnded,
    JobEvent,
    JobFailure,
    JobNotFound,
    JobProgress,
    JobRequest,
    JobState,
    Lease,
    LeaseLost,
    OtherJob,
    checked_request,
    same_request,
)

DIED = JobFailure(
    "worker_died",
    "Its worker ended at every attempt, without a word.",
    "Look at the memory of the machine, and at the worker's own output; then submit it again.",
)


class SqlJobs(Database):
    """The jobs of one repository, at the address of its catalog."""

    def submit(self, request: JobRequest, *, time: datetime) -> Job:
        """Queue a job; the earlier one of the same author and key. Raises InputError, OtherJob."""
        row = new_row(checked_request(request), time)
        with self._write() as connection:  # alone: two submissions of one key may meet
            earlier = connection.execute(_by_key(request)).first() if request.key else None
            if earlier is not None:
                job = job_of(earlier)
                if not same_request(job.request, request):
                    raise OtherJob(request.key, job.id)
                return job
            job = job_of(connection.execute(sa.insert(_JOB).values(**row).returning(_JOB)).one())
            add_events(connection, job.id, time, [state_event(job)])
        return job

    def get(self, job: int) -> Job:
        """Raises JobNotFound."""
        with self._read() as connection:
            row = connection.execute(sa.select(_JOB).where(_JOB.c.id == job)).first()
        if row is None:
            raise JobNotFound(job)
        return job_of(row)

    def newest(
        self, *, states: Collection[JobState] = (), before: int | None = None, limit: int = 50
    ) -> list[Job]:
        """Newest first, in these states (none: in any), with ids below `before`."""
        query = sa.select(_JOB).order_by(_JOB.c.id.desc()).limit(limit)
        if states:
            query = query.where(_JOB.c.state.in_(states))
        if before is not None:
            query = query.where(_JOB.c.id < before)
        with self._read() as connection:
            return [job_of(row) for row in connection.execute(query)]

    def claim(self, worker: str, *, time: datetime, lease: timedelta) -> Job | None:
        """The next job, running under a new fence; None where nothing can run."""
        while True:
            with self._write(alone=False) as connection:
                row = connection.execute(_claimable(tables.utc(time))).first()
                if row is None:
                    return None
                job = job_of(row)
                if job.cancel:
                    _end(connection, job, "cancelled", time)
                elif job.attempt >= job.request.attempts:
                    _end(connection, job, "failed", time, failure=DIED)
                else:
                    return _start(connection, job, worker, time, time + lease)

    def beat(
        self,
        lease: Lease,
        *,
        time: datetime,
        until: datetime,
        progress: JobProgress | None = None,
        lines: Sequence[str] = (),
        base: str = "",
    ) -> Job:
        """Hold the job until then, and say how far it is. Raises LeaseLost."""
        values: dict[str, Any] = {"lease_until": tables.utc(until)}
        if progress is not None:
            values["progress"] = json.dumps(asdict(progress))
        if base:
            values["base"] = sa.case((_JOB.c.base == "", base), else_=_JOB.c.base)
        if lines:
            values["lines"] = _JOB.c.lines + len(lines)
        with self._write(alone=False) as connection:
            row = _update(connection, lease, values)
            if lines:
                add_events(connection, lease.job, time, log_events(lines, row.lines - len(lines)))
            if progress is not None:
                _replace_progress(connection, lease.job, time, progress)
        return job_of(row)

    def finish(
        self,
        lease: Lease,
        state: EndState,
        *,
        time: datetime,
        result: Mapping[str, Any] | None = None,
        failure: JobFailure | None = None,
    ) -> Job:
        """End the job. Raises LeaseLost, InputError (a result that is not JSON)."""
        with self._write(alone=False) as connection:
            job = job_of(_update(connection, lease, {}))
            return _end(connection, job, state, time, result=result, failure=failure)

    def give_back(
        self, lease: Lease, *, time: datetime, due: datetime, failure: JobFailure | None = None
    ) -> Job:
        """Queue the job again, or fail it where it has no attempt left. Raises LeaseLost."""
        with self._write(alone=False) as connection:
            job = job_of(_update(connection, lease, {}))
            if failure is not None and job.attempt >= job.request.attempts:
                return _end(connection, job, "failed", time, failure=failure)
            values = {
                "state": "queued",
                "due": tables.utc(due),
                "lease_until": None,
                "attempt": job.attempt if failure is not None else max(0, job.attempt - 1),
                "failure": None if failure is None else json.dumps(asdict(failure)),
            }
            job = job_of(_update(connection, lease, values))
            add_events(connection, job.id, time, [state_event(job)])
        return job

    def cancel(self, job: int, *, time: datetime) -> Job:
        """Cancel a queued job; ask the worker of a running one to stop.

        Raises JobNotFound, JobEnded.
        """
        with self._write(alone=False) as connection:
            row = connection.execute(
                sa.select(_JOB).where(_JOB.c.id == job).with_for_update()
            ).first()
            if row is None:
                raise JobNotFound(job)
            now = job_of(row)
            if now.has_ended:
                raise JobEnded(job, now.state)
            if now.state == "queued":
                return _end(connection, now, "cancelled", time)
            mark = sa.update(_JOB).where(_JOB.c.id == job).values(cancel=True)
            return job_of(connection.execute(mark.returning(_JOB)).one())

    def events(self, job: int, *, after: int = 0, limit: int = 1000) -> list[JobEvent]:
        """What happened after an event, oldest first. Raises JobNotFound."""
        query = (
            sa.select(_EVENT)
            .where(_EVENT.c.job == job, _EVENT.c.id > after)
            .order_by(_EVENT.c.id)
            .limit(limit)
        )
        with self._read() as connection:
            events = [event_of(row) for row in connection.execute(query)]
        if not events:
            self.get(job)
        return events


_JOB = tables.table(tables.JobRow)
_EVENT = tables.table(tables.JobEventRow)


def _by_key(request: JobRequest) -> sa.Select[Any]:
    return sa.select(_JOB).where(_JOB.c.author == request.author, _JOB.c.key == request.key)


def _claimable(now: datetime) -> sa.Select[Any]:
    earlier = _JOB.alias("earlier")
    waits = sa.exists().where(
        earlier.c.lane == _JOB.c.lane,
        earlier.c.state.in_(("queued", "running")),
        earlier.c.id < _JOB.c.id,
    )
    due = sa.and_(_JOB.c.state == "queued", _JOB.c.due <= now)
    dead = sa.and_(_JOB.c.state == "running", _JOB.c.lease_until < now)
    query = sa.select(_JOB).where(sa.or_(due, dead), sa.not_(waits)).order_by(_JOB.c.id).limit(1)
    return query.with_for_update(of=_JOB, skip_locked=True)


def _start(
    connection: sa.Connection, job: Job, worker: str, time: datetime, until: datetime
) -> Job:
    values = {
        "state": "running",
        "attempt": job.attempt + 1,
        "fence": job.fence + 1,
        "worker": worker,
        "started": tables.utc(job.started or time),
        "lease_until": tables.utc(until),
        "failure": None,
    }
    mark = sa.update(_JOB).where(_JOB.c.id == job.id, _JOB.c.fence == job.fence).values(**values)
    started = job_of(connection.execute(mark.returning(_JOB)).one())
    add_events(connection, job.id, time, [state_event(started)])
    return started


def _end(
    connection: sa.Connection,
    job: Job,
    state: EndState,
    time: datetime,
    *,
    result: Mapping[str, Any] | None = None,
    failure: JobFailure | None = None,
) -> Job:
    values = {
        "state": state,
        "ended": tables.utc(time),
        "lease_until": None,
        "result": None if result is None else tables.json_text(dict(result), "result"),
        "failure": None if failure is None else json.dumps(asdict(failure)),
    }
    mark = sa.update(_JOB).where(_JOB.c.id == job.id).values(**values)
    ended = job_of(connection.execute(mark.returning(_JOB)).one())
    add_events(connection, job.id, time, [state_event(ended)])
    return ended


def _update(connection: sa.Connection, lease: Lease, values: Mapping[str, Any]) -> Any:
    """The row of a running job after a change by its holder. Raises LeaseLost."""
    mark = (
        sa.update(_JOB)
        .where(_JOB.c.id == lease.job, _JOB.c.fence == lease.fence, _JOB.c.state == "running")
        .values(**{"fence": lease.fence, **values})
    )
    row = connection.execute(mark.returning(_JOB)).first()
    if row is None:
        raise LeaseLost(lease)
    return row


def _replace_progress(
    connection: sa.Connection, job: int, time: datetime, progress: JobProgress
) -> None:
    old = sa.delete(_EVENT).where(_EVENT.c.job == job, _EVENT.c.kind == "progress")
    connection.execute(old)
    add_events(connection, job, time, [("progress", asdict(progress))])
