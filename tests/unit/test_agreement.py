"""How far people agree: Krippendorff's own example, and what must hold of any answers."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datahub.core.agreement import agreement, alpha
from datahub.core.relabel import Annotation

# Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", example C: four observers.
OBSERVED = [
    "1.11",
    "2223",
    "3333",
    "3333",
    "2222",
    "1234",
    "4444",
    "1121",
    "2222",
    ".555",
    "..11",
    "..3.",
]
UNITS = st.lists(st.lists(st.sampled_from("abc"), max_size=4), max_size=8)


def test_alpha_is_krippendorffs_of_his_own_example() -> None:
    units = [[label for label in unit if label != "."] for unit in OBSERVED]

    assert alpha(units) == pytest.approx(0.743, abs=0.0005)


@given(UNITS, st.randoms(use_true_random=False))
def test_alpha_knows_no_order_of_rows_people_or_classes(
    units: list[list[str]], shuffle: random.Random
) -> None:
    names = dict(zip("abc", "cab", strict=True))
    other = [[names[label] for label in unit] for unit in units]
    for unit in other:
        shuffle.shuffle(unit)
    shuffle.shuffle(other)

    assert alpha(other) == alpha(units)


@given(UNITS)
def test_alpha_is_one_exactly_where_nobody_differs(units: list[list[str]]) -> None:
    found = alpha(units)

    if found is not None:
        assert found <= 1
        assert (found == 1) == all(len(set(unit)) < 2 for unit in units)


def test_an_answer_alone_and_a_skip_are_no_agreement() -> None:
    def said(key: str, who: str, label: str | None) -> Annotation:
        return Annotation(key + who, key, "h", label, who, "2026-01-01", "b")

    found = agreement({"a": [said("a", "ann", "x"), said("a", "bob", None)], "b": []})

    assert (found.rows, found.same, found.alpha) == (0, 0, None)
    assert [(p.name, p.answers, p.skipped, p.shared) for p in found.people] == [
        ("ann", 1, 0, 0),
        ("bob", 0, 1, 0),
    ]


def test_with_three_people_one_is_held_against_what_most_others_say() -> None:
    labels = {"ann": "x", "bob": "x", "cleo": "y"}
    answers = [Annotation(who, "k", "h", y, who, "2026-01-01", "b") for who, y in labels.items()]

    found = agreement({"k": answers})

    assert [p.agreed for p in found.people] == [0, 0, 0]  # ann: bob and cleo are tied
    assert (found.rows, found.same) == (1, 0)


def test_nobody_agrees_about_nothing() -> None:
    assert agreement({}) == agreement({"k": []})
    assert agreement({}).people == ()
