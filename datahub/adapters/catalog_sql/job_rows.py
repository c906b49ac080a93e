"""How jobs and their events become rows, and come back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from datahub.adapters.catalog_sql import tables
from datahub.core.job import (
    LOG_LINES,
    EventKind,
    Job,
    JobEvent,
    JobFailure,
    JobProgress,
    JobRequest,
    log_line,
)

Event = tuple[EventKind, Mapping[str, Any]]


def new_row(request: JobRequest, time: datetime) -> dict[str, Any]:
    """A queued job. Raises InputError (arguments that are not JSON, a time without zone)."""
    now = tables.utc(time)
    return {
        "kind": request.kind,
        "arguments": tables.json_text(dict(request.arguments), "arguments"),
        "branch": request.branch,
        "author": request.author,
        "lane": request.lane or None,  # none: it waits for nobody
        "expected": request.expected,
        "key": request.key or None,
        "attempts": request.attempts,
        "state": "queued",
        "attempt": 0,
        "fence": 0,
        "worker": "",
        "base": "",
        "progress": "{}",
        "cancel": False,
        "due": now,
        "created": now,
        "lines": 0,
    }


def job_of(row: Any) -> Job:
    """The job that a row holds."""
    return Job(
        id=row.id,
        request=JobRequest(
            row.kind,
            json.loads(row.arguments),
            row.branch,
            row.author,
            row.lane or "",
            row.expected,
            row.key or "",
            row.attempts,
        ),
        state=row.state,
        created=tables.aware(row.created),
        attempt=row.attempt,
        fence=row.fence,
        worker=row.worker,
        base=row.base,
        progress=JobProgress(**json.loads(row.progress)),
        cancel=row.cancel,
        started=row.started and tables.aware(row.started),
        ended=row.ended and tables.aware(row.ended),
        lease_until=row.lease_until and tables.aware(row.lease_until),
        result=row.result and json.loads(row.result),
        failure=JobFailure(**json.loads(row.failure)) if row.failure else None,
    )


def event_of(row: Any) -> JobEvent:
    """The event that a row holds."""
    return JobEvent(row.id, row.job, row.kind, tables.aware(row.time), json.loads(row.data))


def state_event(job: Job) -> Event:
    """The state that a job has come to."""
    return "state", {"state": job.state, "attempt": job.attempt}


def log_events(lines: Sequence[str], before: int) -> list[Event]:
    """Lines of a log that has so many already; the last that is kept says so."""
    room = max(0, LOG_LINES - before)
    events: list[Event] = [("log", {"line": log_line(text)}) for text in lines[:room]]
    if before <= LOG_LINES < before + len(lines):
        events.append(("log", {"line": f"(more than {LOG_LINES} lines: the rest is not kept)"}))
    return events


def add_events(
    connection: sa.Connection, job: int, time: datetime, events: Sequence[Event]
) -> None:
    """Write events in this order."""
    rows = [
        {"job": job, "kind": kind, "time": tables.utc(time), "data": json.dumps(data)}
        for kind, data in events
    ]
    if rows:
        connection.execute(sa.insert(tables.table(tables.JobEventRow)), rows)
