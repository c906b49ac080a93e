"""Results of act three: merges, gates, audits, and why a row has its label."""

from __future__ import annotations

from dataclasses import dataclass

from datahub.hub.results.history import Commit, Verdict
from datahub.hub.results.rows import SetAside
from datahub.hub.results.shape import Cell, Key, Shape, Time


@dataclass(frozen=True)
class MergeReport(Shape):
    """What a merge did: rows merged by key, labels decided by the answers of both sides."""

    conflicts: int
    rows: int
    relabeled: int
    settled: int
    notes: list[str]
    set_aside: list[SetAside]


@dataclass(frozen=True)
class Merged(Shape):
    """A merge. `verdict` is null where all was merged already."""

    commit: Commit
    verdict: Verdict | None
    report: MergeReport


@dataclass(frozen=True)
class Refusal(Shape):
    """A merge of `branch` that the gate of `into` refused."""

    into: str
    branch: str
    verdict: Verdict


@dataclass(frozen=True)
class Unjudged(Shape):
    """A commit that needs an explanation."""

    commit: str
    message: str
    author: str
    time: Time
    why: list[str]


@dataclass(frozen=True)
class RuleChange(Shape):
    """A change of the rules; `guarded` says whether a gate is left."""

    commit: str
    reason: str
    author: str
    time: Time
    guarded: bool


@dataclass(frozen=True)
class Audit(Shape):
    """The history of a guarded branch. `clean`: nothing bypassed its gate."""

    branch: str
    head: str
    guarded: bool
    commits: int
    judged: int
    signed: int
    unchecked: list[str]
    unjudged: list[Unjudged]
    rule_changes: list[RuleChange]
    guarded_since: str | None
    free: int
    ungated: list[RuleChange]
    unexplained: list[Unjudged]
    moved: list[str]
    since: str | None
    since_fault: str
    clean: bool


@dataclass(frozen=True)
class Vote(Shape):
    """A vote on a row; `weight` is how often the LF is right, `share` what the vote counts."""

    lf: str
    label: str | None
    fault: str | None
    weight: float | None
    share: float | None
    kind: str
    where: str
    fingerprint: str


@dataclass(frozen=True)
class Asked(Shape):
    """A task about the row."""

    batch: str
    queue: str
    slice: str
    reason: str
    prediction: str | None


@dataclass(frozen=True)
class Said(Shape):
    """An answer about the row; `lapsed` says why it does not count."""

    id: str
    label: str | None
    annotator: str
    time: Time
    batch: str
    withdrawn: bool
    counts: bool
    lapsed: str


@dataclass(frozen=True)
class Event(Shape):
    """A commit that changed the row; `changed` are what, before and after."""

    commit: str
    message: str
    author: str
    time: Time
    changed: list[tuple[str, str | None, str | None]]
    taken_from: str | None
    verdict: Verdict | None


@dataclass(frozen=True)
class Why(Shape):
    """All that made the label of one row. `soft` and `label` are rows of those tables."""

    dataset: str
    key: Key
    commit: str
    content: dict[str, Cell]
    votes: list[Vote]
    soft: dict[str, Cell] | None
    label: dict[str, Cell] | None
    asked: list[Asked]
    annotations: list[Said]
    history: list[Event]
