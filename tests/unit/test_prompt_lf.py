"""Templates and answers of prompts, as they are written in an LF's file."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datahub import prompt
from datahub.core.errors import LabelingFunctionError
from datahub.core.labeling import apply
from datahub.core.prompt_lf import Question, Reply


def asked(template: str, row: dict[str, Any]) -> list[Question]:
    """The questions that one row comes to."""
    seen: list[Question] = []

    def ask(lf: str, questions: Any) -> list[Reply]:
        seen.extend(questions)
        return [Reply("yes") for _ in questions]

    lf = prompt("p", template, answers={"yes": 0}, model="m").connect(ask, model="")
    apply(
        pl.DataFrame({"id": [1], **{k: [v] for k, v in row.items()}}), [lf], key="id", cardinality=1
    )
    return seen


@given(st.text(min_size=1))
def test_a_value_goes_in_as_it_is(value: str) -> None:
    """Braces in a row are no columns."""
    (question,) = asked("[{a b.c}] of {class} {{and}}", {"a b.c": value, "class": 7})

    assert question.text == f"[{value}] of 7 {{and}}"


def test_a_row_with_a_null_is_not_asked_about() -> None:
    assert asked("{text} {n}", {"text": "a", "n": None}) == []


@pytest.mark.parametrize(
    "template",
    ["", "no column", "{", "{}", "{text!r}", "{n:.2f}", "{text", None, 7],
)
def test_a_template_that_cannot_be_filled_is_refused(template: Any) -> None:
    with pytest.raises(LabelingFunctionError, match="template of LF 'p'"):
        prompt("p", template, answers={"yes": 0})


def test_a_template_reaches_nothing_but_columns() -> None:
    """No attribute of a value, as str.format would."""
    with pytest.raises(LabelingFunctionError, match=r"no column 'text\.__class__'"):
        asked("{text.__class__}", {"text": "a"})


@pytest.mark.parametrize(
    "answers",
    [
        {},
        {"yes": 0, "YES ": 1},
        {"": 0},
        {1: 0},
        "yes",
        7,
        {"yes": None},
        {"yes": True},
        {"yes": 127},
    ],
)
def test_answers_that_cannot_be_told_apart_or_are_no_class_are_refused(answers: Any) -> None:
    with pytest.raises(LabelingFunctionError, match="LF 'p'"):
        prompt("p", "{text}", answers=answers)


@pytest.mark.parametrize("answers", [["Spam", "ham"], {"spam": "Spam", "HAM": "ham"}])
def test_answers_may_be_class_names(answers: Any) -> None:
    """A list of names allows those; the demand for them reads as they are written."""
    lf = prompt("p", "{text}", answers=answers, model="m").connect(
        lambda _, asked: [Reply(one.text) for one in asked], model=""
    )
    frame = pl.DataFrame({"id": [1, 2], "text": ["SPAM", "ham"]})

    found = apply(frame, [lf.for_classes(["ham", "Spam"])], key="id", cardinality=2)

    assert found.votes.tolist() == [[1], [0]]
    assert lf.system.endswith(", ".join(answers) + ".")
    with pytest.raises(LabelingFunctionError, match="votes 'Spam', which is not a class"):
        lf.for_classes(["ham", "spam"])


@pytest.mark.parametrize("max_tokens", [0, -1, 1.5, True])
def test_a_number_of_tokens_is_one(max_tokens: Any) -> None:
    with pytest.raises(LabelingFunctionError, match="max_tokens"):
        prompt("p", "{text}", answers={"yes": 0}, max_tokens=max_tokens)
