"""What `datahub ci` returns."""

from __future__ import annotations

from dataclasses import dataclass

from datahub.hub.results.history import CheckResult, Verdict
from datahub.hub.results.label import LFSummary
from datahub.hub.results.score import Judged
from datahub.hub.results.shape import Cell, Key, Shape


@dataclass(frozen=True)
class Move(Shape):
    """Rows whose label went from one class to another (null: none), and the first keys of them."""

    before: str | None
    after: str | None
    rows: int
    keys: list[Key]


@dataclass(frozen=True)
class LFMove(Shape):
    """Rows whose label flipped and on which this LF votes otherwise, and the first keys of them."""

    lf: str
    rows: int
    keys: list[Key]


@dataclass(frozen=True)
class LFLine(Shape):
    """An LF before and after, null where it is not. `state`: new, gone, edited or unchanged."""

    name: str
    state: str
    before: LFSummary | None
    after: LFSummary | None
    faults_before: int
    faults_after: int


@dataclass(frozen=True)
class LabelSide(Shape):
    """Labels on one side: rows, rows with a label, rows of each class, how right they are."""

    rows: int
    labeled: int
    coverage: float
    classes: dict[str, int]
    gold: Judged | None
    audit: Judged | None


@dataclass(frozen=True)
class DatasetChange(Shape):
    """What a change does to a dataset. `ran` are the steps that were made for it.

    `compared` rows have a label on both sides; `flip_rate` is the share of these that `flipped`.
    `answered` labels changed because a person answered, and are no flips; `by_people` were people's
    answers and are other now.
    """

    dataset: str
    ran: list[str]
    lfs: list[LFLine]
    before: LabelSide
    after: LabelSide
    compared: int
    flipped: int
    flip_rate: float
    gained: int
    lost: int
    by_people: int
    answered: int
    moves: list[Move]
    lf_moves: list[LFMove]


@dataclass(frozen=True)
class RulesChange(Shape):
    """Rules of the checkout that are not the branch's. `weaker` says what they check less.

    `problem` is why they cannot be read.
    """

    files: list[str]
    weaker: list[str]
    other: list[str]
    problem: str


@dataclass(frozen=True)
class CI(Shape):
    """What `datahub ci` found. `state` is passed, refused or unchanged (`verdict` is then null).

    `tried` says what the rules of the checkout would say of it; empty where they are the branch's.
    `votes` is the SHA-256 of the file that the votes came from; empty where LFs ran here.
    """

    state: str
    source: str
    into: str
    verdict: Verdict | None
    changes: list[DatasetChange]
    rules: RulesChange | None
    tried: str
    votes: str


@dataclass(frozen=True)
class Snapshot(Shape):
    """Rows that LFs may see elsewhere: a folder, and how many rows of each dataset."""

    folder: str
    datasets: dict[str, int]


@dataclass(frozen=True)
class VotesFile(Shape):
    """A file of votes; by dataset, the LFs that voted, and those that could not be asked."""

    path: str
    sha256: str
    lfs: dict[str, list[str]]
    left_out: dict[str, list[str]]


@dataclass(frozen=True)
class Comment(Shape):
    """A report of `ci` as Markdown. `state` is passed, refused, unchanged or could not run."""

    state: str
    markdown: str


@dataclass(frozen=True)
class SuiteSuggestion(Shape):
    """A suite for a table with bounds from `commits`; `path` is the file it was written to."""

    table: str
    commits: int
    path: str | None
    suite: Cell


@dataclass(frozen=True)
class Monitored(Shape):
    """A dataset next to a ref of before. `state` is fine, refit or relabel; `reasons` say why.

    `unlabeled` of the `new_rows` have no label.
    """

    dataset: str
    ref: str
    against: str
    rows: int
    new_rows: int
    unlabeled: int
    state: str
    reasons: list[str]
    results: list[CheckResult]
