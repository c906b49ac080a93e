"""Results of measuring labels: against gold, against audited rows, on slices."""

from __future__ import annotations

from dataclasses import dataclass

from datahub.hub.results.shape import Shape


@dataclass(frozen=True)
class Accuracy(Shape):
    """Rows with gold, how many have a label, and how many have the right one."""

    rows: int
    labeled: int
    right: int


@dataclass(frozen=True)
class ClassScore(Shape):
    """One class: `rows` are of it, `labeled` have it as label, `right` both.

    `recall` counts a row without a label as one that was missed. Intervals are 95%.
    """

    name: str
    rows: int
    labeled: int
    right: int
    precision: float | None
    precision_interval: tuple[float, float]
    recall: float | None
    recall_interval: tuple[float, float]


@dataclass(frozen=True)
class Confused(Shape):
    """So many rows are `truth` and have the label `label`; null: none."""

    truth: str
    label: str | None
    rows: int


@dataclass(frozen=True)
class Judged(Shape):
    """Labels against one judge. `confusion` lists the pairs that occur, right ones too."""

    everything: Accuracy
    interval: tuple[float, float]
    classes: list[ClassScore]
    confusion: list[Confused]


@dataclass(frozen=True)
class SliceScore(Shape):
    """A slice: `rows` of all rows are in it; on `faults` its function raised.

    `gold` and `audit` are labels of its rows against either judge, null where there is none.
    """

    name: str
    rows: int
    faults: int
    gold: Accuracy | None
    audit: Accuracy | None


@dataclass(frozen=True)
class Reliability(Shape):
    """Mean `trust` in the labels of so many rows, the share of them that is `right`, and `error`.

    `error` is the expected calibration error (ECE): the mean distance of the two by bins of trust.
    """

    rows: int
    trust: float
    right: float
    error: float


@dataclass(frozen=True)
class Score(Shape):
    """Labels against gold: of all rows, of those nobody was asked about, of accepted ones.

    `gold` has all rows by class, null without gold. `audit` has the models' labels of audited rows
    against what people said of them, null where nobody answered one. `gold_trust` and `audit_trust`
    say how true trust is, by rows with gold that nobody answered and by audited rows, null where
    there are too few. `spent` rows, by which the label model was chosen, are in none of these.
    """

    everything: Accuracy
    not_asked: Accuracy
    accepted: Accuracy
    gold: Judged | None
    audit: Judged | None
    slices: list[SliceScore]
    spent: int
    gold_trust: Reliability | None
    audit_trust: Reliability | None
