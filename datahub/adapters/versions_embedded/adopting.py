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
    begun = graph.heads()
    if graph.tags() or any(graph.commit(head).parents for head in begun.values()):
        raise Conflict(
            "This repository already has a history.",
            hint="Import into a project that `datahub init` has just made.",
        )
    known: set[CommitId] = set()
    for commit, changes in history:
        checked_changes(changes)
        files.check_held({path: oid for path, oid in changes.items() if oid is not None})
        known.add(_written(graph, commit, changes, known))
    for name, target in [*branches.items(), *tags.items()]:
        if target not in known:
            raise InputError(f"{name!r} names no commit of the history.")
    for name in begun.keys() - branches.keys():
        graph.remove_branch(name)
    for name, target in branches.items():
        graph.set_head(checked_branch(name), target)
    for name, target in tags.items():
        graph.set_tag(checked_branch(name, what="tag"), target)


def _written(
    graph: Transaction, commit: Commit, changes: Changes, known: set[CommitId]
) -> CommitId:
    """Add a commit, which must come to the id it had."""
    made = ""
    if known.issuperset(commit.parents):
        first = commits.tree(graph, commit.parents[0]) if commit.parents else None
        made = commits.written(
            graph,
            trees.edited(graph, first, changes),
            commit.parents,
            message=commit.message,
            author=commit.author,
            time=commit.time,
            metadata=commit.metadata,
        )
    if made != commit.id:
        raise InputError(
            f"Commit {commit.id[:12]} does not match its id.",
            hint="Export again; a history that was rewritten cannot be trusted.",
        )
    return made
