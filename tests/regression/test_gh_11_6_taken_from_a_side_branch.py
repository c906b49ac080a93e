"""Lines forged on a side branch counted as "from elsewhere" once they were picked or squashed.

The commit that brought them is in no guarded branch's history then, and nobody looked at it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from datahub import Hub
from datahub.core.versions import Commit
from tests.integration.conftest import Datahub
from tests.lakefs_server import LakeFSServer, as_settings
from tests.tampering import TIME, by_hand

LOG = "datasets/mail/annotations/forged.jsonl"
LINE = {
    "id": "a1",
    "key": 1,
    "row_hash": "0" * 64,
    "label": "spam",
    "annotator": "mallory",
    "time": "2026-01-02T00:00:00+00:00",
    "batch": "none",
}


@pytest.fixture(params=["embedded", "lakefs"])
def datahub(
    request: pytest.FixtureRequest,
    datahub: Datahub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Datahub:
    """The command line, on projects of either store."""
    if request.param == "lakefs":
        server: LakeFSServer = request.getfixturevalue("lakefs")
        for name, value in as_settings(server.new_repository(tmp_path)).items():
            monkeypatch.setenv(name, value)
    return datahub


@pytest.fixture
def side(datahub: Datahub, labeled: Path) -> Path:
    """Labels on main, and a branch `side` beside it."""
    assert datahub("merge", "work", "--into", "main").code == 0
    assert datahub("branch", "create", "side", "--from", "main").code == 0
    assert datahub("branch", "create", "clean", "--from", "main").code == 0
    return labeled


def forge(project: Path, branch: str, path: str, content: bytes) -> Commit:
    """A commit by the store's own call, as a script of somebody's makes it."""
    return by_hand(Hub.open(project).store, branch, {path: content}, {})


def answers(project: Path, branch: str = "side") -> Commit:
    return forge(project, branch, LOG, (json.dumps(LINE) + "\n").encode())


def votes(project: Path, branch: str = "side") -> Commit:
    store = Hub.open(project).store
    path, oid = sorted(store.objects(branch, "datasets/mail/votes/").items())[0]
    return forge(project, branch, path, bytes(1 for _ in store.read(oid)))


def labels(project: Path, branch: str = "side") -> Commit:
    """The same labels in another file: a gate has no objection."""
    hub = Hub.open(project)
    [(path, oid)] = hub.store.objects(branch, "datasets/mail/soft_labels/").items()
    frame = hub.rows.read([hub.store.fetch(oid)])
    hub.rows.write(frame.with_columns(extra=1), project / "forged.parquet")
    return forge(project, branch, path, (project / "forged.parquet").read_bytes())


Forge = Callable[[Path], Commit]
Take = Callable[[Datahub, Commit], Any]


def pick(datahub: Datahub, forged: Commit) -> Any:
    return datahub("cherry-pick", forged.id, "--branch", "clean", "--theirs", "--yes")


def squash(datahub: Datahub, forged: Commit) -> Any:
    return datahub("merge", "side", "--into", "clean", "--squash", "--yes")


def restore(datahub: Datahub, forged: Commit) -> Any:
    return datahub("restore", "mail", "--from", forged.id, "--branch", "clean", "--yes")


def revert_of_a_removal(datahub: Datahub, forged: Commit) -> Any:
    """The branch takes the lines away again; the revert of that brings them."""
    taken = datahub("revert", forged.id, "--branch", "side", "--yes", "--json")
    assert taken.code == 0, taken.err
    return datahub("revert", taken.json["id"], "--branch", "clean", "--theirs", "--yes")


def pick_of_a_pick(datahub: Datahub, forged: Commit) -> Any:
    assert datahub("branch", "create", "between", "--from", "main").code == 0
    again = datahub("cherry-pick", forged.id, "--branch", "between", "--theirs", "--json")
    assert again.code == 0, again.err
    return datahub("cherry-pick", again.json["id"], "--branch", "clean", "--theirs", "--yes")


TAKES: Mapping[str, Take] = {
    one.__name__: one for one in (pick, squash, restore, revert_of_a_removal, pick_of_a_pick)
}


@pytest.mark.parametrize("take", list(TAKES))
@pytest.mark.parametrize("kind", [answers, votes, labels], ids=lambda one: one.__name__)
def test_what_was_forged_beside_the_branch_is_named_where_it_lands(
    datahub: Datahub, side: Path, kind: Forge, take: str
) -> None:
    """With the commit that brought it."""
    forged = kind(side)
    ran = TAKES[take](datahub, forged)
    if ran.code in (2, 3):  # there is nothing to take
        pytest.skip(f"{take} takes nothing of {kind.__name__}: {ran.err.strip()[:80]}")
    assert ran.code == 0, ran.err

    found = datahub("audit", "clean", "--json").json["unexplained"]

    assert [one["why"] for one in found], ran.out
    assert any(forged.id[:12] in why for one in found for why in one["why"]), found


def test_a_forged_line_that_lands_on_a_guarded_branch_is_a_finding(
    datahub: Datahub, side: Path
) -> None:
    """Picked, merged through the gate, and the side branch gone: its commit is still there."""
    forged = answers(side)
    assert datahub("audit").code == 0
    assert pick(datahub, forged).code == 0
    assert datahub("merge", "clean", "--into", "main").code == 0
    assert datahub("branch", "delete", "side", "--force").code == 0

    ran = datahub("audit", "main")

    assert ran.code == 1
    assert f"no review pull brought them in {forged.id[:12]}" in ran.out


def test_a_first_commit_that_holds_lines_brought_them(datahub: Datahub, side: Path) -> None:
    """Of an import from git, say: there is no parent to hold it against."""
    from datahub.flow.publish.explained import Explaining

    hub = Hub.open(side)
    forged = answers(side)
    orphan = Commit(forged.id, (), "begin", "mallory", TIME, {})

    faults = Explaining(hub.store, hub.rows).faults(orphan)

    assert any("annotations of mail" in fault for fault in faults)


def test_what_people_answered_on_a_side_branch_is_explained(datahub: Datahub, side: Path) -> None:
    """Picked, squashed or restored: no alarm."""
    for words in (
        ["review", "push", "--budget", "3", "--branch", "side"],
        ["review", "answer", "--list", "--json", "--branch", "side"],
    ):
        ran = datahub(*words)
        assert ran.code == 0, ran.err
    key = ran.json[0]["key"]
    (side / "answers.csv").write_text(f"id,label\n{key},spam\n")
    for words in (
        ["review", "answer", "--csv", "answers.csv", "--branch", "side"],
        ["review", "pull", "--branch", "side"],
    ):
        ran = datahub(*words)
        assert ran.code == 0, ran.err

    assert datahub("cherry-pick", "side~1", "--branch", "clean").code == 0
    assert datahub("cherry-pick", "side", "--branch", "clean").code == 0
    assert datahub("merge", "side", "--into", "main", "--squash").code == 0

    assert datahub("audit", "clean", "--json").json["unexplained"] == []
    assert datahub("audit", "main").code == 0
