"""What names a commit: an id, a unique id prefix, a branch, a tag, and steps back from these."""

from __future__ import annotations

from datahub.adapters.versions_embedded.transaction import Transaction
from datahub.core.errors import RefNotFound
from datahub.core.versions import CommitId, is_id, no_commit, parsed_ref


def resolved(graph: Transaction, ref: str) -> CommitId:
    """Raises RefNotFound, with a hint where a prefix fits several commits."""
    name, steps = parsed_ref(ref)
    commit_id = _named(graph, name)
    for sign, count in steps:
        times, which = (count, 1) if sign == "~" else (min(count, 1), count)
        for _ in range(times):
            parents = graph.link(commit_id).parents
            if which > len(parents):
                raise RefNotFound(ref)
            commit_id = parents[which - 1]
    return commit_id


def _named(graph: Transaction, name: str) -> CommitId:
    """An id goes before any name: a branch that is called like a commit does not stand for it."""
    if not is_id(name):
        head = graph.heads().get(name) or graph.tags().get(name)
        if head is None:
            raise RefNotFound(name)
        return head
    found = graph.commits_starting(name)
    if len(found) > 1:
        error = RefNotFound(name)
        error.hint = f"Several commits start with {name}: write more of the id."
        raise error
    if not found:
        raise no_commit(name, named=name in graph.heads() or name in graph.tags())
    return found[0]
