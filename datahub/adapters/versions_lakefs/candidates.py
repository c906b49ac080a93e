"""Candidates: merges that are built on a temporary branch and wait there for their verdict."""

from __future__ import annotations

from typing import Any

from datahub.adapters.versions_lakefs.building import Builder
from datahub.adapters.versions_lakefs.history import History
from datahub.adapters.versions_lakefs.leases import Leases
from datahub.adapters.versions_lakefs.places import Around, Places
from datahub.adapters.versions_lakefs.server import Server
from datahub.adapters.versions_lakefs.trees import Trees
from datahub.core.errors import NotFound, ObjectNotFound
from datahub.core.versions import Candidate, Changes, CommitId


class Candidates:
    """The merges of one repository that have not landed."""

    def __init__(
        self,
        server: Server,
        history: History,
        trees: Trees,
        places: Places,
        builder: Builder,
        leases: Leases,
    ) -> None:
        self._server = server
        self._history = history
        self._trees = trees
        self._places = places
        self._builder = builder
        self._leases = leases

    def propose(
        self, source: CommitId, *, into: str, changes: Changes, statement: dict[str, Any]
    ) -> Candidate:
        """Merge `source` into a copy of `into`, whose head `statement` names, and do `changes`."""
        head = statement["on"]
        self._check_known(changes, head, source)
        around = self._places.around(head, changes)
        self._places.check(head, around, changes)
        temporary = self._leases.take(into, head)
        record = {"into": into, "source": source, "head": head, "branch": temporary}
        try:
            return self._build(temporary, around, changes, {**statement, "candidate": record})
        except BaseException:
            self._leases.release(temporary)
            raise

    def land(
        self, draft: dict[str, Any], into: str, own: Changes, statement: dict[str, Any]
    ) -> CommitId:
        """Merge a candidate into its branch, with `own` objects of the store in it."""
        temporary = draft["candidate"]["branch"]
        self._builder.write(temporary, own)
        commit_id = self._builder.land(
            temporary, into, statement, squash=len(statement["parents"]) == 1
        )
        self._leases.release(temporary)
        return commit_id

    def drop(self, candidate_id: CommitId) -> None:
        """Release one, if it is there."""
        try:
            statement = self._history.statement(candidate_id)
        except NotFound:
            return
        if statement is not None and "candidate" in statement:
            self._leases.release(statement["candidate"]["branch"])

    def read(self, candidate_id: CommitId) -> tuple[Candidate, dict[str, Any]]:
        """What was proposed under an id, and what its commit says. Raises NotFound."""
        try:
            statement = self._history.statement(candidate_id)
            record = (statement or {})["candidate"]
            get = self._server.api.branches_api.get_branch
            alive = self._server.ask("read a candidate", get, record["branch"]).commit_id
            if statement is None or alive != candidate_id:
                raise KeyError
        except (NotFound, KeyError) as error:
            raise NotFound(
                f"There is no candidate {candidate_id[:12]}: it has landed or was dropped.",
                hint="Merge again: that makes a new candidate and judges it.",
            ) from error
        true = Candidate(
            id=candidate_id,
            source=record["source"],
            into=record["into"],
            judged_head=record["head"],
            content_id=self._trees.content_id(candidate_id),
        )
        return true, statement

    def _build(
        self, temporary: str, around: Around, changes: Changes, statement: dict[str, Any]
    ) -> Candidate:
        """LakeFS merges whole objects first; what is to be otherwise is written over it."""
        head, source = statement["on"], statement["candidate"]["source"]
        commit_id = self._builder.take_in(temporary, source, statement)
        differences = self._trees.differing(head, commit_id)
        wrong = {
            path: oid
            for path, oid in changes.items()
            if differences.get(path, around.files.get(path)) != oid
        }
        back = differences.keys() - changes.keys()
        if back:
            objects = self._places.around(head, back).files
            wrong |= {path: objects.get(path) for path in back}
        if wrong:
            self._builder.write(temporary, wrong)
            commit_id = self._builder.commit(temporary, {**statement, "on": commit_id})
        return self.read(commit_id)[0]

    def _check_known(self, changes: Changes, *sides: CommitId) -> None:
        """Bytes may have been erased from history: what a side holds need not be put again."""
        writes = {path: oid for path, oid in changes.items() if oid is not None}
        try:
            self._builder.check_held(writes)
        except ObjectNotFound:
            for side in sides:
                self._trees.objects(side)
            self._builder.check_held(writes)
