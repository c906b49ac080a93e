"""The store: the port's calls, walked through history, trees, builder and leases."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from datahub.adapters.versions_lakefs import actions, setup, upkeep
from datahub.adapters.versions_lakefs.building import Builder
from datahub.adapters.versions_lakefs.cache import download
from datahub.adapters.versions_lakefs.candidates import Candidates
from datahub.adapters.versions_lakefs.contents import Contents
from datahub.adapters.versions_lakefs.history import History, exact
from datahub.adapters.versions_lakefs.leases import Leases
from datahub.adapters.versions_lakefs.memory import Memory
from datahub.adapters.versions_lakefs.names import TEMPORARY, decode
from datahub.adapters.versions_lakefs.places import Places
from datahub.adapters.versions_lakefs.protection import Protection
from datahub.adapters.versions_lakefs.refs import Refs
from datahub.adapters.versions_lakefs.server import Server
from datahub.adapters.versions_lakefs.trees import ACTION, Trees
from datahub.core.errors import (
    BranchExists,
    Guarded,
    NothingToCommit,
    StaleHead,
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
from datahub.core.layout import GATES, RULES, VERDICT
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
    in_utc,
)
from datahub.machine.bytes.files import ObjectFiles
from datahub.ports import Remote


class LakeFSVersionStore(Contents):
    """One repository of a lakeFS server. Any number of machines may share it.

    `files` keeps bytes on this machine: what is put waits there for a commit, and what is
    fetched stays there to be scanned. `memory` is a folder for what is worth remembering.
    """

    def __init__(self, server: Server, files: ObjectFiles, memory: Path | None = None) -> None:
        """No connection is opened: what is wrong with it shows when it is first asked."""
        files.running.enter(self)
        self.notices: list[str] = []  # what whoever set it up should know
        self._history = History(server, check=lambda commit: setup.is_known(server, commit))
        self._memory = Memory(memory)
        self._trees = Trees(server, self._history, self._memory, hash_object=self._hash_object)
        self._places = Places(server, self._trees)
        super().__init__(server, files, self._trees, heads=lambda: self.branches().values())
        self._builder = Builder(server, self._history, self._trees, files)
        self._leases = Leases(server, self._history)
        self._refs = Refs(server)
        self._protection = Protection(server)
        self._candidates = Candidates(
            server, self._history, self._trees, self._places, self._builder, self._leases
        )

    @classmethod
    def at(
        cls,
        endpoint: str,
        repository: str,
        *,
        access_key_id: str,
        secret_access_key: str,
        files: ObjectFiles,
        memory: Path | None = None,
    ) -> LakeFSVersionStore:
        """The repository of that name on the server at `endpoint`."""
        server = Server(
            endpoint, repository, access_key_id=access_key_id, secret_access_key=secret_access_key
        )
        files.make_folders()  # a clone of the project has none yet
        files.clean()
        return cls(server, files, memory)

    @classmethod
    def create(
        cls,
        endpoint: str,
        repository: str,
        *,
        access_key_id: str,
        secret_access_key: str,
        files: ObjectFiles,
        branch: str,
        author: str,
        time: datetime,
        storage_namespace: str = "",
        memory: Path | None = None,
    ) -> LakeFSVersionStore:
        """Make a repository on the server, or adopt the one that is there; protect its branch.

        Raises ConfigError (no name for it, no place, an unknown format), BranchNotFound (adopted,
        and without that branch), AuthenticationError, Unavailable.
        """
        checked_branch(branch)
        store = cls.at(
            endpoint,
            repository,
            access_key_id=access_key_id,
            secret_access_key=secret_access_key,
            files=files,
            memory=memory,
        )
        fresh = setup.make_or_adopt(
            store._server, branch=branch, storage_namespace=storage_namespace
        )
        store._begin(branch, author=author, time=time, fresh=fresh)
        return store

    def close(self) -> None:
        """Give all connections back."""
        self._server.close()

    def branches(self) -> dict[str, CommitId]:
        """Branch name -> commit id of its head."""
        heads = self._history.heads()
        branches = {decode(n): h for n, h in heads.items() if not n.startswith(TEMPORARY)}
        return dict(sorted(branches.items()))

    def tags(self) -> dict[str, CommitId]:
        """Tag name -> commit id."""
        return dict(sorted(self._history.tags().items()))

    def create_tag(self, name: str, *, at: str) -> Commit:
        """Name a commit for good."""
        checked_branch(name, kind="tag")
        commit_id = self._history.resolve(at)
        if name in self.branches():
            raise BranchExists(name)
        self._refs.create_tag(name, commit_id)
        return self._history.commit(commit_id)

    def delete_tag(self, name: str) -> None:
        """Remove the name, not the history."""
        self._refs.delete_tag(name)

    def create_branch(self, name: str, *, at: str) -> Commit:
        """Cut a branch at a ref."""
        checked_branch(name)
        if name in self._history.tags():
            raise TagExists(name)
        commit_id = self._history.resolve(at)
        if self._is_guarded(name, commit_id):
            if name in self.branches():
                raise BranchExists(name)
            raise born_guarded(name, at)
        self._refs.create_branch(name, commit_id)
        return self._history.commit(commit_id)

    def delete_branch(self, name: str) -> None:
        """Remove the name, not the history."""
        if self._is_guarded(name, self._history.head(name)):
            raise not_deleted(name)
        self._refs.delete_branch(name)

    def commit_at(self, ref: str) -> Commit:
        """The commit that a ref names."""
        return self._history.commit(self._history.resolve(ref))

    def objects(self, ref: str, prefix: str = "") -> dict[str, ObjectId]:
        """Path -> object id under a prefix, by path."""
        return self._trees.objects(self._history.resolve(ref), prefix)

    def log(self, ref: str, *, limit: int | None = None, prefix: str = "") -> list[Commit]:
        """History, children before parents, else the newest first."""
        start = self._history.resolve(ref)
        history = self._history.log(start)
        if prefix:
            history = filter(self._trees.touching(start, prefix), history)
        return list(islice(history, limit))

    def merge_base(self, ours: str, theirs: str) -> Commit:
        """The best common ancestor."""
        sides = self._history.resolve(ours), self._history.resolve(theirs)
        return self._history.commit(self._history.merge_base(*sides))

    def changes(self, old: str, new: str, prefix: str = "") -> list[Change]:
        """What differs between two refs, by path."""
        sides = self._history.resolve(old), self._history.resolve(new)
        return self._trees.changes(*sides, prefix)

    def content_of(self, ref: str) -> str:
        """The content id of a commit."""
        return self._trees.content_id(self._history.resolve(ref))

    def remote(self, ref: str, paths: Sequence[str]) -> Remote | None:
        """Where the S3 gateway serves these objects; None where all of them lie here."""
        commit_id = self._history.resolve(ref)
        objects = self._trees.objects(commit_id)
        if not self._files.missing(objects[path] for path in paths):
            return None
        return self._server.remote(commit_id, paths)

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
        actions.check_unwritten(changes)
        in_utc(time)
        self._builder.check_held({path: oid for path, oid in changes.items() if oid is not None})
        gates = changes.get(GATES)
        branches = {gate.branch for gate in gates_of(None if gates is None else self.read(gates))}
        head = self._check_head(branch, expected, changes.keys)
        if self._is_guarded(branch, head):
            raise Guarded(branch)
        around = self._places.around(head, changes)
        self._places.check(head, around, changes)
        new = {path: oid for path, oid in changes.items() if around.files.get(path) != oid}
        if not new:
            raise NothingToCommit(branch)
        self._protection.protect(branches & {branch})
        statement = exact(
            on=head,
            parents=[head],
            message=message,
            author=author,
            time=time,
            metadata=metadata or {},
        )
        commit = self._land(branch, head, new, statement)
        if head in self._memory.stood(branch) or branch in branches:
            self._memory.note_guarded(branch, commit.id, after=head)
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
        """Build the merge on a temporary branch that no listing shows."""
        checked_changes(changes)
        check_own_untouched(changes)
        actions.check_unwritten(changes)
        head = self._check_head(into, expected, changes.keys)
        source_id = self._history.resolve(source)
        statement = exact(
            on=head,
            parents=[head] if squash else [head, source_id],
            message=message,
            author=author,
            time=time,
            metadata=metadata or {},
        )
        return self._candidates.propose(source_id, into=into, changes=changes, statement=statement)

    def land(self, candidate: Candidate, verdict: Verdict) -> Commit:
        """Put the judged content on its branch, with the verdict inside, as a merge commit."""
        true, draft = self._candidates.read(candidate.id)
        head = self._check_head(
            true.into, true.judged_head, lambda: self._trees.differing(true.judged_head, true.id)
        )
        check_same(candidate, true)
        rules = self._trees.objects(true.id, RULES)
        check_landing(
            true,
            verdict,
            changes=self._trees.changes(head, true.id),
            head_rules=self._trees.objects(head, RULES),
            merged_rules=rules,
            has_gate=self._is_guarded(true.into, head),
            read=self.read,
        )
        own = {VERDICT: self.put(verdict.to_json().encode())}
        if is_guarded(true.into, rules, self.read):
            self._protection.protect({true.into})
            if actions.action_file(self._server, true.id) is None:
                own[ACTION] = self.put(actions.guard())
        statement = exact(
            on=head,
            parents=draft["parents"],
            message=draft["message"],
            author=draft["author"],
            time=datetime.fromisoformat(draft["time"]),
            metadata={**draft["metadata"], "verdict": "passed", "kind": verdict.kind},
        )
        commit_id = self._candidates.land(draft, true.into, own, statement)
        if head in self._memory.stood(true.into) or is_guarded(true.into, rules, self.read):
            self._memory.note_guarded(true.into, commit_id, after=head)
        return self._history.commit(commit_id)

    def stood(self, branch: str) -> list[CommitId]:
        """Heads at which a branch was guarded, as far as it was written to from here."""
        return self._memory.stood(branch)

    def drop(self, candidate: Candidate) -> None:
        """Release a candidate; one that has landed or was dropped is no concern."""
        self._candidates.drop(candidate.id)

    def check(self, *, deep: bool = True) -> list[Damage]:
        """What is wrong with all that the heads of branches and tags hold on the server."""
        names = {f"tag {name}": commit_id for name, commit_id in self.tags().items()}
        heads = self.branches()
        gated_heads = {name: head for name, head in heads.items() if self._is_guarded(name, head)}
        damages = upkeep.check(self._server, self._trees, {**heads, **names}, deep=deep)
        return damages + upkeep.missing_guards(self._server, gated_heads)

    def collect(self, *, before: datetime, dry_run: bool) -> Collected:
        """Remove what dead processes left there, and local copies of what lies there."""
        heads = [*self.branches().values(), *self.tags().values()]
        oids = {oid for head in heads for oid in self._trees.objects(head).values()}
        leases = self._leases.sweep(dry_run=dry_run)
        return upkeep.collect(self._files, oids, leases, before=before, dry_run=dry_run)

    def _begin(self, branch: str, *, author: str, time: datetime, fresh: bool) -> None:
        """Protect the branch; make the first commit of ours on it, where there is none."""
        head = self._history.head(branch)
        self._protection.protect([branch])
        has_gate = self._is_guarded(branch, head)
        due, notices = actions.due(self._server, head, branch=branch, has_gate=has_gate)
        self.notices += notices
        has_format = bool(self._trees.objects(head, setup.FORMAT_FILE))  # read by `head`: ours
        if not has_format:
            due[setup.FORMAT_FILE] = setup.format_text().encode()
        statement = exact(
            on=head,
            parents=[] if fresh else [head],  # lakeFS's own first commit is empty
            message="Guard gated branches inside lakeFS" if has_format else "Begin the repository",
            author=author,
            time=time,
            metadata={},
        )
        if due:
            changes = {path: self.put(content) for path, content in due.items()}
            self._land(branch, head, changes, statement)

    def _land(
        self, branch: str, head: CommitId, changes: Changes, statement: Mapping[str, Any]
    ) -> Commit:
        with self._leases.hold(branch, head) as temporary:
            self._builder.write(temporary, changes)
            commit_id = self._builder.land(temporary, branch, statement, squash=True)
        return self._history.commit(commit_id)

    def _check_head(
        self, branch: str, base: CommitId, changes: Callable[[], Collection[str]]
    ) -> CommitId:
        head = self._history.head(branch)
        if head != base:
            overlap = self._trees.overlap(base, head, changes())
            raise StaleHead(branch, base, head, both=overlap)
        return head

    def _is_guarded(self, branch: str, head: CommitId) -> bool:
        return is_guarded(branch, self._trees.objects(head, GATES), self.read)

    def _hash_object(self, ref: str, path: str) -> ObjectId:
        return download(self._server, self._files, ref, path)
