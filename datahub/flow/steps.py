"""What every step that commits has in common: who, when, on which branch, and may it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from datahub.core.errors import BranchNotFound, Guarded, NothingToCommit, StaleHead
from datahub.core.layout import GATES
from datahub.core.verdict import gates_of, guards
from datahub.core.versions import Changes, Commit
from datahub.ports import VersionStore

Progress = Callable[[str, int, int], None]  # what, done, of how many


def quiet(what: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class JobStamp:
    """The job that a step is made for: `mark` goes into the metadata of its commits.

    `check` raises LeaseLost where the job is another's by now: it is called before each commit.
    """

    mark: str
    check: Callable[[], None]


@dataclass(frozen=True)
class Step:
    """One step about to be made: on which branch, by whom, when; `id` is fresh and unique.

    `head` is the commit that it must start from, where somebody has said so.
    """

    branch: str
    author: str
    time: datetime
    id: str
    progress: Progress = quiet
    head: str = ""
    job: JobStamp | None = None


def begin(store: VersionStore, step: Step) -> Commit:
    """The head the step starts from. Raises Guarded, StaleHead before any work is done."""
    branches = store.branches()
    if step.branch not in branches:
        raise BranchNotFound(step.branch)
    head = store.commit_at(branches[step.branch])
    gates = store.objects(head.id, GATES).get(GATES)
    if gates is not None and guards(gates_of(store.read(gates)), step.branch):
        raise Guarded(step.branch)
    if step.head and step.head != head.id:
        raise StaleHead(step.branch, step.head, head.id)
    return head


def end(
    store: VersionStore,
    step: Step,
    head: Commit,
    changes: Changes,
    *,
    message: str,
    metadata: Mapping[str, str] | None = None,
) -> Commit:
    """Commit what differs from the head; the head itself when nothing does. Raises LeaseLost."""
    if step.job is not None:
        step.job.check()
        metadata = {**(metadata or {}), "job": step.job.mark}
    try:
        return store.commit(
            step.branch,
            changes,
            message=message,
            author=step.author,
            time=step.time,
            expected=head.id,
            metadata=metadata,
        )
    except NothingToCommit:
        return head


def commit_of_job(store: VersionStore, mark: str, *, base: str, head: str) -> Commit | None:
    """The commit of a job on the way from `base` to `head`; None where it has made none there."""
    limit = 100
    while True:
        commits = store.log(head, limit=limit)
        for commit in commits:
            if commit.id == base:
                return None
            if commit.metadata.get("job") == mark:
                return commit
        if len(commits) < limit:
            return None
        limit *= 10
