"""What names a commit: a branch, a tag, an id, a unique id prefix, and steps back from these."""

from __future__ import annotations

import re

from datahub.adapters.versions_embedded.graph import Transaction
from datahub.core.errors import RefNotFound
from datahub.core.versions import CommitId, parsed_ref


def resolved(graph: Transaction, ref: str) -> CommitId:
    """Raises RefNotFound, with a hint where a prefix fits several commits."""
    name, steps = parsed_ref(ref)
    commit_id = _named(graph, name)
    for sign, count in steps:
        times, which = (count, 1) if sign == "~" else (min(count, 1), count)
        for _ in range(times):
            parents = graph.commit(commit_id).parents
            if which > len(parents):
                raise RefNotFound(ref)
            commit_id = parents[which - 1].decode()
    return commit_id


def _named(graph: Transaction, name: str) -> CommitId:
    head = graph.heads().get(name) or graph.tags().get(name)
    if head is not None:
        return head
    if not re.fullmatch(r"[0-9a-f]{8,64}", name):
        raise RefNotFound(name)
    found = graph.commits_starting(name)
    if len(found) > 1:
        error = RefNotFound(name)
        error.hint = f"Several commits start with {name}: write more of the id."
        raise error
    if not found:
        raise RefNotFound(name)
    return found[0]
