"""One temporary branch being built, and its merge into the branch it is for.

The merge holds only while the destination is where the writer saw it: two merges that were
built on one head differ in `_datahub/head`, so lakeFS answers 409 to the later one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import lakefs_sdk

from datahub.adapters.versions_lakefs.cache import download, fetch_cached
from datahub.adapters.versions_lakefs.faults import Refused409
from datahub.adapters.versions_lakefs.history import History, as_metadata, readable
from datahub.adapters.versions_lakefs.names import encode
from datahub.adapters.versions_lakefs.server import SHA256, Server
from datahub.adapters.versions_lakefs.trees import MARK, Trees
from datahub.core.errors import (
    Conflict,
    DatahubError,
    ObjectNotFound,
    StaleHead,
    Unavailable,
)
from datahub.core.versions import Changes, CommitId, ObjectId, Objects
from datahub.machine.bytes.files import ObjectFiles

_DELETED_AT_ONCE = 1000


class Builder:
    """Writes objects, commits and merges on temporary branches."""

    def __init__(self, server: Server, history: History, trees: Trees, files: ObjectFiles) -> None:
        self._server = server
        self._history = history
        self._trees = trees
        self._files = files

    def check_held(self, objects: Objects) -> None:
        """Raise ObjectNotFound for bytes that are neither here nor known to lie on the server."""
        elsewhere = self._files.missing(objects.values())
        for path, oid in objects.items():
            if oid in elsewhere and oid not in self._trees.where:
                raise ObjectNotFound(oid, path)

    def write(self, temporary: str, changes: Changes) -> None:
        """Stage changes (None deletes), many at a time."""
        deletions = [path for path, oid in changes.items() if oid is None]
        for start in range(0, len(deletions), _DELETED_AT_ONCE):
            chunk = lakefs_sdk.PathList(paths=deletions[start : start + _DELETED_AT_ONCE])
            self._server.ask(
                "delete objects", self._server.api.objects_api.delete_objects, temporary, chunk
            )
        writes = [(path, oid) for path, oid in changes.items() if oid is not None]
        self._server.map(lambda item: self._put(temporary, *item), writes)

    def commit(self, temporary: str, statement: Mapping[str, Any]) -> CommitId:
        """Commit what is staged, be it nothing."""
        creation = lakefs_sdk.CommitCreation(
            message=readable(statement["message"]),
            metadata=as_metadata(statement),
            allow_empty=True,
        )
        commit = self._server.api.commits_api.commit
        answer = self._server.ask("commit", commit, temporary, creation, branch_name=temporary)
        return str(answer.id)

    def take_in(self, temporary: str, source: CommitId, statement: Mapping[str, Any]) -> CommitId:
        """Merge a source into a temporary branch, whose own side wins where both changed."""
        merge = lakefs_sdk.Merge(
            message=readable(statement["message"]),
            metadata=as_metadata(statement),
            strategy="dest-wins",
            allow_empty=True,
        )
        into = self._server.api.refs_api.merge_into_branch
        answer = self._server.ask("merge", into, source, temporary, merge, branch_name=temporary)
        return str(answer.reference)

    def land(
        self, temporary: str, branch: str, statement: Mapping[str, Any], *, squash: bool
    ) -> CommitId:
        """Merge a temporary branch into the one it is for, only if its head is still `on`.

        Raises StaleHead. Commits first, with the object in which any two writers differ.
        """
        self._server.map(
            lambda path: self._put(temporary, path, self._files.put(statement["nonce"].encode())),
            [MARK],
        )
        commit_id = self.commit(temporary, statement)
        merge = lakefs_sdk.Merge(
            message=readable(statement["message"]),
            metadata=as_metadata(statement),
            squash_merge=squash,
        )
        into = self._server.api.refs_api.merge_into_branch
        try:
            answer = self._server.ask(
                "merge", into, temporary, encode(branch), merge, branch_name=branch
            )
        except Refused409 as error:
            on, head = statement["on"], self._history.head(branch)
            changes = self._trees.differing(on, commit_id)  # a 409 has no list: it is computed here
            overlap = self._trees.overlap(on, head, changes)
            raise StaleHead(branch, on, head, both=overlap) from error
        except Unavailable:
            return self._landed_head(branch, statement)
        return self._check_parent(str(answer.reference), branch, statement)

    def _landed_head(self, branch: str, statement: Mapping[str, Any]) -> CommitId:
        """The head, if it is what we meant to land: the answer to our merge was lost."""
        head = self._history.head(branch)
        head_statement = self._history.statement(head)
        if head_statement is not None and head_statement["nonce"] == statement["nonce"]:
            return head
        if head != statement["on"]:
            raise StaleHead(branch, statement["on"], head)
        raise Unavailable(
            f"lakeFS did not merge into {branch!r}.",
            hint="Nothing was changed. Run the command again.",
            backend="lakefs",
        )

    def _check_parent(
        self, commit_id: CommitId, branch: str, statement: Mapping[str, Any]
    ) -> CommitId:
        parent = self._history.raw(commit_id).parents[0]
        if parent != statement["on"]:
            raise Conflict(
                f"Another client wrote to {branch!r} past datahub while this landed: "
                f"{commit_id[:12]} stands on {parent[:12]}, not on {statement['on'][:12]}, which "
                "was judged.",
                hint=f"`datahub audit {branch}` names what came without a verdict. Protect the "
                "branch in lakeFS, and revert what should not be there.",
            )
        return commit_id

    def _put(self, temporary: str, path: str, oid: ObjectId) -> None:
        """Upload from the cache; what lies on the server only is copied there."""
        file = fetch_cached(self._files, oid)
        if file is None and oid not in self._trees.where:  # a gc beside us took the local copy
            raise ObjectNotFound(oid, path)
        if file is None and not self._copy(temporary, path, oid):
            download(self._server, self._files, *self._trees.where[oid], oid=oid)
            file = self._files.fetch(oid)
        if file is not None:
            self._server.upload(temporary, path, file, oid)

    def _copy(self, temporary: str, path: str, oid: ObjectId) -> bool:
        """Whether the server made a copy that carries its object id."""
        commit_id, at = self._trees.where[oid]
        copy = lakefs_sdk.ObjectCopyCreation(src_path=at, src_ref=commit_id)
        api = self._server.api.objects_api
        try:
            answer = self._server.ask(f"copy {at}", api.copy_object, temporary, path, copy)
        except DatahubError:
            return False
        return (answer.metadata or {}).get(SHA256) == oid
