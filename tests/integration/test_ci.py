"""`datahub ci`: what a pull request does to labels, judged where nothing is committed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from datahub import Hub
from datahub.core.rules_change import rules_change
from tests.integration.conftest import CARELESS, GATES, LFS, SUITE, Datahub

FIRST = "labeling_functions/first.py"


def held(hub: Hub) -> dict[str, Any]:
    """All that a repository holds, by name and by byte."""
    files = hub.settings.own_folder / "objects"
    return {
        "branches": hub.store.branches(),
        "objects": sorted(path.name for path in files.rglob("*") if path.is_file()),
        "runs": len(hub.catalog.runs(limit=100)),
    }


def labels(hub: Hub) -> dict[Any, str | None]:
    """Key -> label, on the branch of the hub."""
    files = hub.at("mail").files("labels")
    return dict(hub.rows.read(files).select("id", "label").iter_rows())


def test_lfs_as_they_voted_leave_nothing_to_judge(datahub: Datahub, landed: Path) -> None:
    """A pull request that changes a comment, or no LF, passes at once and runs none."""
    (landed / FIRST).write_text("# Ours.\n" + LFS)

    ran = datahub("ci", "--json", "--report", "ci.xml")

    assert ran.code == 0, ran.err
    assert (ran.json["state"], ran.json["changes"]) == ("unchanged", [])
    (case,) = ElementTree.parse("ci.xml").getroot()
    assert "as they were" in str(case.get("name"))


def test_a_careless_lf_is_refused_and_the_report_says_what_it_did(
    datahub: Datahub, landed: Path
) -> None:
    """Rows that flip, the LF that moved them, what gold says: and nothing stays."""
    hub = Hub.open(landed)
    before = held(hub)
    (landed / FIRST).write_text(LFS.replace(*CARELESS))

    ran = datahub("ci", "--json", "--report", "ci.md", "--report", "ci.json", "--github")

    assert ran.code == 1, ran.err
    assert held(Hub.open(landed)) == before
    (change,) = ran.json["changes"]
    assert change["ran"] == ["lf run", "label fit"]
    states = {lf["name"]: lf["state"] for lf in change["lfs"]}
    assert states.pop("thanks") == "edited"
    assert set(states.values()) == {"unchanged"}
    assert change["lf_moves"][0]["lf"] == "thanks"
    moves = {(move["before"], move["after"]): move["rows"] for move in change["moves"]}
    assert moves == {("ham", "spam"): change["flipped"]}
    assert sum(change["before"]["classes"].values()) == change["before"]["labeled"]
    right = [change[side]["gold"]["everything"]["right"] for side in ("before", "after")]
    assert right[1] == right[0] - change["flipped"]
    page = Path("ci.md").read_text()
    assert "`thanks`" in page
    assert f"{change['flipped']} of {change['compared']} labels flip" in page
    assert page.startswith("### Change of `main`: refused")
    assert json.loads(Path("ci.json").read_text())["changes"][0]["flipped"] == change["flipped"]
    assert "::error" in ran.err


def test_rows_that_flip_are_those_whose_labels_a_merge_would_change(
    datahub: Datahub, landed: Path
) -> None:
    """What `ci` foretells is what `lf run`, `label fit` and a merge then do."""
    (landed / FIRST).write_text(LFS.replace("< 25", "< 30").replace('"free"', '"gift"'))
    foretold = Hub.open(landed).ci()
    hub = Hub.open(landed)
    before = labels(hub)
    hub.switch("next", create=True)
    hub.lf_run()
    hub.label_fit()
    after = labels(hub)

    moved = {key for key in before if before[key] != after[key]}

    (change,) = foretold.changes
    assert sum(move.rows for move in change.moves) == len(moved)
    assert {key for move in change.moves for key in move.keys} <= moved


def test_data_of_a_branch_is_judged_with_the_lfs_of_the_checkout(
    datahub: Datahub, labeled: Path
) -> None:
    """The branch was labeled by LFs of before; these are run on it, and it stays as it was."""
    (labeled / FIRST).write_text(LFS.replace("< 25", "< 30"))
    head = Hub.open(labeled).store.branches()["work"]
    assert datahub("gate", "run", "work").code == 1  # its labels are of other LFs

    ran = datahub("ci", "work", "--json")

    assert ran.code == 0, ran.err
    assert ran.json["changes"][0]["ran"] == ["lf run", "label fit"]
    assert ran.json["changes"][0]["before"]["labeled"] == 0  # main has no labels yet
    assert Hub.open(labeled).store.branches()["work"] == head


def test_a_softer_suite_judges_nothing_and_is_told(datahub: Datahub, landed: Path) -> None:
    """The rules of main refuse all the same; what the others would say stands beside it."""
    softer = json.loads(json.dumps(SUITE))
    softer["expectations"][0]["kwargs"]["mostly"] = 0.1
    (landed / "expectations" / "labels.json").write_text(json.dumps(softer))
    (landed / FIRST).write_text(LFS.replace(*CARELESS))

    ran = datahub("ci", "--json", "--report", "ci.md")

    assert ran.code == 1, ran.err
    assert ran.json["rules"]["weaker"] == [
        "expectations/labels.json: expect_column_values_to_not_be_in_set of label: "
        "mostly 0.4 -> 0.1"
    ]
    assert ran.json["tried"] == "would pass"
    assert "weaker" in Path("ci.md").read_text()
    assert datahub("gate", "run", "main~0").code == 3  # nothing to merge: nothing was committed


def test_an_lf_that_does_not_import_leaves_no_report_of_before(
    datahub: Datahub, landed: Path
) -> None:
    """What could not run has not passed, and says so in every report."""
    Path("ci.md").write_text("passed, yesterday")
    (landed / FIRST).write_text("def broken(:\n")

    ran = datahub("ci", "--report", "ci.md")

    assert ran.code == 2
    assert "could not run" in Path("ci.md").read_text()
    assert "first.py:1" in ran.err


def test_the_first_lfs_of_a_dataset_are_run_too(datahub: Datahub, guarded: Path) -> None:
    """Before that, the gate has nothing to judge; nothing flips."""
    ran = datahub("ci", "--json")

    assert ran.code == 0, ran.err
    (change,) = ran.json["changes"]
    assert change["ran"] == ["lf run", "label fit"]
    assert {lf["state"] for lf in change["lfs"]} == {"new"}
    assert (change["compared"], change["gained"]) == (0, change["after"]["labeled"])


def test_a_branch_without_a_gate_judges_nothing(datahub: Datahub, project: Path) -> None:
    """No gate, no pass."""
    assert datahub("ci").code == 7


def rules(**changes: Any) -> dict[str, bytes]:
    kwargs = {"column": "a", "mostly": 0.9, "max_value": 3} | changes.pop("kwargs", {})
    suite = {"expectations": [{"type": "expect_x", "kwargs": kwargs, **changes}]}
    return {
        "expectations/gates.toml": GATES.encode(),
        "expectations/a.json": json.dumps(suite).encode(),
    }


@pytest.mark.parametrize(
    ("after", "weaker"),
    [
        (rules(kwargs={"mostly": 0.8}), True),
        (rules(kwargs={"mostly": 0.95}), False),
        (rules(kwargs={"max_value": 4}), True),
        (rules(kwargs={"max_value": None}), True),
        (rules(kwargs={"min_value": 1}), False),
        (rules(kwargs={"row_condition": "a > 0"}), True),
        (rules(severity="warning"), True),
        (rules(kwargs={"refuse": 0.3}), False),
        (rules(type="expect_y"), True),
        (rules() | {"expectations/gates.toml": b""}, True),
        (rules() | {"expectations/b.json": b'{"expectations": [{"type": "expect_z"}]}'}, False),
    ],
)
def test_what_rules_check_less_is_named(after: dict[str, bytes], weaker: bool) -> None:
    """Less than before; what cannot be ordered is told as changed."""
    change = rules_change(rules(), after)

    assert change is not None
    assert bool(change.weaker) is weaker
    assert change.weaker or change.other


@pytest.mark.parametrize(
    ("kwargs", "weaker"),
    [
        ({"refuse": 0.9}, True),
        ({"refuse": 0.01}, False),
        ({"people": 3}, True),
        ({"against": "v1"}, False),
    ],
)
def test_levels_of_labels_are_softer_than_their_defaults(
    kwargs: dict[str, Any], weaker: bool
) -> None:
    """Also where the level was not written down before."""
    kind = "expect_label_flip_rate_to_be_at_most"
    before = {"expectations/a.json": json.dumps({"expectations": [{"type": kind}]}).encode()}
    suite = {"expectations": [{"type": kind, "kwargs": kwargs}]}

    change = rules_change(before, {"expectations/a.json": json.dumps(suite).encode()})

    assert change is not None
    assert bool(change.weaker) is weaker


@pytest.mark.parametrize("suite", [b"[", b"[]", b'{"expectations": 3}', b"[" * 100_000])
def test_rules_that_cannot_be_read_are_a_problem_and_no_crash(suite: bytes) -> None:
    """The reviewer sees why."""
    change = rules_change(rules(), rules() | {"expectations/a.json": suite})

    assert change is not None
    assert change.problem
