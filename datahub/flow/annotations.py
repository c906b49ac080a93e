"""The annotation log of a dataset, and what it decides about rows as they are now."""

from __future__ import annotations

from datahub.core.agreement import Agreement, agreement
from datahub.core.dataset import Dataset, Key
from datahub.core.layout import annotations_prefix
from datahub.core.relabel import Annotation, Decision, answers_by_row, decide
from datahub.flow.tables import hashes_of
from datahub.ports import Rows, VersionStore


def log_at(store: VersionStore, ref: str, dataset: str) -> list[Annotation]:
    """All lines of the log as of a ref, in the order of their time."""
    files = store.objects(ref, annotations_prefix(dataset))
    lines = [
        Annotation.from_json(line)
        for path in sorted(files)
        for line in store.read(files[path]).splitlines()
        if line
    ]
    return sorted(lines, key=lambda entry: (entry.time, entry.id))


def decisions_at(
    store: VersionStore,
    rows: Rows,
    ref: str,
    dataset: Dataset,
    *,
    more: tuple[Annotation, ...] = (),
) -> dict[Key, Decision]:
    """What people decided about rows as they are at a ref; `more` are lines yet to be written."""
    log = [*log_at(store, ref, dataset.name), *more]
    keys = list({entry.key for entry in log})
    return decide(log, hashes_of(store, rows, ref, dataset, keys))


def agreement_at(store: VersionStore, rows: Rows, ref: str, dataset: Dataset) -> Agreement:
    """How far people agree about rows as they are at a ref."""
    log = log_at(store, ref, dataset.name)
    keys = list({entry.key for entry in log})
    return agreement(answers_by_row(log, hashes_of(store, rows, ref, dataset, keys)))
