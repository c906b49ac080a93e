"""Why one row's label is what it is: votes, models, people, verdicts, and the commits between.

Only the part that holds the row is read of any table, and of a history only the commits that
changed something about it. Nothing here writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from datahub.core.dataset import Dataset, Key
from datahub.core.errors import RowNotFound
from datahub.core.labels import ABSTAIN
from datahub.core.layout import review_prefix
from datahub.core.manifest import ModelManifest, VotesManifest
from datahub.core.relabel import Annotation, answers_by_row, counts
from datahub.core.triage import Batch
from datahub.core.verdict import Verdict
from datahub.core.versions import Commit
from datahub.flow.dataset.annotations import Hashes, hashes_of, log_at
from datahub.flow.dataset.row import OneRow
from datahub.flow.dataset.tables import dataset_at
from datahub.flow.publish.verdicts import own_verdict
from datahub.ports import Rows, VersionStore


@dataclass(frozen=True)
class Vote:
    """What one LF said of the row; `label` None: it abstained, unless a `fault` says otherwise.

    `weight` is the label model's estimate that the LF is right where it votes; `share` is how
    much a vote of it counts, below 1 where it repeats others.
    """

    lf: str
    label: str | None
    fault: str | None
    weight: float | None
    share: float | None
    kind: str
    where: str
    fingerprint: str


@dataclass(frozen=True)
class Said:
    """One line of the annotation log about the row. `counts`: it is among those that decide.

    That is: of the row as it is now, the person's last word, not withdrawn and not settled.
    """

    id: str
    label: str | None
    annotator: str
    time: str
    batch: str
    withdrawn: bool
    counts: bool
    lapsed: str = ""  # why it does not count


@dataclass(frozen=True)
class Asked:
    """A task that people were given about the row."""

    batch: str
    queue: str
    slice: str
    reason: str
    prediction: str | None


@dataclass(frozen=True)
class Event:
    """A commit that changed something about the row, against its first parent.

    `changed` are (what, before, after). A merge that has the row just as its other parent has it
    changed nothing of its own: `taken_from` is that parent. `verdict`: what the commit landed by.
    """

    commit: str
    message: str
    author: str
    time: datetime
    changed: tuple[tuple[str, str | None, str | None], ...]
    taken_from: str | None
    verdict: Verdict | None


@dataclass(frozen=True)
class Why:
    """All that made a row's label, as of a commit; `history` is newest first.

    `label` and `soft` are the row's lines of those tables, None before `label fit`.
    """

    dataset: str
    key: Key
    commit: str
    content: Mapping[str, Any]
    votes: tuple[Vote, ...]
    soft: Mapping[str, Any] | None
    label: Mapping[str, Any] | None
    asked: tuple[Asked, ...]
    annotations: tuple[Said, ...]
    history: tuple[Event, ...]


def why(
    key: str, *, dataset: str, ref: str, limit: int | None, store: VersionStore, rows: Rows
) -> Why:
    """Tell what made the label of a row at a ref, by at most `limit` commits of history.

    `key` is as a person types it: of whole numbers, their digits. Raises RowNotFound,
    DatasetNotFound, RefNotFound.
    """
    head = store.commit_at(ref)
    known = dataset_at(store, head.id, dataset)
    row = OneRow(
        dataset, _typed(key, known.parts[0].first_key if known.parts else key), store, rows
    )
    now = row.at(head.id)
    if now.content is None:
        raise RowNotFound(key, dataset, ref)
    log = [entry for entry in log_at(store, head.id, dataset) if entry.key == row.key]
    hashes = hashes_of(store, rows, [head.id], known, log)
    counting = answers_by_row(log, hashes, classes=known.classes).get(row.key, [])
    return Why(
        dataset=dataset,
        key=row.key,
        commit=head.id,
        content=now.content,
        votes=tuple(_votes(now.votes, row, head.id)),
        soft=now.soft,
        label=now.label,
        asked=tuple(_asked(store, head.id, dataset, row.key)),
        annotations=tuple(
            Said(
                id=entry.id,
                label=entry.label,
                annotator=entry.annotator,
                time=entry.time,
                batch=entry.batch,
                withdrawn=entry.withdrawn,
                counts=entry in counting,
                lapsed="" if entry in counting else _lapsed(entry, log, hashes, known),
            )
            for entry in log
        ),
        history=tuple(_history(row, store.log(head.id), store, limit)),
    )


def _typed(key: str, like: Key) -> Key:
    """What a person typed, as keys of the dataset are: text, or a whole number."""
    digits = key.removeprefix("-")
    return int(key) if isinstance(like, int) and digits.isascii() and digits.isdigit() else key


def _lapsed(entry: Annotation, log: Sequence[Annotation], hashes: Hashes, known: Dataset) -> str:
    """Why an answer does not count."""
    if not counts(entry, hashes):
        return "the row has changed since"
    if not counts(entry, hashes, classes=known.classes):
        return f"{entry.label!r} is no longer a class"
    settled_by = next((one.id for one in log if entry.id in one.settles), "")
    if settled_by:
        return f"settled by {settled_by}"
    return "withdrawn" if entry.withdrawn else "a later answer replaces it"


def _votes(said: Mapping[str, int], row: OneRow, ref: str) -> Iterator[Vote]:
    manifest, model = row.manifests(ref)
    if manifest is None:
        return
    classes = dataset_at(row.store, ref, row.dataset).classes
    learned = _learned(manifest, model, row.votes_id(ref))
    faults = {fault.lf: fault for fault in manifest.all_faults if fault.key == row.key}
    for lf in manifest.lfs:
        vote = said.get(lf.name, ABSTAIN)
        fault = faults.get(lf.name)
        weight, part = learned.get(lf.name, (None, None))
        yield Vote(
            lf=lf.name,
            label=None if vote == ABSTAIN else classes[vote],
            fault=None if fault is None else f"{fault.error} ({fault.where})",
            weight=weight,
            share=part,
            kind=lf.kind,
            where=f"{lf.file}:{lf.line}",
            fingerprint=lf.fingerprint,
        )


def _learned(
    manifest: VotesManifest, model: ModelManifest | None, votes_id: str | None
) -> dict[str, tuple[float | None, float | None]]:
    """(weight, share) by LF, where the model learned from just these votes."""
    if model is None or model.votes != votes_id:
        return {}
    shares: Sequence[float | None] = model.shares or (None,) * len(model.weights)
    return dict(zip(manifest.names, zip(model.weights, shares, strict=True), strict=True))


def _asked(store: VersionStore, ref: str, dataset: str, key: Key) -> Iterator[Asked]:
    files = store.objects(ref, review_prefix(dataset))
    for path in sorted(files):
        batch = Batch.from_json(store.read(files[path]))
        for task in batch.tasks:
            if task.key == key:
                yield Asked(batch.id, batch.queue, task.slice, task.reason, task.prediction)


def _history(
    row: OneRow, log: Sequence[Commit], store: VersionStore, limit: int | None
) -> Iterator[Event]:
    told = 0
    for commit in log:
        if limit is not None and told >= limit:
            return
        event = _event(row, commit)
        landed = event.verdict is not None and event.verdict.kind == "data"
        if event.changed or event.taken_from or (landed and row.at(commit.id).content is not None):
            told += 1
            yield event


def _event(row: OneRow, commit: Commit) -> Event:
    first, others = (commit.parents[0], commit.parents[1:]) if commit.parents else (None, ())
    changed: tuple[tuple[str, str | None, str | None], ...] = ()
    taken = None
    if row.may_differ(first, commit.id):
        before, after = {} if first is None else row.at(first).told(), row.at(commit.id).told()
        if before != after:
            taken = next((other for other in others if row.at(other).told() == after), None)
        changed = tuple(
            (what, before.get(what), after.get(what))
            for what in dict.fromkeys([*before, *after])
            if taken is None and before.get(what) != after.get(what)
        )
    landed = "verdict" in commit.metadata or changed or taken
    verdict = own_verdict(row.store, commit) if landed else None
    return Event(commit.id, commit.message, commit.author, commit.time, changed, taken, verdict)
