"""The annotation log of a dataset, and what it decides about rows as they are now."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from datahub.core.agreement import Agreement, agreement
from datahub.core.dataset import Dataset, Key
from datahub.core.layout import annotations_prefix, review_prefix
from datahub.core.relabel import Annotation, Decision, answers_by_row, decide
from datahub.core.shown import Columns, columns_needed, columns_of, row_hashes
from datahub.core.triage import Batch
from datahub.flow.dataset.at import At, log_of
from datahub.flow.dataset.tables import contents_of
from datahub.ports import Rows, VersionStore

Hashes = dict[Key, frozenset[str]]  # of rows as they are, in the columns that answers saw


def log_at(store: VersionStore, ref: str, dataset: str) -> list[Annotation]:
    """All lines of the log as of a ref, in the order of their time."""
    return log_of(store, store.objects(ref, annotations_prefix(dataset)))


def hashes_of(
    store: VersionStore,
    rows: Rows,
    refs: Sequence[str],
    dataset: Dataset,
    log: Collection[Annotation],
    *,
    keys: Collection[Key] | None = None,
) -> Hashes:
    """Hashes of the rows (default: all) that a log is about, as a dataset holds them.

    The dataset's parts are stored, and need be in no commit yet. Only those are read that hold
    such rows, and of them the columns that somebody saw. `refs` are commits whose batches say
    what was shown for lines that do not.
    """
    about = {entry.key for entry in log} if keys is None else set(keys)
    lines = [entry for entry in log if entry.key in about]
    columns = columns_needed(lines, dataset.content_columns)
    contents = contents_of(store, rows, dataset, list(about), columns=columns)
    return row_hashes(lines, contents, earlier=_shown_earlier(store, refs, dataset, lines))


def decisions_at(at: At, *, more: tuple[Annotation, ...] = ()) -> dict[Key, Decision]:
    """What people decided about rows as they are; `more` are lines yet to be written."""
    log = [*at.log, *more]
    return decide(log, _hashes_at(at, log), classes=at.dataset.classes)


def agreement_at(at: At) -> Agreement:
    """How far people agree about rows as they are."""
    by_row = answers_by_row(at.log, _hashes_at(at, at.log), classes=at.dataset.classes)
    return agreement(by_row)


def _hashes_at(at: At, log: Collection[Annotation]) -> Hashes:
    return hashes_of(at.store, at.rows, [at.id], at.dataset, log)


def _shown_earlier(
    store: VersionStore, refs: Sequence[str], dataset: Dataset, lines: Iterable[Annotation]
) -> set[Columns]:
    """Sets of columns that batches showed, where a line does not say what it saw."""
    if all(entry.columns is not None for entry in lines):
        return set()
    prefix = review_prefix(dataset.name)
    files = {oid for ref in refs for oid in store.objects(ref, prefix).values()}
    return {
        columns_of(task.fields) for oid in files for task in Batch.from_json(store.read(oid)).tasks
    }
