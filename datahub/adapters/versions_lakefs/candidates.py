"""Candidates: merges that are built on a temporary branch and wait there for their verdict."""

from __future__ import annotations

from typing import Any

from datahub.adapters.versions_lakefs.building import Builder
from datahub.adapters.versions_lakefs.history import History
from datahub.adapters.versions_lakefs.leases import Leases
from datahub.adapters.versions_lakefs.server import Server
from datahub.adapters.versions_lakefs.trees import Around, Trees
from datahub.core.errors import NotFound, ObjectNotFound
from datahub.core.versions import Candidate, Changes, CommitId


class Candidates:
    """The merges of one repository that have not landed."""

    def __init__(
        self, server: Server, history: History, trees: Trees, builder: Builder, leases: Leases
    ) -> None:
        self._server = server
        self._history = history
        self._trees = trees
        self._builder = builder
        self._leases = leases

    def propose(
        self, source: CommitId, *, into: str, changes: Changes, told: dict[str, Any]
    ) -> Candidate:
        """Merge `source` into a copy of `into`, whose head `told` names, and do `changes`."""
        head = told["on"]
        self._check_known(changes, head, source)
        around = self._trees.around(head, changes)
        self._trees.check_places(head, around, changes)
        temporary = self._leases.take(into, head)
        named = {"into": into, "source": source, "head": head, "branch": temporary}
        try:
            return self._built(temporary, around, changes, {**told, "candidate": named})
        except BaseException:
            self._leases.release(temporary)
            raise

    def land(
        self, proposed: dict[str, Any], into: str, own: Changes, told: dict[str, Any]
    ) -> CommitId:
        """Merge a candidate into its branch, with `own` objects of the store in it."""
        temporary = proposed["candidate"]["branch"]
        self._builder.write(temporary, own)
        made = self._builder.land(temporary, into, told, squash=len(told["parents"]) == 1)
        self._leases.release(temporary)
        return made

    def drop(self, candidate_id: CommitId) -> None:
        """Release one, if it is there."""
        try:
            told = self._history.told(candidate_id)
        except NotFound:
            return
        if told is not None and "candidate" in told:
            self._leases.release(told["candidate"]["branch"])

    def leased(self, candidate_id: CommitId) -> tuple[Candidate, dict[str, Any]]:
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
            content_id=self._trees.content_id(candidate_id),
        )
        return true, told

    def _built(
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
        return self.leased(made)[0]

    def _check_known(self, changes: Changes, *sides: CommitId) -> None:
        """Bytes may have been erased from history: what a side holds need not be put again."""
        put = {path: oid for path, oid in changes.items() if oid is not None}
        try:
            self._builder.check_held(put)
        except ObjectNotFound:
            for side in sides:
                self._trees.objects(side)
            self._builder.check_held(put)
