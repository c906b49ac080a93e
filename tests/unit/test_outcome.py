"""Four outcomes by policy, and thresholds that come from blind answers alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from datahub.core.dataset import Key
from datahub.core.errors import ConfigError, InputError
from datahub.core.labels import ABSTAIN
from datahub.core.outcome import NO_THRESHOLDS, Policy, Triage, find_thresholds
from datahub.core.relabel import Decision, final_labels
from datahub.core.triage import score

ROWS = 200


def scores(*, voted: bool = True) -> pl.DataFrame:
    """Rows of two classes; trust falls evenly from 1 to a half with the row's number."""
    sure = np.linspace(0.995, 0.505, ROWS)
    soft = np.column_stack([sure, 1 - sure])
    votes = np.zeros((ROWS, 1), dtype=np.int8) if voted else np.full((ROWS, 1), ABSTAIN, np.int8)
    model = soft if voted else np.full_like(soft, np.nan)
    return score(
        pl.Series("id", range(ROWS), dtype=pl.Int64),
        votes,
        model,
        soft,
        lfs=["lf"],
        classes=("ham", "spam"),
        thin=np.arange(ROWS) == 7,
    )


def labels(table: pl.DataFrame, triage: Triage, said: dict[Key, Decision] | None = None) -> Any:
    """Final labels by id."""
    made = final_labels(table, said or {}, key="id", model="m@1", triage=triage)
    return {row["id"]: row for row in made.to_dicts()}


def test_a_held_threshold_decides_and_says_why_not() -> None:
    """Above it rows are accepted, doubted or not; below it a person is asked."""
    audited: dict[Key, str] = {i: "ham" if i < 150 else "spam" for i in range(ROWS)}
    triage = find_thresholds(scores(), audited, key="id", policy=Policy())

    found = labels(scores(), triage)

    at = triage.covered.at
    assert triage.covered.state == "held"
    assert at is not None
    trusted = {row["id"]: row["trust"] >= at for row in scores().to_dicts()}
    del trusted[7]
    assert all((found[i]["outcome"] == "accept") == good for i, good in trusted.items())
    assert 100 < sum(trusted.values()) <= 160
    assert "below the accept threshold" in found[155]["reason"]
    assert found[155]["status"] == "doubted"
    assert found[10]["reason"] is None


def test_before_enough_audits_none_is_accepted_unless_the_policy_says_so() -> None:
    """And then too the status says that nothing was measured."""
    loose = labels(
        scores(), find_thresholds(scores(), {}, key="id", policy=Policy(unmeasured="accept"))
    )
    strict = labels(scores(), NO_THRESHOLDS)

    assert (loose[0]["outcome"], loose[199]["outcome"]) == ("accept", "ask")
    assert {row["outcome"] for i, row in strict.items() if i != 7} == {"ask"}
    assert strict[0]["reason"] == "no accept threshold is measured yet"
    for found in (loose, strict):
        assert (found[0]["status"], found[199]["status"]) == ("unmeasured", "doubted")


def test_labels_shown_to_be_bad_are_not_accepted() -> None:
    """Whatever the models think of themselves."""
    audited: dict[Key, str] = {i: "ham" if i % 2 else "spam" for i in range(80)}

    triage = find_thresholds(scores(), audited, key="id", policy=Policy())

    assert triage.covered.state == "exceeded"
    assert {row["outcome"] for i, row in labels(scores(), triage).items() if i != 7} == {"ask"}


def test_the_end_model_labels_uncovered_rows_only_where_the_audit_slice_lets_it() -> None:
    """Right on all audited rows, or on too few of them to say."""
    table = scores(voted=False)
    shown = find_thresholds(table, dict.fromkeys(range(ROWS), "ham"), key="id", policy=Policy())
    unshown = find_thresholds(table, dict.fromkeys(range(40), "ham"), key="id", policy=Policy())

    found = labels(table, shown)
    assert (found[3]["label"], found[3]["source"]) == ("ham", "end_model")
    assert (found[3]["status"], found[3]["outcome"]) == ("accepted", "accept")
    assert found[3]["confidence"] == pytest.approx(table["end_confidence"][3])
    assert {row["label"] for row in labels(table, unshown).values()} == {None}
    assert {row["status"] for row in labels(table, unshown).values()} == {"unlabeled"}


def test_people_and_poor_rows_ask_for_more_or_are_discarded() -> None:
    """A tie, a skip and an empty text ask for more; two skips and little trust discard."""
    policy = Policy(discard_below=0.52)
    said: dict[Key, Decision] = {
        1: Decision("tie", None, ("a", "b"), 2),
        2: Decision("skipped", None, ("a",), 1),
        3: Decision("skipped", None, ("a", "b"), 2),
        4: Decision("label", "spam", ("a",), 1),
    }

    found = labels(scores(), find_thresholds(scores(), {}, key="id", policy=policy), said)

    outcomes = {i: found[i]["outcome"] for i in (1, 2, 3, 4, 7, 199)}
    assert outcomes == {1: "more", 2: "more", 3: "discard", 4: "accept", 7: "more", 199: "discard"}
    assert found[7]["reason"] == "too little text"


def test_triage_comes_back_from_its_json_as_it_was() -> None:
    """A format that is not known is refused."""
    triage = find_thresholds(scores(), dict.fromkeys(range(90), "ham"), key="id", policy=Policy())

    assert Triage.from_json(triage.to_json()) == triage
    with pytest.raises(InputError, match="version"):
        Triage.from_json('{"format": 99}')


@pytest.mark.parametrize(
    "wrong",
    [{"max_error": 0.0}, {"confidence": 1.0}, {"unmeasured": "maybe"}, {"discard_after": 0}],
)
def test_a_policy_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    """With a hint."""
    with pytest.raises(ConfigError) as caught:
        Policy(**wrong)
    assert caught.value.hint
