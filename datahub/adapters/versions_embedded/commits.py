"""Commits: between ours and git's, which dulwich writes."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping, Sequence

from dulwich import objects
from dulwich.objects import ObjectID

from datahub.adapters.versions_embedded.transaction import Transaction
from datahub.core.versions import Commit, CommitId, in_utc
from datahub.machine.faults import damage_error

# Ends every message: author, time and metadata to the letter, as ASCII JSON on one line.
_TRAILER = b"\n\nDatahub: "


def write(
    graph: Transaction,
    tree: ObjectID,
    parents: Sequence[CommitId],
    *,
    message: str,
    author: str,
    time: dt.datetime,
    metadata: Mapping[str, str],
) -> CommitId:
    """Add a commit; return its id. The time has a zone: it is kept in UTC."""
    time = in_utc(time)
    exact = {"author": author, "metadata": dict(metadata), "time": time.isoformat()}
    trailer = json.dumps(exact, sort_keys=True, separators=(",", ":"))
    commit = objects.Commit()
    commit.tree = tree
    commit.parents = [ObjectID(parent.encode()) for parent in parents]
    # For git's eyes; a name there holds none of these signs.
    commit.author = commit.committer = (
        re.sub(r"[<>\n\0]", "", author).encode(errors="replace") + b" <>"
    )
    commit.author_time = commit.commit_time = int(time.timestamp())
    commit.author_timezone = commit.commit_timezone = 0
    commit.message = message.encode(errors="surrogatepass") + _TRAILER + trailer.encode()
    return graph.add_commit(commit)


def read(graph: Transaction, commit_id: CommitId) -> Commit:
    """A commit in our words."""
    link = graph.link(commit_id)
    message, trailer, exact = link.body.partition(b"\n\n")[2].rpartition(_TRAILER)
    if not trailer:
        raise damage_error(f"Commit {commit_id} was not written by datahub.")
    values = json.loads(exact)
    return Commit(
        id=commit_id,
        parents=link.parents,
        message=message.decode(errors="surrogatepass"),
        author=values["author"],
        time=dt.datetime.fromisoformat(values["time"]),
        metadata=values["metadata"],
    )


def tree(graph: Transaction, commit_id: CommitId) -> ObjectID:
    """The tree that a commit names."""
    return ObjectID(graph.link(commit_id).tree.encode())
