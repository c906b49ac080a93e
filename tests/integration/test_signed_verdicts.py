"""Signed verdicts: asked for by a branch's rules, made where the secret is, held by the audit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import lakefs_sdk
import pytest

from datahub import Hub
from datahub.core.errors import Guarded
from datahub.core.layout import VERDICT
from datahub.core.signing import key_id
from datahub.core.verdict import Verdict
from datahub.core.versions import Candidate
from datahub.ports import VersionStore
from tests.integration.conftest import Datahub, mail
from tests.integration.lakes import TIME, Lake, passing
from tests.lakefs_server import LakeFSServer

SECRET, NEXT = "the-secret-of-the-gate-for-tests-1", "the-secret-that-comes-after-the-first"
SETTING = "DATAHUB_VERDICT_SECRET"
GATE = '[[gate]]\nbranch = "main"\ndataset = "mail"\ntable = "rows"\nsuite = "rows.json"\n'
SUITE = {
    "name": "rows",
    "expectations": [{"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "text"}}],
}


def rules(folder: Path, secret: str | None) -> None:
    named = f'signed_by = "{key_id(secret)}"\n\n' if secret else ""
    (folder / "expectations" / "gates.toml").write_text(named + GATE)


@pytest.fixture(params=["embedded", "lakefs"])
def team(
    request: pytest.FixtureRequest,
    datahub: Datahub,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Path:
    """A project whose main is guarded, on either store; its rules ask for signatures."""
    where: tuple[str, ...] = ()
    if request.param == "lakefs":
        lake: Lake = request.getfixturevalue("lake")
        access = lake.access
        monkeypatch.setenv("DATAHUB_LAKEFS_ACCESS_KEY_ID", access["access_key_id"])
        monkeypatch.setenv("DATAHUB_LAKEFS_SECRET_ACCESS_KEY", access["secret_access_key"])
        where = ("--store", "lakefs", "--endpoint", access["endpoint"])
        where += ("--repository", access["repository"])
    assert datahub("init", "--dataset", "mail", *where).code == 0
    mail().write_parquet(tmp_path / "mail.parquet")
    assert datahub("import", "mail.parquet", "--key", "id").code == 0
    (tmp_path / "expectations" / "rows.json").write_text(json.dumps(SUITE))
    rules(tmp_path, SECRET)
    monkeypatch.setenv(SETTING, SECRET)
    ran = datahub("gate", "set", "--reason", "whoever judges signs")
    assert ran.code == 0, ran.err
    return tmp_path


@pytest.fixture
def lake(lakefs: LakeFSServer, tmp_path: Path) -> Lake:
    return Lake(lakefs, tmp_path / "lake")


def work(datahub: Datahub, text: str) -> None:
    """A branch with one change that the gate has nothing against."""
    assert datahub("switch", "-c", text).code == 0
    Path("note.txt").write_text(text)
    assert datahub("commit", "-m", text, "note.txt").code == 0
    assert datahub("switch", "main").code == 0


def proposed(store: VersionStore, source: str) -> Candidate:
    """Somebody's own merge of a branch, by whatever client."""
    return store.propose(
        source,
        into="main",
        changes={c.path: c.new for c in store.changes(store.merge_base("main", source).id, source)},
        message="Nothing to see here",
        author="mallory",
        time=TIME,
        expected=store.branches()["main"],
    )


def verdict_of(store: VersionStore, candidate: Candidate) -> Verdict:
    """All true in it, but for the judging."""
    return passing(store, candidate.content_id, candidate.source, candidate.judged_head)


def test_a_merge_is_signed_and_the_audit_holds_it(datahub: Datahub, team: Path) -> None:
    work(datahub, "one")
    assert datahub("merge", "one").code == 0

    ran = datahub("audit", "--json")

    assert ran.code == 0, ran.out + ran.err
    assert (ran.json["judged"], ran.json["signed"], ran.json["unchecked"]) == (1, 1, [])
    assert "verdict passed, signed" in datahub("show").out
    assert "1 signed" in datahub("audit").out


@pytest.mark.parametrize(
    ("secret", "said"), [("", "DATAHUB_VERDICT_SECRET is not set"), (NEXT, key_id(NEXT))]
)
def test_without_the_secret_nothing_lands(
    datahub: Datahub, team: Path, monkeypatch: pytest.MonkeyPatch, secret: str, said: str
) -> None:
    """It is told before anything is judged, with what to do."""
    work(datahub, "one")
    head = datahub("log", "--json", "-n", "1").json[0]["id"]
    monkeypatch.setenv(SETTING, secret)

    ran = datahub("merge", "one")

    assert ran.code == 2
    assert said in ran.err
    assert "hint:" in ran.err
    assert not secret or secret not in ran.err
    assert datahub("log", "--json", "-n", "1").json[0]["id"] == head
    (team / "expectations" / "gates.toml").write_text("")
    assert datahub("gate", "set", "--unguard", "--reason", "away with it").code == 2


def test_the_audit_without_the_secret_does_not_say_that_all_is_well(
    datahub: Datahub, team: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(datahub, "one")
    assert datahub("merge", "one").code == 0
    head = datahub("log", "--json", "-n", "1").json[0]["id"]
    monkeypatch.delenv(SETTING)

    ran = datahub("audit", "--json")

    assert ran.code == 1
    assert (ran.json["signed"], ran.json["unchecked"], ran.json["unjudged"]) == (0, [head], [])
    assert f"unchecked {head[:12]}" in datahub("audit").out


@pytest.mark.parametrize(
    ("named", "why"),
    [
        (SECRET, "its verdict is not what was signed"),
        (NEXT, "its verdict is signed by another secret than the rules name"),
    ],
)
def test_a_verdict_with_a_made_up_signature_is_named(
    datahub: Datahub, team: Path, named: str, why: str
) -> None:
    """Who writes it by hand gets past the store and lakeFS's hook, and not past the audit."""
    work(datahub, "one")
    store = Hub.open().store
    candidate = proposed(store, "one")
    forged = replace(verdict_of(store, candidate), signature=f"{key_id(named)}:{'0' * 64}")
    landed = store.land(candidate, forged)

    ran = datahub("audit", "--json")

    assert ran.code == 1
    [found] = ran.json["unjudged"]
    assert (found["commit"], found["why"]) == (landed.id, [why])


def test_a_signature_from_another_merge_is_named(datahub: Datahub, team: Path) -> None:
    work(datahub, "one")
    work(datahub, "two")
    assert datahub("merge", "one").code == 0
    store = Hub.open().store
    good = Verdict.from_json(store.read(store.objects("main", VERDICT)[VERDICT]))
    candidate = proposed(store, "two")
    landed = store.land(candidate, replace(verdict_of(store, candidate), signature=good.signature))

    found = datahub("audit", "--json").json["unjudged"]

    assert [one["commit"] for one in found] == [landed.id]


def test_the_store_itself_takes_no_verdict_without_a_signature(
    datahub: Datahub, team: Path
) -> None:
    work(datahub, "one")
    store = Hub.open().store
    candidate = proposed(store, "one")

    with pytest.raises(Guarded, match="ask for a signed verdict"):
        store.land(candidate, verdict_of(store, candidate))
    store.drop(candidate)


def test_the_secret_changes_by_a_change_of_rules_that_the_old_one_signs(
    datahub: Datahub, team: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(datahub, "one")
    assert datahub("merge", "one").code == 0
    rules(team, NEXT)
    monkeypatch.setenv(SETTING, NEXT)
    assert datahub("gate", "set", "--reason", "a new secret").code == 2  # nobody has signed that
    monkeypatch.setenv(SETTING, f"{NEXT} {SECRET}")
    assert datahub("gate", "key").out.split() == [key_id(NEXT), key_id(SECRET)]
    assert datahub("gate", "set", "--reason", "a new secret").code == 0
    monkeypatch.setenv(SETTING, NEXT)
    work(datahub, "two")
    assert datahub("merge", "two").code == 0
    assert len(datahub("audit", "--json").json["unchecked"]) == 2
    monkeypatch.setenv(SETTING, f"{NEXT} {SECRET}")

    ran = datahub("audit", "--json")

    assert (ran.code, ran.json["signed"], ran.json["unchecked"]) == (0, 3, [])


def test_rules_that_name_a_secret_nobody_has_are_not_set(
    datahub: Datahub, team: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the branch would be shut for good."""
    rules(team, "one-that-was-lost-since-by-everybody")

    ran = datahub("gate", "set", "--reason", "a slip")

    assert ran.code == 2
    assert key_id(SECRET) in ran.err


def test_without_signed_by_nothing_is_signed(
    datahub: Datahub, team: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules(team, None)
    assert datahub("gate", "set", "--reason", "we need none").code == 0
    work(datahub, "one")
    assert datahub("merge", "one").code == 0
    store = Hub.open().store

    verdict = Verdict.from_json(store.read(store.objects("main", VERDICT)[VERDICT]))

    assert verdict.signature == ""
    assert datahub("audit").code == 0


# On lakeFS


@pytest.mark.parametrize("team", ["lakefs"], indirect=True)
def test_another_client_gets_an_unsigned_verdict_past_the_hook_and_not_past_the_audit(
    datahub: Datahub, team: Path, lake: Lake
) -> None:
    work(datahub, "one")
    heads = lake.store.branches()
    verdict = passing(lake.store, lake.store.content_of("one"), heads["one"], heads["main"])
    lake.foreign("one", VERDICT, verdict.to_json().encode())

    landed = lake.merge("one")

    [found] = datahub("audit", "--json").json["unjudged"]
    assert (found["commit"], found["why"]) == (landed, ["its verdict is not signed"])


def test_a_secret_in_the_server_would_be_everybodys(lake: Lake, lakefs: LakeFSServer) -> None:
    """Why the hook does not check signatures: a hook of anybody's own reads what ours could."""
    if lakefs.folder is None:
        pytest.skip("what the environment of a named server holds is not known")
    hook = (
        "name: curious\non: {pre-commit: }\nhooks:\n  - id: curious\n    type: lua\n"
        '    properties:\n      args: {found: "{{ ENV.LAKEFS_AUTH_ENCRYPT_SECRET_KEY }}"}\n'
        '      script: assert(false, "found " .. string.len(args.found))\n'
    )
    lake.store.create_branch("own", at="main")

    def commits() -> None:
        lake.foreign("own", "_lakefs_actions/curious.yaml", hook.encode())
        for number in range(200):  # the server sees a new action file after seconds
            lake.foreign("own", "tick", b"%d" % number)

    with pytest.raises(lakefs_sdk.ApiException, match=r"found [1-9]"):
        commits()
