"""Labels made part by part are those made of all rows at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest

from datahub.core.calibrating import calibrated, calibration_by
from datahub.core.dataset import Dataset, Key, Part
from datahub.core.features import Features
from datahub.core.informing import cells, training_labels, update_soft
from datahub.core.labels import LabelMatrix, SoftLabels, combine, estimated_balance
from datahub.core.outcome import Policy, find_thresholds
from datahub.core.patterns import vote_patterns
from datahub.core.relabel import Decision, final_labels
from datahub.core.triage import score
from datahub.flow.dataset.features import FeatureReader, FeatureRows
from datahub.flow.label.judging import judge, lines_of
from datahub.hub.registry import adapter

ROWS = 120
CLASSES = ("mail", "news", "spam")
LFS = [f"lf{j}" for j in range(11)]  # more than go into one word of votes
POLICY = Policy(max_error=0.4, min_text=4)
RNG = np.random.default_rng(7)
VOTES: LabelMatrix = np.where(
    RNG.random((ROWS, len(LFS))) < 0.15, RNG.integers(0, 3, (ROWS, len(LFS))), -1
).astype(np.int8)
KEYS = pl.Series("id", range(0, 2 * ROWS, 2))
TEXTS = pl.DataFrame({"text": [f"{'a' * (i % 9)}" for i in range(ROWS)]})
SEEN = FeatureRows(KEYS, Features(TEXTS, texts=("text",)), (np.arange(ROWS) % 9).astype(np.uint32))
ANSWERED: list[Key] = KEYS.sample(40, seed=3).to_list()
DECISIONS: dict[Key, Decision] = {
    key: Decision("label", CLASSES[i % 3], (f"a{i}",), 1) if i % 7 else Decision("tie", None, (), 2)
    for i, key in enumerate(ANSWERED)
}
DRAWN = set(ANSWERED[:25])


@dataclass(frozen=True)
class Word:
    """What a contrary end model says, by the length of a text."""

    taught: SoftLabels

    def of(self, features: Features) -> SoftLabels:
        """Moved by what was taught; no word on the shortest texts."""
        letters = features.frame["text"].str.len_chars().to_numpy()
        end = self.taught.mean(axis=0) + np.eye(3)[letters % 3] / 2
        end /= end.sum(axis=1, keepdims=True)
        end[letters == 0] = np.nan
        return np.asarray(end)


class Contrary:
    """An end model that has its own mind."""

    name = "contrary"
    most_rows = 1000

    def learn(self, features: Features, soft: SoftLabels, *, seed: int, folds: int = 5) -> Word:
        """It is taught by rows that have a label."""
        assert features.rows == len(soft)
        assert not np.isnan(soft).any()
        return Word(soft)


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


def looked(known: Dataset) -> FeatureReader:
    """What reads the rows of a part."""
    lines = {part.sha256: np.arange(at.start, at.stop) for part, at in lines_of(known)}
    features = Features(TEXTS[:0], texts=("text",))
    return FeatureReader(features, lambda part: SEEN.only(lines[part.sha256]))


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
    final, heard = update_soft(
        combine(soft, end), cells(vote_patterns(VOTES)[1], soft, end), answers
    )
    scores = score(
        KEYS,
        VOTES,
        soft,
        end,
        lfs=LFS,
        classes=CLASSES,
        final=final,
        answers=heard,
        thin=SEEN.thin(POLICY.min_text),
    )
    audited = {k: d.label for k, d in DECISIONS.items() if d.label is not None and k in DRAWN}
    scores = calibrated(scores, calibration_by(scores, audited, key="id"))
    triage = find_thresholds(scores, audited, key="id", policy=POLICY)
    return scores, final_labels(scores, DECISIONS, key="id", model="m@1", triage=triage), triage


@pytest.mark.slow
@pytest.mark.parametrize("taught_by", ["nobody", "contrary"])
@pytest.mark.parametrize("size", [1, 7, 64, 119, ROWS])
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
        lessons = training_labels(soft_of(VOTES), {int(row or 0): y for row, y in answers.items()})
        labeled = ~np.isnan(lessons).any(axis=1)
        end = Word(lessons[labeled]).of(SEEN.features)

    known = dataset(size)
    found = judge(
        known,
        VOTES,
        lambda part, votes: soft_of(votes),
        looked(known),
        lfs=LFS,
        end_model=end_model,
        decisions=DECISIONS,
        audit_keys=DRAWN,
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
