"""Results of git's verbs: commits, refs, differences, upkeep."""

from __future__ import annotations

from dataclasses import dataclass

from datahub.hub.results.shape import Cell, Key, Shape, Time


@dataclass(frozen=True)
class Commit(Shape):
    """A commit. `metadata` is what the step that made it noted."""

    id: str
    parents: list[str]
    message: str
    author: str
    time: Time
    metadata: dict[str, str]


@dataclass(frozen=True)
class Branch(Shape):
    """A branch and the commit at its head."""

    branch: str
    commit: str


@dataclass(frozen=True)
class CurrentBranch(Shape):
    """The current branch."""

    branch: str


@dataclass(frozen=True)
class Tag(Shape):
    """A tag and its commit."""

    tag: str
    commit: str


@dataclass(frozen=True)
class Deleted(Shape):
    """The name of a branch or tag that was removed."""

    deleted: str


@dataclass(frozen=True)
class CheckFailure(Shape):
    """An expectation that failed. `keys` are of the first rows that break it."""

    suite: str
    expectation: str
    message: str
    dataset: str
    column: str | None
    observed: str | None
    severity: str
    keys: list[str]


@dataclass(frozen=True)
class CheckResult(Shape):
    """What became of an expectation: `state` is passed, failed or could not run.

    `message` says what was asked and observed, or why it could not run; `notes` are the suite's
    own words; `engine` names what judged it.
    """

    suite: str
    expectation: str
    state: str
    message: str
    dataset: str
    column: str | None
    observed: str | None
    severity: str
    keys: list[str]
    notes: str
    engine: str
    hint: str


@dataclass(frozen=True)
class Verdict(Shape):
    """What a gate said of a merge. `kind` is data or rules; `checks` counts the expectations.

    `results` are all of them where it was just given; one that was read from history has none.

    `into` is the branch whose gate it was; empty in a verdict of an earlier datahub.
    """

    passed: bool
    content_id: str
    source: str
    judged_head: str
    suite_hash: str
    time: Time
    kind: str
    failures: list[CheckFailure]
    checks: int
    reason: str
    signature: str
    into: str
    results: list[CheckResult]


@dataclass(frozen=True)
class Change(Shape):
    """An object that differs: its id before and after, null where it was not there."""

    path: str
    old: str | None
    new: str | None


@dataclass(frozen=True)
class RowLine(Shape):
    """A row that differs: `kind` is added, removed or changed; pairs are before and after."""

    key: Key
    kind: str
    columns: dict[str, tuple[Cell, Cell]]
    label: tuple[str | None, str | None] | None
    why: list[str]


@dataclass(frozen=True)
class RowChanges(Shape):
    """What differs in the rows of a dataset. `labels` counts moves such as `ham -> spam`."""

    dataset: str
    added: int
    removed: int
    changed: int
    columns: dict[str, int]
    labels: dict[str, int]
    lines: list[RowLine]
    unlabeled: int


@dataclass(frozen=True)
class Difference(Shape):
    """What differs between two refs."""

    objects: list[Change]
    rows: list[RowChanges]


@dataclass(frozen=True)
class Shown(Shape):
    """A commit, what it changed, its verdict, and all objects that it holds, by path."""

    commit: Commit
    changed: Difference | None
    verdict: Verdict | None
    objects: dict[str, str]


@dataclass(frozen=True)
class Damage(Shape):
    """Something that is damaged: its kind, its id, what is wrong, and what reaches it."""

    kind: str
    id: str
    what: str
    where: str


@dataclass(frozen=True)
class Collected(Shape):
    """What `gc` removed, or would remove. `at_work` counts other processes at work."""

    commits: int
    nodes: int
    objects: int
    bytes: int
    leases: int
    at_work: int


@dataclass(frozen=True)
class Collection(Collected):
    """The same, and whether it was only a trial."""

    dry_run: bool


@dataclass(frozen=True)
class GitCopy(Shape):
    """A plain git repository, and how many commits went there or came from there."""

    folder: str
    commits: int
