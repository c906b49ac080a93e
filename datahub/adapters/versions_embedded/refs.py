"""What names a commit: a branch, an id, a unique id prefix, and `~n` for the n-th ancestor."""

from __future__ import annotations

import re

from datahub.adapters.versions_embedded.graph import Transaction
from datahub.core.errors import RefNotFound
from datahub.core.versions import CommitId


def resolved(graph: Transaction, ref: str) -> CommitId:
    """Raises RefNotFound, with a hint where a prefix fits several commits."""
    asked = re.fullmatch(r"([^~]+)(?:~(\d{0,9}))?", ref)
    if asked is None:
        raise RefNotFound(ref)
    commit_id = _named(graph, asked[1])
    steps = 0 if asked[2] is None else int(asked[2] or 1)
    for _ in range(steps):
        parents = graph.commit(commit_id).parents
        if not parents:
            raise RefNotFound(ref)
        commit_id = parents[0].decode()
    return commit_id


def _named(graph: Transaction, name: str) -> CommitId:
    head = graph.heads().get(name)
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
