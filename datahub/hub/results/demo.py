"""Figures of the demo."""

from __future__ import annotations

from dataclasses import dataclass

from datahub.hub.results.shape import Shape


@dataclass(frozen=True)
class DemoAccuracy(Shape):
    """Labels of a group of rows against gold, as shares of the labeled rows and of all."""

    rows: int
    labeled: int
    accuracy: float | None
    right_of_all: float | None


@dataclass(frozen=True)
class DemoAudit(Shape):
    """What the rows drawn at random say of accepted labels, with a 95% interval."""

    accepted: int
    wrong: int
    interval: tuple[float, float]


@dataclass(frozen=True)
class Demo(Shape):
    """The whole path on real articles. `before` and `after` relabeling, by group of rows."""

    rows: int
    classes: list[str]
    refused: list[str]
    lfs: int
    votes: int
    coverage: float
    faults: int
    before: dict[str, DemoAccuracy]
    budget: int
    annotations: int
    labels_changed: int
    after: dict[str, DemoAccuracy]
    audited: DemoAudit
    passed: int
    commits: int
    refusals: int
    seconds: float
