"""A history as somebody leaves it who goes round every door of datahub.

Calls of the embedded store, and edits of its database: what an audit must name, and fsck.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from dulwich.objects import ObjectID

from datahub.adapters.versions_embedded import commits, trees
from datahub.adapters.versions_embedded.graph import Graph
from datahub.core import objecttree
from datahub.core.versions import Changes, Commit, CommitId, ObjectId
from datahub.ports import VersionStore

TIME = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


def by_hand(
    store: VersionStore, branch: str, files: Mapping[str, bytes | None], metadata: Mapping[str, str]
) -> Commit:
    """A commit by the store's own call, as a script of somebody's makes it."""
    changes = {
        path: None if content is None else store.put(content) for path, content in files.items()
    }
    return store.commit(
        branch,
        changes,
        message="by hand",
        author="mallory",
        time=TIME,
        expected=store.branches()[branch],
        metadata=metadata,
    )


def edit(folder: Path, statement: str, *values: object) -> None:
    """The database in a store's folder, as whoever can write the file leaves it."""
    with closing(sqlite3.connect(folder / "versions.db")) as connection, connection:
        connection.execute(statement, values)


def slip(
    folder: Path,
    head: Commit,
    changes: Changes,
    *,
    parents: Sequence[CommitId] = (),
    metadata: Mapping[str, str] | None = None,
    noted: bool = False,
) -> CommitId:
    """A commit on main below every door; `noted`: the store remembers it as guarded."""
    with Graph(folder / "versions.db").writing() as graph:
        slipped = commits.write(
            graph,
            trees.edit(graph, commits.tree(graph, head.id), changes),
            tuple(parents) or (head.id,),
            message="Merge work into main",
            author="ann",
            time=TIME,
            metadata=metadata or {},
        )
        graph.set_head("main", slipped)
        if noted:
            graph.note_guarded("main", slipped, after=head.id)
    return slipped


def hide(folder: Path, head: Commit, path: str, oid: ObjectId) -> None:
    """Main's head with an object in the tree of datahub's own, to which no content id reaches."""
    with Graph(folder / "versions.db").writing() as graph:
        roots = trees.roots(graph, commits.tree(graph, head.id))
        own, nodes = objecttree.edit(roots.own, {path: oid}, graph.node)
        graph.add_bodies(nodes)
        body = trees.Roots(roots.content, own).body()
        tree = objecttree.node_id(body)
        graph.add_bodies({tree: body})
        hidden = commits.write(
            graph,
            ObjectID(tree.encode()),
            head.parents,
            message=head.message,
            author=head.author,
            time=head.time,
            metadata=head.metadata,
        )
        graph.set_head("main", hidden)
