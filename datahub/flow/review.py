"""Act two: triage -> relabel -> final labels with provenance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from datahub.core.alike import Words, words
from datahub.core.dataset import Dataset, Key, content_hash
from datahub.core.errors import AnnotationError, NotFound
from datahub.core.layout import annotations_file, review_file, review_prefix
from datahub.core.relabel import Annotation, checked_label, current
from datahub.core.triage import QUEUED, Batch, Task, queue
from datahub.core.versions import Commit
from datahub.flow.annotations import Hashes, decisions_at, hashes_of, log_at
from datahub.flow.judging import drawn_at
from datahub.flow.judging_again import check_fitted, judged_again, relabeled
from datahub.flow.label import counts_of
from datahub.flow.steps import Step, begin, end
from datahub.flow.tables import (
    dataset_at,
    read_keys,
    read_parts,
    rows_of,
)
from datahub.ports import Catalog, EndModel, LedgerEntry, ReviewQueue, Rows, VersionStore

SHOWN = 20_000  # characters of a field that a person is shown


@dataclass(frozen=True)
class Pushed:
    """What a push asked; `doubt` and `audit` count tasks by slice."""

    batch: str
    tasks: int
    doubt: int
    audit: int
    where: str
    commit: Commit


@dataclass(frozen=True)
class PullReport:
    """What a pull brought: new log lines, answers it refused, rows it asked again."""

    dataset: str
    annotations: int
    refused: tuple[tuple[Key, str], ...]
    asked_again: tuple[Key, ...]
    statuses: dict[str, int]
    changed: int
    commit: Commit


@dataclass(frozen=True)
class Asked:
    """Rows that people were asked about; `answered` of them wait for a pull, None: not known."""

    rows: int
    answered: int | None


def push(
    dataset: str,
    *,
    budget: int,
    seed: int,
    audit_share: float,
    queue_name: str,
    queue_: ReviewQueue,
    store: VersionStore,
    rows: Rows,
    catalog: Catalog,
    step: Step,
) -> Pushed:
    """Ask people about at most `budget` rows: commit the tasks, then post them, exactly once.

    The commit comes first, so that a push cut short is finished by the next one.
    """
    head = begin(store, step)
    known = dataset_at(store, head.id, dataset)
    _finish_earlier(known, head.id, queue_name, queue_, store, catalog, step)
    check_fitted(store, head.id, dataset)
    wanted = [known.key, *QUEUED]
    parts = read_parts(store, rows, head.id, known, "soft_labels", columns=wanted)
    names = pl.col("label", "end_label").cast(pl.Enum(known.classes))  # numbers, for want of room
    scores = pl.concat([frame.with_columns(names) for _, frame in parts])
    answered = decisions_at(store, rows, head.id, known)
    waiting = _waiting(catalog, queue_name, dataset, step.branch)
    picked = queue(
        scores,
        key=known.key,
        budget=budget,
        seed=seed,
        audit_share=audit_share,
        leave_out={*answered, *waiting},
        words=lambda keys: _read(store, rows, head.id, known, keys),
    )
    keys = picked[known.key].to_list()
    content = rows_of(store, rows, head.id, known, keys)
    doubts = _doubts(store, rows, head.id, known, keys)
    tasks = [
        Task(
            key=line[known.key],
            row_hash=content_hash(content[line[known.key]]),
            fields=_fields(known, content[line[known.key]]),
            reason=(line["slice"] == "doubt" and doubts.get(line[known.key])) or line["reason"],
            slice=line["slice"],
            prediction=line["prediction"],
            score=line["score"],
        )
        for line in picked.iter_rows(named=True)
    ]
    if not tasks:
        return Pushed("", 0, 0, 0, queue_.where(), head)
    return _ask(tasks, known, queue_name, queue_, store, catalog, step)


def pull(
    dataset: str,
    *,
    queue_name: str,
    queue_: ReviewQueue,
    store: VersionStore,
    rows: Rows,
    catalog: Catalog,
    step: Step,
    end_model: EndModel | None = None,
) -> PullReport:
    """Take people's answers into the log, and make the labels what they say, in one commit.

    Answers inform rows alike, the end model learns from them, and the audit slice measures what
    may be accepted, under the policy of the last `label fit`.

    An answer outside the classes, an empty one, and one to a row that has changed since are
    refused, each with its reason; changed rows are asked again. Pulling twice adds nothing.
    """
    head = begin(store, step)
    known = dataset_at(store, head.id, dataset)
    where = {"queue": queue_name, "dataset": dataset, "branch": step.branch}
    pulled = queue_.pull(catalog.cursor(**where))
    step.progress("pull", len(pulled.annotations), len(pulled.annotations))
    old = {replace(entry, columns=None) for entry in log_at(store, head.id, dataset)}
    fresh = [entry for entry in pulled.annotations if replace(entry, columns=None) not in old]
    now = hashes_of(store, rows, [head.id], known, fresh)
    taken, refused, stale = _sorted_out(fresh, known, now)
    asked = {entry.key: entry.row_hash for entry in catalog.asked(**where)}
    stale = [entry for entry in stale if asked.get(entry.key) in (None, entry.row_hash)]
    refused = [*pulled.refused, *refused]
    check_fitted(store, head.id, dataset)
    commit, moved = head, 0
    if taken:
        found = judged_again(
            store,
            rows,
            head.id,
            known,
            end_model=end_model,
            decisions=decisions_at(store, rows, head.id, known, more=tuple(taken)),
            drawn=drawn_at(store, head.id, known),
            progress=step.progress,
        )
        changes, _, moved = relabeled(store, rows, head.id, known, found, step_id=step.id)
        log = "".join(entry.to_json() + "\n" for entry in taken)
        changes[annotations_file(dataset, step.id)] = store.put_bytes(log.encode())
        commit = end(
            store,
            step,
            head,
            changes,
            message=f"Take {len(taken)} annotations into {dataset}",
            metadata={"step": "review pull", "dataset": dataset, "annotations": str(len(taken))},
        )
    _mark(catalog, where, taken, stale)
    catalog.set_cursor(pulled.cursor, **where)
    again = _ask_again(stale, known, queue_name, queue_, store, rows, catalog, step)
    return PullReport(
        dataset=dataset,
        annotations=len(taken),
        refused=tuple(refused),
        asked_again=again,
        statuses=_statuses(store, rows, commit.id, known),
        changed=moved,
        commit=commit if not again else store.commit_at(step.branch),
    )


def answer(
    answers: Sequence[tuple[str, str | None]],
    *,
    dataset: str,
    ref: str,
    annotator: str,
    queue_: ReviewQueue,
    store: VersionStore,
) -> int:
    """Record one person's answers, (task id, label or None for a skip); all are checked first."""
    known = dataset_at(store, ref, dataset)
    for task_id, label in answers:
        checked_label(label, known.classes, key=task_id)
    for task_id, label in answers:
        queue_.answer(task_id, label, annotator=annotator)
    return len(answers)


def answers_by_key(
    lines: Sequence[Mapping[str, object]], *, key: str, annotator: str, queue_: ReviewQueue
) -> list[tuple[str, str | None]]:
    """(task id, label) of a table with a key column and a column `label`; empty labels skip.

    Raises AnnotationError when a column is missing or the annotator is not asked about a key.
    """
    waiting = queue_.open_tasks(annotator=annotator)
    open_tasks = {str(task.key): task_id for task_id, task in waiting}
    found: list[tuple[str, str | None]] = []
    for line in lines:
        if key not in line or "label" not in line:
            raise AnnotationError(
                f"The file has columns {', '.join(map(str, line))}.",
                hint=f"It needs {key!r} and 'label'; an empty label is a skip.",
            )
        if str(line[key]) not in open_tasks:
            raise AnnotationError(
                f"Row {line[key]!r} is not waiting for an answer of {annotator}'s.",
                hint="`datahub review answer --list --annotator NAME` shows the rows that are.",
            )
        label = line["label"]
        found.append((open_tasks[str(line[key])], None if label in (None, "") else str(label)))
    return found


def asked_rows(
    catalog: Catalog, *, queue_name: str, dataset: str, branch: str, queue_: ReviewQueue | None
) -> Asked:
    """How many rows people were asked about and no pull has brought yet; nothing is pulled.

    Without `queue_` nobody is asked how many of them are answered.
    """
    open_keys = _waiting(catalog, queue_name, dataset, branch)
    if not open_keys or queue_ is None:
        return Asked(len(open_keys), None)
    cursor = catalog.cursor(queue=queue_name, dataset=dataset, branch=branch)
    answered = {entry.key for entry in current(queue_.pull(cursor).annotations)}
    return Asked(len(open_keys), len(answered & open_keys))


def _doubts(
    store: VersionStore, rows: Rows, ref: str, known: Dataset, keys: Sequence[Key]
) -> dict[Key, str]:
    """Why the labels of these rows are doubted, where they are: text, and so read last."""
    found: dict[Key, str] = {}
    wanted = [known.key, "doubt"]
    for frame in read_keys(store, rows, ref, known, "soft_labels", keys, columns=wanted):
        found.update(frame.select(wanted).drop_nulls().iter_rows())
    return found


def _statuses(store: VersionStore, rows: Rows, ref: str, known: Dataset) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for _, frame in read_parts(store, rows, ref, known, "labels", columns=["status"]):
        counts.update(counts_of(frame["status"]))
    return dict(sorted(counts.items()))


def _ask(
    tasks: Sequence[Task],
    known: Dataset,
    queue_name: str,
    queue_: ReviewQueue,
    store: VersionStore,
    catalog: Catalog,
    step: Step,
) -> Pushed:
    batch = Batch(step.id, queue_name, tuple(tasks))
    audit = sum(task.slice == "audit" for task in tasks)
    entries = [
        LedgerEntry(
            queue_name, known.name, step.branch, batch.id, task.key, task.row_hash, "intent"
        )
        for task in tasks
    ]
    catalog.record_asked(entries)
    commit = end(
        store,
        step,
        store.commit_at(step.branch),
        {review_file(known.name, batch.id): store.put_bytes(batch.to_json().encode())},
        message=f"Ask people about {len(tasks)} rows of {known.name}",
        metadata={"step": "review push", "dataset": known.name, "tasks": str(len(tasks))},
    )
    _post(batch, entries, known, queue_, catalog, step)
    return Pushed(batch.id, len(tasks), len(tasks) - audit, audit, queue_.where(), commit)


def _post(
    batch: Batch,
    entries: Sequence[LedgerEntry],
    known: Dataset,
    queue_: ReviewQueue,
    catalog: Catalog,
    step: Step,
) -> None:
    queue_.push(batch.id, batch.tasks, classes=known.classes)
    catalog.record_asked([replace(entry, state="asked") for entry in entries])
    step.progress("push", len(entries), len(entries))


def _finish_earlier(
    known: Dataset,
    ref: str,
    queue_name: str,
    queue_: ReviewQueue,
    store: VersionStore,
    catalog: Catalog,
    step: Step,
) -> None:
    """Post what an earlier push committed and may not have posted; forget what it did not."""
    ledger = catalog.asked(queue=queue_name, dataset=known.name, branch=step.branch)
    files = store.objects(ref, review_prefix(known.name))
    for batch_id in sorted({entry.batch for entry in ledger if entry.state == "intent"}):
        entries = [entry for entry in ledger if entry.batch == batch_id]
        path = review_file(known.name, batch_id)
        if path in files:
            _post(Batch.from_json(store.read(files[path])), entries, known, queue_, catalog, step)
        else:
            catalog.record_asked([replace(entry, state="dropped") for entry in entries])


def _ask_again(
    stale: Sequence[Annotation],
    known: Dataset,
    queue_name: str,
    queue_: ReviewQueue,
    store: VersionStore,
    rows: Rows,
    catalog: Catalog,
    step: Step,
) -> tuple[Key, ...]:
    content = rows_of(store, rows, step.branch, known, list({entry.key for entry in stale}))
    tasks = [
        Task(
            key=key,
            row_hash=content_hash(row),
            fields=_fields(known, row),
            reason="the row changed after it was answered",
            slice="doubt",
            prediction=None,
            score=0.0,
        )
        for key, row in content.items()
    ]
    if tasks:
        again = Step(step.branch, step.author, step.time, f"{step.id}-again", step.progress)
        _ask(tasks, known, queue_name, queue_, store, catalog, again)
    return tuple(content)


def _sorted_out(
    fresh: Sequence[Annotation], known: Dataset, now: Hashes
) -> tuple[list[Annotation], list[tuple[Key, str]], list[Annotation]]:
    taken, refused, stale = [], [], []
    for entry in fresh:
        try:
            checked_label(entry.label, known.classes, key=entry.key)
        except AnnotationError as error:
            refused.append((entry.key, error.message))
            continue
        if entry.key not in now:
            refused.append((entry.key, "The row is no longer in the dataset."))
        elif entry.row_hash not in now[entry.key]:
            refused.append((entry.key, "What was shown of the row has changed since."))
            stale.append(entry)
        else:
            taken.append(entry)
    return taken, refused, stale


def _mark(
    catalog: Catalog,
    where: Mapping[str, str],
    taken: Sequence[Annotation],
    stale: Sequence[Annotation],
) -> None:
    ledger = {entry.key: entry for entry in catalog.asked(**where)}
    live = {entry.id for entry in current(taken)}
    states = {entry.key: "answered" if entry.id in live else "asked" for entry in taken}
    states |= dict.fromkeys((entry.key for entry in stale), "stale")
    catalog.record_asked(
        [replace(ledger[key], state=state) for key, state in states.items() if key in ledger]
    )


def _waiting(catalog: Catalog, queue_name: str, dataset: str, branch: str) -> set[Key]:
    ledger = catalog.asked(queue=queue_name, dataset=dataset, branch=branch)
    return {entry.key for entry in ledger if entry.state in ("intent", "asked")}


def _read(
    store: VersionStore, rows: Rows, ref: str, known: Dataset, keys: Sequence[Key]
) -> dict[Key, Words]:
    """What a person reads of each row: the words of its text, or its values where it has none."""
    if not known.text:
        content = rows_of(store, rows, ref, known, keys)
        return {
            key: frozenset(f"{name}={value}" for name, value in row.items())
            for key, row in content.items()
        }
    wanted = list(dict.fromkeys((known.key, known.text)))
    frames = read_keys(store, rows, ref, known, "rows", keys, columns=wanted)
    return {
        key: words(str(text or "")[:SHOWN])
        for frame in frames
        for key, text in zip(frame[known.key], frame[known.text], strict=True)
    }


def _fields(known: Dataset, row: Mapping[str, object]) -> dict[str, str]:
    """What a person is shown: the text first, other columns after it."""
    names = sorted(row, key=lambda name: name != known.text)
    shown = {name: "" if row[name] is None else str(row[name])[:SHOWN] for name in names}
    if not shown:
        raise NotFound(
            f"Dataset {known.name!r} has no column that a person could be shown.",
            hint="Import at least one column besides the key.",
        )
    return shown
