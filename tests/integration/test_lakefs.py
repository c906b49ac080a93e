"""What only a real lakeFS can show: its errors, crashes, rivals, and what goes round datahub."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lakefs_sdk
import pytest
from lakefs_sdk.client import LakeFSClient

from datahub.adapters.versions_lakefs import LakeFSVersionStore
from datahub.adapters.versions_lakefs.names import TEMPORARY, decoded, encoded
from datahub.core.errors import (
    AuthenticationError,
    ConfigError,
    Conflict,
    Rejected,
    StaleHead,
    StorageError,
    Unavailable,
)
from datahub.core.verdict import Verdict
from datahub.core.versions import Commit, merged_changes, suite_hash
from tests.integration.conftest import GATES, SUITE, Datahub
from tests.lakefs_server import LakeFSServer

TIME = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
HOOK = """\
name: fridays
on: {pre-merge: }
hooks:
  - id: not_today
    type: lua
    properties:
      script: |
        error("no merges on a friday")
"""


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


@pytest.fixture
def lake(lakefs: LakeFSServer, tmp_path: Path) -> Lake:
    return Lake(lakefs, tmp_path)


def commit(
    store: LakeFSVersionStore, branch: str, files: Mapping[str, bytes | None], **fields: Any
) -> Commit:
    changes = {p: None if c is None else store.put_bytes(c) for p, c in files.items()}
    told = {"message": "work", "author": "ann", "time": TIME, "expected": store.branches()[branch]}
    return store.commit(branch, changes, **{**told, **fields})


def merge(store: LakeFSVersionStore, source: str) -> Commit:
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
    verdict = Verdict(
        passed=True,
        content_id=candidate.content_id,
        source=candidate.source,
        judged_head=candidate.judged_head,
        suite_hash=suite_hash(store.objects(candidate.judged_head)),
        time=TIME,
    )
    try:
        return store.land(candidate, verdict)
    except BaseException:
        store.drop(candidate)
        raise


# Set up


def test_a_repository_is_adopted_as_it_is(lake: Lake, lakefs: LakeFSServer, tmp_path: Path) -> None:
    made = lake.commit("main", {"a": b"1"})

    again = Lake(lakefs, tmp_path / "elsewhere", lake.name).store

    assert again.branches() == {"main": made.id}
    assert again.read(again.objects("main")["a"]) == b"1"


def test_a_repository_of_somebody_else_keeps_its_history(
    lake: Lake, lakefs: LakeFSServer, tmp_path: Path
) -> None:
    """Datahub's first commit stands on theirs; their objects get ids by being read."""
    name = f"{lake.name[:40]}-foreign"
    place = lake.client.repositories_api.get_repository(lake.name).storage_namespace + "-foreign"
    lake.client.repositories_api.create_repository(
        lakefs_sdk.RepositoryCreation(name=name, storage_namespace=place, default_branch="main")
    )
    lake.client.objects_api.upload_object(name, "main", "rows.csv", content=b"a,b\n")
    told = lakefs_sdk.CommitCreation(message="before datahub")
    before = lake.client.commits_api.commit(name, "main", told).id

    adopted = Lake(lakefs, tmp_path / "elsewhere", name).store

    assert adopted.commit_at("main").parents == (before,)
    assert adopted.commit_at(before).message == "before datahub"
    oid = adopted.objects("main")["rows.csv"]
    assert oid == hashlib.sha256(b"a,b\n").hexdigest()
    assert adopted.read(oid) == b"a,b\n"


def test_the_server_refuses_commits_to_main_from_the_first_moment(lake: Lake) -> None:
    with pytest.raises(lakefs_sdk.ApiException) as refused:
        lake.upload("main", "a", b"1")

    assert refused.value.status == 403


@pytest.mark.parametrize("name", ["relabel/round-2", "v1.0", "a__2F", "a_/b", "a__.x_", "a___5F__"])
def test_a_name_with_signs_comes_back_as_it_was(lake: Lake, name: str) -> None:
    lake.store.create_branch(name, at="main")

    assert set(lake.store.branches()) == {"main", name}
    assert decoded(encoded(name)) == name


def test_a_name_that_lakefs_would_refuse_is_a_matter_of_settings(
    lakefs: LakeFSServer, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="cannot name a repository"):
        Lake(lakefs, tmp_path, "My Data")


# Errors


def test_a_server_that_is_down_is_unavailable(lake: Lake) -> None:
    gone = LakeFSVersionStore.at(**{**lake.access, "endpoint": "http://127.0.0.1:9"})

    with pytest.raises(Unavailable) as caught:
        gone.branches()

    assert "lakefs_endpoint" in caught.value.hint


def test_wrong_keys_are_named_and_not_shown(lake: Lake) -> None:
    stranger = LakeFSVersionStore.at(**{**lake.access, "secret_access_key": "not-the-secret"})

    with pytest.raises(AuthenticationError) as caught:
        stranger.commit_at("main")

    assert "DATAHUB_LAKEFS_SECRET_ACCESS_KEY" in caught.value.hint
    assert "not-the-secret" not in str(caught.value) + caught.value.hint


def test_a_branch_with_staged_objects_takes_no_merge_and_says_why(lake: Lake) -> None:
    lake.store.create_branch("work", at="main")
    lake.upload("work", "staged", b"1")

    with pytest.raises(Conflict, match="uncommitted") as caught:
        lake.commit("work", {"a": b"1"})

    assert "reset" in caught.value.hint
    assert lake.temporary() == []


def test_a_hook_that_says_no_is_heard(lake: Lake) -> None:
    """LakeFS itself gives a run id; what the hook wrote is fetched and shown."""
    lake.store.create_branch("work", at="main")

    with pytest.raises(Rejected, match="no merges on a friday"):
        lake.commit("work", {"_lakefs_actions/fridays.yaml": HOOK.encode()})

    assert lake.store.branches()["work"] == lake.store.branches()["main"]


def test_a_broken_action_file_is_named(lake: Lake) -> None:
    with pytest.raises(Rejected, match="action file") as caught:
        lake.commit("main", {"_lakefs_actions/broken.yaml": b"name: x\non: {never: }\nhooks: []\n"})

    assert "Mend" in caught.value.hint


def test_bytes_that_are_not_what_their_id_says_are_found_on_reading(lake: Lake) -> None:
    lake.store.create_branch("work", at="main")
    claimed = hashlib.sha256(b"what was promised").hexdigest()
    lake.upload("work", "x", b"other", **{"x-lakefs-meta-sha256": claimed})
    lake.client.commits_api.commit(lake.name, "work", lakefs_sdk.CommitCreation(message="forged"))

    oid = lake.store.objects("work")["x"]

    assert oid == claimed
    with pytest.raises(StorageError, match="bytes"):
        lake.store.read(oid)


def test_bytes_gone_from_the_storage_are_told_from_a_missing_path(lake: Lake) -> None:
    made = lake.commit("main", {"rows": b"precious"})
    oid = lake.store.objects(made.id)["rows"]
    stat = lake.client.objects_api.stat_object(lake.name, made.id, "rows")
    file = Path(stat.physical_address.removeprefix("local://"))
    if not file.is_file():
        pytest.skip("the server's storage is not on this machine")
    file.unlink()
    shutil.rmtree(lake.access["files"]._objects)

    with pytest.raises(StorageError, match="gone"):
        lake.store.read(oid)


def test_a_lost_cache_is_filled_again(lake: Lake) -> None:
    lake.commit("main", {"rows": b"1", "more": b"2"})
    shutil.rmtree(lake.access["files"]._objects)
    lake.access["files"].make_folders()

    fresh = LakeFSVersionStore.at(**lake.access)

    assert {p: fresh.read(o) for p, o in fresh.objects("main").items() if "_" not in p} == {
        "rows": b"1",
        "more": b"2",
    }


def test_what_lies_on_the_server_is_committed_again_without_its_bytes_here(lake: Lake) -> None:
    """A revert needs no download: the server copies."""
    first = lake.commit("main", {"rows": b"1"})
    lake.commit("main", {"rows": b"2"})
    shutil.rmtree(lake.access["files"]._objects)
    lake.access["files"].make_folders()
    oid = lake.store.objects(first.id)["rows"]

    lake.store.commit(
        "main",
        {"rows": oid, "copy": oid},
        message="back",
        author="ann",
        time=TIME,
        expected=lake.store.branches()["main"],
    )

    assert lake.store.objects("main")["rows"] == lake.store.objects("main")["copy"] == oid
    assert lake.store.read(oid) == b"1"


# Crash and concurrency


def _die_after_proposing(access: dict[str, Any]) -> None:
    store = LakeFSVersionStore.at(**access)
    store.propose(
        "work",
        into="main",
        changes={},
        message="",
        author="ann",
        time=TIME,
        expected=store.branches()["main"],
    )
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_killed_process_left_is_swept_and_nobody_elses(lake: Lake) -> None:
    lake.store.create_branch("work", at="main")
    lake.commit("work", {"a": b"1"})
    mine = lake.store.propose(
        "work",
        into="main",
        changes={},
        message="",
        author="ann",
        time=TIME,
        expected=lake.store.branches()["main"],
    )
    dying = multiprocessing.get_context("spawn").Process(
        target=_die_after_proposing, args=(lake.access,)
    )
    dying.start()
    dying.join(60)
    assert dying.exitcode == -signal.SIGKILL
    assert len(lake.temporary()) == 2

    commit(LakeFSVersionStore.at(**lake.access), "work", {"b": b"1"})

    assert len(lake.temporary()) == 1
    lake.store.drop(mine)
    assert lake.temporary() == []


def _merge_again_and_again(access: dict[str, Any], number: int, rounds: int) -> None:
    store = LakeFSVersionStore.at(**access)
    store.create_branch(f"work-{number}", at="main")
    for i in range(rounds):
        commit(store, f"work-{number}", {f"{number}/{i}": b"%d" % i})
        while True:
            try:
                merge(store, f"work-{number}")
                break
            except StaleHead:
                continue
    sys.exit(0)


def test_eight_processes_merge_and_nothing_is_lost(lake: Lake) -> None:
    """Each merge stands on the head it was judged against, and carries its own verdict."""
    context, rounds = multiprocessing.get_context("spawn"), 3
    rivals = [
        context.Process(target=_merge_again_and_again, args=(lake.access, number, rounds))
        for number in range(8)
    ]
    for rival in rivals:
        rival.start()
    for rival in rivals:
        rival.join(300)
    assert [rival.exitcode for rival in rivals] == [0] * 8

    store = LakeFSVersionStore.at(**lake.access)
    held = {path for path in store.objects("main") if not path.startswith("_datahub/")}
    assert held == {f"{number}/{i}" for number in range(8) for i in range(rounds)}
    merges = [entry for entry in store.log("main") if len(entry.parents) == 2]
    assert len(merges) == 8 * rounds
    for entry in merges:
        judged = Verdict.from_json(store.read(store.objects(entry.id)["_datahub/verdict.json"]))
        assert (judged.judged_head, judged.source) == entry.parents
        assert judged.content_id == store.content_of(entry.id)
    assert lake.temporary() == []


# What goes round datahub


@pytest.fixture
def guarded(
    lake: Lake,
    lakefs: LakeFSServer,
    datahub: Datahub,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Lake:
    """A project on lakeFS whose main is guarded, and whose protection was lifted since."""
    monkeypatch.setenv("DATAHUB_LAKEFS_ACCESS_KEY_ID", lakefs.access_key_id)
    monkeypatch.setenv("DATAHUB_LAKEFS_SECRET_ACCESS_KEY", lakefs.secret_access_key)
    where = ("--endpoint", lakefs.endpoint, "--repository", lake.name)
    assert datahub("init", "--dataset", "mail", "--store", "lakefs", *where).code == 0
    (tmp_path / "expectations" / "labels.json").write_text(json.dumps(SUITE))
    (tmp_path / "expectations" / "gates.toml").write_text(GATES)
    ran = datahub("gate", "set", "--reason", "spam stays below 60%")
    assert ran.code == 0, ran.err
    lake.unprotect()
    return lake


def unjudged(datahub: Datahub) -> dict[str, list[str]]:
    ran = datahub("audit", "main", "--json")
    found = ran.json["unjudged"]
    assert ran.code == (1 if found else 0), ran.err
    return {entry["commit"]: entry["why"] for entry in found}


def test_what_came_through_the_gate_stands_the_audit(guarded: Lake, datahub: Datahub) -> None:
    ran = datahub("audit", "main", "--json")

    assert ran.code == 0, ran.err
    assert [change["reason"] for change in ran.json["rule_changes"]] == ["spam stays below 60%"]


def test_the_audit_names_what_lakefs_let_in(guarded: Lake, datahub: Datahub) -> None:
    """A direct commit, a revert of it, a cherry-pick, and a merge by another client."""
    api = guarded.client
    direct = guarded.foreign("main", "datasets/mail/rows", b"1")
    api.branches_api.revert_branch(
        guarded.name, "main", lakefs_sdk.RevertCreation(ref=direct, parent_number=1)
    )
    reverted = guarded.store.branches()["main"]
    guarded.store.create_branch("work", at="main")
    worked = guarded.commit("work", {"datasets/mail/more": b"1"})
    picked = api.branches_api.cherry_pick(
        guarded.name, "main", lakefs_sdk.CherryPickCreation(ref=worked.id, parent_number=1)
    ).id
    guarded.commit("work", {"datasets/mail/less": b"2"})
    merged = api.refs_api.merge_into_branch(
        guarded.name, "work", "main", lakefs_sdk.Merge(strategy="source-wins")
    ).reference

    found = unjudged(datahub)

    assert set(found) == {direct, reverted, picked, merged}
    assert all(found.values())


def test_a_cherry_picked_commit_does_not_speak_for_itself(guarded: Lake) -> None:
    """LakeFS copies metadata: what our commit said of itself is not true of the copy."""
    guarded.store.create_branch("work", at="main")
    guarded.store.create_branch("other", at="main")
    worked = guarded.commit("work", {"a": b"1"})
    picked = guarded.client.branches_api.cherry_pick(
        guarded.name, "other", lakefs_sdk.CherryPickCreation(ref=worked.id, parent_number=1)
    ).id

    assert guarded.store.commit_at(picked).author != "ann"
    assert guarded.store.commit_at(worked.id) == worked
    assert guarded.commit("work", {"b": b"1"}).parents == (worked.id,)
