"""What names a commit: an id, a unique id prefix, a branch, a tag, and steps back from these."""

from __future__ import annotations

from datahub.adapters.versions_embedded.transaction import Transaction
from datahub.core.errors import RefNotFound
from datahub.core.versions import CommitId, is_id, no_commit, parsed_ref


def resolve(graph: Transaction, ref: str) -> CommitId:
    """Raises RefNotFound, with a hint where a prefix fits several commits."""
    name, steps = parsed_ref(ref)
    commit_id = _find(graph, name)
    for sign, count in steps:
        times, number = (count, 1) if sign == "~" else (min(count, 1), count)
        for _ in range(times):
            parents = graph.link(commit_id).parents
            if number > len(parents):
                raise RefNotFound(ref)
            commit_id = parents[number - 1]
    return commit_id


def _find(graph: Transaction, name: str) -> CommitId:
    """An id goes before any name: a branch that is called like a commit does not stand for it."""
    if not is_id(name):
        head = graph.heads().get(name) or graph.tags().get(name)
        if head is None:
            raise RefNotFound(name)
        return head
    ids = graph.commits_starting(name)
    if len(ids) > 1:
        error = RefNotFound(name)
        error.hint = f"Several commits start with {name}: write more of the id."
        raise error
    if not ids:
        raise no_commit(name, is_name=name in graph.heads() or name in graph.tags())
    return ids[0]
