"""Jobs that wait, run and end; who may act for them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from datahub.core.job import (
    EndState,
    Job,
    JobEvent,
    JobFailure,
    JobProgress,
    JobRequest,
    JobState,
    Lease,
)


class Jobs(Protocol):
    """The jobs of one repository. A job is claimed by one worker at a time, and ends once.

    All times have a zone. Whoever acts for a running job names its lease; with a fence that is
    not the newest, nothing changes and LeaseLost is raised.
    """

    def submit(self, request: JobRequest, *, time: datetime) -> Job:
        """Queue a job; the earlier one of the same author and key, where there is one.

        Raises InputError, OtherJob (that one asks for something else).
        """
        ...

    def get(self, job: int) -> Job:
        """Raises JobNotFound."""
        ...

    def newest(
        self, *, states: Collection[JobState] = (), before: int | None = None, limit: int = 50
    ) -> list[Job]:
        """Newest first, in these states (none: in any), with ids below `before`."""
        ...

    def claim(self, worker: str, *, time: datetime, lease: timedelta) -> Job | None:
        """The next job, now running under a new fence; None where nothing can run.

        It is the oldest that is queued and due, or whose lease ran out, and that has no earlier
        unfinished job in its lane. One that was to be cancelled is cancelled instead, and one
        whose workers died at every attempt fails.
        """
        ...

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
        """Hold the job until then, and say how far it is. `cancel` of the answer asks to stop.

        `lines` go to its log. `base` is kept if there is none yet. Raises LeaseLost.
        """
        ...

    def finish(
        self,
        lease: Lease,
        state: EndState,
        *,
        time: datetime,
        result: Mapping[str, Any] | None = None,
        failure: JobFailure | None = None,
    ) -> Job:
        """End the job. Raises LeaseLost."""
        ...

    def give_back(
        self, lease: Lease, *, time: datetime, due: datetime, failure: JobFailure | None = None
    ) -> Job:
        """Queue the job again, for then; it fails with `failure` if it has no attempt left.

        Without a failure the attempt does not count: its worker was told to stop. Raises
        LeaseLost.
        """
        ...

    def cancel(self, job: int, *, time: datetime) -> Job:
        """Cancel a queued job; ask the worker of a running one to stop.

        Raises JobNotFound, JobEnded.
        """
        ...

    def events(self, job: int, *, after: int = 0, limit: int = 1000) -> list[JobEvent]:
        """What happened after an event, oldest first. Raises JobNotFound."""
        ...
