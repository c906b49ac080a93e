"""What keeps a guarded branch on lakeFS: the server's own hook; and the audit of what gets by."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import lakefs_sdk
import pytest

from datahub.core.errors import InputError
from datahub.core.layout import VERDICT
from tests.integration.conftest import GATES, SUITE, Datahub
from tests.integration.lakes import ACTION, TIME, Lake, merge, passing
from tests.lakefs_server import LakeFSServer

RULES = {
    "expectations/labels.json": json.dumps(SUITE).encode(),
    "expectations/gates.toml": GATES.encode(),
}


@pytest.fixture
def lake(lakefs: LakeFSServer, tmp_path: Path) -> Lake:
    return Lake(lakefs, tmp_path)


@pytest.fixture
def guarded(lake: Lake) -> Lake:
    """`main` is guarded; `work` was cut from it and has a commit more."""
    lake.commit("main", {"rows": b"1", **RULES})
    lake.store.create_branch("work", at="main")
    lake.commit("work", {"rows": b"2"})
    return lake


def refused(lake: Lake, source: str = "work") -> str:
    """What lakeFS says to somebody who merges `source` into `main`; main stays where it is."""
    head = lake.store.branches()["main"]
    with pytest.raises(lakefs_sdk.ApiException) as caught:
        lake.merge(source)
    assert caught.value.status == 412
    assert lake.store.branches()["main"] == head
    return str(json.loads(caught.value.body)["message"])


# A merge by another client


def test_a_merge_without_a_verdict_is_refused_with_what_to_do(guarded: Lake) -> None:
    said = refused(guarded)

    assert "datahub guards the branch main: this merge carries no verdict" in said
    assert "datahub merge BRANCH --into main" in said


@pytest.mark.parametrize(
    "how", [{"force": True}, {"strategy": "source-wins"}, {"squash_merge": True}]
)
def test_no_way_of_merging_gets_round_it(guarded: Lake, how: dict[str, Any]) -> None:
    with pytest.raises(lakefs_sdk.ApiException, match="no verdict"):
        guarded.merge("work", **how)


def test_the_same_merge_through_the_gate_lands(guarded: Lake) -> None:
    landed = merge(guarded.store, "work")

    assert guarded.store.branches()["main"] == landed.id
    assert guarded.store.read(guarded.store.objects("main")["rows"]) == b"2"


def test_the_verdict_of_an_earlier_merge_is_not_enough(guarded: Lake) -> None:
    """What main holds of old comes along with every branch that is cut from it."""
    merge(guarded.store, "work")
    guarded.store.create_branch("more", at="main")
    guarded.commit("more", {"rows": b"3"})

    assert "carries no verdict of its own" in refused(guarded, "more")


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"passed": False}, "its verdict is a refusal"),
        ({"content_id": "0" * 64}, "its verdict is of other content"),
        ({"suite_hash": "0" * 64}, "its verdict is by other rules"),
        ({"into": "loose"}, "its verdict is of another branch"),
        ({"kind": "rules", "reason": "because"}, "its verdict is of another kind of merge"),
    ],
)
def test_a_verdict_made_by_hand_must_be_true(
    guarded: Lake, fields: dict[str, Any], why: str
) -> None:
    store = guarded.store
    heads = store.branches()
    verdict = passing(store, store.content_of("work"), heads["work"], heads["main"])
    guarded.foreign("work", VERDICT, replace(verdict, **fields).to_json().encode())

    assert why in refused(guarded)


@pytest.mark.parametrize("text", [b"{", b"[]", b'{"format": 2}', b"null"])
def test_a_verdict_that_is_none_is_refused(guarded: Lake, text: bytes) -> None:
    guarded.foreign("work", VERDICT, text)

    assert "verdict" in refused(guarded)


def test_rules_are_changed_for_a_reason_or_not_at_all(guarded: Lake) -> None:
    guarded.store.create_branch("free", at="main")
    guarded.commit("free", {"expectations/gates.toml": b""})

    assert "carries no verdict" in refused(guarded, "free")


# What the hook computes


def test_it_reckons_the_content_as_datahub_does(guarded: Lake) -> None:
    """Deep trees, letters of several bytes, names that share part of a letter, foreign objects."""
    names = [f"{i % 7}/{i}.part" for i in range(3000)]
    names += [
        "\u00e8/x",
        "\u00e9/x",
        "\u00e9",
        "\U0001f600",
        "\U0001f601",
        "a b?&+%",
        "\u00e9\u00e8",
    ]
    guarded.commit("work", {name: b"same" for name in names if name != "\u00e9"})
    guarded.foreign("work", "by/hand", b"not of datahub")

    landed = merge(guarded.store, "work")

    assert len(guarded.store.objects(landed.id)) > 3000


def test_one_object_otherwise_and_it_is_refused(guarded: Lake) -> None:
    """A true verdict of a candidate does not carry another object past the hook."""
    store = guarded.store
    head = store.commit_at("main")
    candidate = store.propose(
        "work",
        into="main",
        changes={"rows": store.put(b"2")},
        message="",
        author="ann",
        time=TIME,
        expected=head.id,
    )
    verdict = passing(store, candidate.content_id, candidate.source, head.id)
    [temporary] = guarded.temporary()
    guarded.upload(temporary, VERDICT, verdict.to_json().encode())
    guarded.upload(temporary, "smuggled", b"3")
    told = lakefs_sdk.CommitCreation(message="and one more")
    guarded.client.commits_api.commit(guarded.name, temporary, told)

    assert "its verdict is of other content" in refused(guarded, temporary)


@pytest.mark.parametrize(
    ("gates", "guards"),
    [
        (GATES, True),
        ("[[gate]]\n'branch'='main'\ndataset='mail'\nsuite='labels.json'\n", True),
        ('gate = [{dataset = "m#", suite = "labels.json", "branch" = "main"}]\n', True),
        (GATES.replace('"main"', '"ma\\u0069n"'), True),
        (GATES.replace('"main"', '"""main"""'), True),
        (GATES.replace('"main"', "'''\nmain'''"), True),
        (GATES.replace('"main"', '"mainly"'), False),
        (GATES.replace('"main"', '"other"').replace('"mail"', '"main"'), False),
        ("# " + GATES.replace("\n", "\n# "), False),
        (GATES.replace('branch = "main"', 'branch = "other" # branch = "main"'), False),
        ("", False),
    ],
)
def test_it_reads_gates_as_datahub_does(lake: Lake, gates: str, guards: bool) -> None:
    lake.commit("main", {**RULES, "expectations/gates.toml": gates.encode()})
    lake.store.create_branch("work", at="main")
    lake.commit("work", {"rows": b"2"})

    if guards:
        assert "carries no verdict" in refused(lake)
    else:
        lake.merge("work")


def test_a_branch_with_signs_in_its_name_is_guarded_too(lake: Lake) -> None:
    lake.store.create_branch("rel/1.0", at="main")
    gates = GATES.replace('"main"', '"rel/1.0"').encode()
    lake.commit("rel/1.0", {**RULES, "expectations/gates.toml": gates})
    lake.store.create_branch("work", at="rel/1.0")
    lake.commit("work", {"rows": b"2"})

    with pytest.raises(lakefs_sdk.ApiException, match=r"guards the branch rel/1\.0"):
        lake.merge("work", "rel__2F1__2E0")


# Installing it


def test_an_action_file_of_somebody_else_stays(
    lake: Lake, lakefs: LakeFSServer, tmp_path: Path
) -> None:
    name = f"{lake.name[:40]}-foreign"
    place = lake.client.repositories_api.get_repository(lake.name).storage_namespace + "-foreign"
    lake.client.repositories_api.create_repository(
        lakefs_sdk.RepositoryCreation(name=name, storage_namespace=place, default_branch="main")
    )
    theirs = b"name: theirs\non: {post-merge: }\nhooks: []\n"
    lake.client.objects_api.upload_object(
        name, "main", "_lakefs_actions/theirs.yaml", content=theirs
    )
    told = lakefs_sdk.CommitCreation(message="before datahub")
    lake.client.commits_api.commit(name, "main", told)

    adopted = Lake(lakefs, tmp_path / "elsewhere", name)

    get = lake.client.objects_api.get_object
    assert get(name, "main", "_lakefs_actions/theirs.yaml") == theirs
    assert b"datahub gate" in get(name, "main", ACTION)
    assert adopted.store.notices == []


def test_one_of_ours_that_was_edited_is_told_and_left(
    lake: Lake, lakefs: LakeFSServer, tmp_path: Path
) -> None:
    lake.unprotect()
    mine = b"name: datahub gate\non: {post-merge: }\nhooks: []\n"
    lake.foreign("main", ACTION, mine)

    again = Lake(lakefs, tmp_path / "elsewhere", lake.name)

    assert lake.client.objects_api.get_object(lake.name, "main", ACTION) == mine
    assert ["was changed by somebody" in notice for notice in again.store.notices] == [True]


def test_init_tells_of_an_edited_one(
    lake: Lake, lakefs: LakeFSServer, datahub: Datahub, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.unprotect()
    lake.foreign("main", ACTION, b"name: datahub gate\non: {post-merge: }\nhooks: []\n")
    monkeypatch.setenv("DATAHUB_LAKEFS_ACCESS_KEY_ID", lakefs.access_key_id)
    monkeypatch.setenv("DATAHUB_LAKEFS_SECRET_ACCESS_KEY", lakefs.secret_access_key)
    where = ("--endpoint", lakefs.endpoint, "--repository", lake.name)

    ran = datahub("init", "--dataset", "mail", "--store", "lakefs", *where)

    assert ran.code == 0, ran.err
    assert f"warning: {ACTION} was changed by somebody" in ran.err


def test_a_guarded_branch_without_it_gets_it_by_the_next_merge(
    guarded: Lake, lakefs: LakeFSServer, tmp_path: Path
) -> None:
    guarded.unprotect()
    guarded.delete("main", ACTION)
    store = Lake(lakefs, tmp_path / "elsewhere", guarded.name).store
    assert ["the next merge" in notice for notice in store.notices] == [True]

    merge(store, "work")

    assert guarded.client.objects_api.head_object(guarded.name, "main", ACTION) is None
    assert Lake(lakefs, tmp_path / "again", guarded.name).store.notices == []


def test_setting_up_again_changes_nothing(lake: Lake, lakefs: LakeFSServer, tmp_path: Path) -> None:
    head = lake.store.branches()

    again = Lake(lakefs, tmp_path / "elsewhere", lake.name).store

    assert (again.branches(), again.notices) == (head, [])


def test_no_commit_of_datahub_writes_it(lake: Lake) -> None:
    with pytest.raises(InputError, match="datahub's own"):
        lake.commit("main", {ACTION: b"x"})


# What goes round datahub


@pytest.fixture
def project(
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


def test_what_came_through_the_gate_stands_the_audit(project: Lake, datahub: Datahub) -> None:
    """With every change of rules, its reason and who made it."""
    ran = datahub("audit", "main", "--json")

    assert ran.code == 0, ran.err
    assert [change["reason"] for change in ran.json["rule_changes"]] == ["spam stays below 60%"]


def test_the_hook_keeps_what_the_protection_does_not(project: Lake, datahub: Datahub) -> None:
    """A commit after the protection was lifted; revert and cherry-pick, which it never stops."""
    head = project.store.branches()["main"]
    project.store.create_branch("work", at="main")
    worked = project.commit("work", {"datasets/mail/more": b"1"})
    project.wait_for_hook()

    attempts: dict[str, Callable[[], str]] = {
        "commit": lambda: project.foreign("main", "datasets/mail/rows", b"1"),
        "revert": lambda: project.revert(head),
        "cherry-pick": lambda: project.cherry_pick(worked.id),
    }
    for kind, attempt in attempts.items():
        with pytest.raises(lakefs_sdk.ApiException, match=f"it takes no {kind}"):
            attempt()
        reset = lakefs_sdk.ResetCreation(type="reset")
        project.client.branches_api.reset_branch(project.name, "main", reset)

    assert unjudged(datahub) == {}


def test_the_audit_names_what_came_after_the_hook_was_taken_off(
    project: Lake, datahub: Datahub
) -> None:
    """That commit itself, a direct commit, a revert, a cherry-pick and another client's merge."""
    off = project.delete("main", ACTION)
    direct = project.foreign("main", "datasets/mail/rows", b"1")
    reverted = project.revert(direct)
    project.store.create_branch("work", at="main")
    worked = project.commit("work", {"datasets/mail/more": b"1"})
    project.commit("work", {"datasets/mail/less": b"2"})  # lakeFS 1.84 may lose a picked head
    picked = project.cherry_pick(worked.id)
    merged = project.merge("work", strategy="source-wins")

    found = unjudged(datahub)

    assert set(found) == {off, direct, reverted, picked, merged}
    assert found[merged] == ["a merge without a verdict of its own"]
    assert found[direct] == ["a commit without a verdict of its own"]


def test_the_audit_names_a_merge_of_a_branch_that_was_rid_of_the_hook(
    project: Lake, datahub: Datahub
) -> None:
    """LakeFS reads hooks from the source: this one gets in, and takes the hook off main."""
    project.store.create_branch("work", at="main")
    project.delete("work", ACTION)
    project.commit("work", {"datasets/mail/more": b"1"})

    merged = project.merge("work")

    assert unjudged(datahub) == {merged: ["a merge without a verdict of its own"]}


def test_rules_that_somebody_changed_past_the_gate_are_named_without_a_reason(
    project: Lake, datahub: Datahub
) -> None:
    project.delete("main", ACTION)
    looser = project.foreign("main", "expectations/labels.json", b"{}")

    ran = datahub("audit", "main", "--json")

    assert ran.code == 1
    told = {change["commit"]: change["reason"] for change in ran.json["rule_changes"]}
    assert told[looser] == ""
    assert "spam stays below 60%" in told.values()
    assert looser in unjudged(datahub)


def test_a_merge_that_was_judged_on_another_head_is_named(project: Lake, datahub: Datahub) -> None:
    """A hard reset and the old merge again: its verdict speaks of a head that is not its own."""
    project.store.create_branch("work", at="main")
    project.commit("work", {"datasets/mail/more": b"1"})
    good = merge(project.store, "work")
    project.delete("main", ACTION)

    again = project.revert(good.id)

    found = unjudged(datahub)
    assert again in found
    assert good.id not in found
