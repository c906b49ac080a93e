"""Which step brought the annotations, labels or votes that one commit changed in one dataset.

`ChangeOrigin(commits, explain, commit, dataset, kind).faults()`: what no step explains, in words.
Of annotations, the lines themselves are looked at, too (flow.publish.lines).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cached_property

from datahub.core.errors import DatahubError, RefNotFound
from datahub.core.layout import (
    DATASETS,
    annotations_prefix,
    label_model_file,
    lf_code_file,
    lfs_file,
    table_prefix,
)
from datahub.core.versions import Change, Commit, CommitId, Objects
from datahub.flow.publish.commits import Commits
from datahub.flow.publish.keptlabels import not_kept
from datahub.flow.publish.lines import Lines
from datahub.flow.publish.verdicts import own_verdict

_EDITS = frozenset({"revert", "cherry-pick", "restore"})  # they bring what another commit holds
_STEPS = {
    "annotations": frozenset({"review pull"}) | _EDITS,
    "labels": frozenset({"label fit", "review pull", "import"}) | _EDITS,
    "votes": frozenset({"lf run", "import"}) | _EDITS,
}
_BY = {
    "annotations": "no review pull",
    "labels": "no label fit, review pull or import",
    "votes": "no lf run or import",
}
KINDS = tuple(_STEPS)

Explain = Callable[[Commit, str, str], list[str]]  # (commit, dataset, kind) -> its faults


class ChangeOrigin:
    """What one commit did to one kind of objects of one dataset."""

    def __init__(
        self, commits: Commits, explain: Explain, commit: Commit, name: str, kind: str
    ) -> None:
        """`explain` says the same of the commits that something was taken over from."""
        self._commits = commits
        self._explain = explain
        self._store = commits.store
        self._commit = commit
        self._name = name
        self._kind = kind

    def faults(self) -> list[str]:
        """What no step explains."""
        if not self._changes:
            return []
        if not self._is_brought():
            return [f"it changes {self._kind} of {self._name}, and {_BY[self._kind]} brought them"]
        faults = list(dict.fromkeys(self._carrier_faults()))
        if self._kind == "annotations":
            faults += self._lines()
        if self._kind == "labels" and not self.missing:
            faults += self._kept_faults()
        return faults

    @cached_property
    def _changes(self) -> list[Change]:
        prefix = f"{DATASETS}{self._name}/"
        changes = self._commits.changes(self._commit, prefix)
        return [change for change in changes if _is_of(self._name, self._kind, change.path)]

    def _is_brought(self) -> bool:
        """Whether the step is one that brings such, or it holds what another commit does.

        Merges make labels of their own from the answers of both sides; such a merge has a verdict.
        Of a commit that is gone the name is all there is, as the step's is of a fit or a run.
        """
        if self._kind == "annotations" and (self._is_merge or self._step in _STEPS[self._kind]):
            return True  # their lines are looked at
        if not self._is_merge and self._step not in _EDITS:
            return self._step in _STEPS[self._kind]
        if all(self._is_elsewhere(change) for change in self._changes):
            return True
        if self._is_merge:
            return own_verdict(self._store, self._commit) is not None
        return bool(self.missing) or (self._kind == "labels" and self._step != "restore")

    def _carrier_faults(self) -> Iterator[str]:
        """What is wrong with the commits that these were taken over from."""
        for carrier in self._carriers():
            for fault in self._explain(carrier, self._name, self._kind):
                place = f" in {carrier.id[:12]}"
                yield fault if re.search(r" in [0-9a-f]{12}$", fault) else fault + place

    def _carriers(self) -> Iterator[Commit]:
        """Commits outside the branch that changed what this one took over from them.

        Labels that a squash or pick computed again are of what the commits it names did.
        """
        changes = {(change.path, change.new) for change in self._changes}
        again = {(c.path, c.new) for c in self._changes if not self._is_elsewhere(c)}
        for source in filter(None, self._sources.values()):
            for commit in self._commits.outside(source):
                own = {(c.path, c.new) for c in self._commits.changes(commit)}
                is_whole = self._is_merge or (self._step, commit.id) == ("cherry-pick", source.id)
                if own & changes or (again and is_whole):
                    yield commit

    def _lines(self) -> list[str]:
        """What is wrong with the lines of annotations that no other commit holds."""
        fresh = [change for change in self._changes if not self._is_elsewhere(change)]
        try:
            lines = Lines(
                commits=self._commits,
                commit=self._commit,
                name=self._name,
                sources=self.sources,
                is_missing=bool(self.missing),
                is_merge=self._is_merge,
            )
            faults = lines.faults(fresh, is_pull=self._step == "review pull")
            return [f"{fault} ({self._name})" for fault in faults]
        except (DatahubError, ValueError, TypeError, KeyError) as error:
            return [f"annotations of {self._name} cannot be read: {error}"]

    def _kept_faults(self) -> list[str]:
        """What is wrong with labels of models of which nothing but the labels is left."""
        before = [*map(self._store.commit_at, self._commit.parents[:1]), *self.sources]
        earlier = [self._commits.at(commit, self._name) for commit in before]
        try:
            return not_kept(self._commits.at(self._commit, self._name), self._changes, earlier)
        except DatahubError as error:
            return [f"labels of {self._name} cannot be read: {error}"]

    def _is_elsewhere(self, change: Change) -> bool:
        return any(objects.get(change.path) == change.new for objects in self._elsewhere)

    @cached_property
    def _elsewhere(self) -> list[Objects]:
        """What the commits that this one took over from hold of the dataset."""
        prefix = f"{DATASETS}{self._name}/"
        return [self._store.objects(commit.id, prefix) for commit in self.sources]

    @property
    def _is_merge(self) -> bool:
        return len(self._commit.parents) > 1 or "squashed" in self._commit.metadata

    @property
    def _step(self) -> str:
        own = self._commit.metadata.get("dataset", self._name) == self._name
        return self._commit.metadata.get("step", "") if own else ""

    @cached_property
    def _sources(self) -> dict[CommitId, Commit | None]:
        """The commits that this one names as merged, reverted, picked or restored; None: gone.

        A branch that was squashed or picked from can be deleted, and its commits collected.
        Only ids name commits: a branch can be moved to what is to be explained.
        """
        values = [self._commit.metadata.get(word, "") for word in ("squashed", "commit")]
        ids = [name for name in values if re.fullmatch(r"[0-9a-f]{64}", name)]
        return {name: self._find(name) for name in [*self._commit.parents[1:], *ids]}

    def _find(self, commit_id: CommitId) -> Commit | None:
        try:
            return self._store.commit_at(commit_id)
        except RefNotFound:
            return None

    @cached_property
    def sources(self) -> list[Commit]:
        """The commits that this one took over from, each with what it stood on."""
        return [
            commit
            for source in self._sources.values()
            if source is not None
            for commit in (source, *map(self._store.commit_at, source.parents[:1]))
        ]

    @property
    def missing(self) -> list[CommitId]:
        """Ids of commits that this one took over from, and that are not in the store any more."""
        return [name for name, source in self._sources.items() if source is None]


def _is_of(name: str, kind: str, path: str) -> bool:
    prefixes = {
        "annotations": (annotations_prefix(name),),
        "labels": (
            table_prefix(name, "labels"),
            table_prefix(name, "soft_labels"),
            label_model_file(name),
        ),
        "votes": (table_prefix(name, "votes"), lfs_file(name), lf_code_file(name)),
    }
    return path.startswith(prefixes[kind])
