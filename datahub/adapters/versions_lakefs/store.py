"""The store: the port's calls, walked through history, trees, builder and leases."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import lakefs_sdk

from datahub.adapters.versions_lakefs import setup
from datahub.adapters.versions_lakefs.building import Builder
from datahub.adapters.versions_lakefs.cache import LocalFiles, downloaded, fetched
from datahub.adapters.versions_lakefs.faults import Refused409
from datahub.adapters.versions_lakefs.history import History, exact
from datahub.adapters.versions_lakefs.leases import Leases
from datahub.adapters.versions_lakefs.names import TEMPORARY, decoded, encoded
from datahub.adapters.versions_lakefs.protection import Protection
from datahub.adapters.versions_lakefs.server import Server
from datahub.adapters.versions_lakefs.trees import Around, Trees
from datahub.core.dataset import to_canonical_json
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
from datahub.core.landing import check_landing, check_own_untouched, is_guarded
from datahub.core.layout import GATES, OWN, RULES, VERDICT
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
    in_utc,
)

_FORMAT_FILE = OWN + "format.json"


class LakeFSVersionStore:
    """One repository of a lakeFS server. Any number of machines may share it.

    `files` keeps bytes on this machine: what is put waits there for a commit, and what is
    fetched stays there to be scanned.
    """

    def __init__(self, server: Server, files: LocalFiles) -> None:
        """No connection is opened: what is wrong with it shows when it is first asked."""
        self._server = server
        self._files = files
        self._history = History(server)
        self._trees = Trees(server, self._history, hashed=self._hashed)
        self._builder = Builder(server, self._history, self._trees, files)
        self._leases = Leases(server, self._history)
        self._protection = Protection(server)

    @classmethod
    def at(
        cls,
        endpoint: str,
        repository: str,
        *,
        access_key_id: str,
        secret_access_key: str,
        files: LocalFiles,
    ) -> LakeFSVersionStore:
        """The repository of that name on the server at `endpoint`."""
        server = Server(
            endpoint, repository, access_key_id=access_key_id, secret_access_key=secret_access_key
        )
        files.clean()
        return cls(server, files)

    @classmethod
    def create(
        cls,
        endpoint: str,
        repository: str,
        *,
        access_key_id: str,
        secret_access_key: str,
        files: LocalFiles,
        branch: str,
        author: str,
        time: datetime,
        storage_namespace: str = "",
    ) -> LakeFSVersionStore:
        """Make a repository on the server, or adopt the one that is there; protect its branch.

        Raises ConfigError (no name for it, no place, an unknown format), BranchNotFound (adopted,
        and without that branch), AuthenticationError, Unavailable.
        """
        checked_branch(branch)
        files.make_folders()
        store = cls.at(
            endpoint,
            repository,
            access_key_id=access_key_id,
            secret_access_key=secret_access_key,
            files=files,
        )
        fresh = setup.made_or_adopted(
            store._server, branch=branch, storage_namespace=storage_namespace
        )
        store._begin(branch, author=author, time=time, fresh=fresh)
        return store

    def branches(self) -> dict[str, CommitId]:
        """Branch name -> commit id of its head."""
        heads = self._history.heads()
        found = {decoded(n): h for n, h in heads.items() if not n.startswith(TEMPORARY)}
        return dict(sorted(found.items()))

    def tags(self) -> dict[str, CommitId]:
        """Tag name -> commit id."""
        return dict(sorted(self._history.tags().items()))

    def create_tag(self, name: str, *, at: str) -> Commit:
        """Name a commit for good."""
        checked_branch(name, what="tag")
        commit_id = self._history.resolved(at)
        if name in self.branches():
            raise BranchExists(name)
        made = lakefs_sdk.TagCreation(id=encoded(name), ref=commit_id)
        try:
            self._server.ask("make a tag", self._server.api.tags_api.create_tag, made)
        except Refused409 as error:
            raise TagExists(name) from error
        return self._history.commit(commit_id)

    def delete_tag(self, name: str) -> None:
        """Remove the name, not the history."""
        delete = self._server.api.tags_api.delete_tag
        try:
            checked_branch(name, what="tag")
            self._server.ask("delete a tag", delete, encoded(name))
        except (InputError, NotFound) as error:
            raise TagNotFound(name) from error

    def create_branch(self, name: str, *, at: str) -> Commit:
        """Cut a branch at a ref."""
        checked_branch(name)
        if name in self._history.tags():
            raise TagExists(name)
        commit_id = self._history.resolved(at)
        if self._guarded(name, commit_id):
            if name in self.branches():
                raise BranchExists(name)
            raise Guarded(
                name,
                f"{at!r} binds a suite to {name!r}: the branch would be born guarded, and its "
                "content unjudged.",
                hint="Take that gate out of expectations/gates.toml, cut the branch, and bind "
                f"it by `datahub gate set --into {name} --reason ...`.",
            )
        cut = lakefs_sdk.BranchCreation(name=encoded(name), source=commit_id)
        try:
            self._server.ask("cut a branch", self._server.api.branches_api.create_branch, cut)
        except Refused409 as error:
            raise BranchExists(name) from error
        return self._history.commit(commit_id)

    def delete_branch(self, name: str) -> None:
        """Remove the name, not the history."""
        if self._guarded(name, self._history.head(name)):
            raise Guarded(
                name,
                f"Branch {name!r} is guarded: it cannot be deleted.",
                hint=f"Take its gate off first: `datahub gate set --into {name} --reason ...`.",
            )
        delete = self._server.api.branches_api.delete_branch
        try:
            self._server.ask("delete a branch", delete, encoded(name), branch_name=name)
        except NotFound as error:
            raise BranchNotFound(name) from error

    def commit_at(self, ref: str) -> Commit:
        """The commit that a ref names."""
        return self._history.commit(self._history.resolved(ref))

    def objects(self, ref: str, prefix: str = "") -> dict[str, ObjectId]:
        """Path -> object id under a prefix, by path."""
        return self._trees.objects(self._history.resolved(ref), prefix)

    def log(self, ref: str, *, limit: int | None = None) -> list[Commit]:
        """History, children before parents, else the newest first."""
        return list(islice(self._history.log(self._history.resolved(ref)), limit))

    def merge_base(self, ours: str, theirs: str) -> Commit:
        """The best common ancestor."""
        sides = self._history.resolved(ours), self._history.resolved(theirs)
        return self._history.commit(self._history.merge_base(*sides))

    def changes(self, old: str, new: str, prefix: str = "") -> list[Change]:
        """What differs between two refs, by path."""
        sides = self._history.resolved(old), self._history.resolved(new)
        return self._trees.changes(*sides, prefix)

    def content_of(self, ref: str) -> str:
        """The content id of a commit."""
        return content_id(self.objects(ref))

    def stage(self, suffix: str) -> Path:
        """A fresh path in the scratch folder."""
        return self._files.stage(suffix)

    def put(self, path: Path) -> ObjectId:
        """Keep a file on this machine until a commit uploads it."""
        return self._files.put(path)

    def put_bytes(self, content: bytes) -> ObjectId:
        """Keep bytes on this machine until a commit uploads them."""
        return self._files.put_bytes(content)

    def fetch(self, oid: ObjectId) -> Path:
        """The local file with these bytes, downloaded the first time."""
        file = fetched(self._files, oid)
        if file is not None:
            return file
        where = self._trees.where.get(oid) or self._searched(oid)
        if where is None:
            return self._files.fetch(oid)  # raises what is wrong with it
        downloaded(self._server, self._files, *where, oid=oid)
        return self._files.fetch(oid)

    def read(self, oid: ObjectId) -> bytes:
        """The bytes themselves."""
        self.fetch(oid)
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
        in_utc(time)
        self._builder.check_held({path: oid for path, oid in changes.items() if oid is not None})
        gates = changes.get(GATES)
        bound = {gate.branch for gate in gates_of(None if gates is None else self.read(gates))}
        head = self._checked_head(branch, expected)
        if self._guarded(branch, head):
            raise Guarded(branch)
        around = self._trees.around(head, changes)
        self._trees.check_places(head, around, changes)
        new = {path: oid for path, oid in changes.items() if around.files.get(path) != oid}
        if not new:
            raise NothingToCommit(branch)
        self._protection.protect(bound & {branch})
        told = exact(
            on=head,
            parents=[head],
            message=message,
            author=author,
            time=time,
            metadata=metadata or {},
        )
        return self._landed(branch, head, new, told)

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
        head = self._checked_head(into, expected)
        theirs = self._history.resolved(source)
        self._check_known(changes, head, theirs)
        around = self._trees.around(head, changes)
        self._trees.check_places(head, around, changes)
        temporary = self._leases.take(into, head)
        try:
            told = exact(
                on=head,
                parents=[head] if squash else [head, theirs],
                message=message,
                author=author,
                time=time,
                metadata=metadata or {},
                candidate={"into": into, "source": theirs, "head": head, "branch": temporary},
            )
            return self._proposed(temporary, around, changes, told)
        except BaseException:
            self._leases.release(temporary)
            raise

    def land(self, candidate: Candidate, verdict: Verdict) -> Commit:
        """Put the judged content on its branch, with the verdict inside, as a merge commit."""
        true, proposed = self._leased(candidate.id)
        head = self._checked_head(true.into, true.judged_head)
        if candidate != true:
            raise Guarded(
                true.into,
                f"Candidate {true.id[:12]} is not what was proposed under that id.",
                hint="Merge again: that makes a new candidate and judges it.",
            )
        rules = self._trees.objects(true.id, RULES)
        check_landing(
            true,
            verdict,
            changed=self._trees.changes(head, true.id),
            head_rules=self._trees.objects(head, RULES),
            merged_rules=rules,
            guarded=self._guarded(true.into, head),
            read=self.read,
        )
        if is_guarded(true.into, rules, self.read):
            self._protection.protect({true.into})
        temporary = proposed["candidate"]["branch"]
        oid = self.put_bytes(verdict.to_json().encode())
        self._builder.write(temporary, {VERDICT: oid})
        told = exact(
            on=head,
            parents=proposed["parents"],
            message=proposed["message"],
            author=proposed["author"],
            time=datetime.fromisoformat(proposed["time"]),
            metadata={**proposed["metadata"], "verdict": "passed", "kind": verdict.kind},
        )
        made = self._builder.land(temporary, true.into, told, squash=len(told["parents"]) == 1)
        self._leases.release(temporary)
        return self._history.commit(made)

    def drop(self, candidate: Candidate) -> None:
        """Release a candidate; one that has landed or was dropped is no concern."""
        try:
            told = self._history.told(candidate.id)
        except NotFound:
            return
        if told is not None and "candidate" in told:
            self._leases.release(told["candidate"]["branch"])

    def _begin(self, branch: str, *, author: str, time: datetime, fresh: bool) -> None:
        """Protect the branch; make the first commit of ours on it, where there is none."""
        head = self._history.head(branch)
        self._protection.protect([branch])
        held = self._trees.objects(head, _FORMAT_FILE)
        if held:
            setup.check_format(self.read(held[_FORMAT_FILE]), self._server.repository)
            return
        oid = self.put_bytes(to_canonical_json({"format": setup.FORMAT}).encode())
        told = exact(
            on=head,
            parents=[] if fresh else [head],  # lakeFS's own first commit is empty
            message="Begin the repository",
            author=author,
            time=time,
            metadata={},
        )
        self._landed(branch, head, {_FORMAT_FILE: oid}, told)

    def _landed(
        self, branch: str, head: CommitId, changes: Changes, told: Mapping[str, Any]
    ) -> Commit:
        with self._leases.taken(branch, head) as temporary:
            self._builder.write(temporary, changes)
            made = self._builder.land(temporary, branch, told, squash=True)
        return self._history.commit(made)

    def _proposed(
        self, temporary: str, around: Around, changes: Changes, told: dict[str, Any]
    ) -> Candidate:
        """LakeFS merges whole objects first; what is to be otherwise is written over it."""
        head, source = told["on"], told["candidate"]["source"]
        made = self._builder.take_in(temporary, source, told)
        merged = self._trees.differing(head, made)
        wrong = {
            path: oid
            for path, oid in changes.items()
            if merged.get(path, around.files.get(path)) != oid
        }
        back = merged.keys() - changes.keys()
        if back:
            held = self._trees.around(head, back).files
            wrong |= {path: held.get(path) for path in back}
        if wrong:
            self._builder.write(temporary, wrong)
            made = self._builder.commit(temporary, {**told, "on": made})
        return self._leased(made)[0]

    def _check_known(self, changes: Changes, *sides: CommitId) -> None:
        """Bytes may have been erased from history: what a side holds need not be put again."""
        put = {path: oid for path, oid in changes.items() if oid is not None}
        try:
            self._builder.check_held(put)
        except ObjectNotFound:
            for side in sides:
                self._trees.objects(side)
            self._builder.check_held(put)

    def _leased(self, candidate_id: CommitId) -> tuple[Candidate, dict[str, Any]]:
        """What was proposed under an id, and what its commit says. Raises NotFound."""
        try:
            told = self._history.told(candidate_id)
            named = (told or {})["candidate"]
            get = self._server.api.branches_api.get_branch
            alive = self._server.ask("read a candidate", get, named["branch"]).commit_id
            if told is None or alive != candidate_id:
                raise KeyError
        except (NotFound, KeyError) as error:
            raise NotFound(
                f"There is no candidate {candidate_id[:12]}: it has landed or was dropped.",
                hint="Merge again: that makes a new candidate and judges it.",
            ) from error
        true = Candidate(
            id=candidate_id,
            source=named["source"],
            into=named["into"],
            judged_head=named["head"],
            content_id=content_id(self._trees.objects(candidate_id)),
        )
        return true, told

    def _checked_head(self, branch: str, expected: CommitId) -> CommitId:
        head = self._history.head(branch)
        if head != expected:
            raise StaleHead(branch, expected, head)
        return head

    def _guarded(self, branch: str, head: CommitId) -> bool:
        return is_guarded(branch, self._trees.objects(head, GATES), self.read)

    def _hashed(self, ref: str, path: str) -> ObjectId:
        return downloaded(self._server, self._files, ref, path)

    def _searched(self, oid: ObjectId) -> tuple[CommitId, str] | None:
        """Where bytes lie that this process has not seen listed: at some branch's head."""
        try:
            self._files.read(oid)
        except ObjectNotFound:
            if len(oid) != 64 or not set(oid) <= set("0123456789abcdef"):
                return None
        except Exception:  # noqa: BLE001  damaged here; it may be whole there
            pass
        for head in self.branches().values():
            self._trees.objects(head)
            if oid in self._trees.where:
                return self._trees.where[oid]
        return None
