"""A whole history taken over, ids and all, by a repository that holds nothing yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from datahub.adapters.versions_embedded import commits, trees
from datahub.adapters.versions_embedded.transaction import Transaction
from datahub.core.errors import Conflict, InputError
from datahub.core.versions import Changes, Commit, CommitId, checked_branch, checked_changes
from datahub.machine.bytes.files import ObjectFiles


def adopt(
    graph: Transaction,
    files: ObjectFiles,
    history: Sequence[tuple[Commit, Changes]],
    *,
    branches: Mapping[str, CommitId],
    tags: Mapping[str, CommitId],
) -> None:
    """Write commits, each with its changes to its first parent; names are then these alone."""
    heads = graph.heads()
    if graph.tags() or any(graph.commit(head).parents for head in heads.values()):
        raise Conflict(
            "This repository already has a history.",
            hint="Import into a project that `datahub init` has just made.",
        )
    commit_ids: set[CommitId] = set()
    for commit, changes in history:
        checked_changes(changes)
        files.check_held({path: oid for path, oid in changes.items() if oid is not None})
        commit_ids.add(_write(graph, commit, changes, commit_ids))
    for name, target in [*branches.items(), *tags.items()]:
        if target not in commit_ids:
            raise InputError(f"{name!r} names no commit of the history.")
    for name in heads.keys() - branches.keys():
        graph.remove_branch(name)
    for name, target in branches.items():
        graph.set_head(checked_branch(name), target)
    for name, target in tags.items():
        graph.set_tag(checked_branch(name, kind="tag"), target)


def _write(
    graph: Transaction, commit: Commit, changes: Changes, commit_ids: set[CommitId]
) -> CommitId:
    """Add a commit, which must come to the id it had."""
    commit_id = ""
    if commit_ids.issuperset(commit.parents):
        first = commits.tree(graph, commit.parents[0]) if commit.parents else None
        commit_id = commits.write(
            graph,
            trees.edit(graph, first, changes),
            commit.parents,
            message=commit.message,
            author=commit.author,
            time=commit.time,
            metadata=commit.metadata,
        )
    if commit_id != commit.id:
        raise InputError(
            f"Commit {commit.id[:12]} does not match its id.",
            hint="Export again; a history that was rewritten cannot be trusted.",
        )
    return commit_id
