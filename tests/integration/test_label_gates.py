"""Suites that ask about labels and LFs, beside Great Expectations' own expectations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from datahub import Hub
from tests.integration.conftest import CARELESS, LFS, SUITE, Datahub

FIRST = "labeling_functions/first.py"
FLIPS = "expect_label_flip_rate_to_be_at_most"
CONFLICTS = "expect_lf_conflict_rate_to_be_at_most"


def suite(*expectations: tuple[str, dict[str, Any]]) -> str:
    """The suite of the project, and these before its own."""
    own = [{"type": kind, "kwargs": kwargs} for kind, kwargs in expectations]
    return json.dumps({"expectations": [own[0], *SUITE["expectations"], *own[1:]]})


def labels(hub: Hub, ref: str) -> dict[int, str | None]:
    """Key -> label at a ref."""
    parts = hub.at("mail", ref=ref).parts("labels", columns=["id", "label"])
    return {key: label for _, part in parts for key, label in part.iter_rows()}


@pytest.fixture
def strict(datahub: Datahub, landed: Path) -> Path:
    """The project with labels on main, and rules that ask how they change."""
    text = suite((FLIPS, {}), (CONFLICTS, {}), ("expect_lf_fault_rate_to_be_at_most", {}))
    (landed / "expectations" / "labels.json").write_text(text)
    ran = datahub("gate", "set", "--reason", "labels change slowly", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["verdict"]["checks"] == 5
    return landed


def test_a_careless_lf_is_refused_by_what_it_does_to_labels(datahub: Datahub, strict: Path) -> None:
    """Each expectation answers in the suite's order, and says who judged it."""
    (strict / FIRST).write_text(LFS.replace(*CARELESS))

    ran = datahub("ci", "--json")

    assert ran.code == 1, ran.err
    results = [one for one in ran.json["verdict"]["results"] if one["suite"] != "datahub"]
    kinds = [one["expectation"] for one in results]
    assert (kinds[0], kinds[3]) == (FLIPS, CONFLICTS)
    assert [one["engine"] for one in results] == ["datahub", "polars", "polars", *["datahub"] * 2]
    flips = results[0]
    assert (flips["state"], flips["severity"]) == ("failed", "critical")
    assert flips["keys"] == [str(key) for key in ran.json["changes"][0]["moves"][0]["keys"]]
    assert results[3]["state"] == "failed"
    assert "thanks" in results[3]["message"]
    assert results[4]["state"] == "passed"


def test_the_first_labels_of_a_branch_have_nothing_to_flip_from(
    datahub: Datahub, labeled: Path
) -> None:
    """Else nothing could ever land."""
    (labeled / "expectations" / "labels.json").write_text(suite((FLIPS, {})))
    assert datahub("gate", "set", "--reason", "labels change slowly").code == 0

    ran = datahub("merge", "work", "--into", "main", "--json")

    assert ran.code == 0, ran.err


def test_labels_can_be_held_to_a_tag(datahub: Datahub, strict: Path) -> None:
    """Many small steps are a large one; a ref that is not there could not be asked."""
    assert datahub("tag", "create", "v1", "main").code == 0
    (strict / "expectations" / "labels.json").write_text(suite((FLIPS, {"against": "v1"})))
    assert datahub("gate", "set", "--reason", "since v1").code == 0
    (strict / FIRST).write_text(LFS.replace(*CARELESS))
    assert datahub("ci").code == 1

    (strict / "expectations" / "labels.json").write_text(suite((FLIPS, {"against": "v9"})))
    assert datahub("gate", "set", "--reason", "since v9").code == 0
    ran = datahub("ci")

    assert ran.code == 7
    assert "'v9' is no branch, tag or commit" in ran.err


def test_answers_of_people_are_no_flips(datahub: Datahub, strict: Path) -> None:
    """Who relabels rows changes labels, and should."""
    hub = Hub.open(strict)
    hub.switch("answers", create=True)
    hub.review_push(budget=20)
    hub.review_answer([(i, "spam") for i, _ in hub.review_open()], annotator="ann")
    hub.review_pull()

    (change,) = hub.ci("answers").changes

    asked = {key for key, label in labels(hub, "main").items() if label == "ham"}
    answered = {key for key in asked if labels(hub, "answers")[key] == "spam"}
    assert 0 < change.answered <= len(answered)
    assert change.answered + sum(move.rows for move in change.moves) == len(answered)
    assert change.by_people == 0


@pytest.mark.parametrize(
    ("kwargs", "told"),
    [({"refuze": 0.1}, "does not know refuze"), ({"refuse": "all"}, "must be a share")],
)
def test_arguments_that_cannot_be_do_not_become_rules(
    datahub: Datahub, strict: Path, kwargs: dict[str, Any], told: str
) -> None:
    (strict / "expectations" / "labels.json").write_text(suite((FLIPS, kwargs)))

    ran = datahub("gate", "set", "--reason", "a slip")

    assert ran.code == 7
    assert told in ran.err
