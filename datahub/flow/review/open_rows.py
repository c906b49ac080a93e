"""Rows that wait for people, as of now: what changed since it was asked waits for nobody."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import starmap

from datahub.core.dataset import Key
from datahub.core.relabel import Annotation, counts, current
from datahub.core.shown import columns_of
from datahub.core.triage import Task
from datahub.flow.dataset.annotations import hashes_of
from datahub.flow.dataset.at import At
from datahub.flow.review.answers import read
from datahub.flow.review.asking import waiting
from datahub.ports import Catalog, ReviewQueue, Where


@dataclass(frozen=True)
class OpenRows:
    """Rows that people were asked about; `answered` of them wait for a pull, None: not known."""

    rows: int
    answered: int | None


def open_tasks(at: At, tasks: Sequence[tuple[str, Task]]) -> list[tuple[str, Task]]:
    """Those of a queue's tasks whose rows are what is shown of them."""
    rows_as_shown = as_shown(at, [task for _, task in tasks])
    return [(number, task) for number, task in tasks if (task.key, task.row_hash) in rows_as_shown]


def as_shown(at: At, tasks: Collection[Task]) -> set[tuple[Key, str]]:
    """(key, row hash) of tasks whose rows are what was shown of them."""
    lines = [
        Annotation("", t.key, t.row_hash, None, "", "", "", columns=columns_of(t.fields))
        for t in tasks
    ]
    hashes = hashes_of(at, lines)
    return {(line.key, line.row_hash) for line in lines if counts(line, hashes)}


def asked_rows(
    at: At, catalog: Catalog, *, queue_name: str, branch: str, queue: ReviewQueue | None
) -> OpenRows:
    """How many rows people were asked about and no pull has brought yet; nothing is pulled.

    Rows that changed since are not among them: the next push or pull asks them again. Without
    `queue` nobody is asked how many of them are answered.
    """
    where = Where(queue=queue_name, dataset=at.name, branch=branch)
    entries = [e for e in catalog.ledger(**where) if e.state in ("intent", "asked")]
    if not entries:
        return OpenRows(0, None)
    pairs = {(entry.key, entry.row_hash) for entry in entries}
    tasks = {(t.key, t.row_hash): t for batch in at.batches for t in batch.tasks}
    matches = [tasks[pair] for pair in pairs if pair in tasks]
    stale = {(task.key, task.row_hash) for task in matches} - as_shown(at, matches)
    keys = waiting(e for e in entries if (e.key, e.row_hash) not in stale)
    if not keys or queue is None:
        return OpenRows(len(keys), None)
    response = queue.pull(catalog.cursor(**where), catalog.memory("seen", **where))
    answered_keys = {entry.key for entry in current(response.annotations)}
    return OpenRows(len(keys), len(answered_keys & keys))


def refused_answers(
    catalog: Catalog, *, queue_name: str, dataset: str, branch: str
) -> list[tuple[Key, str]]:
    """(key, reason) of answers that pulls could not take, and that are not settled yet."""
    memory = catalog.memory("refused", queue=queue_name, dataset=dataset, branch=branch).recall()
    return [(answer.key, answer.reason) for answer in starmap(read, memory.items())]
