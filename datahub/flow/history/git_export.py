"""Write the history as a plain git repository, with pointer files for objects."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from datahub.core.gitstream import stream
from datahub.core.versions import Change, Commit, CommitId, ObjectId
from datahub.flow.steps import Progress
from datahub.ports import GitRepositories, VersionStore


def git_export(
    folder: Path, *, branch: str, store: VersionStore, git: GitRepositories, progress: Progress
) -> int:
    """Make a git repository in an empty folder; return how many commits it holds.

    Raises Conflict (the folder holds something), ConfigError (no git), ObjectNotFound.
    """
    branches, tags = store.branches(), store.tags()
    commits = _parents_first(store, {*branches.values(), *tags.values()})

    @cache
    def size(oid: ObjectId) -> int:
        store.fetch(oid)  # which checks it
        return store.size(oid)

    def with_changes() -> Iterator[tuple[Commit, list[Change]]]:
        for count, commit in enumerate(commits, start=1):
            yield commit, _changes(store, commit)
            progress("export", count, len(commits))

    git.write(
        folder, stream(with_changes(), branches=branches, tags=tags, size=size), branch=branch
    )
    return len(commits)


def _parents_first(store: VersionStore, heads: set[CommitId]) -> list[Commit]:
    commits: dict[CommitId, Commit] = {}
    for head in sorted(heads):
        for commit in reversed(store.log(head)):
            commits.setdefault(commit.id, commit)
    return list(commits.values())


def _changes(store: VersionStore, commit: Commit) -> list[Change]:
    if commit.parents:
        return store.changes(commit.parents[0], commit.id)
    return [Change(path, None, oid) for path, oid in store.objects(commit.id).items()]
