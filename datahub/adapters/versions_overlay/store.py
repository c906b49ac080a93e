"""The overlay: each call of the port, in terms of layers, the base and files of its own."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from pathlib import Path

from datahub.adapters.versions_overlay.layers import Layer, Layers
from datahub.core.errors import (
    BranchExists,
    BranchNotFound,
    Guarded,
    InputError,
    NotFound,
    NothingToCommit,
    ObjectNotFound,
    StaleHead,
    TagExists,
    TagNotFound,
)
from datahub.core.landing import (
    born_guarded,
    check_landing,
    check_own_untouched,
    check_same,
    is_guarded,
    not_deleted,
)
from datahub.core.layout import DATASETS, GATES, RULES, VERDICT
from datahub.core.verdict import Verdict, gates_of
from datahub.core.versions import (
    Candidate,
    Change,
    Changes,
    Commit,
    CommitId,
    ObjectId,
    checked_branch,
    checked_changes,
    content_id,
)
from datahub.machine.bytes.files import ObjectFiles
from datahub.ports import VersionStore


class OverlayVersionStore:
    """A repository over another, which it never writes to. Threads may share it."""

    def __init__(self, base: VersionStore, files: ObjectFiles) -> None:
        self._base = base
        self._files = files
        self._layers = Layers(base)
        self._candidates: dict[CommitId, tuple[Candidate, bool, Mapping[str, str]]] = {}
        self._listings: dict[tuple[CommitId, str], dict[str, ObjectId]] = {}
        self._lock = threading.RLock()
        files.make_folders()

    # Bytes

    def stage(self, suffix: str) -> Path:
        """A fresh path in the scratch folder."""
        return self._files.stage(suffix)

    def unstage(self, path: Path) -> None:
        """Remove a staged file that nothing will take."""
        self._files.unstage(path)

    def put(self, content: Path | bytes) -> ObjectId:
        """Store a file or bytes here."""
        return self._files.put(content)

    def put_all(self, contents: Iterable[Path | bytes]) -> list[ObjectId]:
        """Store files and bytes here, together."""
        return self._files.put_all(contents)

    def fetch(self, oid: ObjectId) -> Path:
        """A file with these bytes, from here or from the base."""
        return self._base.fetch(oid) if self._is_beneath(oid) else self._files.fetch(oid)

    def size(self, oid: ObjectId) -> int:
        """How many bytes an object has."""
        return self._base.size(oid) if self._is_beneath(oid) else self._files.size(oid)

    def read(self, oid: ObjectId) -> bytes:
        """The bytes themselves."""
        return self._base.read(oid) if self._is_beneath(oid) else self._files.read(oid)

    def _is_beneath(self, oid: ObjectId) -> bool:
        return bool(self._files.missing([oid]))

    # Refs

    def branches(self) -> dict[str, CommitId]:
        """Branch name -> commit id of its head."""
        return self._layers.branches()

    def tags(self) -> dict[str, CommitId]:
        """Tag name -> commit id."""
        return self._layers.all_tags()

    def create_branch(self, name: str, *, at: str) -> Commit:
        """Cut a branch here."""
        checked_branch(name)
        with self._lock:
            self._check_free(name)
            commit = self.commit_at(at)
            if self._is_guarded(name, commit.id):
                raise born_guarded(name, at)
            self._layers.heads[name] = commit.id
            return commit

    def create_tag(self, name: str, *, at: str) -> Commit:
        """Name a commit here."""
        checked_branch(name, kind="tag")
        with self._lock:
            self._check_free(name)
            commit = self.commit_at(at)
            self._layers.tags[name] = commit.id
            return commit

    def delete_branch(self, name: str) -> None:
        """Remove the name here; the base keeps its own."""
        with self._lock:
            head = self._head(name)
            if self._is_guarded(name, head):
                raise not_deleted(name)
            self._layers.heads.pop(name, None)
            self._layers.gone.add(name)

    def delete_tag(self, name: str) -> None:
        """Remove the name here; the base keeps its own."""
        with self._lock:
            if name not in self.tags():
                raise TagNotFound(name)
            self._layers.tags.pop(name, None)
            self._layers.gone.add(name)

    # History

    def commit_at(self, ref: str) -> Commit:
        """The commit that a ref names."""
        return self._layers.commit_of(ref)

    def objects(self, ref: str, prefix: str = "") -> dict[str, ObjectId]:
        """Path -> object id under a prefix, by path."""
        layer = self._layers.layer(self.commit_at(ref).id)
        listing = dict(self._base.objects(layer.root, prefix))
        for path, oid in layer.changes.items():
            if not path.startswith(prefix):
                continue
            if oid is None:
                listing.pop(path, None)
            else:
                listing[path] = oid
        return dict(sorted(listing.items()))

    def changes(self, old: str, new: str, prefix: str = "") -> list[Change]:
        """Paths under a prefix that differ."""
        before, after = (self._layers.layer(self.commit_at(ref).id) for ref in (old, new))
        beneath = {}
        if before.root != after.root:
            changes_of_base = self._base.changes(before.root, after.root, prefix)
            beneath = {change.path: change for change in changes_of_base}
        paths = {p for p in (*before.changes, *after.changes) if p.startswith(prefix)}
        changes_of_layers = []
        for path in sorted(paths | beneath.keys()):
            below = beneath.get(path)
            sides = (below.old, below.new) if below else (self._beneath(before, path),) * 2
            change = Change(path, before.value(path, sides[0]), after.value(path, sides[1]))
            if change.old != change.new:
                changes_of_layers.append(change)
        return changes_of_layers

    def content_of(self, ref: str) -> str:
        """The content id of a commit."""
        commit = self.commit_at(ref)
        if commit.id not in self._layers.made:
            return self._base.content_of(commit.id)
        return content_id(self.objects(commit.id))

    def log(self, ref: str, *, limit: int | None = None, prefix: str = "") -> list[Commit]:
        """History, children before parents, else the newest first."""
        commit = self.commit_at(ref)
        if commit.id not in self._layers.made:
            return self._base.log(commit.id, limit=limit, prefix=prefix)
        commits = self._layers.log(commit.id)
        if prefix:
            commits = (one for one in commits if self._is_change(one, prefix))
        return list(islice(commits, limit))

    def merge_base(self, ours: str, theirs: str) -> Commit:
        """The best common ancestor."""
        return self._layers.merge_base(self.commit_at(ours).id, self.commit_at(theirs).id)

    # Landing

    def commit(
        self,
        branch: str,
        changes: Changes,
        *,
        message: str,
        author: str,
        time: datetime,
        expected: str,
        metadata: Mapping[str, str] | None = None,
    ) -> Commit:
        """Add one commit on top of `expected`, here."""
        checked_changes(changes)
        check_own_untouched(changes)
        gates = changes.get(GATES)
        gates_of(None if gates is None else self.read(gates))
        with self._lock:
            head = self._check_head(branch, expected)
            if self._is_guarded(branch, head):
                raise Guarded(branch)
            effective = self._effective(head, changes)
            if not effective:
                raise NothingToCommit(branch)
            self._check_held(effective)
            self._check_places(head, effective)
            commit = self._layers.add(
                (head,),
                effective,
                message=message,
                author=author,
                time=time,
                metadata=metadata or {},
            )
            self._move(branch, commit.id)
            return commit

    def propose(
        self,
        source: str,
        *,
        into: str,
        changes: Changes,
        message: str,
        author: str,
        time: datetime,
        expected: str,
        squash: bool = False,
        metadata: Mapping[str, str] | None = None,
    ) -> Candidate:
        """Build the merge where no branch shows it."""
        checked_changes(changes)
        check_own_untouched(changes)
        with self._lock:
            head = self._check_head(into, expected)
            source_id = self.commit_at(source).id
            effective = self._effective(head, changes)
            overlay = self._layers.layer(source_id).changes
            self._check_held({p: oid for p, oid in effective.items() if overlay.get(p) != oid})
            self._check_places(head, effective)
            commit = self._layers.add(
                (head, source_id),
                effective,
                message=message,
                author=author,
                time=time,
                metadata={"candidate": uuid.uuid4().hex},
            )
            candidate = Candidate(commit.id, source_id, into, head, self.content_of(commit.id))
            self._candidates[commit.id] = candidate, squash, dict(metadata or {})
            return candidate

    def land(self, candidate: Candidate, verdict: Verdict) -> Commit:
        """Put the judged content on its branch, here alone."""
        with self._lock:
            if candidate.id not in self._candidates:
                raise NotFound(
                    f"There is no candidate {candidate.id[:12]}: it has landed or was dropped.",
                    hint="Merge again: that makes a new candidate and judges it.",
                )
            true, squash, metadata = self._candidates[candidate.id]
            head = self._check_head(true.into, true.judged_head)
            check_same(candidate, true)
            check_landing(
                true,
                verdict,
                changes=self.changes(head, true.id),
                head_rules=self.objects(head, RULES),
                merged_rules=self.objects(true.id, RULES),
                has_gate=self._is_guarded(true.into, head),
                read=self.read,
            )
            draft = self._layers.layer(true.id)
            commit = self._layers.add(
                draft.commit.parents[:1] if squash else draft.commit.parents,
                {**draft.changes, VERDICT: self.put(verdict.to_json().encode())},
                message=draft.commit.message,
                author=draft.commit.author,
                time=draft.commit.time,
                metadata={**metadata, "verdict": "passed", "kind": verdict.kind},
            )
            self._move(true.into, commit.id)
            del self._candidates[true.id]
            return commit

    def drop(self, candidate: Candidate) -> None:
        """Forget a candidate."""
        with self._lock:
            if self._candidates.pop(candidate.id, None):
                del self._layers.made[candidate.id]

    def _move(self, branch: str, commit_id: CommitId) -> None:
        self._layers.heads[branch] = commit_id

    def _head(self, branch: str) -> CommitId:
        head = self.branches().get(branch)
        if head is None:
            raise BranchNotFound(branch)
        return head

    def _check_head(self, branch: str, expected: str) -> CommitId:
        head = self._head(branch)
        if head != expected:
            raise StaleHead(branch, expected, head)
        return head

    def _check_free(self, name: str) -> None:
        if name in self.branches():
            raise BranchExists(name)
        if name in self.tags():
            raise TagExists(name)

    def _is_guarded(self, branch: str, head: CommitId) -> bool:
        return is_guarded(branch, self.objects(head, GATES), self.read)

    def _effective(self, head: CommitId, changes: Changes) -> Changes:
        """What of these changes changes anything."""
        layer = self._layers.layer(head)
        return {
            path: oid
            for path, oid in changes.items()
            if layer.value(path, None if path in layer.changes else self._beneath(layer, path))
            != oid
        }

    def _check_places(self, head: CommitId, changes: Changes) -> None:
        """Raise InputError where a path would be a file and a folder at once."""
        writes = [path for path, oid in changes.items() if oid is not None]
        present: set[str] = set()
        for folder in {_folder_of(path) for path in writes}:
            present |= self.objects(head, folder).keys()
        present = (present | set(writes)) - {p for p, oid in changes.items() if oid is None}
        folders = {above for path in present for above in _folders_of(path)}
        clash = min(present & folders, default=None)
        if clash is not None:
            raise InputError(
                f"{clash!r} would be a file and a folder at once.",
                hint="Give one of them another name.",
            )

    def _check_held(self, changes: Changes) -> None:
        """Raise ObjectNotFound for bytes that neither this store nor the base has."""
        absent = self._files.missing(oid for oid in changes.values() if oid is not None)
        for oid in sorted(absent):
            try:
                self._base.size(oid)
            except ValueError as error:  # no id at all
                raise ObjectNotFound(oid) from error

    def _is_change(self, commit: Commit, prefix: str) -> bool:
        """Whether a commit holds something else under a prefix than each of its parents."""
        if not commit.parents:
            return bool(self.objects(commit.id, prefix))
        return all(self.changes(parent, commit.id, prefix) for parent in commit.parents)

    def _beneath(self, layer: Layer, path: str) -> ObjectId | None:
        """What the root of a layer holds at a path: its folder is listed once."""
        folder = _folder_of(path)
        name = layer.root, folder
        if name not in self._listings:
            self._listings[name] = self._base.objects(layer.root, folder)
        return self._listings[name].get(path)


def _folder_of(path: str) -> str:
    """The folder that is listed for a path: a dataset's, or the one at the top.

    >>> _folder_of("datasets/mail/rows/ab/1.parquet"), _folder_of("notes/a.md"), _folder_of("a.md")
    ('datasets/mail', 'notes', 'a.md')
    """
    pieces = path.split("/")
    return "/".join(pieces[: 2 if path.startswith(DATASETS) else 1])


def _folders_of(path: str) -> Iterator[str]:
    """All folders that a path lies in."""
    pieces = path.split("/")
    for count in range(1, len(pieces)):
        yield "/".join(pieces[:count])
