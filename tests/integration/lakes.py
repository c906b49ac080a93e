"""One lakeFS repository as tests see it: our store, and lakeFS's own client beside it."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lakefs_sdk
from lakefs_sdk.client import LakeFSClient

from datahub.adapters.versions_lakefs import LakeFSVersionStore
from datahub.adapters.versions_lakefs.names import TEMPORARY
from datahub.core.verdict import Verdict
from datahub.core.versions import Commit, merged_changes, suite_hash
from datahub.ports import VersionStore
from tests.lakefs_server import LakeFSServer

TIME = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
ACTION = "_lakefs_actions/datahub.yaml"


class Lake:
    """One repository: our store, and lakeFS's own client as anybody could use it."""

    def __init__(self, server: LakeFSServer, folder: Path, name: str = "") -> None:
        self.access = server.new_repository(folder, name)
        self.store = LakeFSVersionStore.create(
            **self.access, branch="main", author="ann", time=TIME
        )
        configuration = lakefs_sdk.Configuration(
            host=f"{server.endpoint}/api/v1",
            username=server.access_key_id,
            password=server.secret_access_key,
        )
        self.client: Any = LakeFSClient(configuration)
        self.name = self.access["repository"]

    def commit(self, branch: str, files: Mapping[str, bytes | None]) -> Commit:
        return commit(self.store, branch, files)

    def upload(self, branch: str, path: str, content: bytes, **headers: str) -> None:
        self.client.objects_api.upload_object(
            self.name, branch, path, content=content, _headers=headers
        )

    def foreign(self, branch: str, path: str, content: bytes) -> str:
        """Somebody commits with lakeFS's client."""
        self.upload(branch, path, content)
        told = lakefs_sdk.CommitCreation(message="by hand")
        return str(self.client.commits_api.commit(self.name, branch, told).id)

    def delete(self, branch: str, path: str) -> str:
        """Somebody takes a path away, as often as lakeFS needs to forget its hooks (5 s)."""
        told = lakefs_sdk.CommitCreation(message=f"without {path}")
        self.client.objects_api.delete_object(self.name, branch, path)
        for _ in range(100):
            try:
                return str(self.client.commits_api.commit(self.name, branch, told).id)
            except lakefs_sdk.ApiException as error:
                if error.status not in (404, 412):  # 404: a list it remembers names the file
                    raise
            time.sleep(0.1)
        raise AssertionError(f"lakeFS still runs the hooks of {branch}")

    def merge(self, source: str, into: str = "main", **how: Any) -> str:
        """Somebody merges with lakeFS's client, as its pages do."""
        merge = lakefs_sdk.Merge(**how)
        done = self.client.refs_api.merge_into_branch(self.name, source, into, merge)
        return str(done.reference)

    def revert(self, ref: str, branch: str = "main") -> str:
        """Somebody reverts with lakeFS's client."""
        told = lakefs_sdk.RevertCreation(ref=ref, parent_number=1)
        self.client.branches_api.revert_branch(self.name, branch, told)
        return str(self.store.branches()[branch])

    def cherry_pick(self, ref: str, branch: str = "main") -> str:
        """Somebody picks a commit with lakeFS's client."""
        told = lakefs_sdk.CherryPickCreation(ref=ref, parent_number=1)
        return str(self.client.branches_api.cherry_pick(self.name, branch, told).id)

    def wait_for_hook(self, branch: str = "main") -> None:
        """LakeFS may take seconds to see an action file that was just committed."""
        told = lakefs_sdk.CommitCreation(message="Does it?")
        for _ in range(100):
            try:
                self.client.commits_api.commit(self.name, branch, told)
            except lakefs_sdk.ApiException as error:
                if error.status == 412:
                    return
            time.sleep(0.1)
        raise AssertionError(f"No hook runs on {branch}")

    def unprotect(self) -> None:
        """An administrator lifts the protection, and waits until the server has seen it."""
        self.client.repositories_api.set_branch_protection_rules(self.name, [])
        told = lakefs_sdk.CommitCreation(message="Is it?")
        for _ in range(100):
            try:
                self.client.commits_api.commit(self.name, "main", told)
            except lakefs_sdk.ApiException as error:
                if error.status != 403:
                    return
            time.sleep(0.1)

    def temporary(self) -> list[str]:
        listed = self.client.branches_api.list_branches(self.name, show_hidden=True)
        return [ref.id for ref in listed.results if ref.id.startswith(TEMPORARY)]


def commit(
    store: VersionStore, branch: str, files: Mapping[str, bytes | None], **fields: Any
) -> Commit:
    changes = {p: None if c is None else store.put(c) for p, c in files.items()}
    told = {"message": "work", "author": "ann", "time": TIME, "expected": store.branches()[branch]}
    return store.commit(branch, changes, **{**told, **fields})


def merge(store: VersionStore, source: str) -> Commit:
    head, base = store.commit_at("main"), store.merge_base("main", source)
    changes, conflicts = merged_changes(
        store.changes(base.id, head.id), store.changes(base.id, source)
    )
    assert not conflicts
    candidate = store.propose(
        source,
        into="main",
        changes=changes,
        message=f"Merge {source}",
        author="ann",
        time=TIME,
        expected=head.id,
    )
    verdict = passing(store, candidate.content_id, candidate.source, candidate.judged_head)
    try:
        return store.land(candidate, verdict)
    except BaseException:
        store.drop(candidate)
        raise


def passing(store: VersionStore, content: str, source: str, head: str) -> Verdict:
    """The verdict that would let this content through."""
    return Verdict(
        passed=True,
        content_id=content,
        source=source,
        judged_head=head,
        suite_hash=suite_hash(store.objects(head)),
        time=TIME,
    )
