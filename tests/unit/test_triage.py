"""Which rows a person sees, and why."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datahub.core.alike import words
from datahub.core.dataset import to_canonical_json
from datahub.core.errors import ConfigError, InputError
from datahub.core.labels import ABSTAIN
from datahub.core.triage import AUDIT_REASON, QUEUE_COLUMNS, Batch, Task, queue, score

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


def test_a_row_no_lf_voted_on_is_trusted_half_by_the_end_model_and_half_by_chance() -> None:
    """The label model holds both classes for as likely: neither for impossible."""
    table = scored([[ABSTAIN, ABSTAIN], [ABSTAIN, ABSTAIN]], [NAN, NAN], [[0.2, 0.8], NAN])

    assert table["trust"].to_list() == pytest.approx([0.65, 0.0])


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


def test_a_queue_needs_no_more_of_a_row_than_it_chooses_by() -> None:
    """Class names may be numbers of a list of them; the same rows are asked, told in words."""
    scores = random_scores(300, 9)
    few = scores.select("id", *QUEUE_COLUMNS).with_columns(
        pl.col("label", "end_label").cast(pl.Enum(CLASSES))
    )

    whole, slim = (queue(one, key="id", budget=40, seed=3) for one in (scores, few))

    assert slim.drop("reason").equals(whole.drop("reason"))
    assert slim.schema == whole.schema


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
    """A pattern a little less trusted gives two rows, then those of the other come in."""
    votes = [[1, 1]] * 20 + [[0, 0]] * 3
    soft = [[0.45, 0.55]] * 20 + [[0.41, 0.59]] * 3

    asked = queue(scored(votes, soft, [NAN] * 23), key="id", budget=6, seed=0, audit_share=0)

    assert sum(row >= 20 for row in asked["id"]) >= 2
    assert asked.height == 6


def test_rows_no_lf_voted_on_are_no_pattern_and_come_by_their_trust() -> None:
    """They have nothing in common: of 300, the least trusted are asked, not three of any."""
    sure = np.linspace(0.5, 1, 300)
    end = np.column_stack([sure, 1 - sure]).tolist()
    table = scored([[ABSTAIN, ABSTAIN]] * 300, [NAN] * 300, end)

    asked = queue(table, key="id", budget=50, seed=0, audit_share=0)

    assert (asked["id"] < 150).sum() > 40  # by chance 25
    assert (asked["id"] < 75).sum() > 25


def test_of_a_doubted_pattern_the_least_trusted_rows_are_asked() -> None:
    """A pattern of many rows is not one lump: the end model tells its rows apart."""
    sure = np.linspace(0.5, 1, 200)
    end = np.column_stack([sure, 1 - sure]).tolist()
    table = scored([[0, 0]] * 200, [[0.7, 0.3]] * 200, end)

    asked = queue(table, key="id", budget=20, seed=3, audit_share=0)

    assert (asked["id"] < 70).sum() > 10


def test_what_answers_confirm_is_asked_less_and_what_they_contradict_more() -> None:
    """Two patterns trusted alike: five answers each, one way and the other."""
    votes = [[0, ABSTAIN]] * 30 + [[ABSTAIN, 0]] * 30
    said = np.array([[5.0, 0.0]] * 30 + [[2.0, 3.0]] * 30)
    table = score(
        pl.Series("id", range(60)),
        np.array(votes, dtype=np.int8),
        np.tile([0.7, 0.3], (60, 1)),
        np.tile([0.7, 0.3], (60, 1)),
        lfs=["a", "b"],
        classes=CLASSES,
        answers=said,
    )

    asked = queue(table, key="id", budget=5, seed=0, audit_share=0)

    assert table["queue_trust"].unique().sort().to_list() == pytest.approx([0.55, 0.85])
    assert (asked["id"] >= 30).all()


WORDS = {row: words(f"win a free prize number{row // 10} in our great draw") for row in range(30)}


def test_no_two_rows_that_read_alike_are_asked() -> None:
    """Thirty rows in ten wordings of three texts: one each, while others are left."""
    others = {row: words(f"text{row} reads like{row} none other{row}") for row in range(30, 60)}

    asked = queue(
        random_scores(60, 9),
        key="id",
        budget=20,
        seed=0,
        audit_share=0,
        words=lambda rows: {row: (WORDS | others)[int(row)] for row in rows},
    )

    assert sum(row < 30 for row in asked["id"]) == 1
    assert asked.height == 20


def test_what_reads_like_an_answered_row_waits_until_nothing_else_is_left() -> None:
    """It was read once; its doubles are asked last, not never."""
    asked = queue(
        random_scores(30, 9),
        key="id",
        budget=29,
        seed=0,
        audit_share=0,
        leave_out=[7],
        words=lambda rows: {row: WORDS[int(row)] for row in rows},
    )

    assert sorted(asked["id"]) == [row for row in range(30) if row != 7]


def test_the_audit_slice_is_drawn_whatever_rows_read_like() -> None:
    """To leave doubles out would make it a sample of other rows than there are."""
    asked = queue(
        random_scores(30, 9),
        key="id",
        budget=10,
        seed=0,
        audit_share=1,
        words=lambda rows: {row: WORDS[int(row)] for row in rows},
    )

    plain = queue(random_scores(30, 9), key="id", budget=10, seed=0, audit_share=1)
    assert asked.equals(plain)


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


TEXTS = st.text(max_size=8)
TASKS = st.lists(
    st.builds(
        Task,
        key=TEXTS | st.integers(),
        row_hash=TEXTS,
        fields=st.dictionaries(TEXTS, TEXTS, max_size=3),
        reason=TEXTS,
        slice=st.sampled_from(["doubt", "audit"]),
        prediction=st.none() | TEXTS,
        score=st.none() | st.floats(0, 1),
    ),
    max_size=3,
)


@given(number=TEXTS | st.just("[]"), tasks=TASKS)
def test_a_batch_is_written_as_any_canonical_json_is(number: str, tasks: list[Task]) -> None:
    """Task by task, and yet the same text to the last byte."""
    batch = Batch(number, "embedded", tuple(tasks))
    plain = {"format": 1, **vars(batch), "tasks": [task.plain() for task in tasks]}

    assert batch.to_json() == to_canonical_json(plain)


@pytest.mark.slow
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
