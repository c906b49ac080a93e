"""Why one row's label is what it is: votes, models, people, verdicts, and the commits between.

Only the part that holds the row is read of any table, and of a history only the commits that
changed something about it. Nothing here writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from datahub.core.dataset import Dataset, Key
from datahub.core.errors import RowNotFound
from datahub.core.labels import ABSTAIN
from datahub.core.manifest import ModelManifest, VotesManifest
from datahub.core.relabel import Annotation, answers_by_row, counts
from datahub.flow.dataset.annotations import Hashes, hashes_of
from datahub.flow.dataset.at import At
from datahub.flow.dataset.row import OneRow
from datahub.flow.history.events import Event, events
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
class Answer:
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
class Question:
    """A task that people were given about the row."""

    batch: str
    queue: str
    slice: str
    reason: str
    prediction: str | None


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
    asked: tuple[Question, ...]
    annotations: tuple[Answer, ...]
    history: tuple[Event, ...]


def why(
    key: str, *, dataset: str, ref: str, limit: int | None, store: VersionStore, rows: Rows
) -> Why:
    """Tell what made the label of a row at a ref, by at most `limit` commits of history.

    `key` is as a person types it: of whole numbers, their digits. Raises RowNotFound,
    DatasetNotFound, RefNotFound.
    """
    at = At.of(store, rows, ref, dataset)
    row = OneRow(at, at.parse_key(key))
    state = row.at(at.commit)
    if state.content is None:
        raise RowNotFound(key, dataset, ref)
    return Why(
        dataset=dataset,
        key=row.key,
        commit=at.id,
        content=state.content,
        votes=tuple(_votes(state.votes, row, at)),
        soft=state.soft,
        label=state.label,
        asked=tuple(_questions(at, row.key)),
        annotations=tuple(_answers(at, row.key)),
        history=tuple(islice(events(row, at), limit)),
    )


def _answers(at: At, key: Key) -> Iterator[Answer]:
    """The lines of the log about a row, and whether each counts."""
    log = [entry for entry in at.log if entry.key == key]
    hashes = hashes_of(at, log)
    valid_answers = answers_by_row(log, hashes, classes=at.dataset.classes).get(key, [])
    for entry in log:
        is_counting = entry in valid_answers
        yield Answer(
            id=entry.id,
            label=entry.label,
            annotator=entry.annotator,
            time=entry.time,
            batch=entry.batch,
            withdrawn=entry.withdrawn,
            counts=is_counting,
            lapsed="" if is_counting else _explain_lapse(entry, log, hashes, at.dataset),
        )


def _explain_lapse(
    entry: Annotation, log: Sequence[Annotation], hashes: Hashes, dataset: Dataset
) -> str:
    """Why an answer does not count."""
    if not counts(entry, hashes):
        return "the row has changed since"
    if not counts(entry, hashes, classes=dataset.classes):
        return f"{entry.label!r} is no longer a class"
    settled_by = next((line.id for line in log if entry.id in line.settles), "")
    if settled_by:
        return f"settled by {settled_by}"
    return "withdrawn" if entry.withdrawn else "a later answer replaces it"


def _votes(votes: Mapping[str, int], row: OneRow, at: At) -> Iterator[Vote]:
    manifest = at.votes
    if manifest is None:
        return
    weights = _weights(manifest, at.model, at.votes_id)
    faults = {fault.lf: fault for fault in manifest.all_faults if fault.key == row.key}
    for lf in manifest.lfs:
        vote = votes.get(lf.name, ABSTAIN)
        fault = faults.get(lf.name)
        weight, share = weights.get(lf.name, (None, None))
        yield Vote(
            lf=lf.name,
            label=None if vote == ABSTAIN else at.dataset.classes[vote],
            fault=None if fault is None else f"{fault.error} ({fault.where})",
            weight=weight,
            share=share,
            kind=lf.kind,
            where=f"{lf.file}:{lf.line}",
            fingerprint=lf.fingerprint,
        )


def _weights(
    manifest: VotesManifest, model: ModelManifest | None, votes_id: str | None
) -> dict[str, tuple[float | None, float | None]]:
    """(weight, share) by LF, where the model learned from just these votes."""
    if model is None or model.votes != votes_id:
        return {}
    shares: Sequence[float | None] = model.shares or (None,) * len(model.weights)
    return dict(zip(manifest.names, zip(model.weights, shares, strict=True), strict=True))


def _questions(at: At, key: Key) -> Iterator[Question]:
    for batch in at.batches:
        for task in batch.tasks:
            if task.key == key:
                yield Question(batch.id, batch.queue, task.slice, task.reason, task.prediction)
