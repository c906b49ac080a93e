"""Results of act one: votes, label models, scores."""

from __future__ import annotations

from dataclasses import dataclass

from datahub.hub.results.history import Commit
from datahub.hub.results.rows import LeftOut
from datahub.hub.results.shape import Key, Shape


@dataclass(frozen=True)
class Fault(Shape):
    """An LF raised on a row: what, and in which file and line."""

    lf: str
    key: Key
    error: str
    where: str


@dataclass(frozen=True)
class LFSummary(Shape):
    """A line of the LF table; `polarity` are the classes it votes, as numbers.

    `accuracy`, its 95% `interval` and the votes `judged` are by gold.
    """

    name: str
    polarity: list[int]
    coverage: float
    overlaps: float
    conflicts: float
    accuracy: float | None
    interval: tuple[float, float] | None
    judged: int


@dataclass(frozen=True)
class Reuse(Shape):
    """Parts of the rows, on how many of them each LF ran, and LFs that always run again."""

    parts: int
    ran: dict[str, int]
    unsafe: list[str]


@dataclass(frozen=True)
class Spending(Shape):
    """What prompts cost. `reused` answers were kept from before; `cost` is null without prices."""

    requests: int
    answered: int
    reused: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None


@dataclass(frozen=True)
class LFReport(Shape):
    """What LFs did. `fault_counts`, `estimated` and `kinds` go by the lines of `table`.

    `estimated` is what the label model takes for each LF's accuracy; `in_python` names patterns
    that polars cannot run. `commit` and `reuse` are null where nothing was run or committed.
    """

    dataset: str
    rows: int
    votes: int
    coverage: float
    table: list[LFSummary]
    fault_counts: list[int]
    faults: list[Fault]
    commit: Commit | None
    changed: bool
    reuse: Reuse | None
    in_python: list[str]
    estimated: list[float | None]
    kinds: list[str]
    spent: Spending | None
    left_out: list[LeftOut]


@dataclass(frozen=True)
class NewLF(Shape):
    """An LF that was written, and its file."""

    name: str
    kind: str
    file: str


@dataclass(frozen=True)
class Suggestion(Shape):
    """An LF as code. `right` of its `votes` on `rows` held-out labeled rows, with 95% intervals.

    `chosen_by` is right and votes on the rows that chose it: they flatter it. `label` is null where
    it votes several classes, `precision` where it never voted.
    """

    name: str
    kind: str
    column: str
    label: str | None
    code: str
    right: int
    votes: int
    rows: int
    precision: float | None
    precision_interval: tuple[float, float]
    coverage: float
    coverage_interval: tuple[float, float]
    chosen_by: tuple[int, int]


@dataclass(frozen=True)
class Suggested(Shape):
    """LFs that `rows` labeled rows of a source suggest; `file` is empty where none was written."""

    dataset: str
    source: str
    rows: int
    seed: int
    suggestions: list[Suggestion]
    code: str
    file: str


@dataclass(frozen=True)
class SeenRow(Shape):
    """A row, the votes of LFs on it, and its label."""

    key: Key
    text: str
    votes: dict[str, str]
    label: str | None


@dataclass(frozen=True)
class Sight(Shape):
    """What one LF does on a sample. `judge` is gold, labels, or empty: `right` of `judged` votes.

    `conflicts` are rows where an LF of `compared` votes otherwise.
    """

    dataset: str
    lf: str
    rows: int
    of_rows: int
    votes: dict[str, int]
    hits: int
    misses: int
    conflicts: int
    judge: str
    judged: int
    right: int
    compared: list[str]
    shown_hits: list[SeenRow]
    shown_misses: list[SeenRow]
    shown_conflicts: list[SeenRow]
    fault_count: int
    faults: list[Fault]
    in_python: bool
    safe: bool
    spent: Spending | None


@dataclass(frozen=True)
class Disagreement(Shape):
    """Rows on which two LFs vote for different classes, of `both` on which both vote."""

    dataset: str
    lfs: tuple[str, str]
    both: int
    rows: int
    pairs: dict[str, int]
    judge: str
    shown: list[SeenRow]


@dataclass(frozen=True)
class Alike(Shape):
    """LFs that repeat one another, and what a vote of each counts."""

    lfs: list[str]
    shares: list[float]


@dataclass(frozen=True)
class Policy(Shape):
    """The settings that say what becomes of rows."""

    max_error: float
    confidence: float
    unmeasured: str
    min_text: int
    discard_after: int
    discard_below: float


@dataclass(frozen=True)
class Threshold(Shape):
    """The trust from which labels are accepted. `state` is held, unmeasured or exceeded."""

    state: str
    at: float | None
    audited: int
    wrong: int
    bound: float
    needed: int


@dataclass(frozen=True)
class Triage(Shape):
    """The policy, and its thresholds for rows with a vote and without one."""

    policy: Policy
    covered: Threshold
    uncovered: Threshold


@dataclass(frozen=True)
class LabelWarning(Shape):
    """One reason to distrust labels: `share` of the rows with a vote, LFs or classes by name."""

    code: str
    message: str
    hint: str
    share: float
    names: list[str]


@dataclass(frozen=True)
class ByDev(Shape):
    """What `rows` labeled rows of gold or audit chose; `left` others remain to measure with.

    `right` is of rows that had no part in the choice, beside `default_right` of the default; `gain`
    is the 95% interval of the difference. `folds` of 5 choose the same.
    """

    source: str
    rows: int
    left: int
    model: str
    balance: str
    temperature: float
    right: float
    interval: tuple[float, float]
    default_right: float
    gain: tuple[float, float]
    folds: int


@dataclass(frozen=True)
class EndModelLooks(Shape):
    """What the end model looks at: words (columns of the rows), vectors or both.

    `likelihoods`: mean log-likelihood of the label model's soft labels of `rows` held-out rows, by
    what was looked at; `nothing` is that of class sizes alone, null where nothing was compared.
    `missing` rows have no vectors.
    """

    looks: str
    likelihoods: dict[str, float]
    nothing: float | None
    rows: int
    missing: int


@dataclass(frozen=True)
class Fitted(Shape):
    """The outcome of a fit. `statuses`, `classes` and `outcomes` count rows.

    `looks` is null where the dataset has no vectors.
    """

    dataset: str
    rows: int
    covered: int
    uncovered: int
    model: str
    end_model: str
    statuses: dict[str, int]
    classes: dict[str, int]
    agreement: float | None
    changed_by_end_model: int
    weights: dict[str, float | None]
    correlated: list[Alike]
    class_balance: dict[str, float]
    balance_from: str
    features: list[str]
    outcomes: dict[str, int]
    triage: Triage
    warnings: list[LabelWarning]
    chosen: ByDev | None
    looks: EndModelLooks | None
    commit: Commit
    changed: bool


@dataclass(frozen=True)
class Compared(Shape):
    """One label model. `agreement` is its share of equal labels with each other model.

    `seed_spread` is the share of rows whose label depends on the seed.
    """

    model: str
    agreement: dict[str, float]
    estimated: float | None
    accuracy: float | None
    interval: tuple[float, float] | None
    gold_rows: int
    accuracies: list[float]
    seed_spread: float | None
    seconds: float
    left_out: str


@dataclass(frozen=True)
class Comparison(Shape):
    """All label models on the same votes."""

    dataset: str
    rows: int
    covered: int
    uncovered: int
    seeds: list[int]
    default: str
    class_balance: dict[str, float]
    balance_from: str
    correlated: list[Alike]
    models: list[Compared]
