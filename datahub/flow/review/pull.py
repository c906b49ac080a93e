"""Act two: triage -> relabel -> final labels with provenance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import starmap

import polars as pl

from datahub.core.alike import Words, words
from datahub.core.dataset import Dataset, Key, content_hash
from datahub.core.errors import AnnotationError
from datahub.core.layout import annotations_file
from datahub.core.relabel import Annotation, checked_label, current
from datahub.core.triage import QUEUE_COLUMNS, Task, queue
from datahub.core.versions import Commit
from datahub.flow.dataset.annotations import decisions_at, hashes_of, log_at
from datahub.flow.dataset.at import At
from datahub.flow.dataset.tables import (
    dataset_at,
    read_keys,
    read_parts,
    rows_of,
)
from datahub.flow.label.fit import counts_of
from datahub.flow.label.judging_again import check_fitted, judged_again, relabeled
from datahub.flow.review.answers import (
    Sorted,
    latest,
    marks,
    read,
    remembered,
    still_waiting,
    told,
)
from datahub.flow.review.asking import (
    NOTHING_FOUND,
    SHOWN,
    Asking,
    Found,
    ask,
    ask_again,
    lost,
    noticed,
    reconcile,
    shown_fields,
    waiting,
)
from datahub.flow.steps import Step, begin, end
from datahub.ports import Catalog, EndModel, LedgerEntry, ReviewQueue, Rows, VersionStore, Where


@dataclass(frozen=True)
class Pushed:
    """What a push asked; `doubt` and `audit` count tasks by slice."""

    batch: str
    tasks: int
    doubt: int
    audit: int
    where: str
    commit: Commit
    asked_again: int = 0  # rows asked before whose task was deleted, or that changed
    found: Found = NOTHING_FOUND


@dataclass(frozen=True)
class PullReport:
    """What a pull brought: new log lines, answers it refused, rows it asked again.

    `refused` are (key, reason) of answers that wait until a person settles them, at each pull.
    """

    dataset: str
    annotations: int
    refused: tuple[tuple[Key, str], ...]
    asked_again: tuple[Key, ...]
    statuses: dict[str, int]
    changed: int
    commit: Commit
    withdrawn: int = 0
    found: Found = NOTHING_FOUND


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
    begin(store, step)
    known = dataset_at(store, step.branch, dataset)
    asking = Asking(known, queue_name, queue_, store, rows, catalog, step)
    found = reconcile(asking)
    again = len(ask_again(asking, step.branch))
    head = store.commit_at(step.branch)
    at = At(store, rows, head, dataset)
    check_fitted(at)
    wanted = [known.key, *QUEUE_COLUMNS]
    parts = read_parts(store, rows, head.id, known, "soft_labels", columns=wanted)
    names = pl.col("label", "end_label").cast(pl.Enum(known.classes))  # numbers, for want of room
    scores = pl.concat([frame.with_columns(names) for _, frame in parts])
    answered = decisions_at(at)
    picked = queue(
        scores,
        key=known.key,
        budget=budget,
        seed=seed,
        audit_share=audit_share,
        leave_out={*answered, *waiting(asking.ledger())},
        words=lambda keys: _read(store, rows, head.id, known, keys),
    )
    keys = picked[known.key].to_list()
    content = rows_of(store, rows, head.id, known, keys)
    doubts = _doubts(store, rows, head.id, known, keys)
    tasks = [
        Task(
            key=line[known.key],
            row_hash=content_hash(content[line[known.key]]),
            fields=shown_fields(known, content[line[known.key]]),
            reason=(line["slice"] == "doubt" and doubts.get(line[known.key])) or line["reason"],
            slice=line["slice"],
            prediction=line["prediction"],
            score=line["score"],
        )
        for line in picked.iter_rows(named=True)
    ]
    if not tasks:
        return Pushed("", 0, 0, 0, queue_.where(), head, again, found)
    batch, commit = ask(asking, tasks, step=step)
    audit = sum(task.slice == "audit" for task in tasks)
    doubt = len(tasks) - audit
    return Pushed(batch.id, len(tasks), doubt, audit, queue_.where(), commit, again, found)


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
    asking = Asking(known, queue_name, queue_, store, rows, catalog, step)
    pulled = queue_.pull(catalog.cursor(**asking.where), catalog.memory("seen", **asking.where))
    step.progress("pull", len(pulled.annotations), len(pulled.annotations))
    before = catalog.memory("refused", **asking.where).recall()
    waiting_on = still_waiting(before, pulled)
    earlier = [refused.entry for refused in waiting_on if refused.entry]
    log = log_at(store, head.id, dataset)
    old = {replace(entry, columns=None) for entry in log}
    lines = (*pulled.annotations, *earlier)
    fresh = [entry for entry in lines if replace(entry, columns=None) not in old]
    now = hashes_of(store, rows, [head.id], known, fresh)
    found = Sorted(refused=[*pulled.refused, *(r for r in waiting_on if r.entry is None)])
    logged = latest(log)
    for entry in fresh:
        found.sort(entry, known, now, logged)
    taken = found.taken
    at = At(store, rows, head, dataset)
    check_fitted(at)
    commit, moved = head, 0
    if taken:
        judged = judged_again(
            at,
            end_model=end_model,
            decisions=decisions_at(at, more=tuple(taken)),
            drawn=at.audit_keys,
            progress=step.progress,
        )
        changes, _, moved = relabeled(at, judged, step_id=step.id)
        written = "".join(entry.to_json() + "\n" for entry in taken)
        changes[annotations_file(dataset, step.id)] = store.put_bytes(written.encode())
        commit = end(
            store,
            step,
            head,
            changes,
            message=f"Take {len(taken)} annotations into {dataset}",
            metadata={"step": "review pull", "dataset": dataset, "annotations": str(len(taken))},
        )
    ledger = catalog.asked(**asking.where)
    ledger += _asked_by_all(asking, ledger, found.stale)  # a catalog was lost: who asked, it knew
    keys = {entry.key for entry in pulled.annotations}
    marked = {e.key: e for e in marks(ledger, [*log, *taken], keys, found.stale)}
    gone = lost([marked.get(entry.key, entry) for entry in ledger], pulled.reconciled)
    catalog.keep(
        pulled.kept,
        asked={**marked, **{entry.key: entry for entry in gone}}.values(),
        refused=remembered(found.refused, before),
        **asking.where,
    )
    again = () if pulled.reconciled.closed else ask_again(asking, step.branch)
    return PullReport(
        dataset=dataset,
        annotations=len(taken),
        refused=told(found.refused, before),
        asked_again=again,
        statuses=_statuses(store, rows, commit.id, known),
        changed=moved,
        commit=commit if not again else store.commit_at(step.branch),
        withdrawn=sum(entry.withdrawn for entry in taken),
        found=noticed(pulled.reconciled, gone),
    )


def refused_answers(
    catalog: Catalog, *, queue_name: str, dataset: str, branch: str
) -> list[tuple[Key, str]]:
    """(key, reason) of answers that pulls could not take, and that are not settled yet."""
    kept = catalog.memory("refused", queue=queue_name, dataset=dataset, branch=branch).recall()
    return [(answer.key, answer.reason) for answer in starmap(read, kept.items())]


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
    where = Where(queue=queue_name, dataset=dataset, branch=branch)
    open_keys = waiting(catalog.asked(**where))
    if not open_keys or queue_ is None:
        return Asked(len(open_keys), None)
    pulled = queue_.pull(catalog.cursor(**where), catalog.memory("seen", **where))
    answered = {entry.key for entry in current(pulled.annotations)}
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


def _asked_by_all(
    asking: Asking, ledger: Sequence[LedgerEntry], stale: Sequence[Annotation]
) -> list[LedgerEntry]:
    """Ledger entries of answers to rows that changed, where no ledger says who asked them."""
    keys = {entry.key for entry in ledger}
    return [
        LedgerEntry(**asking.where, batch=e.batch, key=e.key, row_hash=e.row_hash, state="asked")
        for e in {entry.key: entry for entry in stale if entry.key not in keys}.values()
    ]
