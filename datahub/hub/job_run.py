"""What a job does, by its kind; and that it does it once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from datahub.core.errors import BranchNotFound, StaleHead
from datahub.core.job import Job
from datahub.core.job_kinds import checked_arguments, kind_of
from datahub.flow.steps import JobStamp, commit_of_job
from datahub.hub import results

if TYPE_CHECKING:
    from datahub.hub.hub import Hub
    from datahub.hub.jobs import Jobs

Made = tuple[str | None, Any]  # the id of the commit that was made, and the report


class StaleSubmission(StaleHead):
    """The branch moved on before the job's own work: another attempt would not help."""


def run_job(hub: Hub, job: Job, *, lease: timedelta) -> dict[str, Any]:
    """Do a claimed job; its `commit` and its `report` as JSON.

    What an earlier attempt committed is looked for between the head that the first one started
    from and the head now, and is not done again. A commit needs the fence, and the head that was
    looked at. Raises LeaseLost, StaleHead (look again), StaleSubmission, and what the work raises.
    """
    kind = kind_of(job.kind)
    arguments = checked_arguments(kind, job.arguments)

    def hold(base: str = "") -> None:
        now = hub.clock()
        hub.job_store.beat(job.lease, time=now, until=now + lease, base=base)

    head = ""
    if kind.lane == "branch":
        head = hub.branches().get(job.branch, "")
        if not head:
            raise BranchNotFound(job.branch)
        if (earlier := committed(hub, job)) is not None:
            return earlier
        expected = job.request.expected
        if expected and expected != head:
            raise StaleSubmission(job.branch, expected, head)
        hold(job.base or head)  # before any work: the next attempt looks from here on
    view = hub.on(job.branch, author=job.author, head=head, job=JobStamp(job.mark, hold))
    commit, report = _RUNS[job.kind](view, job, arguments)
    return {"commit": commit, "report": results.plain(report)}


def committed(hub: Jobs, job: Job) -> dict[str, Any] | None:
    """What a job comes to by a commit that it made; None where it has made none."""
    head = hub.store.branches().get(job.branch)
    if not job.base or head is None:
        return None
    commit = commit_of_job(hub.store, job.mark, base=job.base, head=head)
    return None if commit is None else {"commit": commit.id, "report": None}


def _lf_run(hub: Hub, job: Job, arguments: dict[str, Any]) -> Made:
    report = hub.lf_run(**arguments)
    commit = report.commit.id if report.commit is not None and report.changed else None
    return commit, results.LFReport.of(report)


def _label_fit(hub: Hub, job: Job, arguments: dict[str, Any]) -> Made:
    report = hub.label_fit(**arguments)
    is_own = report.commit.metadata.get("job") == job.mark
    return report.commit.id if is_own else None, results.Fitted.of(report)


def _gate_run(hub: Hub, job: Job, arguments: dict[str, Any]) -> Made:
    return None, results.Verdict.of(hub.gate_run(**arguments))


def _export(hub: Hub, job: Job, arguments: dict[str, Any]) -> Made:
    """The file lies in a folder of the job's own; a second attempt writes it again."""
    suffix = arguments.get("format", "parquet")
    table = arguments.get("table", "labeled")
    dataset = hub.dataset_name(arguments.get("dataset"))
    commit = hub.commit_id(arguments.get("ref"))
    folder = hub.settings.own_folder / "exports" / str(job.id)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{table}.{suffix}"
    report = hub.export_rows(file, dataset=dataset, ref=commit, table=table)
    path = file.relative_to(hub.settings.root).as_posix()
    return None, results.ExportedFile(path, dataset, table, commit, report.rows)


def _gc(hub: Hub, job: Job, arguments: dict[str, Any]) -> Made:
    dry_run = arguments.get("dry_run", False)
    days = timedelta(days=arguments.get("keep_days", 14))
    return None, results.Collection.of(hub.gc(keep=days, dry_run=dry_run), dry_run=dry_run)


_RUNS: dict[str, Callable[[Hub, Job, dict[str, Any]], Made]] = {
    "lf run": _lf_run,
    "label fit": _label_fit,
    "gate run": _gate_run,
    "export": _export,
    "gc": _gc,
}
