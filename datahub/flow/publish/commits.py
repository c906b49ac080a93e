"""The commits of one repository, as the audit asks about them; each answer is computed once.

What a commit changed, which datasets it touched, what lies before it outside the audited line, and
which rows people were asked about. Nothing here writes.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache

from datahub.core.dataset import Key
from datahub.core.layout import DATASETS, review_file
from datahub.core.triage import Batch
from datahub.core.versions import Change, Commit, CommitId, ObjectId
from datahub.flow.dataset.at import At
from datahub.ports import Rows, VersionStore

_FAR = 1000  # commits back in which a push is looked for that is not in the tree any more


class Commits:
    """What a commit changed, holds and comes from."""

    def __init__(self, store: VersionStore, rows: Rows, line: Collection[CommitId] = ()) -> None:
        """`line` are commits that are looked at by themselves, or trusted."""
        self.store = store
        self.rows = rows
        self._line = frozenset(line)
        self._tasks: dict[ObjectId, dict[Key, str]] = {}
        self._batches: dict[tuple[CommitId, str], ObjectId | None] = {}
        self._outside: dict[CommitId, Sequence[Commit]] = {}
        self._changes = lru_cache(maxsize=16)(self._read_changes)

    def at(self, commit: Commit, name: str) -> At:
        """A dataset at a commit."""
        return At(self.store, self.rows, commit, name)

    def changes(self, commit: Commit, prefix: str = DATASETS) -> list[Change]:
        """What a commit changed; of one without a parent, what it holds."""
        changes = self._changes(commit.id, commit.parents)
        return [change for change in changes if change.path.startswith(prefix)]

    def _read_changes(self, commit_id: CommitId, parents: tuple[CommitId, ...]) -> list[Change]:
        if parents:
            return self.store.changes(parents[0], commit_id, DATASETS)
        objects = self.store.objects(commit_id, DATASETS)
        return [Change(path, None, oid) for path, oid in objects.items()]

    def datasets(self, commit: Commit) -> list[str]:
        """Names of the datasets under which a commit changed something."""
        paths = (change.path for change in self.changes(commit))
        names = (re.match(rf"{DATASETS}([^/]+)/", path) for path in paths)
        return list(dict.fromkeys(name[1] for name in names if name))

    def outside(self, source: Commit) -> Sequence[Commit]:
        """A commit and all before it that nobody looks at by themselves; oldest first."""
        if source.id not in self._outside:
            commits: dict[CommitId, Commit] = {}
            queue = deque([source])
            while queue:
                commit = queue.popleft()
                if commit.id not in self._line and commit.id not in commits:
                    commits[commit.id] = commit
                    queue += map(self.store.commit_at, commit.parents)
            self._outside[source.id] = list(commits.values())[::-1]
        return self._outside[source.id]

    def tasks(self, commit: Commit, name: str, batch: str) -> Mapping[Key, str]:
        """Key -> content hash of the rows that people were asked about in a batch."""
        oid = self._batch(commit, review_file(name, batch))
        if oid is None:
            return {}
        if oid not in self._tasks:
            tasks = Batch.from_json(self.store.read(oid)).tasks
            self._tasks[oid] = {task.key: task.row_hash for task in tasks}
        return self._tasks[oid]

    def _batch(self, commit: Commit, path: str) -> ObjectId | None:
        """A pushed batch, of the commit or of the last one before it that has it.

        People can answer what was pushed when a revert or restore has taken the push back.
        """
        place = (commit.id, path)
        if place not in self._batches:
            oid = self.store.objects(commit.id, path).get(path)
            earlier = [] if oid else self.store.log(commit.id, limit=_FAR)
            oids = (self.store.objects(before.id, path).get(path) for before in earlier)
            self._batches[place] = oid or next(filter(None, oids), None)
        return self._batches[place]
