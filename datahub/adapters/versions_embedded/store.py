"""The store itself: each call of the port, in terms of files, trees and the graph."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path

from datahub.adapters.versions_embedded import adopting, commits, lineage, trees, upkeep
from datahub.adapters.versions_embedded.graph import FORMAT, Graph
from datahub.adapters.versions_embedded.refs import resolve
from datahub.adapters.versions_embedded.transaction import Landing, Transaction
from datahub.core.dataset import to_canonical_json
from datahub.core.errors import (
    BranchExists,
    Guarded,
    NothingToCommit,
    StaleHead,
    StorageError,
    TagExists,
)
from datahub.core.landing import (
    born_guarded,
    check_landing,
    check_own_untouched,
    check_same,
    is_guarded,
    not_deleted,
)
from datahub.core.layout import GATES, OWN, RULES, VERDICT
from datahub.core.verdict import Verdict, gates_of
from datahub.core.versions import (
    Candidate,
    Change,
    Changes,
    Collected,
    Commit,
    CommitId,
    Damage,
    ObjectId,
    checked_branch,
    checked_changes,
)
from datahub.machine.bytes.files import ObjectFiles
from datahub.machine.disk import keep_spare, using_spare

_FORMAT_FILE = OWN + "format.json"


class EmbeddedVersionStore:
    """One repository in one folder. Any number of threads and processes may share it."""

    def __init__(self, files: ObjectFiles) -> None:
        """Open the repository whose bytes these are; its history lies beside them.

        Raises ConfigError: none there, unknown format.
        """
        self._graph = Graph(files.folder / "versions.db")
        self._files = files
        self._graph.check()
        self._files.clean()
        self._files.running.enter(self)
        keep_spare(files.folder)

    @classmethod
    def create(
        cls, files: ObjectFiles, *, branch: str, author: str, time: datetime
    ) -> EmbeddedVersionStore:
        """Make a repository whose one commit says its format. Raises Conflict: one is there."""
        checked_branch(branch)
        files.make_folders()
        with Graph(files.folder / "versions.db").making() as graph:
            oid = files.put(to_canonical_json({"format": FORMAT}).encode())
            root = commits.write(
                graph,
                trees.edit(graph, None, {_FORMAT_FILE: oid}),
                (),
                message="Begin the repository",
                author=author,
                time=time,
                metadata={},
            )
            graph.set_head(branch, root)
        return cls(files)

    def close(self) -> None:
        """Give all connections back."""
        self._graph.close()

    def branches(self) -> dict[str, CommitId]:
        """Branch name -> commit id of its head."""
        with self._graph.reading() as graph:
            return graph.heads()

    def create_branch(self, name: str, *, at: str) -> Commit:
        """Cut a branch at a ref."""
        checked_branch(name)
        with self._graph.writing() as graph:
            _check_free(graph, name)
            commit_id = resolve(graph, at)
            if self._is_guarded(graph, name, commit_id):
                raise born_guarded(name, at)
            graph.set_head(name, commit_id)
            return commits.read(graph, commit_id)

    def delete_branch(self, name: str) -> None:
        """Remove the name, not the history."""
        with self._taking_away() as graph:
            if self._is_guarded(graph, name, graph.head(name)):
                raise not_deleted(name)
            graph.remove_branch(name)

    def tags(self) -> dict[str, CommitId]:
        """Tag name -> commit id."""
        with self._graph.reading() as graph:
            return graph.tags()

    def create_tag(self, name: str, *, at: str) -> Commit:
        """Name a commit for good."""
        checked_branch(name, kind="tag")
        with self._graph.writing() as graph:
            _check_free(graph, name)
            commit_id = resolve(graph, at)
            graph.set_tag(name, commit_id)
            return commits.read(graph, commit_id)

    def delete_tag(self, name: str) -> None:
        """Remove the name, not the history."""
        with self._taking_away() as graph:
            graph.remove_tag(name)

    def commit_at(self, ref: str) -> Commit:
        """The commit that a ref names."""
        with self._graph.reading() as graph:
            return commits.read(graph, resolve(graph, ref))

    def objects(self, ref: str, prefix: str = "") -> dict[str, ObjectId]:
        """Path -> object id under a prefix, by path."""
        with self._graph.reading() as graph:
            return _objects(graph, resolve(graph, ref), prefix)

    def changes(self, old: str, new: str, prefix: str = "") -> list[Change]:
        """Paths under a prefix that differ."""
        with self._graph.reading() as graph:
            sides = resolve(graph, old), resolve(graph, new)
            before, after = (commits.tree(graph, side) for side in sides)
            return trees.changes_of(graph, before, after, prefix)

    def content_of(self, ref: str) -> str:
        """The content id of a commit."""
        with self._graph.reading() as graph:
            return trees.roots(graph, commits.tree(graph, resolve(graph, ref))).content

    def log(self, ref: str, *, limit: int | None = None, prefix: str = "") -> list[Commit]:
        """History, children before parents, else the newest first."""
        with self._graph.reading() as graph:
            ids = lineage.history(graph, resolve(graph, ref))
            if prefix:
                ids = trees.ChangeFilter(graph, prefix).of(ids)
            return [commits.read(graph, commit_id) for commit_id in islice(ids, limit)]

    def merge_base(self, ours: str, theirs: str) -> Commit:
        """The best common ancestor."""
        with self._graph.reading() as graph:
            sides = resolve(graph, ours), resolve(graph, theirs)
            return commits.read(graph, lineage.merge_base(graph, *sides))

    def stage(self, suffix: str) -> Path:
        """A fresh path in the scratch folder."""
        return self._files.stage(suffix)

    def unstage(self, path: Path) -> None:
        """Remove a staged file that nothing will take."""
        self._files.unstage(path)

    def put(self, content: Path | bytes) -> ObjectId:
        """Store a file or bytes; a staged file is taken, also when storing it fails."""
        return self._files.put(content)

    def share(self, path: Path, *, hard_link: bool) -> Path:
        """A staged file with the bytes of another, without a copy of them."""
        return self._files.share(path, hard_link=hard_link)

    def put_all(self, contents: Iterable[Path | bytes]) -> list[ObjectId]:
        """Store files and bytes together."""
        return self._files.put_all(contents)

    def fetch(self, oid: ObjectId) -> Path:
        """The file with these bytes, where it lies."""
        return self._files.fetch(oid)

    def size(self, oid: ObjectId) -> int:
        """How many bytes an object has."""
        return self._files.size(oid)

    def read(self, oid: ObjectId) -> bytes:
        """The bytes themselves."""
        return self._files.read(oid)

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
        """Add one commit on top of `expected`. Taking away what is not there changes nothing."""
        checked_changes(changes)
        check_own_untouched(changes)
        gates = changes.get(GATES)
        gates_of(None if gates is None else self.read(gates))
        with self._graph.writing() as graph:
            head = _check_head(graph, branch, expected)
            if self._is_guarded(graph, branch, head):
                raise Guarded(branch)
            old = commits.tree(graph, head)
            self._files.check_held(trees.new_objects(graph, changes, (old,)))
            new = trees.edit(graph, old, changes)
            if new == old:
                raise NothingToCommit(branch)
            commit_id = commits.write(
                graph,
                new,
                (head,),
                message=message,
                author=author,
                time=time,
                metadata=metadata or {},
            )
            self._move(graph, branch, commit_id, after=head)
            return commits.read(graph, commit_id)

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
        """Build the merge on a lease that no branch shows."""
        checked_changes(changes)
        check_own_untouched(changes)
        with self._graph.writing() as graph:
            head = _check_head(graph, into, expected)
            source_id = resolve(graph, source)
            sides = commits.tree(graph, head), commits.tree(graph, source_id)
            # Bytes may have been erased from history: only what is new must be there.
            self._files.check_held(trees.new_objects(graph, changes, sides))
            commit_id = commits.write(
                graph,
                trees.edit(graph, sides[0], changes),
                (head, source_id),
                message=message,
                author=author,
                time=time,
                metadata={"candidate": uuid.uuid4().hex},  # two alike have a lease each
            )
            graph.lease(commit_id, into=into, landing=Landing(squash, metadata or {}))
            return _read_candidate(graph, commit_id)

    def land(self, candidate: Candidate, verdict: Verdict) -> Commit:
        """Put the judged content on its branch, with the verdict inside, as a merge commit."""
        with self._graph.writing() as graph:
            true = _read_candidate(graph, candidate.id)
            head = _check_head(graph, true.into, true.judged_head)
            check_same(candidate, true)
            check_landing(
                true,
                verdict,
                changes=trees.changes_of(
                    graph, commits.tree(graph, head), commits.tree(graph, true.id)
                ),
                head_rules=_objects(graph, head, RULES),
                merged_rules=_objects(graph, true.id, RULES),
                has_gate=self._is_guarded(graph, true.into, head),
                read=self.read,
            )
            draft, landing = commits.read(graph, true.id), graph.landing(true.id)
            oid = self.put(verdict.to_json().encode())
            commit_id = commits.write(
                graph,
                trees.edit(graph, commits.tree(graph, true.id), {VERDICT: oid}),
                draft.parents[:1] if landing.squash else draft.parents,
                message=draft.message,
                author=draft.author,
                time=draft.time,
                metadata={**landing.metadata, "verdict": "passed", "kind": verdict.kind},
            )
            self._move(graph, true.into, commit_id, after=head)
            graph.release(true.id)
            return commits.read(graph, commit_id)

    def adopt(
        self,
        history: Sequence[tuple[Commit, Changes]],
        *,
        branches: Mapping[str, CommitId],
        tags: Mapping[str, CommitId],
    ) -> None:
        """Make a history this repository's, all of it or nothing."""
        with self._graph.writing() as graph:
            adopting.adopt(graph, self._files, history, branches=branches, tags=tags)

    def check(self, *, deep: bool = True) -> list[Damage]:
        """What is wrong with all that a name reaches."""
        with Graph(self._graph.path).reading() as graph:  # which remembers nothing it has read
            return upkeep.check(graph, self._files, deep=deep)

    def collect(self, *, before: datetime, dry_run: bool) -> Collected:
        """Remove what nothing reaches, and nothing has reached since `before` or others began."""
        if dry_run:
            with self._graph.reading() as graph:
                return upkeep.dead(graph, self._files, before=before).count()
        count = 0
        try:
            with self._taking_away() as graph:
                dead = upkeep.dead(graph, self._files, before=before)
                # Objects first: it takes no room, and makes some for the log of the rest.
                count = upkeep.remove(self._files, dead)
                upkeep.forget(graph, dead)
        except StorageError as error:
            if not count:
                raise
            raise upkeep.cut_short(count, error) from error
        return dead.count()

    def drop(self, candidate: Candidate) -> None:
        """Release a candidate; one that has landed or was dropped is no concern."""
        with self._taking_away() as graph:
            graph.release(candidate.id)

    @contextmanager
    def _taking_away(self) -> Iterator[Transaction]:
        """`writing` of what leads to room: on a full disk it has the room that is kept for it."""
        with using_spare(self._graph.path.parent), self._graph.writing() as graph:
            yield graph

    def stood(self, branch: str) -> list[CommitId]:
        """Heads at which a branch was guarded, and from which it did not go on by commits."""
        with self._graph.reading() as graph:
            return graph.stood(branch)

    def _move(self, graph: Transaction, branch: str, new: CommitId, *, after: CommitId) -> None:
        """Make a commit the head, and remember where a guarded branch stood."""
        graph.set_head(branch, new)
        if after in graph.stood(branch) or self._is_guarded(graph, branch, new):
            graph.note_guarded(branch, new, after=after)

    def _is_guarded(self, graph: Transaction, branch: str, head: CommitId) -> bool:
        return is_guarded(branch, _objects(graph, head, GATES), self.read)


def _check_free(graph: Transaction, name: str) -> None:
    """A name is a branch's or a tag's: a ref means one thing."""
    if name in graph.heads():
        raise BranchExists(name)
    if name in graph.tags():
        raise TagExists(name)


def _objects(graph: Transaction, commit_id: CommitId, prefix: str = "") -> dict[str, ObjectId]:
    return trees.objects_of(graph, commits.tree(graph, commit_id), prefix)


def _check_head(graph: Transaction, branch: str, base: CommitId) -> CommitId:
    head = graph.head(branch)
    if head != base:
        raise StaleHead(branch, base, head)
    return head


def _read_candidate(graph: Transaction, candidate_id: CommitId) -> Candidate:
    into = graph.destination(candidate_id)
    head, source = commits.read(graph, candidate_id).parents
    return Candidate(
        id=candidate_id,
        source=source,
        into=into,
        judged_head=head,
        content_id=trees.roots(graph, commits.tree(graph, candidate_id)).content,
    )
