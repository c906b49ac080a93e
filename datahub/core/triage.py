"""Which rows a person should see, in which order, and why.

`score` holds the label model against a second opinion (the end model, which has
not seen the row) and says which labels to doubt. `queue` picks rows within a
budget, capped per vote pattern; a share of it, drawn at random, is the audit
slice: those tasks carry no prediction, so that what people say of them is an
unbiased estimate.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from datahub.core.dataset import Key, to_canonical_json
from datahub.core.errors import ConfigError, InputError
from datahub.core.labels import ABSTAIN, LabelMatrix, SoftLabels
from datahub.core.patterns import Numbers, vote_patterns

Slice = Literal["doubt", "audit"]

DOUBT_MARGIN = 0.2  # a label this undecided between its two best classes is doubted
BATCH_FORMAT = 1
AUDIT_REASON = "random audit slice"
QUEUED = ("label", "end_label", "trust", "pattern", "thin")  # what `queue` chooses by


@dataclass(frozen=True)
class Task:
    """One row that a person is asked about.

    `fields` is what the person sees. `prediction` is a class name with its score in 0..1,
    or None on the audit slice. Lower `score` comes first.
    """

    key: Key
    row_hash: str
    fields: Mapping[str, str]
    reason: str
    slice: Slice
    prediction: str | None
    score: float | None


@dataclass(frozen=True)
class Batch:
    """The tasks of one push, as the commit keeps them: `queue` says who was asked."""

    id: str
    queue: str
    tasks: tuple[Task, ...]

    def to_json(self) -> str:
        """Write as canonical JSON."""
        return to_canonical_json({"format": BATCH_FORMAT, **asdict(self)})

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
    answers: npt.NDArray[np.uint32] | None = None,
    thin: npt.NDArray[np.bool_] | None = None,
) -> pl.DataFrame:
    """One line a row: what the models say, how far to trust it, and why not.

    `final` is what the two come to together (default: the label model's `soft`); doubt holds the
    two against each other as they were before. Columns: the key; probabilities [k] of `final`
    (null where no LF voted), label (null where none or a tie), confidence, margin, lfs (names
    that voted for the label); the label model's own model_probabilities, model_label,
    model_confidence; the end model's end_probabilities, end_label, end_confidence; trust 0..1,
    doubt (a reason, null where there is none), pattern (equal votes, equal number: among these
    rows, or as given where these are some of all), pattern_answers (how many people's answers
    shifted the row), thin (too little text to judge).
    """
    final = soft if final is None else final
    best, p_best, second, p_second = _two_best(final)
    model_best, model_p, _, model_second = _two_best(soft)
    end_best, end_p, _, _ = _two_best(end)
    voted, heard = _known(soft), _known(end)
    labeled = np.asarray(voted & (p_best > p_second), dtype=np.bool_)
    said = np.take_along_axis(soft, best[:, None], axis=1)[:, 0]
    agreed = np.where(heard, np.take_along_axis(end, best[:, None], axis=1)[:, 0], said)
    trust = np.where(labeled, (said + agreed) / 2, np.where(heard, end_p / 2, 0.0))
    pattern = vote_patterns(votes)[1] if pattern is None else pattern
    frame = pl.DataFrame(
        {
            keys.name: keys,
            "probabilities": _lists(final, voted),
            "label": _text(classes, best, labeled),
            "confidence": _number(p_best, voted),
            "margin": _number(p_best - p_second, voted),
            "lfs": _voters(votes, np.where(labeled, best, ABSTAIN), lfs),
            "model_probabilities": _lists(soft, voted),
            "model_label": _text(classes, model_best, voted & (model_p > model_second)),
            "model_confidence": _number(model_p, voted),
            "end_probabilities": _lists(end, heard),
            "end_label": _text(classes, end_best, heard),
            "end_confidence": _number(end_p, heard),
            "trust": trust,
            "second": _text(classes, second, voted),
            "pattern": pattern,
            "pattern_answers": np.zeros(len(votes), np.uint32) if answers is None else answers,
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
    per_pattern: int = 3,
    leave_out: Collection[Key] = (),
) -> pl.DataFrame:
    """Pick at most `budget` rows: key, slice, reason, prediction, score; first to ask first.

    Rows with equal votes on which the end model says the same make a cell. Cells come in the
    order of their mean trust, the least trusted first, and give `per_pattern` rows before any
    gives more. Which rows of a cell is left to chance, so that an answer is a fair sample of its
    cell and may inform it. Rows with too little text are asked only in the audit slice. The same
    seed draws the same rows.
    """
    if budget < 1 or not 0 <= audit_share <= 1 or per_pattern < 1:
        raise ConfigError(
            f"A review of {budget} rows with an audit share of {audit_share} cannot be made.",
            hint="The budget is at least 1, the audit share between 0 and 1.",
        )
    left_out = pl.Series(list(leave_out), dtype=scores[key].dtype)
    eligible = scores.filter(~pl.col(key).is_in(left_out.implode())).sort(key)
    audits = min(round(budget * audit_share), eligible.height)
    numbers = np.random.default_rng(seed)
    drawn = numbers.choice(eligible.height, size=audits, replace=False)
    audit = eligible[np.sort(drawn)].select(
        key,
        slice=pl.lit("audit"),
        reason=pl.lit(AUDIT_REASON),
        prediction=pl.lit(None, pl.String),
        score=pl.lit(None, pl.Float64),
    )
    rest = eligible.filter(~pl.col(key).is_in(audit[key].implode()) & ~pl.col("thin"))
    doubt = (
        _by_cell(rest, numbers.permutation(rest.height), per_pattern)
        .head(budget - audits)
        .select(
            key,
            slice=pl.lit("doubt"),
            reason=pl.coalesce("doubt", pl.lit("least trusted of the rest")),
            prediction=pl.coalesce("label", "end_label"),
            score=pl.col("trust"),
        )
        .sort("score", key)
    )
    return pl.concat([doubt, audit])


def _by_cell(
    rest: pl.DataFrame, chance: npt.NDArray[np.integer[Any]], per_pattern: int
) -> pl.DataFrame:
    """Rows in the order in which they are worth asking."""
    cell = ["pattern", "end_label"]
    return (
        rest.with_columns(chance=pl.Series(chance), cell=pl.col("trust").mean().over(cell))
        .sort("chance")
        .with_columns(round=pl.int_range(pl.len()).over(cell) // per_pattern)
        .sort("round", "cell", "chance")
    )


def asking_order(tasks: Sequence[Task]) -> list[Task]:
    """The order in which people see a batch: lowest score first, the audit slice spread evenly.

    Tasks without a score (the audit slice) keep their own order and stand at even distances, so
    that a review that ends early has still audited. Equal scores keep theirs.

    >>> def task(key, score):
    ...     return Task(key, "", {}, "", "audit" if score is None else "doubt", None, score)
    >>> given = [task("c", 0.3), task("a", 0.1), task("b", 0.2), task("d", 0.4)]
    >>> [task.key for task in asking_order([*given, task("x", None), task("y", None)])]
    ['a', 'x', 'b', 'c', 'y', 'd']
    """
    scored = iter(sorted((t for t in tasks if t.score is not None), key=lambda t: t.score or 0.0))
    unscored = [task for task in tasks if task.score is None]
    total, n = len(tasks), len(unscored)
    spread = {(2 * i + 1) * total // (2 * n): task for i, task in enumerate(unscored)}
    return [spread[place] if place in spread else next(scored) for place in range(total)]


def _known(soft: SoftLabels) -> npt.NDArray[np.bool_]:
    return np.asarray(~np.isnan(soft).any(axis=1), dtype=np.bool_)


def _two_best(
    soft: SoftLabels,
) -> tuple[
    npt.NDArray[np.intp], npt.NDArray[np.float64], npt.NDArray[np.intp], npt.NDArray[np.float64]
]:
    filled = np.nan_to_num(soft, nan=0.0)
    order = np.argsort(-filled, axis=1, kind="stable")[:, :2]
    p = np.take_along_axis(filled, order, axis=1)
    return order[:, 0], p[:, 0], order[:, 1], p[:, 1]


def _voters(votes: LabelMatrix, label: npt.NDArray[np.intp], lfs: Sequence[str]) -> pl.Series:
    """Names of the LFs that voted for each row's label; none where it has none."""
    said = (votes == label[:, None]) & (label != ABSTAIN)[:, None]
    sets, number = vote_patterns(said.view(np.int8))
    names = [[lfs[j] for j in np.flatnonzero(one)] for one in sets]
    return pl.Series(names, dtype=pl.List(pl.String)).gather(number)


def _text(
    names: Sequence[str], number: npt.NDArray[np.intp], known: npt.NDArray[np.bool_]
) -> pl.Series:
    return _where(pl.Series(names, dtype=pl.String).gather(number), known)


def _lists(values: SoftLabels, known: npt.NDArray[np.bool_]) -> pl.Series:
    shape = pl.Array(pl.Float64, values.shape[1])
    lists = pl.Series(np.ascontiguousarray(values), dtype=shape).cast(pl.List(pl.Float64))
    return _where(lists, known)


def _where(values: pl.Series, known: npt.NDArray[np.bool_]) -> pl.Series:
    """The values where they are known, else null."""
    return pl.select(pl.when(pl.Series(known)).then(values)).to_series()


def _number(values: npt.NDArray[np.float64], known: npt.NDArray[np.bool_]) -> pl.Series:
    return pl.Series(np.where(known, values, np.nan)).fill_nan(None)


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
