"""What people said, and what a row's label is in the end.

An annotation is one line of an append-only log: an edit or a withdrawal is a
later line with the same id. Several people's answers go by majority; a tie
stays open. An answer counts only while what was shown of the row is what it was
(core.shown) and its label is a class, and until an answer that settles it: one
that was given where branches disagreed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Literal

import polars as pl

from datahub.core.class_names import classes_hint
from datahub.core.dataset import Key
from datahub.core.errors import AnnotationError, InputError
from datahub.core.outcome import NO_THRESHOLDS, Triage, good_labels, outcome, why_not

PEOPLE = {"tie": "people disagree", "skipped": "a person could not say"}  # why there is no label


@dataclass(frozen=True)
class Annotation:
    """One person's answer about one row. `label` None is a skip: the person could not say.

    `settles` are ids of answers that no longer count, as they were up to `time`. `columns` are
    those that were shown, in the order of their names; None: a line from before they were kept.
    """

    id: str  # stays the same through edits
    key: Key
    row_hash: str  # core.dataset.content_hash of the row's values in the columns that were shown
    label: str | None
    annotator: str
    time: str  # ISO 8601, as the queue recorded it
    batch: str
    withdrawn: bool = False
    settles: tuple[str, ...] = ()
    columns: tuple[str, ...] | None = None

    def to_json(self) -> str:
        """One line of the log, without its newline."""
        line = asdict(self)
        if not self.settles:
            del line["settles"]
        if self.columns is None:
            del line["columns"]
        return json.dumps(line, sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str | bytes) -> Annotation:
        """Read what `to_json` wrote. Raises InputError for a line of a later datahub."""
        raw = json.loads(line)
        strange = sorted(set(raw) - {field.name for field in fields(cls)})
        if strange:
            raise InputError(
                f"The annotation log has lines with {strange[0]!r}, which this datahub does not "
                "know.",
                hint="A later datahub wrote them. Upgrade datahub.",
            )
        columns = raw.get("columns")
        return cls(
            **{
                **raw,
                "settles": tuple(raw.get("settles", ())),
                "columns": None if columns is None else tuple(columns),
            }
        )


@dataclass(frozen=True)
class Decision:
    """What people's answers to one row come to; `by` are the annotations that say so."""

    outcome: Literal["label", "tie", "skipped"]
    label: str | None
    by: tuple[str, ...]
    annotators: int


def log_lines(contents: Iterable[bytes]) -> list[Annotation]:
    """All lines of these files of an annotation log, in the order of their time."""
    lines = [Annotation.from_json(line) for text in contents for line in text.splitlines() if line]
    return sorted(lines, key=lambda entry: (entry.time, entry.id))


def current(log: Iterable[Annotation]) -> list[Annotation]:
    """The latest line of every annotation, withdrawn ones dropped, in log order of first lines."""
    latest: dict[str, Annotation] = {}
    for entry in log:
        earlier = latest.get(entry.id)
        if earlier is None or entry.time >= earlier.time:
            latest[entry.id] = entry
    return [entry for entry in latest.values() if not entry.withdrawn]


def decide(
    log: Iterable[Annotation],
    row_hashes: Mapping[Key, Collection[str]],
    *,
    classes: Collection[str] | None = None,
) -> dict[Key, Decision]:
    """Return the decision for every key that has a counting answer.

    `row_hashes` are of the rows as they are now, in the columns that were shown (core.shown);
    answers to other content do not count, nor do those that are none of `classes`, where given.
    One person's latest answer to a row counts once.

    >>> a = Annotation("1", "k", "h", "tech", "ann", "2026-01-01", "b")
    >>> decide([a], {"k": {"h"}})["k"].label
    'tech'
    >>> decide([a], {"k": {"changed"}})
    {}
    >>> decide([a], {"k": {"h"}}, classes=["sport", "news"])
    {}
    """
    counting = answers_by_row(log, row_hashes, classes=classes)
    return {key: _decision(answers) for key, answers in counting.items()}


def counts(
    entry: Annotation,
    row_hashes: Mapping[Key, Collection[str]],
    *,
    classes: Collection[str] | None = None,
) -> bool:
    """Whether what was shown is what is there, and the label (if it is no skip) a class."""
    is_class = entry.label is None or classes is None or entry.label in classes
    return is_class and entry.row_hash in row_hashes.get(entry.key, ())


def answers_by_row(
    log: Iterable[Annotation],
    row_hashes: Mapping[Key, Collection[str]],
    *,
    classes: Collection[str] | None = None,
) -> dict[Key, list[Annotation]]:
    """The answers that count for each row: one per person, none that a later answer settles.

    >>> a = Annotation("1", "k", "h", "tech", "ann", "2026-01-01", "b")
    >>> b = Annotation("2", "k", "h", "sport", "bob", "2026-01-02", "b")
    >>> c = Annotation("3", "k", "h", "tech", "cleo", "2026-01-03", "b", settles=("1", "2"))
    >>> [answer.annotator for answer in answers_by_row([a, b, c], {"k": {"h"}})["k"]]
    ['cleo']
    """
    live = [entry for entry in current(log) if counts(entry, row_hashes, classes=classes)]
    until: dict[str, str] = {}
    for entry in live:
        for annotation_id in entry.settles:
            until[annotation_id] = max(entry.time, until.get(annotation_id, ""))
    by_row: dict[Key, dict[str, Annotation]] = {}
    for entry in sorted(live, key=lambda entry: (entry.time, entry.id)):
        if entry.time > until.get(entry.id, ""):
            by_row.setdefault(entry.key, {})[entry.annotator] = entry
    return {key: list(answers.values()) for key, answers in by_row.items()}


def _decision(answers: list[Annotation]) -> Decision:
    tally = Counter(answer.label for answer in answers if answer.label is not None)
    if not tally:
        return Decision("skipped", None, tuple(sorted(a.id for a in answers)), len(answers))
    (label, count), *runners_up = tally.most_common()
    if runners_up and runners_up[0][1] == count:
        return Decision("tie", None, tuple(sorted(a.id for a in answers)), len(answers))
    by = tuple(sorted(answer.id for answer in answers if answer.label == label))
    return Decision("label", label, by, len(answers))


def checked_label(label: str | None, classes: tuple[str, ...], *, key: Key) -> str | None:
    """Return the label if it is a class (or a skip), else raise AnnotationError."""
    if label is None or label in classes:
        return label
    raise AnnotationError(
        f"The answer to {key!r} is {label!r}, which is not a class of the dataset.",
        hint=f"{classes_hint(str(label), classes)} Fix the answer and pull again.",
    )


def _reason() -> pl.Expr:
    """Why a row is not accepted; null where it is, or where people decided."""
    return (
        pl.when(pl.col("people") == "tie")
        .then(pl.lit(PEOPLE["tie"]))
        .when(pl.col("people") == "skipped")
        .then(pl.lit(PEOPLE["skipped"]))
        .when(pl.col("becomes") == "accept")
        .then(pl.lit(None, pl.String))
        .when("thin")
        .then(pl.lit("too little text"))
        .otherwise("doubt")
    )


def final_labels(
    scores: pl.DataFrame,
    decisions: Mapping[Key, Decision],
    *,
    key: str,
    model: str,
    triage: Triage = NO_THRESHOLDS,
) -> pl.DataFrame:
    """One line a row: its label in the end, what becomes of it, and what made it so.

    Columns: the key; label; status (accepted: by a threshold that holds; unmeasured: nothing doubts
    it, and no threshold is measured yet; doubted, annotated, open: people are tied, unlabeled);
    source (label_model, end_model: no LF voted and the audit slice lets it, annotation, null);
    outcome (core.outcome); confidence (of the model, or the share of people who said so);
    reason (why it is not accepted); lfs, model, pattern_answers (how many answers to rows alike
    had their part in it) and annotations: the provenance.
    """
    decision_table = _decision_table(scores.schema[key], decisions, key=key)
    rows = scores.join(decision_table, on=key, how="left", maintain_order="left")
    good, from_end = good_labels(triage)
    from_end = from_end & (outcome(from_end, triage.policy) == "accept")
    rows = rows.with_columns(
        by_end=from_end & pl.col("people").is_null(),
        becomes=outcome(good | from_end, triage.policy),
        doubt=why_not(triage),
        undoubted=pl.col("doubt").is_null(),
    ).with_columns(label=pl.when("by_end").then("end_label").otherwise("label"))
    by_people = pl.col("people") == "label"
    lfs = pl.when(pl.col("label").is_null()).then(pl.lit([], pl.List(pl.String))).otherwise("lfs")
    return rows.select(
        key,
        label=pl.coalesce("said", "label"),
        status=_status(triage),
        source=pl.when(by_people)
        .then(pl.lit("annotation"))
        .when("by_end")
        .then(pl.lit("end_model"))
        .when(pl.col("label").is_not_null())
        .then(pl.lit("label_model")),
        outcome=pl.col("becomes"),
        confidence=pl.when(by_people)
        .then("share")
        .when("by_end")
        .then("end_confidence")
        .otherwise("confidence"),
        reason=_reason(),
        lfs=lfs,
        model=pl.when(pl.col("label").is_not_null()).then(pl.lit(model)),
        pattern_answers=pl.col("pattern_answers"),
        annotations=pl.coalesce("annotations", pl.lit([], pl.List(pl.String))),
    )


def _decision_table(
    kind: pl.DataType, decisions: Mapping[Key, Decision], *, key: str
) -> pl.DataFrame:
    rows = [
        {
            key: row,
            "people": decision.outcome,
            "skips": decision.annotators if decision.outcome == "skipped" else 0,
            "said": decision.label,
            "share": len(decision.by) / decision.annotators,
            "annotations": list(decision.by),
        }
        for row, decision in decisions.items()
    ]
    schema = {
        key: kind,
        "people": pl.String(),
        "skips": pl.Int64(),
        "said": pl.String(),
        "share": pl.Float64(),
        "annotations": pl.List(pl.String),
    }
    return pl.DataFrame(rows, schema=schema)


def _status(triage: Triage) -> pl.Expr:
    """`accepted` is measured alone, whatever becomes of labels before that."""
    people = pl.col("people")
    has_no_measure = pl.col("undoubted") & pl.lit(triage.covered.state == "unmeasured")
    return (
        pl.when(people == "label")
        .then(pl.lit("annotated"))
        .when(people == "tie")
        .then(pl.lit("open"))
        .when(pl.col("label").is_null())
        .then(pl.lit("unlabeled"))
        .when(pl.col("by_end"))
        .then(pl.lit("accepted"))
        .when(has_no_measure & pl.col("becomes").is_in(["accept", "ask"]))
        .then(pl.lit("unmeasured"))
        .when(pl.col("becomes") == "accept")
        .then(pl.lit("accepted"))
        .otherwise(pl.lit("doubted"))
    )
