"""Which rows a person sees, and why."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datahub.core.errors import ConfigError, InputError
from datahub.core.labels import ABSTAIN
from datahub.core.triage import AUDIT_REASON, Batch, Task, queue, score

CLASSES = ("ham", "spam")
NAN = [np.nan, np.nan]


def scored(votes: list[list[int]], soft: list[list[float]], end: list[list[float]]) -> pl.DataFrame:
    return score(
        pl.Series("id", range(len(votes)), dtype=pl.Int64),
        np.array(votes, dtype=np.int8).reshape(len(votes), 2),
        np.array(soft, dtype=float).reshape(len(votes), 2),
        np.array(end, dtype=float).reshape(len(votes), 2),
        lfs=["a", "b"],
        classes=CLASSES,
    )


def random_scores(rows: int, patterns: int) -> pl.DataFrame:
    numbers = np.random.default_rng(0)
    votes = [[int(p % 3) - 1, int(p // 3 % 3) - 1] for p in numbers.integers(0, patterns, rows)]
    soft = numbers.dirichlet([1, 1], rows).tolist()
    return scored(votes, soft, numbers.dirichlet([1, 1], rows).tolist())


def test_each_doubt_says_its_reason() -> None:
    """No vote, a tie, disagreement and a small margin are doubts; a clear label is none."""
    table = scored(
        [[ABSTAIN, ABSTAIN], [0, 1], [1, 1], [1, ABSTAIN], [1, 1]],
        [NAN, [0.5, 0.5], [0.1, 0.9], [0.45, 0.55], [0.1, 0.9]],
        [[0.2, 0.8], [0.2, 0.8], [0.7, 0.3], [0.2, 0.8], [0.2, 0.8]],
    )

    assert table["doubt"].to_list() == [
        "no LF voted",
        "the label model is undecided",
        "label model says spam (0.9), end model says ham (0.7)",
        "small margin: 0.1 between spam and ham",
        None,
    ]
    assert table["label"].to_list() == [None, None, "spam", "spam", "spam"]


def test_a_label_names_the_lfs_that_voted_for_it() -> None:
    """Provenance begins here."""
    table = scored([[1, 1], [1, 0], [ABSTAIN, 0]], [[0.1, 0.9], [0.3, 0.7], [0.8, 0.2]], [NAN] * 3)

    assert table["lfs"].to_list() == [["a", "b"], ["a"], ["b"]]


def test_without_an_end_model_the_label_model_stands_alone() -> None:
    """No second opinion is no disagreement."""
    table = scored([[1, 1]], [[0.1, 0.9]], [NAN])

    assert table["doubt"].to_list() == [None]
    assert table["trust"].to_list() == [0.9]


@given(budget=st.integers(1, 60), audit=st.floats(0, 1), seed=st.integers(0, 5))
def test_a_queue_keeps_to_its_budget_and_asks_no_row_twice(
    budget: int, audit: float, seed: int
) -> None:
    """As many rows as asked for (or there are), an audit share of them, all different."""
    table = random_scores(50, 9)

    asked = queue(table, key="id", budget=budget, seed=seed, audit_share=audit)

    assert asked.height == min(budget, 50)
    assert asked["id"].n_unique() == asked.height
    assert (asked["slice"] == "audit").sum() == min(round(budget * audit), 50)


def test_audit_rows_carry_no_prediction_and_doubted_rows_do() -> None:
    """An audit answer is not led by what the models think."""
    asked = queue(random_scores(50, 9), key="id", budget=20, seed=1)

    audit, doubt = (asked.filter(pl.col("slice") == name) for name in ("audit", "doubt"))
    assert audit["prediction"].null_count() == audit["score"].null_count() == audit.height == 4
    assert set(audit["reason"]) == {AUDIT_REASON}
    assert doubt["prediction"].null_count() == 0
    assert doubt["score"].is_sorted()


def test_the_audit_slice_is_drawn_from_all_rows_not_from_doubted_ones() -> None:
    """Over many seeds every row, trusted or not, is audited about as often."""
    table = random_scores(40, 9)
    times = dict.fromkeys(range(40), 0)

    for seed in range(300):
        asked = queue(table, key="id", budget=10, seed=seed, audit_share=1.0)
        for row in asked["id"]:
            times[row] += 1

    assert min(times.values()) > 40  # 75 expected; the seeds are fixed, so this never flickers


def test_one_vote_pattern_does_not_fill_the_queue() -> None:
    """Three rows of a pattern come before the fourth of any."""
    votes = [[1, 1]] * 20 + [[0, 0]] * 3
    soft = [[0.45, 0.55]] * 20 + [[0.41, 0.59]] * 3

    asked = queue(
        scored(votes, soft, [NAN] * 23), key="id", budget=6, seed=0, audit_share=0, per_pattern=3
    )

    assert sum(row >= 20 for row in asked["id"]) == 3
    assert asked.height == 6


def test_rows_left_out_are_not_asked() -> None:
    """Answered and waiting rows stay out, for the audit slice too."""
    asked = queue(
        random_scores(10, 9), key="id", budget=10, seed=0, audit_share=0.5, leave_out=[0, 1, 2]
    )

    assert sorted(asked["id"]) == [3, 4, 5, 6, 7, 8, 9]


def test_no_rows_make_an_empty_queue() -> None:
    """Nothing to doubt is no error."""
    assert queue(scored([], [], []), key="id", budget=5, seed=0).height == 0


@pytest.mark.parametrize("wrong", [{"budget": 0}, {"budget": 5, "audit_share": 1.5}])
def test_a_queue_that_cannot_be_is_refused(wrong: dict[str, int]) -> None:
    """The hint gives the bounds."""
    with pytest.raises(ConfigError, match="cannot be made"):
        queue(random_scores(5, 9), key="id", seed=0, **wrong)  # type: ignore[arg-type]


def test_a_batch_comes_back_from_its_json_as_it_was() -> None:
    """Text and whole-number keys stay what they are."""
    task = Task("k é", "h", {"text": "a\nb"}, "why", "doubt", "spam", 0.25)
    batch = Batch("b1", "embedded", (task, Task(7, "h", {}, "why", "audit", None, None)))

    assert Batch.from_json(batch.to_json()) == batch
    with pytest.raises(InputError, match="version"):
        Batch.from_json('{"format": 99}')


def test_doubt_holds_the_models_against_each_other_before_they_are_one() -> None:
    """Their product says spam throughout; a disagreement shows all the same, and both pieces."""
    soft, end = [[0.4, 0.6], [0.5, 0.5], [0.3, 0.7]], [[0.55, 0.45], [0.1, 0.9], [0.2, 0.8]]
    product = np.array(soft) * np.array(end)
    table = score(
        pl.Series("id", range(3)),
        np.array([[1, 0], [1, 0], [1, 1]], dtype=np.int8),
        np.array(soft),
        np.array(end),
        lfs=["a", "b"],
        classes=CLASSES,
        final=product / product.sum(axis=1, keepdims=True),
    )

    assert table["label"].to_list() == ["spam"] * 3
    assert table["doubt"].to_list() == [
        "label model says spam (0.6), end model says ham (0.55)",
        "the label model is undecided, end model says spam (0.9)",
        None,
    ]
    assert table["model_label"].to_list() == ["spam", None, "spam"]
    assert table["model_probabilities"].to_list() == soft
    assert table["end_probabilities"].to_list() == end
    assert table["probabilities"][2].to_list() == pytest.approx([0.06 / 0.62, 0.56 / 0.62])
