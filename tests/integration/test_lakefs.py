"""What only a real lakeFS can show: its errors, crashes, rivals, and what goes round datahub."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lakefs_sdk
import pytest

from datahub.adapters.versions_lakefs import LakeFSVersionStore
from datahub.adapters.versions_lakefs.names import decode, encode
from datahub.core.errors import (
    AuthenticationError,
    ConfigError,
    Conflict,
    InputError,
    Rejected,
    StaleHead,
    StorageError,
    Unavailable,
)
from datahub.core.verdict import Verdict
from datahub.flow.rows.in_place import import_in_place
from datahub.flow.rows.source import Import
from datahub.flow.steps import Step
from datahub.hub.registry import adapter
from datahub.machine.bytes.files import ObjectFiles
from tests.integration.lakes import TIME, Lake, commit, merge, passing
from tests.lakefs_server import LakeFSServer, running_on

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


@pytest.fixture
def lake(lakefs: LakeFSServer, tmp_path: Path) -> Lake:
    return Lake(lakefs, tmp_path)


# Set up


def test_a_clone_of_the_project_works_at_once(lake: Lake, tmp_path: Path) -> None:
    """CI and a colleague have datahub.toml and no `.datahub`."""
    made = lake.commit("main", {"datasets/a/rows/1": b"rows"})
    fresh = {"files": ObjectFiles(tmp_path / "clone"), "memory": tmp_path / "clone" / "ids"}

    clone = LakeFSVersionStore.at(**{**lake.access, **fresh})

    held = clone.objects(made.id)["datasets/a/rows/1"]
    assert clone.read(held) == b"rows"
    assert commit(clone, "main", {"b": b"2"}).parents == (made.id,)


def test_files_of_this_machine_are_not_taken_in_place(lakefs: LakeFSServer, tmp_path: Path) -> None:
    """The error says what is done instead."""
    (tmp_path / "rows.parquet").write_bytes(b"PAR1")

    with pytest.raises(InputError, match="on a server") as raised:
        import_in_place(
            tmp_path / "rows.parquet",
            Import.begin(
                Lake(lakefs, tmp_path / "lake").store,
                adapter("rows", "polars")(),
                Step("main", "ann", TIME, "step"),
                "news",
                key="id",
                gold=None,
                classes=[],
                text=None,
            ),
            hard_link=True,
        )

    assert "uploads them" in raised.value.hint


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
    assert decode(encode(name)) == name


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

    with pytest.raises(Rejected, match="no merges on a friday") as caught:
        lake.commit("work", {"_lakefs_actions/fridays.yaml": HOOK.encode()})

    assert "Fix what it names" in caught.value.hint
    assert lake.store.branches()["work"] == lake.store.branches()["main"]


def test_a_broken_action_file_is_named(lake: Lake) -> None:
    with pytest.raises(Rejected, match="action file") as caught:
        lake.commit("main", {"_lakefs_actions/broken.yaml": b"name: x\non: {never: }\nhooks: []\n"})

    assert "Fix" in caught.value.hint


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


def test_a_cherry_picked_commit_does_not_speak_for_itself(lake: Lake) -> None:
    """LakeFS copies metadata: what our commit said of itself is not true of the copy."""
    lake.store.create_branch("work", at="main")
    lake.store.create_branch("other", at="main")
    worked = lake.commit("work", {"a": b"1"})
    picked = lake.cherry_pick(worked.id, "other")

    assert lake.store.commit_at(picked).author != "ann"
    assert lake.store.commit_at(worked.id) == worked
    assert lake.commit("work", {"b": b"1"}).parents == (worked.id,)


def test_a_content_id_is_reckoned_once_on_a_machine(lake: Lake) -> None:
    made = lake.commit("main", {"rows": b"1", "more": b"2"})
    content = lake.store.content_of("main")
    raw = lake.client.commits_api.get_commit(lake.name, made.id)
    [kept] = [f for f in lake.access["memory"].iterdir() if f.name == raw.meta_range_id]
    assert kept.read_text() == content

    kept.write_text("cut off")
    assert LakeFSVersionStore.at(**lake.access).content_of("main") == content
    assert kept.read_text() == content
    shutil.rmtree(lake.access["memory"])
    lake.access["memory"].write_text("no folder")
    assert LakeFSVersionStore.at(**lake.access).content_of("main") == content


def test_another_format_is_told_on_the_first_use(lake: Lake) -> None:
    """Not only at setup: somebody's newer datahub may have been there since."""
    lake.unprotect()
    lake.foreign("main", "_datahub/format.json", b'{"format": 99}')

    for use in (
        lambda store: store.objects("main"),
        lambda store: store.create_branch("work", at="main"),
        lambda store: store.log("main"),
        lambda store: commit(store, "main", {"a": b"1"}),
    ):
        with pytest.raises(ConfigError, match="format version 99") as caught:
            use(LakeFSVersionStore.at(**lake.access))
        assert "Upgrade" in caught.value.hint


def test_who_lost_the_race_is_told_what_both_changed(lake: Lake) -> None:
    """LakeFS says 409 and no more."""
    head = lake.commit("main", {"rows": b"0", "kept": b"0"})
    lake.store.create_branch("work", at="main")
    lake.commit("work", {"rows": b"1", "ours": b"1"})
    candidate = lake.store.propose(
        "work",
        into="main",
        changes={"rows": lake.store.put(b"1"), "ours": lake.store.put(b"1")},
        message="",
        author="ann",
        time=TIME,
        expected=head.id,
    )
    commit(LakeFSVersionStore.at(**lake.access), "main", {"rows": b"2", "theirs": b"1"})
    verdict = passing(lake.store, candidate.content_id, candidate.source, head.id)

    with pytest.raises(StaleHead, match=r"Both changed rows\.") as landed:
        lake.store.land(candidate, verdict)
    with pytest.raises(StaleHead, match=r"Both changed rows\.") as committed:
        lake.store.commit(
            "main",
            {"rows": None, "more": lake.store.put(b"1")},
            message="m",
            author="ann",
            time=TIME,
            expected=head.id,
        )

    lake.store.drop(candidate)
    assert landed.value.both == committed.value.both == ("rows",)
    assert lake.store.read(lake.store.objects("main")["rows"]) == b"2"


# A server whose storage is an object store


@pytest.fixture
def signing(lake: Lake, lakefs: LakeFSServer, tmp_path: Path) -> Iterator[Lake]:
    """A repository on a second server, whose storage is S3: a branch of the first one's."""
    if shutil.which("lakefs") is None:
        pytest.skip("a second server needs a `lakefs` on the PATH")
    lake.client.repositories_api.set_branch_protection_rules(lake.name, [])
    lake.unprotect()
    with running_on(lakefs, lake.name) as server:
        yield Lake(server, tmp_path / "signing")


def test_bytes_go_straight_to_a_storage_that_signs_addresses(
    signing: Lake, lakefs: LakeFSServer, caplog: pytest.LogCaptureFixture
) -> None:
    content = bytes(range(256)) * 5000
    with caplog.at_level("DEBUG", logger="urllib3.connectionpool"):
        made = signing.commit("main", {"rows": content, "empty": b""})

    sent = [r.getMessage() for r in caplog.records if '"PUT' in r.getMessage()]
    assert sum(message.startswith(lakefs.endpoint) for message in sent) >= 2
    stat = signing.client.objects_api.stat_object(signing.name, made.id, "rows")
    assert stat.checksum == hashlib.md5(content, usedforsecurity=False).hexdigest()
    assert stat.metadata["sha256"] == hashlib.sha256(content).hexdigest()
    shutil.rmtree(signing.access["files"]._objects)
    signing.access["files"].make_folders()
    assert signing.store.read(signing.store.objects("main")["rows"]) == content
    assert signing.store.check() == []


def test_a_guarded_merge_lands_where_the_storage_signs_addresses(signing: Lake) -> None:
    signing.commit("main", {"rows": b"1"})
    signing.store.create_branch("work", at="main")
    signing.commit("work", {"rows": b"2"})

    landed = merge(signing.store, "work")

    assert signing.store.read(signing.store.objects(landed.id)["rows"]) == b"2"
    assert signing.temporary() == []
