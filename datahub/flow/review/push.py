"""Rows chosen for people, and asked: commit the tasks, then post them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from datahub.core.alike import Words, words
from datahub.core.dataset import Key, content_hash
from datahub.core.triage import QUEUE_COLUMNS, Task, queue
from datahub.core.versions import Commit
from datahub.flow.dataset.annotations import decisions_at
from datahub.flow.dataset.at import At
from datahub.flow.label.judging_again import check_fitted
from datahub.flow.review.asking import (
    FIELD_LIMIT,
    NOTHING_FOUND,
    Asking,
    Discrepancies,
    ask,
    ask_again,
    reconcile,
    shown_fields,
    waiting,
)


@dataclass(frozen=True)
class PushReport:
    """What a push asked; `doubt` and `audit` count tasks by slice."""

    batch: str
    tasks: int
    doubt: int
    audit: int
    where: str
    commit: Commit
    asked_again: int = 0  # rows asked before whose task was deleted, or that changed
    found: Discrepancies = NOTHING_FOUND


def push(review: Asking, *, budget: int, seed: int, audit_share: float) -> PushReport:
    """Ask people about at most `budget` rows: commit the tasks, then post them, exactly once.

    The commit comes first, so that a push cut short is finished by the next one.
    """
    review.check()
    discrepancies = reconcile(review)
    again, head = ask_again(review)
    review = review.on(head)
    check_fitted(review.at)
    tasks = _choose_tasks(review, budget=budget, seed=seed, audit_share=audit_share)
    if not tasks:
        return PushReport("", 0, 0, 0, review.queue.where(), head, len(again), discrepancies)
    batch, commit = ask(review, tasks, step=review.step)
    audit = sum(task.slice == "audit" for task in tasks)
    return PushReport(
        batch=batch.id,
        tasks=len(tasks),
        doubt=len(tasks) - audit,
        audit=audit,
        where=review.queue.where(),
        commit=commit,
        asked_again=len(again),
        found=discrepancies,
    )


def _choose_tasks(review: Asking, *, budget: int, seed: int, audit_share: float) -> list[Task]:
    """The rows to ask about, as tasks."""
    at = review.at
    queue_rows = queue(
        _scores(at),
        key=at.key,
        budget=budget,
        seed=seed,
        audit_share=audit_share,
        leave_out={*decisions_at(at), *waiting(review.ledger())},
        words=lambda keys: _read(at, keys),
    )
    keys = queue_rows[at.key].to_list()
    content, doubts = review.content(keys), _doubts(at, keys)
    return [
        _task(at, line, content[line[at.key]], doubts.get(line[at.key]))
        for line in queue_rows.iter_rows(named=True)
    ]


def _task(
    at: At, line: Mapping[str, Any], content: Mapping[str, object], doubt: str | None
) -> Task:
    """A line of the queue as a task."""
    return Task(
        key=line[at.key],
        row_hash=content_hash(content),
        fields=shown_fields(at.dataset, content),
        reason=(line["slice"] == "doubt" and doubt) or line["reason"],
        slice=line["slice"],
        prediction=line["prediction"],
        score=line["score"],
    )


def _scores(at: At) -> pl.DataFrame:
    """What rows are chosen by; class names as numbers, for want of room."""
    names = pl.col("label", "end_label").cast(pl.Enum(at.dataset.classes))
    columns, schema = (
        list(QUEUE_COLUMNS),
        at.rows.scan(at.files("soft_labels")[:1]).collect_schema(),
    )
    if "queue_trust" not in schema:  # as an earlier datahub wrote it: one trust for both
        columns[columns.index("queue_trust")] = "trust"
    parts = at.parts("soft_labels", columns=[at.key, *columns])
    return pl.concat([frame.with_columns(names) for _, frame in parts]).rename(
        {"trust": "queue_trust"}, strict=False
    )


def _doubts(at: At, keys: Sequence[Key]) -> dict[Key, str]:
    """Why the labels of these rows are doubted, where they are: text, and so read last."""
    columns = [at.key, "doubt"]
    return {
        key: doubt
        for frame in at.lines("soft_labels", keys, columns=columns)
        for key, doubt in frame.select(columns).drop_nulls().iter_rows()
    }


def _read(at: At, keys: Sequence[Key]) -> dict[Key, Words]:
    """What a person reads of each row: the words of its text, or its values where it has none."""
    if not at.dataset.text:
        return {
            key: frozenset(f"{name}={value}" for name, value in row.items())
            for key, row in at.content(keys).items()
        }
    return {key: words(text) for key, text in _texts(at, at.dataset.text, keys)}


def _texts(at: At, column: str, keys: Sequence[Key]) -> Iterator[tuple[Key, str]]:
    """Key and text of these rows, as far as a person is shown it."""
    columns = list(dict.fromkeys((at.key, column)))
    for frame in at.lines("rows", keys, columns=columns):
        for key, text in zip(frame[at.key], frame[column], strict=True):
            yield key, str(text or "")[:FIELD_LIMIT]
