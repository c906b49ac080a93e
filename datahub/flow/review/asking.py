"""Rows out to people, each once, whatever was lost on the way: the ledger and the queue in step.

The ledger says what should be asked, the queue what is. Before anything else a push or a pull
holds the two against each other; what should be asked and is not is asked again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from datahub.core.dataset import Dataset, Key, content_hash
from datahub.core.errors import DatasetNotFound, NotFound
from datahub.core.layout import review_file
from datahub.core.leaving import NO_RULE, Leaving
from datahub.core.triage import Batch, Task
from datahub.core.versions import Commit
from datahub.flow.dataset.at import At
from datahub.flow.dataset.draft import Draft
from datahub.flow.review.answers import without_place
from datahub.flow.steps import Step
from datahub.ports import Catalog, LedgerEntry, Reconciliation, ReviewQueue, Where

FIELD_LIMIT = 20_000  # characters of a field that a person is shown
AGAIN = "-again"  # ends the id of a batch of rows that changed after they were asked


@dataclass(frozen=True)
class Discrepancies:
    """How a queue differs from the ledger: counts of tasks, and sentences for a person."""

    deleted: int = 0
    doubled: int = 0
    foreign: int = 0
    notes: tuple[str, ...] = ()


NOTHING_FOUND = Discrepancies()


@dataclass(frozen=True)
class Asking:
    """A queue, and all it takes to ask in it about one dataset at the head of one branch.

    `leaving` says which columns may go there.
    """

    at: At
    queue_name: str
    queue: ReviewQueue
    catalog: Catalog
    step: Step
    leaving: Leaving = NO_RULE

    @property
    def where(self) -> Where:
        """Which part of the catalog is about it."""
        return Where(queue=self.queue_name, dataset=self.at.name, branch=self.step.branch)

    def check(self) -> None:
        """Raise DatasetNotFound, before anybody is asked."""
        if not self.at.exists:
            raise DatasetNotFound(self.at.name, self.at.ref)

    def content(self, keys: Sequence[Key]) -> dict[Key, dict[str, object]]:
        """What of these rows people may be shown. Raises ConfigError: not the key, or nothing.

        A task names its row by the key.
        """
        dataset = self.at.dataset
        self.leaving.check(f"A task in {self.queue_name}", [dataset.key])
        if not self.leaving.only(dict.fromkeys(dataset.content_columns)):
            self.leaving.check(f"A task in {self.queue_name}", dataset.content_columns)
        rows = self.at.content(keys)
        return {key: self.leaving.only(row) for key, row in rows.items()}

    def on(self, commit: Commit) -> Asking:
        """The same on top of what was committed since."""
        if commit.id == self.at.id:
            return self
        return replace(self, at=self.at.on(commit))

    def ledger(self) -> list[LedgerEntry]:
        """What people were asked, as far as is known."""
        return self.catalog.ledger(**self.where)


def reconcile(review: Asking) -> Discrepancies:
    """Hold the queue against the ledger, and note in it what is asked there no more."""
    memory = review.catalog.memory("seen", **review.where)
    report, update = review.queue.check(review.catalog.cursor(**review.where), memory)
    missing = missing_entries(review.ledger(), report)
    refusals = review.catalog.memory("refused", **review.where).recall() if update.afresh else {}
    settlements = refusals.keys() - without_place(refusals).keys()
    review.catalog.keep(
        update, entries=missing, refusals=dict.fromkeys(settlements), **review.where
    )
    return summarize(report, missing)


def missing_entries(ledger: Iterable[LedgerEntry], report: Reconciliation) -> list[LedgerEntry]:
    """Entries of rows that should be asked, and are not asked in the queue: they are `gone`."""
    missing = set(report.missing)
    return [
        replace(entry, state="gone")
        for entry in ledger
        if entry.state == "asked"
        and (
            (entry.key, entry.row_hash) in missing
            if report.present is None
            else (entry.key, entry.row_hash) not in report.present
        )
    ]


def summarize(report: Reconciliation, missing: Sequence[LedgerEntry]) -> Discrepancies:
    """The same for a person."""
    notes = list(report.notes)
    if report.is_closed and missing:
        notes.append(f"{len(missing)} open tasks are asked again by the next `datahub review push`")
    return Discrepancies(report.deletions, report.duplicates, report.foreign, tuple(notes))


def ask(review: Asking, tasks: Sequence[Task], *, step: Step) -> tuple[Batch, Commit]:
    """Commit a batch of tasks, then post them: a push cut short is finished by the next."""
    batch = Batch(step.id, review.queue_name, tuple(tasks))
    entries = [
        LedgerEntry(**review.where, batch=batch.id, key=t.key, row_hash=t.row_hash, state="intent")
        for t in tasks
    ]
    review.catalog.record_entries(entries)
    name = review.at.name
    draft = Draft(review.at)
    draft.put(review_file(name, batch.id), batch.to_json())
    commit = draft.commit(
        step,
        message=f"Ask people about {len(tasks)} rows of {name}",
        metadata={"step": "review push", "dataset": name, "tasks": str(len(tasks))},
    )
    _post(review, batch, entries)
    return batch, commit


def ask_again(review: Asking) -> tuple[tuple[Key, ...], Commit]:
    """Ask what should be asked and is not: posts cut short, tasks deleted, rows that changed.

    A row is asked as it was, where it still is so, and else as it is now; one that is no longer in
    the dataset is let go. Returns the keys of what was asked before, and now is again, and the
    head from then on.
    """
    entries = [entry for entry in review.ledger() if entry.state in ("intent", "gone", "stale")]
    if not entries:
        return (), review.at.commit
    batches = {batch.id: {task.key: task for task in batch.tasks} for batch in review.at.batches}
    content = review.content([entry.key for entry in entries])
    entries_by_task: dict[str, list[LedgerEntry]] = defaultdict(list)
    revisions: list[LedgerEntry] = []
    deletions: list[LedgerEntry] = []
    for entry in entries:
        task = batches.get(entry.batch, {}).get(entry.key)
        if entry.state == "intent" and task is None and not entry.batch.endswith(AGAIN):
            deletions.append(entry)  # never committed: the next queue may choose it
        elif entry.state == "intent" and task and not review.leaving.withheld(task.fields):
            entries_by_task[entry.batch].append(entry)
        elif entry.key not in content:
            deletions.append(entry)
        elif entry.state == "gone" and task and _is_as_shown(task, content[entry.key]):
            entries_by_task[entry.batch].append(entry)
        else:
            revisions.append(entry)
    review.catalog.record_entries([replace(entry, state="dropped") for entry in deletions])
    _post_again(review, entries_by_task, batches)
    head = _ask_changed(review, [entry.key for entry in revisions], content)
    repeats = [e for entries in entries_by_task.values() for e in entries if e.state == "gone"]
    return tuple(entry.key for entry in (*repeats, *revisions)), head


def waiting(ledger: Iterable[LedgerEntry]) -> set[Key]:
    """Keys of rows that people are asked about, and no pull has brought yet."""
    return {entry.key for entry in ledger if entry.state in ("intent", "asked")}


def shown_fields(dataset: Dataset, row: Mapping[str, object]) -> dict[str, str]:
    """What a person is shown: the text first, other columns after it."""
    names = sorted(row, key=lambda name: name != dataset.text)
    fields = {name: "" if row[name] is None else str(row[name])[:FIELD_LIMIT] for name in names}
    if not fields:
        raise NotFound(
            f"Dataset {dataset.name!r} has no column that a person could be shown.",
            hint="Import at least one column besides the key.",
        )
    return fields


def _post(review: Asking, batch: Batch, entries: Sequence[LedgerEntry]) -> None:
    update = review.queue.push(
        batch.id,
        batch.tasks,
        classes=review.at.dataset.classes,
        cursor=review.catalog.cursor(**review.where),
        memory=review.catalog.memory("seen", **review.where),
    )
    ledger_entries = [replace(entry, state="asked") for entry in entries]
    review.catalog.keep(update, entries=ledger_entries, **review.where)
    review.step.progress("push", len(entries), len(entries))


def _post_again(
    review: Asking,
    entries: Mapping[str, Sequence[LedgerEntry]],
    batches: Mapping[str, Mapping[Key, Task]],
) -> None:
    """Post tasks as they were, in the batches that they were of."""
    for number, of_batch in sorted(entries.items()):
        tasks = tuple(batches[number][entry.key] for entry in of_batch)
        _post(review, Batch(number, review.queue_name, tasks), of_batch)


def _is_as_shown(task: Task, row: Mapping[str, object]) -> bool:
    """Whether the row still has the values that the task showed."""
    fields = {name: row[name] for name in task.fields if name in row}
    return len(fields) == len(task.fields) and content_hash(fields) == task.row_hash


def _ask_changed(
    review: Asking, keys: Sequence[Key], content: Mapping[Key, Mapping[str, object]]
) -> Commit:
    """Ask about rows as they are now, in a batch of their own; returns the head from then on."""
    if not keys:
        return review.at.commit
    tasks = [
        Task(
            key=key,
            row_hash=content_hash(content[key]),
            fields=shown_fields(review.at.dataset, content[key]),
            reason="the row changed after it was asked",
            slice="doubt",
            prediction=None,
            score=0.0,
        )
        for key in keys
    ]
    step = review.step
    again = Step(step.branch, step.author, step.time, f"{step.id}{AGAIN}", step.progress)
    return ask(review, tasks, step=again)[1]
