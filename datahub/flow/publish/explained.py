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
from datahub.flow.dataset.annotations import log_at
from datahub.flow.dataset.tables import dataset_at, datasets_at, has_table, read_keys
from datahub.flow.publish.consistency import disowned
from datahub.flow.publish.verdicts import own_verdict
from datahub.ports import Rows, VersionStore

_EDITS = frozenset({"revert", "cherry-pick", "restore"})  # they bring what another commit holds
_FAR = 1000  # commits back in which a push is looked for that is not in the tree any more
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
        self._batches: dict[tuple[str, str], ObjectId | None] = {}  # by commit and path

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
        oid = self._batch(commit, review_file(name, batch))
        if oid is None:
            return {}
        if oid not in self._asked:
            tasks = Batch.from_json(self._store.read(oid)).tasks
            self._asked[oid] = {task.key: task.row_hash for task in tasks}
        return self._asked[oid]

    def labels_of(self, ref: str, name: str, keys: list[Key]) -> dict[Key, str | None]:
        """Final labels of these rows at a ref, where there are any."""
        if not has_table(self._store, ref, name, "labels"):
            return {}
        known = dataset_at(self._store, ref, name)
        columns = [known.key, "label"]
        frames = read_keys(self._store, self._rows, ref, known, "labels", keys, columns=columns)
        return {key: label for frame in frames for key, label in frame.iter_rows()}

    def _batch(self, commit: Commit, path: str) -> ObjectId | None:
        """A pushed batch, of the commit or of the last one before it that has it.

        People can answer what was pushed when a revert or restore has taken the push back.
        """
        place = (commit.id, path)
        if place not in self._batches:
            oid = self._store.objects(commit.id, path).get(path)
            before = [] if oid else self._store.log(commit.id, limit=_FAR)
            held = (self._store.objects(one.id, path).get(path) for one in before)
            self._batches[place] = oid or next(filter(None, held), None)
        return self._batches[place]


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
        Of a commit that is gone the name is all there is, as the step's is of a fit or a run.
        """
        is_merge = self._is_merge
        if kind == "annotations" and (is_merge or self._step in _STEPS[kind]):
            return True  # their lines are looked at
        if not is_merge and self._step not in _EDITS:
            return self._step in _STEPS[kind]
        if all(self._is_elsewhere(change) for change in changes):
            return True
        if is_merge:
            return own_verdict(self._store, self._commit) is not None
        return bool(self._gone) or (kind == "labels" and self._step != "restore")

    def _is_elsewhere(self, change: Change) -> bool:
        return any(held.get(change.path) == change.new for held in self._elsewhere)

    @cached_property
    def _elsewhere(self) -> list[Objects]:
        """What the commits that this one took over from hold of the dataset."""
        prefix = f"{DATASETS}{self._name}/"
        return [self._store.objects(commit, prefix) for commit in self._others]

    @property
    def _is_merge(self) -> bool:
        return len(self._commit.parents) > 1 or "squashed" in self._commit.metadata

    @property
    def _step(self) -> str:
        own = self._commit.metadata.get("dataset", self._name) == self._name
        return self._commit.metadata.get("step", "") if own else ""

    @cached_property
    def _sources(self) -> dict[str, Commit | None]:
        """The commits that this one names as merged, reverted, picked or restored; None: gone.

        A branch that was squashed or picked from can be deleted, and its commits collected.
        Only ids name commits: a branch can be moved to what is to be explained.
        """
        named = [self._commit.metadata.get(word, "") for word in ("squashed", "commit")]
        found: dict[str, Commit | None] = {}
        for name in [*self._commit.parents[1:], *filter(_is_id, named)]:
            try:
                found[name] = self._store.commit_at(name)
            except RefNotFound:
                found[name] = None
        return found

    @property
    def _others(self) -> list[str]:
        """The commits that this one took over from, each with what it stood on."""
        there = filter(None, self._sources.values())
        return [one for source in there for one in (source.id, *source.parents[:1])]

    @property
    def _gone(self) -> list[str]:
        """Ids of commits that this one took over from, and that are not in the store any more."""
        return [name for name, source in self._sources.items() if source is None]

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
            else:
                found += self._taken_over(self._lines(change.new))
        return found

    def _taken_over(self, lines: list[Annotation]) -> list[str]:
        """What is wrong with lines that no other commit holds: they settle something, or one did.

        Where the commit that held them is gone, they are looked at as those of a pull.
        """
        settled = self._settlements(lines)
        rest = [entry for entry in lines if entry not in settled]
        if rest and not self._gone:
            return ["it brings annotations that no other commit holds"]
        return self._unasked(rest)

    def _settlements(self, lines: list[Annotation]) -> set[Annotation]:
        """The lines by which a merge or edit settled rows: of answers, or of what models said."""
        made = [
            entry
            for entry in lines
            if re.fullmatch(r"merge-.+", entry.batch)
            and entry.id == f"{entry.batch}-{entry.key}"
            and entry.label in self._classes
        ]
        of_answers = {
            entry
            for entry in made
            if entry.settles
            and {(settled, entry.key) for settled in entry.settles} <= self._answers
        }
        bare = [entry for entry in made if not entry.settles]
        apart = self._models_disagree([entry.key for entry in bare])
        return of_answers | {entry for entry in bare if entry.key in apart}

    def _models_disagree(self, keys: list[Key]) -> set[Key]:
        """Rows that the labels of the two sides differ on; all, by the verdict, if one is gone."""
        if not keys:
            return set()
        if self._is_merge and self._gone:
            return set(keys) if self._is_judged else set()
        ours = self._explaining.labels_of(self._commit.parents[0], self._name, keys)
        sides = [self._explaining.labels_of(at, self._name, keys) for at in self._others]
        return {
            key
            for theirs in sides
            for key in ours.keys() & theirs.keys()
            if ours[key] != theirs[key]
        }

    @property
    def _is_judged(self) -> bool:
        """Whether the commit has a verdict that passes just it, on what it stands on."""
        verdict = own_verdict(self._store, self._commit)
        if verdict is None or not verdict.passed:
            return False
        own = self._store.content_of(self._commit.id)
        return (verdict.content_id, verdict.judged_head) == (own, self._commit.parents[0])

    @cached_property
    def _answers(self) -> set[tuple[str, Key]]:
        """Ids and keys of what the log of the commit says, without what was taken back."""
        log = log_at(self._store, self._commit.id, self._name)
        return {(entry.id, entry.key) for entry in log if not entry.withdrawn}

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
        found += self._unasked(lines)
        keys = list({entry.key for entry in lines if not entry.withdrawn})
        if len(self._explaining.keys(self._commit, known, keys)) < len(keys):
            found.append("annotations are of rows that are not there")
        return found

    def _unasked(self, lines: list[Annotation]) -> list[str]:
        """Lines that answer nothing, say no class, or take back what nobody said.

        What is taken back may be of a row or a class that is not there any more.
        """
        found = []
        said = [entry for entry in lines if not entry.withdrawn]
        unasked = sum(not self._is_asked(entry) for entry in said)
        if unasked:
            found.append(f"{unasked} annotations answer no task that was pushed")
        strange = {entry.label for entry in said} - {None, *self._classes}
        if strange:
            found.append(f"annotations say {', '.join(map(repr, sorted(strange, key=str)))}")
        taken = [(entry.id, entry.key) for entry in lines if entry.withdrawn]
        if taken and not self._answers.issuperset(taken):
            found.append("it takes back annotations that nobody gave")
        return found

    @cached_property
    def _classes(self) -> set[str]:
        """The classes of the dataset, with those before the commit: a squash can remove one."""
        at = [self._commit.id, self._commit.parents[0]]
        there = [ref for ref in at if self._name in datasets_at(self._store, ref)]
        return {name for ref in there for name in dataset_at(self._store, ref, self._name).classes}


def _is_id(name: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{64}", name) is not None


def _by_dataset(changes: Iterable[Change]) -> dict[str, list[Change]]:
    found: dict[str, list[Change]] = {}
    for change in changes:
        name = re.match(rf"{DATASETS}([^/]+)/", change.path)
        if name:
            found.setdefault(name[1], []).append(change)
    return found
