"""A versioned dataset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol, runtime_checkable

from datahub.core.verdict import Verdict
from datahub.core.versions import (
    Candidate,
    Change,
    Changes,
    Collected,
    Commit,
    CommitId,
    Damage,
    ObjectId,
)
from datahub.ports.rows import Remote


class VersionStore(Protocol):
    """Branches, tags, commits and bytes of one repository.

    A merge is seen by nobody until `land`. A guarded branch (its gates.toml binds a suite to
    it) takes nothing but `land`.
    """

    def branches(self) -> dict[str, str]:
        """Branch name -> commit id of its head."""
        ...

    def tags(self) -> dict[str, CommitId]:
        """Tag name -> commit id."""
        ...

    def create_tag(self, name: str, *, at: str) -> Commit:
        """Name a commit for good. Raises TagExists, BranchExists, RefNotFound, InputError."""
        ...

    def delete_tag(self, name: str) -> None:
        """Remove the name, not the history. Raises TagNotFound."""
        ...

    def create_branch(self, name: str, *, at: str) -> Commit:
        """Cut a branch at a ref, without a copy.

        Raises BranchExists, TagExists, RefNotFound, InputError; Guarded when the commit's own rules
        bind a suite to that name: its content would be on a guarded branch, and unjudged.
        """
        ...

    def delete_branch(self, name: str) -> None:
        """Remove the name, not the history. Raises BranchNotFound, Guarded."""
        ...

    def commit_at(self, ref: str) -> Commit:
        """The commit that a ref names. Raises RefNotFound.

        A ref is a branch, a tag, an id or a unique prefix of one (8+), and any of these with
        `~n` (n first parents back), `^` or `^2` (the first, the second parent).
        """
        ...

    def objects(self, ref: str, prefix: str = "") -> dict[str, ObjectId]:
        """Path -> object id of what a commit holds under a prefix."""
        ...

    def changes(self, old: str, new: str, prefix: str = "") -> list[Change]:
        """Paths under a prefix that differ between two refs, sorted.

        Costs what differs, not what there is. Raises RefNotFound.
        """
        ...

    def content_of(self, ref: str) -> str:
        """`core.versions.content_id` of what a commit holds: what a verdict names."""
        ...

    def log(self, ref: str, *, limit: int | None = None) -> list[Commit]:
        """History, children before parents."""
        ...

    def merge_base(self, ours: str, theirs: str) -> Commit:
        """The best common ancestor. Raises RefNotFound, InputError (unrelated histories)."""
        ...

    def stage(self, suffix: str) -> Path:
        """A fresh path in the store's own scratch folder, to write a file that `put` will take."""
        ...

    def put(self, path: Path) -> ObjectId:
        """Store a file by content, durably. A staged file is moved, any other is copied.

        Raises InputError where it is no file, cannot be read, or changes while it is read.
        """
        ...

    def put_bytes(self, content: bytes) -> ObjectId:
        """Store bytes by content, durably."""
        ...

    def put_all(self, contents: Iterable[Path | bytes]) -> list[ObjectId]:
        """Store files and bytes as `put` and `put_bytes` do; their ids, in the same order.

        All are durable when it returns, after waiting for the disk a few times, not for each. Where
        it raises, some may be stored and the rest is not; a file that was staged is gone either way
        once it was reached.
        """
        ...

    def fetch(self, oid: ObjectId) -> Path:
        """A local, read-only file with these bytes; checked when read the first time.

        Raises ObjectNotFound, StorageError (the bytes are not what was stored).
        """
        ...

    def read(self, oid: ObjectId) -> bytes:
        """The bytes themselves. Raises like `fetch`."""
        ...

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
        """Add one commit on top of `expected`, which must be the branch's head.

        Raises StaleHead, Guarded, BranchNotFound, ObjectNotFound (bytes never put),
        NothingToCommit, InputError (bad path). Atomic: all of it is there or none of it.
        """
        ...

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
        """Build the merge of `source` into branch `into` where nobody sees it.

        `changes` is what the merge does to `expected`, which must be the head of `into`; it may
        be empty, and writes nothing under `_datahub/`. With `squash` the commit that lands has
        one parent, the head; the verdict still names the source. Raises StaleHead,
        BranchNotFound, RefNotFound, ObjectNotFound, InputError.
        """
        ...

    def land(self, candidate: Candidate, verdict: Verdict) -> Commit:
        """Put the judged content on its branch, with the verdict inside.

        Raises StaleHead if the head moved on; Guarded if the verdict is not a pass of exactly
        this content, source, head and rules, or if rules and data change together on a guarded
        branch, or if the rules of a guarded branch change without a verdict of kind "rules"
        that gives a reason.
        """
        ...

    def drop(self, candidate: Candidate) -> None:
        """Forget a candidate that will not land."""
        ...


@runtime_checkable
class Upkeep(Protocol):
    """What a version store also does: look whether all is there, and clear away."""

    def check(self, *, deep: bool = True) -> list[Damage]:
        """What is wrong with all that a branch, a tag or a lease reaches.

        On a server: with what its branches and tags hold. `deep` reads every byte and holds
        it against its id; else it is only seen whether the objects are there.
        """
        ...

    def collect(self, *, before: datetime, dry_run: bool) -> Collected:
        """Remove what nothing reaches and nothing has reached since `before`.

        Objects stored, names deleted and candidates leased since then are kept: a writer may be
        about to commit them, a reader may be reading them. So are those since the first process
        began that is at work now. Others may work on meanwhile.
        """
        ...


@runtime_checkable
class Remembering(Protocol):
    """A version store that remembers where guarded branches stood."""

    def stood(self, branch: str) -> list[CommitId]:
        """Heads at which it saw a branch guarded, and from which it did not go on by commits.

        Each is on the branch's own line, or the branch was moved. Others may have moved it by
        ways that the store does not see, and what it remembers lies where it runs.
        """
        ...


@runtime_checkable
class Ranged(Protocol):
    """A version store whose objects others can read a range at a time, without a copy here."""

    def remote(self, ref: str, paths: Sequence[str]) -> Remote | None:
        """Where these objects of a commit lie; None where all of them lie here already.

        What is read so is not checked against object ids. Raises RefNotFound.
        """
        ...


@runtime_checkable
class Sharing(Protocol):
    """A version store on a disk of ours can hold a file's bytes without a copy of them."""

    def share(self, path: Path, *, hard_link: bool) -> Path:
        """A file in the scratch folder with the bytes of `path`, which `put` will take.

        A clone where the file system has them: later changes of `path` are not seen. Else, with
        `hard_link`, the file itself, which becomes read-only when it is put and must not change;
        if it changed between `share` and `put`, `put` raises InputError and leaves it as it is.
        Raises InputError where neither can be had.
        """
        ...


@runtime_checkable
class Adopting(Protocol):
    """A version store that can take over a whole history, ids and all."""

    def adopt(
        self,
        history: Sequence[tuple[Commit, Changes]],
        *,
        branches: Mapping[str, CommitId],
        tags: Mapping[str, CommitId],
    ) -> None:
        """Make this history the repository's, all of it or nothing.

        Commits come parents first, with their changes to the first parent. Each must come to
        the id it states, so that verdicts in it still speak of what they spoke of. Raises Conflict
        (the repository holds more than its beginning), InputError (another id, an unknown
        commit), ObjectNotFound.
        """
        ...
