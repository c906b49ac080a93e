"""Results of act two: rows asked, answers taken, errors measured."""

from __future__ import annotations

from dataclasses import dataclass

from datahub.hub.results.history import Commit
from datahub.hub.results.label import Triage
from datahub.hub.results.shape import Key, Shape


@dataclass(frozen=True)
class Reconciled(Shape):
    """How a queue differs from the ledger: tasks deleted, present twice, or not datahub's."""

    deleted: int
    doubled: int
    foreign: int
    notes: list[str]


@dataclass(frozen=True)
class Pushed(Shape):
    """Rows that people are asked about: `doubt` of them doubted, `audit` drawn at random."""

    batch: str
    tasks: int
    doubt: int
    audit: int
    where: str
    commit: Commit
    asked_again: int
    found: Reconciled


@dataclass(frozen=True)
class Answered(Shape):
    """How many answers were recorded."""

    answered: int


@dataclass(frozen=True)
class OpenTask(Shape):
    """A row that waits for an answer. `fields` are what people are shown."""

    task: str
    key: Key
    row_hash: str
    fields: dict[str, str]
    reason: str
    slice: str
    prediction: str | None
    score: float | None


@dataclass(frozen=True)
class Pulled(Shape):
    """Answers that were taken; `refused` are pairs of a key and a reason."""

    dataset: str
    annotations: int
    refused: list[tuple[Key, str]]
    asked_again: list[Key]
    statuses: dict[str, int]
    changed: int
    commit: Commit
    withdrawn: int
    found: Reconciled


@dataclass(frozen=True)
class Estimate(Shape):
    """A group of rows, and its error by the audited ones, with a 95% interval."""

    rows: int
    audited: int
    wrong: int
    error: float | None
    interval: tuple[float, float]


@dataclass(frozen=True)
class PlainSupervision(Shape):
    """Audited rows that a model of the answers alone gets right (`plain`), and labels (`weak`)."""

    answers: int
    audited: int
    plain: int
    weak: int
    p_value: float


@dataclass(frozen=True)
class Person(Shape):
    """How much somebody answered, and how often others said the same of shared rows."""

    name: str
    answers: int
    skipped: int
    shared: int
    agreed: int


@dataclass(frozen=True)
class Agreement(Shape):
    """How far people agree; `alpha` is Krippendorff's."""

    people: list[Person]
    rows: int
    same: int
    alpha: float | None


@dataclass(frozen=True)
class Trust(Shape):
    """What is accepted, at which measured error; `refused` answers wait for a person."""

    dataset: str
    rows: int
    answered: int
    outcomes: dict[str, int]
    triage: Triage
    plain: PlainSupervision | None
    model: str
    class_balance: dict[str, float]
    balance_from: str
    agreement: Agreement
    accepted: Estimate
    doubted: Estimate
    uncovered: Estimate
    refused: list[tuple[Key, str]]


@dataclass(frozen=True)
class Server(Shape):
    """A Label Studio server of this project."""

    url: str | None
    email: str
    pid: int | None
    running: bool


@dataclass(frozen=True)
class ServerSecrets(Shape):
    """The same with its secrets (`--show-secrets`)."""

    url: str | None
    email: str
    password: str
    token: str
    pid: int | None
    running: bool


@dataclass(frozen=True)
class NoServer(Shape):
    """Where there is no server yet: `running` is false."""

    running: bool


@dataclass(frozen=True)
class Stopped(Shape):
    """Whether a server was running, and was stopped."""

    stopped: bool
