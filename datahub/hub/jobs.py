"""Jobs as calls: long acts that a worker does, and what becomes of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from threading import Event
from typing import Any

from datahub.core.errors import BranchNotFound
from datahub.core.job import Job, JobEvent, JobRequest, JobState
from datahub.core.job_kinds import arguments_of, checked_arguments, kind_of, lane_of
from datahub.hub.parts import once
from datahub.hub.registry import adapter
from datahub.hub.results.jobs import Worked
from datahub.hub.wiring import Wiring
from datahub.machine.processes import told_to_stop
from datahub.ports import Jobs as JobStore


class Jobs(Wiring):
    """Submit, look, cancel. Whoever submits is the author of what the job commits."""

    @once
    def job_store(self) -> JobStore:
        """The jobs of this project, in the catalog's database."""
        _ = self.catalog  # which makes the schema where there is none
        jobs: JobStore = adapter("jobs", "sql")(self.settings.catalog)
        return jobs

    def job_submit(
        self, kind: str, arguments: Mapping[str, Any] | Sequence[str] = (), *, key: str = ""
    ) -> Job:
        """Queue a job on this hub's branch: `lf run`, `label fit`, `gate run`, `export`, `gc`.

        Arguments are values by name, or words NAME=VALUE. Where this hub names a head, the branch
        must still have it when the job first runs. With a `key` a second submission is the first
        one's job. Raises InputError (an unknown kind or argument, a value that does not fit),
        BranchNotFound, OtherJob (the key was used for something else).
        """
        job_kind = kind_of(kind)
        if isinstance(arguments, Mapping):
            arguments = checked_arguments(job_kind, arguments)
        else:
            arguments = arguments_of(job_kind, arguments)
        if self.branch not in self.store.branches():
            raise BranchNotFound(self.branch)
        request = JobRequest(
            kind=kind,
            arguments=arguments,
            branch=self.branch,
            author=self.settings.author,
            lane=lane_of(job_kind, self.branch),
            expected=self._head,
            key=key,
        )
        return self.job_store.submit(request, time=self.clock())

    def jobs(
        self, *, states: Collection[JobState] = (), before: int | None = None, limit: int = 50
    ) -> list[Job]:
        """Jobs, newest first: in these states (none: in any), with ids below `before`."""
        return self.job_store.newest(states=states, before=before, limit=limit)

    def job(self, job: int) -> Job:
        """One job as it is now. Raises JobNotFound."""
        return self.job_store.get(job)

    def job_cancel(self, job: int) -> Job:
        """Cancel a queued job; ask the worker of a running one to stop it.

        Raises JobNotFound, JobEnded.
        """
        return self.job_store.cancel(job, time=self.clock())

    def job_log(self, job: int, *, after: int = 0, limit: int = 1000) -> list[JobEvent]:
        """What happened to a job after an event, oldest first. Raises JobNotFound."""
        return self.job_store.events(job, after=after, limit=limit)

    def work(self, *, once: bool = False, stop: Event | None = None) -> Worked:
        """Claim jobs and run them, until `stop` is set; with `once`, until none is due.

        In the main thread, without `stop`, SIGTERM and SIGINT end it. The job in hand goes back.
        """
        from datahub.hub.worker import Worker  # not needed to submit

        if stop is not None:
            return Worker(self, once=once, stop=stop).run()
        with told_to_stop() as stop:
            return Worker(self, once=once, stop=stop).run()
