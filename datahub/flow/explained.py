"""Whether annotations, labels and votes were brought by a step that brings such.

Each commit says in its metadata which step made it. A file that somebody committed by hand says
none, or one that it cannot prove: a pull's lines must be answers to tasks that were pushed, of
classes of the dataset, and the log only grows. Who writes everything consistently (tasks,
answers, labels) is not told from a person at work: docs/ci.md says so. Nothing here writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from datahub.core.dataset import Dataset, Key
from datahub.core.errors import DatahubError, RefNotFound
from datahub.core.layout import (
    DATASETS,
    annotations_prefix,
    label_model_file,
    lfs_file,
    review_file,
    table_prefix,
)
from datahub.core.relabel import Annotation
from datahub.core.triage import Batch
from datahub.core.versions import Change, Commit, ObjectId, Objects
from datahub.flow.consistency import disowned
from datahub.flow.tables import dataset_at, datasets_at, read_keys
from datahub.flow.verdicts import own_verdict
from datahub.ports import Rows, VersionStore

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


class Explaining:
    """What may be asked about the commits of one repository."""

    def __init__(self, store: VersionStore, rows: Rows) -> None:
        self._store = store
        self._rows = rows
        self._asked: dict[ObjectId, dict[Key, str]] = {}

    def faults(self, commit: Commit) -> list[str]:
        """What of a commit's annotations, labels and votes no step explains."""
        if not commit.parents:
            return []
        changed = self._store.changes(commit.parents[0], commit.id, DATASETS)
        found = []
        for name, changes in _by_dataset(changed).items():
            found += _Brought(self, commit, name, changes).faults()
        return found

    def labels(self, ref: str) -> list[str]:
        """Labels at a commit that are not what people or models said."""
        return [
            fault
            for name in datasets_at(self._store, ref)
            for fault in disowned(self._store, self._rows, ref, name)
        ]

    @property
    def store(self) -> VersionStore:
        """The store that holds the commits."""
        return self._store

    def keys(self, commit: Commit, dataset: Dataset, keys: list[Key]) -> set[Key]:
        """Which of these keys are of rows of a dataset."""
        frames = read_keys(
            self._store, self._rows, commit.id, dataset, "rows", keys, columns=[dataset.key]
        )
        return {key for frame in frames for key in frame[dataset.key].to_list()}

    def tasks(self, commit: Commit, name: str, batch: str) -> Mapping[Key, str]:
        """Key -> content hash of the rows that people were asked about in a batch."""
        path = review_file(name, batch)
        oid = self._store.objects(commit.id, path).get(path)
        if oid is None:
            return {}
        if oid not in self._asked:
            tasks = Batch.from_json(self._store.read(oid)).tasks
            self._asked[oid] = {task.key: task.row_hash for task in tasks}
        return self._asked[oid]


class _Brought:
    """What one commit did to one dataset."""

    def __init__(
        self, explaining: Explaining, commit: Commit, name: str, changes: list[Change]
    ) -> None:
        self._explaining = explaining
        self._store = explaining.store
        self._commit = commit
        self._name = name
        self._changes = changes

    def faults(self) -> list[str]:
        touched = {kind: changes for kind in _STEPS if (changes := self._of(kind))}
        found = [
            f"it changes {kind} of {self._name}, and {_BY[kind]} brought them"
            for kind, changes in touched.items()
            if not self._is_brought(kind, changes)
        ]
        if found or "annotations" not in touched:
            return found
        try:
            return [f"{what} ({self._name})" for what in self._annotations(touched["annotations"])]
        except (DatahubError, ValueError, TypeError, KeyError) as error:
            return [f"annotations of {self._name} cannot be read: {error}"]

    def _is_brought(self, kind: str, changes: Sequence[Change]) -> bool:
        """Whether the step is one that brings such, or it holds what another commit does.

        Merges make labels of their own from the answers of both sides; such a merge has a verdict.
        """
        is_merge = len(self._commit.parents) > 1 or "squashed" in self._commit.metadata
        if kind == "annotations" and (is_merge or self._step in _STEPS[kind]):
            return True  # their lines are looked at
        if not is_merge and self._step not in _EDITS:
            return self._step in _STEPS[kind]
        if all(self._is_elsewhere(change) for change in changes):
            return True
        if is_merge:
            return own_verdict(self._store, self._commit) is not None
        return kind == "labels" and self._step != "restore"

    def _is_elsewhere(self, change: Change) -> bool:
        return any(held.get(change.path) == change.new for held in self._elsewhere)

    @cached_property
    def _elsewhere(self) -> list[Objects]:
        """What the commits that this one took over from hold of the dataset."""
        prefix = f"{DATASETS}{self._name}/"
        return [self._store.objects(commit, prefix) for commit in self._others]

    @property
    def _step(self) -> str:
        own = self._commit.metadata.get("dataset", self._name) == self._name
        return self._commit.metadata.get("step", "") if own else ""

    @cached_property
    def _others(self) -> list[str]:
        """The commits that this one took over from: merged, reverted, picked or restored."""
        told = [self._commit.metadata.get(word, "") for word in ("squashed", "commit")]
        found = []
        for named in [*self._commit.parents[1:], *filter(None, told)]:
            try:
                source = self._store.commit_at(named)
            except RefNotFound:
                continue
            found += [source.id, *source.parents[:1]]
        return found

    def _of(self, kind: str) -> list[Change]:
        name = self._name
        prefixes = {
            "annotations": (annotations_prefix(name),),
            "labels": (
                table_prefix(name, "labels"),
                table_prefix(name, "soft_labels"),
                label_model_file(name),
            ),
            "votes": (table_prefix(name, "votes"), lfs_file(name)),
        }
        return [change for change in self._changes if change.path.startswith(prefixes[kind])]

    def _annotations(self, changes: Iterable[Change]) -> list[str]:
        """What is wrong with what a commit did to the log."""
        found = []
        for change in changes:
            if self._is_elsewhere(change):
                continue
            if change.kind != "added":
                found.append(f"it {change.kind} lines of the log of annotations")
            elif self._step == "review pull":
                found += self._pulled(self._lines(change.new))
            elif not all(entry.settles for entry in self._lines(change.new)):
                found.append("it brings annotations that no other commit holds")
        return found

    def _lines(self, oid: ObjectId | None) -> list[Annotation]:
        assert oid is not None  # of a file that was added
        lines = self._store.read(oid).splitlines()
        return [Annotation.from_json(line) for line in lines if line]

    def _is_asked(self, entry: Annotation) -> bool:
        tasks = self._explaining.tasks(self._commit, self._name, entry.batch)
        return tasks.get(entry.key) == entry.row_hash

    def _pulled(self, lines: list[Annotation]) -> list[str]:
        known = dataset_at(self._store, self._commit.id, self._name)
        told = self._commit.metadata.get("annotations", "")
        found = []
        if told != str(len(lines)):
            found.append(f"it brings {len(lines)} annotations and says {told or 'nothing'}")
        asked = [entry for entry in lines if entry.withdrawn or self._is_asked(entry)]
        if len(asked) < len(lines):
            found.append(f"{len(lines) - len(asked)} annotations answer no task that was pushed")
        strange = {entry.label for entry in lines} - {None, *known.classes}
        if strange:
            found.append(f"annotations say {', '.join(map(repr, sorted(strange, key=str)))}")
        keys = list({entry.key for entry in lines})
        if len(self._explaining.keys(self._commit, known, keys)) < len(keys):
            found.append("annotations are of rows that are not there")
        return found


def _by_dataset(changes: Iterable[Change]) -> dict[str, list[Change]]:
    found: dict[str, list[Change]] = {}
    for change in changes:
        name = re.match(rf"{DATASETS}([^/]+)/", change.path)
        if name:
            found.setdefault(name[1], []).append(change)
    return found
