"""What a step is about to commit on top of an `At`: objects stored so far, and paths to go.

    draft = Draft(at)
    draft.put(triage_file(at.name), content)      # bytes at a path
    draft.write("labels", part, frame)            # what a table holds of one part
    draft.drop_rest("labels")               # what it held before, and does not now, goes
    commit = draft.commit(step, message=..., metadata=...)

Nothing is seen by anybody until `commit`, and all of it is then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import polars as pl

from datahub.core.dataset import Part
from datahub.core.versions import Changes, Commit, ObjectId
from datahub.flow.dataset.at import At
from datahub.flow.dataset.tables import write_part
from datahub.flow.steps import Step, end


class Draft:
    """The changes of one commit to be."""

    def __init__(self, at: At, changes: Changes | None = None) -> None:
        self.at = at
        self.changes: dict[str, ObjectId | None] = dict(changes or {})

    def put(self, path: str, content: bytes | str) -> None:
        """Store bytes for a path."""
        content = content.encode() if isinstance(content, str) else content
        self.changes[path] = self.at.store.put(content)

    def write(self, table: str, part: Part, frame: pl.DataFrame) -> None:
        """Store what a table holds of one part of the rows."""
        store, rows, name = self.at.store, self.at.rows, self.at.name
        self.changes |= write_part(store, rows, frame, dataset=name, table=table, part=part.sha256)

    def remove(self, paths: Iterable[str]) -> None:
        """Let go of paths that the commit has, but for those that are written."""
        self.changes = {**dict.fromkeys(paths, None), **self.changes}

    def drop_rest(self, table: str) -> None:
        """Let a table hold only what is written of it: parts of before go, and patches."""
        self.remove(self.at.objects(table))

    def commit(
        self, step: Step, *, message: str, metadata: Mapping[str, str] | None = None
    ) -> Commit:
        """Commit what differs; the head itself where nothing does. Raises as `end` does."""
        at = self.at
        return end(at.store, step, at.commit, self.changes, message=message, metadata=metadata)
