"""Labels made part by part are those made of all rows at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from datahub.core.dataset import Dataset, Key, Part
from datahub.core.features import Features
from datahub.core.informing import cells, informed, taught
from datahub.core.labels import LabelMatrix, SoftLabels, combine, estimated_balance
from datahub.core.outcome import Policy, measured
from datahub.core.patterns import vote_patterns
from datahub.core.relabel import Decision, final_labels
from datahub.core.triage import score
from datahub.flow.features import Looked
from datahub.flow.judging import judged
from datahub.hub.registry import adapter

ROWS = 240
CLASSES = ("mail", "news", "spam")
LFS = [f"lf{j}" for j in range(11)]  # more than go into one word of votes
POLICY = Policy(max_error=0.4, min_text=4)
RNG = np.random.default_rng(7)
VOTES: LabelMatrix = np.where(
    RNG.random((ROWS, len(LFS))) < 0.15, RNG.integers(0, 3, (ROWS, len(LFS))), -1
).astype(np.int8)
KEYS = pl.Series("id", range(0, 2 * ROWS, 2))
TEXTS = pl.DataFrame({"text": [f"{'a' * (i % 9)}" for i in range(ROWS)]})
LOOKED = Looked(KEYS, Features(TEXTS, texts=("text",)), (np.arange(ROWS) % 9).astype(np.uint32))
ANSWERED: list[Key] = KEYS.sample(40, seed=3).to_list()
DECISIONS: dict[Key, Decision] = {
    key: Decision("label", CLASSES[i % 3], (f"a{i}",), 1) if i % 7 else Decision("tie", None, (), 2)
    for i, key in enumerate(ANSWERED)
}
DRAWN = set(ANSWERED[:25])


class Contrary:
    """An end model that has its own mind, and none on every fifth row."""

    name = "contrary"

    def out_of_fold(
        self, features: Features, soft: SoftLabels, *, seed: int, folds: int = 5
    ) -> SoftLabels:
        """Depends on what was taught, and on the row."""
        end = np.nan_to_num(soft, nan=0.2)[:, ::-1] + 0.1
        end /= end.sum(axis=1, keepdims=True)
        end[::5] = np.nan
        return end


def soft_of(votes: LabelMatrix) -> SoftLabels:
    """What a label model says of votes."""
    model = adapter("label_model", "dawid-skene")()
    found: SoftLabels = model.predict(model.fit(VOTES, cardinality=3, seed=0), votes)
    return found


def dataset(size: int) -> Dataset:
    """The rows in parts of so many."""
    starts = range(0, ROWS, size)
    parts = tuple(
        Part(f"p{at}", min(size, ROWS - at), KEYS[at], KEYS[min(at + size, ROWS) - 1])
        for at in starts
    )
    return Dataset("box", "id", (("id", "Int64"), ("text", "String")), parts, CLASSES, text="text")


def at_once(end: SoftLabels) -> tuple[pl.DataFrame, pl.DataFrame, object]:
    """The same by the rules of core alone, on all rows."""
    soft = soft_of(VOTES)
    number = {key: row for row, key in enumerate(KEYS)}
    answers = dict(
        sorted(
            (number[key], CLASSES.index(d.label))
            for key, d in DECISIONS.items()
            if d.label is not None and key not in DRAWN
        )
    )
    final, heard = informed(combine(soft, end), cells(vote_patterns(VOTES)[1], end), answers)
    scores = score(
        KEYS,
        VOTES,
        soft,
        end,
        lfs=LFS,
        classes=CLASSES,
        final=final,
        answers=heard,
        thin=LOOKED.thin(POLICY.min_text),
    )
    audited = {k: d.label for k, d in DECISIONS.items() if d.label is not None and k in DRAWN}
    triage = measured(scores, audited, key="id", policy=POLICY)
    return scores, final_labels(scores, DECISIONS, key="id", model="m@1", triage=triage), triage


@pytest.mark.parametrize("taught_by", ["nobody", "contrary"])
@pytest.mark.parametrize("size", [1, 7, 64, 239, ROWS])
def test_part_by_part_is_as_at_once(size: int, taught_by: str) -> None:
    """However rows are cut, each has the same scores, the same label and the same reasons."""
    end_model = Contrary() if taught_by == "contrary" else None
    end: SoftLabels = np.full((ROWS, 3), np.nan)
    if end_model is not None:
        answers = {
            KEYS.index_of(key): CLASSES.index(d.label)
            for key, d in DECISIONS.items()
            if d.label is not None and key not in DRAWN
        }
        lessons = taught(soft_of(VOTES), {int(row or 0): y for row, y in answers.items()})
        end = end_model.out_of_fold(LOOKED.features, lessons, seed=0)

    found = judged(
        dataset(size),
        VOTES,
        lambda lines: soft_of(VOTES[lines]),
        replace(LOOKED),
        lfs=LFS,
        end_model=end_model,
        decisions=DECISIONS,
        drawn=DRAWN,
        policy=POLICY,
        model="m@1",
        seed=0,
    )
    made = list(found.parts())

    scores, labels, triage = at_once(end)
    assert len(made) == -(-ROWS // size)
    assert pl.concat([part.scores for part in made]).equals(scores)
    assert pl.concat([part.labels for part in made]).equals(labels)
    assert found.triage == triage
    assert scores["pattern_answers"].sum() > 0


@pytest.mark.parametrize("size", [1, 7, 64])
def test_the_balance_of_parts_is_that_of_all_rows(size: int) -> None:
    """To the last bit: the same commit gives the same labels."""
    soft = adapter("label_model", "majority")()
    fit = soft.fit(VOTES, cardinality=3, seed=0)

    parts = [soft.predict(fit, VOTES[at : at + size]) for at in range(0, ROWS, size)]

    assert estimated_balance(parts) == estimated_balance([soft.predict(fit, VOTES)])


def test_patterns_are_numbered_as_numpy_would() -> None:
    """Pattern numbers are those of the rows of the matrix in order, also beyond one word."""
    found, number = vote_patterns(VOTES)

    expected, inverse = np.unique(VOTES, axis=0, return_inverse=True)
    assert (found == expected).all()
    assert (number == inverse.reshape(-1)).all()
