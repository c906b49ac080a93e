"""Commits of an overlay, and how they hang together with those beneath.

A commit that was made here is a commit of the base (its root) with changes upon it.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256

from datahub.core.dataset import to_canonical_json
from datahub.core.errors import RefNotFound
from datahub.core.versions import (
    Changes,
    Commit,
    CommitId,
    ObjectId,
    in_utc,
    is_id,
    no_commit,
    parsed_ref,
)
from datahub.ports import VersionStore


@dataclass(frozen=True)
class Layer:
    """A commit made here: all that it changes of `root`, a commit of the base."""

    commit: Commit
    root: CommitId
    changes: Changes

    def value(self, path: str, beneath: ObjectId | None) -> ObjectId | None:
        """What a path holds, where the root holds `beneath`."""
        return self.changes.get(path, beneath)


class Layers:
    """The commits and names of an overlay, and of its base where it has none of its own."""

    def __init__(self, base: VersionStore) -> None:
        self.base = base
        self.made: dict[CommitId, Layer] = {}
        self.heads: dict[str, CommitId] = {}
        self.tags: dict[str, CommitId] = {}
        self.gone: set[str] = set()  # names of the base that were deleted here

    def branches(self) -> dict[str, CommitId]:
        """Branch name -> head."""
        return self._without_gone(self.base.branches()) | self.heads

    def all_tags(self) -> dict[str, CommitId]:
        """Tag name -> commit."""
        return self._without_gone(self.base.tags()) | self.tags

    def _without_gone(self, names: Mapping[str, CommitId]) -> dict[str, CommitId]:
        return {name: commit_id for name, commit_id in names.items() if name not in self.gone}

    def commit_of(self, ref: str) -> Commit:
        """The commit that a ref names. Raises RefNotFound."""
        name, steps = parsed_ref(ref)
        commit = self._named(name)
        for sign, count in steps:
            times, number = (count, 1) if sign == "~" else (min(count, 1), count)
            for _ in range(times):
                if number > len(commit.parents):
                    raise RefNotFound(ref)
                commit = self._by_id(commit.parents[number - 1])
        return commit

    def add(
        self,
        parents: tuple[CommitId, ...],
        changes: Changes,
        *,
        message: str,
        author: str,
        time: datetime,
        metadata: Mapping[str, str],
    ) -> Commit:
        """Make a commit upon its first parent. Equal ones have equal ids."""
        below = self.made.get(parents[0])
        draft = Commit("", parents, message, author, in_utc(time), dict(metadata))
        body = {**asdict(draft), "time": draft.time.isoformat(), "changes": dict(changes)}
        commit_id = sha256(to_canonical_json(body).encode()).hexdigest()
        commit = Commit(commit_id, parents, message, author, draft.time, draft.metadata)
        root = parents[0] if below is None else below.root
        whole = dict(changes) if below is None else {**below.changes, **changes}
        self.made[commit_id] = Layer(commit, root, whole)
        return commit

    def layer(self, commit_id: CommitId) -> Layer:
        """A commit of the base is a layer that changes nothing."""
        own = self.made.get(commit_id)
        return own or Layer(self.base.commit_at(commit_id), commit_id, {})

    def log(self, commit_id: CommitId) -> Iterator[Commit]:
        """A commit and all before it: children before parents, else the newest first."""
        commits = self._reached(commit_id)
        children = dict.fromkeys(commits, 0)
        for commit in commits.values():
            for parent in set(commit.parents):
                children[parent] += 1
        ready = [(-commits[commit_id].time.timestamp(), commit_id)]
        while ready:
            commit = commits[heapq.heappop(ready)[1]]
            yield commit
            for parent in dict.fromkeys(commit.parents):
                children[parent] -= 1
                if not children[parent]:
                    heapq.heappush(ready, (-commits[parent].time.timestamp(), parent))

    def merge_base(self, ours: CommitId, theirs: CommitId) -> Commit:
        """The newest commit made here that both have; else the base's answer for what is below."""
        above = self._made_below(theirs)
        common = [commit_id for commit_id in self._made_below(ours) if commit_id in above]
        if common:
            return next(commit for commit in self.log(ours) if commit.id in common)
        pairs = [
            (commit_id, their_id)
            for commit_id in self._feet(ours)
            for their_id in self._feet(theirs)
        ]
        bases = {base.id: base for base in (self.base.merge_base(*pair) for pair in pairs)}
        return next(
            (commit_id for commit_id in bases.values() if self._is_latest(commit_id, bases)),
            next(iter(bases.values())),
        )

    def _is_latest(self, commit: Commit, ids: Collection[CommitId]) -> bool:
        """Whether all others are before it."""
        return all(self.base.merge_base(commit.id, commit_id).id == commit_id for commit_id in ids)

    def _named(self, name: str) -> Commit:
        if is_id(name):
            ids = [commit_id for commit_id in self.made if commit_id.startswith(name)]
            if len(ids) == 1:
                return self.made[ids[0]].commit
            if not ids and (name in self.heads or name in self.tags):
                raise no_commit(name, is_name=True)
            return self.base.commit_at(name)
        own = self.heads.get(name) or self.tags.get(name)
        if own is not None:
            return self._by_id(own)
        if name in self.gone:
            raise RefNotFound(name)
        return self.base.commit_at(name)

    def _by_id(self, commit_id: CommitId) -> Commit:
        layer = self.made.get(commit_id)
        return self.base.commit_at(commit_id) if layer is None else layer.commit

    def _reached(self, commit_id: CommitId) -> dict[CommitId, Commit]:
        commits: dict[CommitId, Commit] = {}
        for layer_id in self._made_below(commit_id):
            commits[layer_id] = self.made[layer_id].commit
        for foot in self._feet(commit_id):
            if foot not in commits:
                commits |= {commit.id: commit for commit in self.base.log(foot)}
        return commits

    def _made_below(self, commit_id: CommitId) -> set[CommitId]:
        """A commit and those before it that were made here."""
        return self._walk(commit_id)[0]

    def _feet(self, commit_id: CommitId) -> set[CommitId]:
        """The commits of the base that it stands on; itself where it is one."""
        return self._walk(commit_id)[1]

    def _walk(self, commit_id: CommitId) -> tuple[set[CommitId], set[CommitId]]:
        layer_ids: set[CommitId] = set()
        feet: set[CommitId] = set()
        stack = [commit_id]
        while stack:
            layer_id = stack.pop()
            if layer_id not in self.made:
                feet.add(layer_id)
            elif layer_id not in layer_ids:
                layer_ids.add(layer_id)
                stack += self.made[layer_id].commit.parents
        return layer_ids, feet
