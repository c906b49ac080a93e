"""Pull requests of strangers: LFs vote on a snapshot, and the judging job takes only votes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datahub import Hub
from datahub.core.errors import ConfigError, InputError
from tests.integration.conftest import CARELESS, LFS, Datahub

Vote = Callable[[str], Path]
REPORT = {"state": "could not run", "source": "main", "into": "main", "verdict": None}


@pytest.fixture
def vote(datahub: Datahub, landed: Path, tmp_path_factory: pytest.TempPathFactory) -> Vote:
    """What a stranger's job does with LFs: from a checkout of its own, without a store."""
    place = tmp_path_factory.mktemp("apart")
    assert datahub("fork", "snapshot", str(place / "snapshot")).code == 0

    def run(lfs: str) -> Path:
        checkout = place / "checkout"
        shutil.rmtree(checkout, ignore_errors=True)
        (checkout / "labeling_functions").mkdir(parents=True)
        (checkout / "labeling_functions" / "first.py").write_text(lfs)
        (checkout / "datahub.toml").write_text('dataset = "mail"\nstore = "lakefs"\n')
        words = ("fork", "vote", str(place / "snapshot"), "--out", str(place / "votes"))
        ran = datahub("--project", str(checkout), *words, "--json")
        assert ran.code == 0, ran.err
        assert not (checkout / ".datahub").exists()
        return place / "votes"

    return run


def refused(votes: Path, content: bytes) -> str:
    """What is said of a file of other bytes."""
    votes.write_bytes(content)
    with pytest.raises(InputError) as refusal:
        Hub.open(".").ci_of_votes(votes)
    return refusal.value.message


def with_header(content: bytes, edit: Callable[[Any], None]) -> bytes:
    head, header, body = content.split(b"\n", 2)
    raw = json.loads(header)
    edit(raw["dataset"]["mail"])
    return b"\n".join([head, json.dumps(raw).encode(), body])


def test_votes_of_a_stranger_are_judged_as_the_lfs_themselves_would_be(
    datahub: Datahub, landed: Path, vote: Vote
) -> None:
    """The same flips and the same answer; the verdict lands nothing."""
    careless = LFS.replace(*CARELESS)
    (landed / "labeling_functions" / "first.py").write_text(careless)
    expected = datahub("ci", "--json").json["changes"][0]
    (landed / "labeling_functions" / "first.py").write_text(LFS)
    before = Hub.open(landed).store.branches()

    ran = datahub("ci", "--votes", str(vote(careless)), "--json", "--report", "ci.json")

    assert ran.code == 1, ran.err
    (change,) = ran.json["changes"]
    assert (change["moves"], change["flipped"]) == (expected["moves"], expected["flipped"])
    assert {lf["name"]: lf["state"] for lf in change["lfs"]}.pop("thanks") == "edited"
    assert [lf["state"] for lf in change["lfs"]].count("unchanged") == len(change["lfs"]) - 1
    assert len(ran.json["votes"]) == 64
    checks = [one["expectation"] for one in ran.json["verdict"]["results"]]
    assert "labels_of_reviewed_lfs" not in checks  # no code was looked at
    assert Hub.open(landed).store.branches() == before
    assert datahub("gate", "run", "main").code == 3  # nothing is there to be merged
    state, comment = Hub.fork_comment("ci.json")
    assert state == "refused"
    assert "This verdict lands nothing" in comment


def test_lfs_as_they_are_change_nothing(datahub: Datahub, landed: Path, vote: Vote) -> None:
    """A fork that touches no LF has nothing to be judged."""
    ran = datahub("ci", "--votes", str(vote(LFS)), "--json")

    assert (ran.code, ran.json["state"], ran.json["changes"]) == (0, "unchanged", [])


def test_a_snapshot_has_rows_and_classes_and_nothing_else(
    datahub: Datahub, landed: Path, tmp_path: Path
) -> None:
    """Neither gold nor labels, and no column that may not leave this machine."""
    folder = tmp_path / "rows apart"
    assert datahub("fork", "snapshot", str(folder)).code == 0
    files = [path.relative_to(folder).parts for path in folder.rglob("*") if path.is_file()]
    assert {parts[2] for parts in files} == {"dataset.json", "rows"}
    assert datahub("fork", "snapshot", str(folder)).code == 3

    with (landed / "datahub.toml").open("a") as settings:
        settings.write('[leaves]\ncolumns = ["text"]\n')
    with pytest.raises(ConfigError, match="'id'"):
        Hub.open(landed).fork_snapshot(tmp_path / "other")


def test_a_file_is_taken_whole_or_not_at_all(landed: Path, vote: Vote) -> None:
    """Cut off, too long, of no class, of other rows, or with a name that is none."""
    votes = vote(LFS)
    content = votes.read_bytes()

    def name(raw: Any) -> None:
        raw["lfs"][0]["name"] = "@everyone ![x](http://x)"

    def twice(raw: Any) -> None:
        raw["lfs"][0]["name"] = raw["lfs"][1]["name"]

    def snapshot(raw: Any) -> None:
        raw["snapshot"] = "0" * 64

    def faults(raw: Any) -> None:
        raw["lfs"][0]["faults"] = {"0" * 64: 1}

    def more(raw: Any) -> None:
        raw["code"] = "import os"

    assert "cut off" in refused(votes, content[:-1])
    assert "too many" in refused(votes, content + b"\0")
    assert "no class" in refused(votes, content[:-1] + b"\x02")
    assert "no class" in refused(votes, content[:-1] + b"\xfe")
    assert "name in it is none" in refused(votes, with_header(content, name))
    assert "comes twice" in refused(votes, with_header(content, twice))
    assert "of other rows" in refused(votes, with_header(content, snapshot))
    assert "no counts" in refused(votes, with_header(content, faults))
    assert "another form" in refused(votes, with_header(content, more))
    assert "does not begin" in refused(votes, b"")
    assert "not JSON" in refused(votes, b"datahub votes 1\n" + b"[" * 100_000 + b"\n")


def test_rows_that_are_not_those_of_the_snapshot_are_not_voted_on(
    datahub: Datahub, landed: Path, tmp_path: Path
) -> None:
    """Whoever hands it on may have changed it."""
    folder = tmp_path / "apart"
    assert datahub("fork", "snapshot", str(folder)).code == 0
    (part,) = [path for path in folder.rglob("*") if path.parent.name != "mail" and path.is_file()]
    part.write_bytes(part.read_bytes() + b"\0")

    ran = datahub("fork", "vote", str(folder))

    assert ran.code == 2
    assert "are not those" in ran.err


@pytest.mark.parametrize(
    "edit",
    [
        {"state": "passed"},
        {"more": 1},
        {"source": 3},
        {"results": [{"suite": "a"}]},
        {"error": {"code": "x", "message": "y"}},
    ],
)
def test_a_report_that_is_not_as_written_is_no_comment(
    tmp_path: Path, edit: dict[str, Any]
) -> None:
    """The job that comments holds a token: what it shows is checked."""
    report = tmp_path / "ci.json"
    good: dict[str, Any] = {**REPORT, "error": None, "results": []}
    report.write_text(json.dumps(good))
    assert Hub.fork_comment(report)[0] == "could not run"

    report.write_text(json.dumps(good | edit))

    with pytest.raises(InputError):
        Hub.fork_comment(report)


def test_a_verdict_that_contradicts_its_failures_is_none(
    datahub: Datahub, landed: Path, vote: Vote
) -> None:
    """And what it quotes is code, whatever it says."""
    votes = vote(LFS.replace(*CARELESS))
    assert datahub("ci", "--votes", str(votes), "--report", "ci.json").code == 1
    raw = json.loads(Path("ci.json").read_text())
    raw["into"] = "x` ![i](http://x) @team `"
    raw["rules"] = {"files": ["a"], "weaker": ["`@team"], "other": [], "problem": ""}
    Path("ci.json").write_text(json.dumps(raw))
    comment = Hub.fork_comment("ci.json")[1]
    assert "\n#" not in comment.partition("### ")[2].partition("\n")[0]
    spans = comment.replace("`` x` ![i](http://x) @team ` ``", "").replace("`` `@team ``", "")
    assert "](http" not in spans.replace(
        "`` datahub gate set --into x` ![i](http://x) @team ` --reason ... ``", ""
    )

    raw["verdict"]["passed"], raw["state"] = True, "passed"
    Path("ci.json").write_text(json.dumps(raw))

    with pytest.raises(InputError, match="not what its failures say"):
        Hub.fork_comment("ci.json")


def test_votes_and_a_branch_are_not_asked_together(datahub: Datahub, landed: Path) -> None:
    """Votes of a file are on the data of the destination."""
    assert datahub("ci", "work", "--votes", "votes").code == 2


def test_a_run_in_an_overlay_leaves_the_journal_of_the_project(
    datahub: Datahub, landed: Path
) -> None:
    """It is of a run that was killed, and that will go on."""
    journal = landed / ".datahub" / "lf_run.journal"
    journal.write_bytes(b"what a killed run stored\n")
    (landed / "labeling_functions" / "first.py").write_text(LFS.replace(*CARELESS))

    ran = datahub("ci", "--json")

    assert ran.json["changes"][0]["ran"]
    assert journal.read_bytes() == b"what a killed run stored\n"
