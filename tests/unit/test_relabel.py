"""What people's answers come to."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datahub.core.errors import AnnotationError, InputError
from datahub.core.relabel import Annotation, Decision, checked_label, decide, final_labels

HASHES: dict[str | int, str] = {"k": "h"}


def said(
    who: str, label: str | None, *, time: str = "2026-01-01", row_hash: str = "h"
) -> Annotation:
    return Annotation(f"{who}-{time}", "k", row_hash, label, who, time, "b")


def test_the_majority_of_people_decides_and_names_its_answers() -> None:
    """The minority's answer is kept in the log and not in the provenance."""
    decision = decide([said("ann", "tech"), said("bob", "sport"), said("eve", "tech")], HASHES)["k"]

    assert (decision.outcome, decision.label, decision.annotators) == ("label", "tech", 3)
    assert decision.by == ("ann-2026-01-01", "eve-2026-01-01")


def test_a_tie_stays_open() -> None:
    """Nobody's word is taken over another's."""
    assert decide([said("ann", "tech"), said("bob", "sport")], HASHES)["k"].outcome == "tie"


def test_a_skip_is_no_vote_against() -> None:
    """One who could not say does not outvote one who could."""
    decisions = decide([said("ann", None), said("bob", "tech")], HASHES)

    assert decisions["k"].label == "tech"
    assert decide([said("ann", None)], HASHES)["k"].outcome == "skipped"


def test_one_persons_later_answer_replaces_the_earlier() -> None:
    """Two answers of one person are not a majority."""
    log = [said("ann", "tech"), said("ann", "sport", time="2026-01-02"), said("bob", "tech")]

    assert decide(log, HASHES)["k"].outcome == "tie"


def test_a_withdrawn_answer_does_not_count() -> None:
    """The log keeps it, the decision does not."""
    answer = said("ann", "tech")

    assert decide([answer, replace(answer, withdrawn=True, time="2026-02-01")], HASHES) == {}


def test_an_answer_to_a_row_that_has_changed_does_not_count() -> None:
    """What was shown is not what is there."""
    assert decide([said("ann", "tech", row_hash="earlier")], HASHES) == {}


@given(st.permutations([said("ann", "a"), said("bob", "b"), said("eve", "a", time="2026-03-01")]))
def test_the_order_of_the_log_does_not_matter(log: list[Annotation]) -> None:
    """Times decide, not positions."""
    assert decide(log, HASHES) == decide(sorted(log, key=lambda entry: entry.id), HASHES)


def test_an_annotation_comes_back_from_its_line_as_it_was() -> None:
    """One line, whatever the key holds."""
    entry = replace(said("ann", "tech"), key="new\nline ü")

    assert "\n" not in entry.to_json()
    assert Annotation.from_json(entry.to_json()) == entry


def test_a_line_of_an_earlier_datahub_reads_and_writes_as_it_was() -> None:
    """It says nothing of columns; a line that does keeps them in order."""
    line = said("ann", "tech").to_json()

    assert "columns" not in line
    assert Annotation.from_json(line).to_json() == line
    seen = replace(said("ann", "tech"), columns=("text", "title"))
    assert Annotation.from_json(seen.to_json()) == seen


def test_a_line_of_a_later_datahub_is_refused_with_what_to_do() -> None:
    """The first field that is not known is named."""
    line = said("ann", "tech").to_json().replace("{", '{"mood": 1, ', 1)

    with pytest.raises(InputError, match="'mood'") as caught:
        Annotation.from_json(line)

    assert "Upgrade" in caught.value.hint


def test_a_label_outside_the_classes_is_refused_with_the_classes() -> None:
    """The hint lists them."""
    with pytest.raises(AnnotationError, match="'golf'") as caught:
        checked_label("golf", ("tech", "sport"), key=3)

    assert "tech, sport" in caught.value.hint


def whole(scores: pl.DataFrame) -> pl.DataFrame:
    """The same with the columns that play no part in it."""
    return scores.with_columns(
        trust=pl.lit(0.9),
        thin=pl.lit(False),
        end_label=pl.lit(None, pl.String),
        end_confidence=pl.lit(None, pl.Float64),
        pattern_answers=pl.lit(0, pl.UInt32),
    )


def test_a_final_label_says_what_made_it() -> None:
    """People go before models; status, source and provenance agree."""
    scores = pl.DataFrame(
        {
            "id": [1, 2, 3, 4, 5],
            "label": ["a", "a", "a", None, "b"],
            "confidence": [0.9, 0.6, 0.9, None, 0.5],
            "lfs": [["x"], ["x"], ["x"], [], ["y"]],
            "doubt": [None, "small margin", None, "no LF voted", None],
        }
    )
    decisions: dict[str | int, Decision] = {
        3: Decision("label", "b", ("n1",), 2),
        4: Decision("skipped", None, ("n2",), 1),
        5: Decision("tie", None, ("n3", "n4"), 2),
    }

    labels = final_labels(whole(scores), decisions, key="id", model="m@1")

    assert labels["status"].to_list() == ["unmeasured", "doubted", "annotated", "unlabeled", "open"]
    assert labels["label"].to_list() == ["a", "a", "b", None, "b"]
    assert labels["outcome"].to_list() == ["ask", "ask", "accept", "more", "more"]
    assert labels["source"].to_list() == [
        "label_model",
        "label_model",
        "annotation",
        None,
        "label_model",
    ]
    assert labels["confidence"].to_list() == [0.9, 0.6, 0.5, None, 0.5]
    assert labels["annotations"].to_list() == [[], [], ["n1"], ["n2"], ["n3", "n4"]]
    assert labels["lfs"].to_list() == [["x"], ["x"], ["x"], [], ["y"]]


def test_a_row_without_votes_that_a_person_answered_is_labeled() -> None:
    """An answer needs no model."""
    scores = pl.DataFrame(
        {"id": [1], "label": [None], "confidence": [None], "lfs": [[]], "doubt": ["no LF voted"]},
        schema={
            "id": pl.Int64,
            "label": pl.String,
            "confidence": pl.Float64,
            "lfs": pl.List(pl.String),
            "doubt": pl.String,
        },
    )

    decisions: dict[str | int, Decision] = {1: Decision("label", "a", ("n",), 1)}
    labels = final_labels(whole(scores), decisions, key="id", model="m@1")

    assert labels.select("label", "status", "source", "model").row(0) == (
        "a",
        "annotated",
        "annotation",
        None,
    )
