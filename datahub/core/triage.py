"""Which rows a person should see, in which order, and why.

`score` holds the label model against a second opinion (the end model, which has
not seen the row) and says which labels to doubt. `queue` picks rows within a
budget, the least trusted first, capped per vote pattern, no two that read alike; a
share of it, drawn at random, is the audit slice: those tasks carry no prediction,
so that what people say of them is an unbiased estimate.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from datahub.core.alike import Read, Words
from datahub.core.calibrating import raw_trust
from datahub.core.dataset import Key, to_canonical_json
from datahub.core.errors import ConfigError, InputError
from datahub.core.informing import Answers, likeliest, trust_after, trust_in
from datahub.core.labels import ABSTAIN, LabelMatrix, SoftLabels
from datahub.core.patterns import Numbers, vote_patterns

Slice = Literal["doubt", "audit"]
WordsOf = Callable[[Sequence[Key]], Mapping[Key, Words]]  # of the rows with these keys

DOUBT_MARGIN = 0.2  # a label this undecided between its two best classes is doubted
BAND_ROWS = 25  # rows of one cell of the queue that are trusted alike
BANDS = 400  # of all rows at the most, so that a band of many rows is a 400th of them
PATIENCE = 20.0  # rows of a band that are right before the next is worth half as much
SPARE = 4  # times the budget: rows looked at for ones that read unlike
BATCH_FORMAT = 1
AUDIT_REASON = "random audit slice"
_VALUES, _FIELDS = (  # between the braces of a task of a batch, and of its fields
    json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(f",\n{' ' * indent}", ": "))
    for indent in (6, 8)
)
QUEUE_COLUMNS = ("label", "end_label", "queue_trust", "pattern", "thin")  # what `queue` chooses by


@dataclass(frozen=True)
class Task:
    """One row that a person is asked about.

    `fields` is what the person sees, by column; `row_hash` is of the row's values in just these
    columns (core.shown), in full. `prediction` is a class name with its score in 0..1,
    or None on the audit slice. Lower `score` comes first.
    """

    key: Key
    row_hash: str
    fields: Mapping[str, str]
    reason: str
    slice: Slice
    prediction: str | None
    score: float | None

    def plain(self) -> dict[str, Any]:
        """As JSON has it; `asdict` copies every value, which costs a push a tenth."""
        return {**vars(self), "fields": dict(self.fields)}


@dataclass(frozen=True)
class Batch:
    """The tasks of one push, as the commit keeps them: `queue` says who was asked."""

    id: str
    queue: str
    tasks: tuple[Task, ...]

    def to_json(self) -> str:
        """Write as canonical JSON, task by task: that is five times as fast for thousands."""
        text = to_canonical_json({"format": BATCH_FORMAT, **vars(self), "tasks": []})
        tasks = ",\n    ".join(map(_canonical, self.tasks))
        last = text.rindex("[]")
        return f"{text[:last]}[\n    {tasks}\n  ]{text[last + 2 :]}" if tasks else text

    @classmethod
    def from_json(cls, text: str | bytes) -> Batch:
        """Read what `to_json` wrote."""
        raw: dict[str, Any] = json.loads(text)
        if raw.pop("format", None) != BATCH_FORMAT:
            raise InputError(
                "A review batch has a format version that this datahub does not know.",
                hint="Upgrade datahub.",
            )
        return cls(raw["id"], raw["queue"], tuple(Task(**task) for task in raw["tasks"]))


def _canonical(task: Task) -> str:
    """A task as `to_canonical_json` writes it within a batch: `fields` is its first name."""
    values = {name: value for name, value in vars(task).items() if name != "fields"}
    fields = _FIELDS.encode(dict(task.fields))[1:-1]
    text = f"{{\n        {fields}\n      }}" if fields else "{}"
    return f'{{\n      "fields": {text},\n      {_VALUES.encode(values)[1:-1]}\n    }}'


def score(
    keys: pl.Series,
    votes: LabelMatrix,
    soft: SoftLabels,
    end: SoftLabels,
    *,
    lfs: Sequence[str],
    classes: Sequence[str],
    final: SoftLabels | None = None,
    pattern: Numbers | None = None,
    answers: Answers | None = None,
    thin: npt.NDArray[np.bool_] | None = None,
) -> pl.DataFrame:
    """One line a row: what the models say, how far to trust it, and why not.

    `final` is what the two come to together (default: the label model's `soft`); doubt holds the
    two against each other as they were before. Columns: the key; probabilities [k] of `final`
    (null where no LF voted), label (null where none or a tie), confidence, margin, lfs (names
    that voted for the label); the label model's own model_probabilities, model_label,
    model_confidence; the end model's end_probabilities, end_label, end_confidence; queue_trust 0..1
    in the label, or in that of the end model where there is none, after people's `answers` to rows
    of the cell; trust, the same where there is no label, else that of core.calibrating; doubt (a
    reason, null where there is none), pattern (equal votes, equal number: among these rows, or as
    given where these are some of all), pattern_answers (how many people's answers shifted the row),
    thin (too little text to judge).
    """
    final = soft if final is None else final
    best, p_best, second, p_second = _two_best(final)
    model_best, model_p, _, model_second = _two_best(soft)
    end_best, end_p, _, _ = _two_best(end)
    has_soft, has_end = _has_label(soft), _has_label(end)
    has_label = np.asarray(has_soft & (p_best > p_second), dtype=np.bool_)
    answer_counts = np.zeros(soft.shape) if answers is None else answers
    guess = likeliest(final, end)
    queue_trust = np.where(
        has_label | has_end, trust_after(trust_in(soft, end, guess), guess, answer_counts), 0.0
    )
    trust = np.where(has_label, raw_trust(final, end, guess), queue_trust)
    pattern = vote_patterns(votes)[1] if pattern is None else pattern
    frame = pl.DataFrame(
        {
            keys.name: keys,
            "probabilities": _lists(final, has_soft),
            "label": _text(classes, best, has_label),
            "confidence": _number(p_best, has_soft),
            "margin": _number(p_best - p_second, has_soft),
            "lfs": _voters(votes, np.where(has_label, best, ABSTAIN), lfs),
            "model_probabilities": _lists(soft, has_soft),
            "model_label": _text(classes, model_best, has_soft & (model_p > model_second)),
            "model_confidence": _number(model_p, has_soft),
            "end_probabilities": _lists(end, has_end),
            "end_label": _text(classes, end_best, has_end),
            "end_confidence": _number(end_p, has_end),
            "trust": trust,
            "queue_trust": queue_trust,
            "second": _text(classes, second, has_soft),
            "pattern": pattern,
            "pattern_answers": answer_counts.sum(axis=1).astype(np.uint32),
            "thin": np.zeros(len(votes), np.bool_) if thin is None else thin,
        }
    )
    return frame.with_columns(_doubt().alias("doubt")).drop("second")


def queue(
    scores: pl.DataFrame,
    *,
    key: str,
    budget: int,
    seed: int,
    audit_share: float = 0.2,
    leave_out: Collection[Key] = (),
    words: WordsOf | None = None,
) -> pl.DataFrame:
    """Pick at most `budget` rows: key, slice, reason, prediction, score; first to ask first.

    `scores` has the columns QUEUE_COLUMNS; a reason is its `doubt`, where it has that column. The
    least trusted come first. Rows with equal votes, on which the end model says the same and
    which are trusted alike, make a band: each row that is taken from it makes the next worth less
    (see PATIENCE), so that no vote pattern fills the queue. Which rows of a band is left to chance,
    so that an answer is a fair sample and may inform the others. With `words` (what a person would
    read of rows) a row that reads nearly as one that is asked, or was (`leave_out`), comes
    after those that do not. Rows with too little text are asked only in the audit slice. The same
    seed draws the same rows.
    """
    if budget < 1 or not 0 <= audit_share <= 1:
        raise ConfigError(
            f"A review of {budget} rows with an audit share of {audit_share} cannot be made.",
            hint="The budget is at least 1, the audit share between 0 and 1.",
        )
    omissions = pl.Series(list(leave_out), dtype=scores[key].dtype)
    eligible = scores.filter(~pl.col(key).is_in(omissions.implode())).sort(key)
    audits = min(round(budget * audit_share), eligible.height)
    numbers = np.random.default_rng(seed)
    sample = numbers.choice(eligible.height, size=audits, replace=False)
    audit = eligible[np.sort(sample)].select(
        key,
        slice=pl.lit("audit"),
        reason=pl.lit(AUDIT_REASON),
        prediction=pl.lit(None, pl.String),
        score=pl.lit(None, pl.Float64),
    )
    rest = eligible.filter(~pl.col(key).is_in(audit[key].implode()) & ~pl.col("thin"))
    candidates = rest[_by_worth(rest, numbers.permutation(rest.height)).head(SPARE * budget)]
    why = ["doubt"] if "doubt" in scores.columns else []
    asked_keys = [*omissions, *audit[key]]
    doubt = (
        (
            candidates
            if words is None
            else _apart(candidates, key, budget - audits, asked_keys, words)
        )
        .head(budget - audits)
        .select(
            key,
            slice=pl.lit("doubt"),
            reason=pl.coalesce(*why, pl.lit("least trusted of the rest")),
            prediction=pl.coalesce("label", "end_label").cast(pl.String),
            score=pl.col("queue_trust"),
        )
        .sort("score", key)
    )
    return pl.concat([doubt, audit])


def _by_worth(rest: pl.DataFrame, chance: npt.NDArray[np.integer[Any]]) -> pl.Series:
    """Numbers of rows in the order in which they are worth asking.

    What is sorted, and sorted again, is no more of each row than that takes.
    """
    cell = ["pattern", "end_label"]
    rows = max(BAND_ROWS, rest.height // BANDS)
    bands = (pl.len() / rows).round().clip(lower_bound=1)
    earlier = pl.int_range(pl.len()).over([*cell, "band"])
    doubt = 1 - pl.col("queue_trust").mean().over([*cell, "band"])
    return (
        rest.select("queue_trust", *cell, chance=pl.Series(chance, dtype=pl.UInt32))
        .with_row_index("row")
        .sort("queue_trust", "chance")
        .with_columns(band=(pl.int_range(pl.len()) * bands // pl.len()).over(cell))
        .sort("chance")
        .with_columns(worth=doubt * PATIENCE / (PATIENCE + earlier))
        .select("row", "worth", "chance")
        .sort("worth", "chance", descending=[True, False])["row"]
    )


def _apart(
    candidates: pl.DataFrame,
    key: str,
    count: int,
    asked_keys: Sequence[Key],
    words: WordsOf,
) -> pl.DataFrame:
    """The same rows, those that read as one before them or as one of `asked_keys` at the end."""
    read = Read()
    asked_words = words(asked_keys)
    for row_key in asked_keys:
        if row_key in asked_words:  # what was answered may be gone
            read.is_new(asked_words[row_key])
    keys = candidates[key].to_list()
    new: list[bool] = []
    for part in (keys[:count], keys[count:]):  # most texts are new: few of the rest are read
        texts = words(part) if sum(new) < count else {}
        room = count - sum(new)
        for row_key in part:
            new.append(room > 0 and read.is_new(texts[row_key]))
            room -= new[-1]
    return candidates[np.argsort(~np.array(new, dtype=np.bool_), kind="stable")]


def asking_order(tasks: Sequence[Task]) -> list[Task]:
    """The order in which people see a batch: lowest score first, the audit slice among them.

    Of as many stretches of equal length as tasks have no score (the audit slice), each has one,
    so that a review that ends early has still audited. Where in its stretch it stands is chance,
    the same for the same tasks: nobody can count which they are. Equal scores keep their order.

    >>> def task(key, score):
    ...     return Task(key, "", {}, "", "audit" if score is None else "doubt", None, score)
    >>> tasks = [task("c", 0.3), task("a", 0.1), task("b", 0.2), task("d", 0.4)]
    >>> order = [task.key for task in asking_order([*tasks, task("x", None), task("y", None)])]
    >>> [key for key in order if key not in "xy"], "x" in order[:3], "y" in order[3:]
    (['a', 'b', 'c', 'd'], True, True)
    """
    by_score = iter(sorted((t for t in tasks if t.score is not None), key=lambda t: t.score or 0.0))
    audits = [task for task in tasks if task.score is None]
    total, n = len(tasks), len(audits)
    chance = np.random.default_rng(_seed(tasks))
    ends = [(i * total // n, (i + 1) * total // n) for i in range(n)]
    spread = {int(chance.integers(*end)): task for end, task in zip(ends, audits, strict=True)}
    return [spread[place] if place in spread else next(by_score) for place in range(total)]


def _seed(tasks: Sequence[Task]) -> int:
    """A number that only who knows all of the tasks can tell, whatever order they are in."""
    lines = sorted(repr((t.key, t.row_hash, t.reason, t.slice, t.score)) for t in tasks)
    return int.from_bytes(hashlib.sha256("\n".join(lines).encode()).digest()[:8], "big")


def _has_label(soft: SoftLabels) -> npt.NDArray[np.bool_]:
    return np.asarray(~np.isnan(soft).any(axis=1), dtype=np.bool_)


def _two_best(
    soft: SoftLabels,
) -> tuple[
    npt.NDArray[np.intp], npt.NDArray[np.float64], npt.NDArray[np.intp], npt.NDArray[np.float64]
]:
    probabilities = np.nan_to_num(soft, nan=0.0)
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :2]
    p = np.take_along_axis(probabilities, order, axis=1)
    return order[:, 0], p[:, 0], order[:, 1], p[:, 1]


def _voters(votes: LabelMatrix, label: npt.NDArray[np.intp], lfs: Sequence[str]) -> pl.Series:
    """Names of the LFs that voted for each row's label; none where it has none."""
    supports = (votes == label[:, None]) & (label != ABSTAIN)[:, None]
    sets, number = vote_patterns(supports.view(np.int8))
    names = [[lfs[j] for j in np.flatnonzero(line)] for line in sets]
    return pl.Series(names, dtype=pl.List(pl.String)).gather(number)


def _text(
    names: Sequence[str], number: npt.NDArray[np.intp], mask: npt.NDArray[np.bool_]
) -> pl.Series:
    return _where(pl.Series(names, dtype=pl.String).gather(number), mask)


def _lists(values: SoftLabels, mask: npt.NDArray[np.bool_]) -> pl.Series:
    shape = pl.Array(pl.Float64, values.shape[1])
    lists = pl.Series(np.ascontiguousarray(values), dtype=shape).cast(pl.List(pl.Float64))
    return _where(lists, mask)


def _where(values: pl.Series, mask: npt.NDArray[np.bool_]) -> pl.Series:
    """The values where they are known, else null."""
    return pl.select(pl.when(pl.Series(mask)).then(values)).to_series()


def _number(values: npt.NDArray[np.float64], mask: npt.NDArray[np.bool_]) -> pl.Series:
    return pl.Series(np.where(mask, values, np.nan)).fill_nan(None)


def _doubt() -> pl.Expr:
    label, model, end = pl.col("label"), pl.col("model_label"), pl.col("end_label")
    p, q = pl.col("model_confidence").round(2), pl.col("end_confidence").round(2)
    margin = pl.col("margin")
    return (
        pl.when(pl.col("confidence").is_null())
        .then(pl.lit("no LF voted"))
        .when(label.is_null())
        .then(pl.lit("the label model is undecided"))
        .when(model.is_null())
        .then(pl.format("the label model is undecided, end model says {} ({})", end, q))
        .when(end.is_not_null() & (end != model))
        .then(pl.format("label model says {} ({}), end model says {} ({})", model, p, end, q))
        .when(margin < DOUBT_MARGIN)
        .then(pl.format("small margin: {} between {} and {}", margin.round(2), label, "second"))
        .otherwise(pl.lit(None, pl.String))
    )
