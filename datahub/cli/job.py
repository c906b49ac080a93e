"""`datahub job` and `datahub worker`: long acts that wait for a worker, and who does them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from datahub.cli.context import Branch, Json, open_hub
from datahub.cli.output import emit_json, line, share, table, talk
from datahub.hub import results

if TYPE_CHECKING:
    from datahub.core.job import Job, JobEvent

app = typer.Typer(help="Jobs: what a worker does for you.", no_args_is_help=True)
Number = Annotated[int, typer.Argument(metavar="JOB", help="The number of the job.", min=1)]


@app.command()
def submit(
    kind: Annotated[
        str, typer.Argument(help="What is to be done: lf run, label fit, gate run, export or gc.")
    ],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="Its arguments.")
    ] = None,
    branch: Branch = None,
    key: Annotated[
        str, typer.Option("--key", help="The same key again is the same job, not a second one.")
    ] = "",
    json: Json = False,
) -> None:
    """Queue a job for a worker: `datahub job submit "lf run" jobs=2`."""
    with open_hub(branch) as hub:
        job = hub.job_submit(kind, arguments or [], key=key)
    if json:
        emit_json(results.Job.of(job))
        return
    line(f"job {job.id} {job.state}: {job.kind} on {job.branch}")


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option("--max-count", "-n", help="Show at most N.", min=1)] = 20,
    json: Json = False,
) -> None:
    """List jobs, newest first."""
    with open_hub() as hub:
        jobs = hub.jobs(limit=limit)
    if json:
        emit_json(results.Job.list_of(jobs))
        return
    table(
        ["job", "kind", "branch", "author", "state", "progress", "attempt", "created"],
        [
            (
                job.id,
                job.kind,
                job.branch,
                job.author,
                _state(job),
                share(job.progress.share) if job.progress.total else "-",
                job.attempt,
                job.created,
            )
            for job in jobs
        ],
    )


@app.command()
def show(number: Number, json: Json = False) -> None:
    """Show one job: its state, its progress and what came of it."""
    with open_hub() as hub:
        job = hub.job(number)
    if json:
        emit_json(results.Job.of(job))
        return
    words = "".join(f" {name}={value}" for name, value in job.arguments.items())
    line(f"job {job.id} {_state(job)}: {job.kind}{words} on {job.branch} by {job.author}")
    if job.attempt:
        line(f"attempt {job.attempt} of at most {job.attempts}")
    if job.progress.total:
        line(f"{job.progress.stage} {job.progress.done} of {job.progress.total}")
    if job.commit:
        line(f"commit {job.commit[:12]}")
    if job.failure:
        line(f"error[{job.failure.code}]: {job.failure.message}")
        line(f"hint: {job.failure.hint}")


@app.command()
def cancel(number: Number, json: Json = False) -> None:
    """Cancel a job; one that runs is stopped by its worker, and commits nothing more."""
    with open_hub() as hub:
        job = hub.job_cancel(number)
    if json:
        emit_json(results.Job.of(job))
        return
    line(f"job {job.id} {_state(job)}")


@app.command()
def log(
    number: Number,
    after: Annotated[int, typer.Option(help="Only events with a greater id.", min=0)] = 0,
    limit: Annotated[int, typer.Option("--max-count", "-n", help="Show at most N.", min=1)] = 1000,
    json: Json = False,
) -> None:
    """Print what happened to a job, and what it said; `--after ID` goes on from an event."""
    with open_hub() as hub:
        events = hub.job_log(number, after=after, limit=limit)
    if json:
        emit_json(results.JobEvent.list_of(events))
        return
    for event in events:
        line(f"{event.time.astimezone():%H:%M:%S} {_event(event)}")


def worker(
    once: Annotated[
        bool, typer.Option("--once", help="End when no job is due, instead of waiting for more.")
    ] = False,
    json: Json = False,
) -> None:
    """Do the jobs of this project, one at a time. Ctrl-C or SIGTERM gives the job in hand back."""
    with open_hub() as hub:
        if not once:
            talk("Waiting for jobs. Ctrl-C ends.")
        work = hub.work(once=once)
    if json:
        emit_json(work)
        return
    counts = {**vars(work), "to be tried again": work.queued, "taken over by others": work.lost}
    del counts["queued"], counts["lost"]
    line(", ".join(f"{count} {state}" for state, count in counts.items()))


def _state(job: Job) -> str:
    return "cancelling" if job.cancel and not job.has_ended else job.state


def _event(event: JobEvent) -> str:
    data = event.data
    if event.kind == "log":
        return f"  {data['line']}"
    if event.kind == "progress":
        return f"{data['stage']} {data['done']} of {data['total']}"
    return f"{data['state']}" + (f", attempt {data['attempt']}" if data["attempt"] else "")
