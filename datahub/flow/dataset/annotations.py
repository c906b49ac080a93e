"""The annotation log of a dataset, and what it decides about rows as they are now."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from datahub.core.agreement import Agreement, agreement
from datahub.core.dataset import Dataset, Key
from datahub.core.relabel import Annotation, Decision, answers_by_row, decide
from datahub.core.shown import Columns, columns_needed, columns_of, row_hashes
from datahub.flow.dataset.at import At

Hashes = dict[Key, frozenset[str]]  # of rows as they are, in the columns that answers saw


def hashes_of(
    at: At,
    log: Collection[Annotation],
    *,
    of: Dataset | None = None,
    also: Collection[At] = (),
    keys: Collection[Key] | None = None,
) -> Hashes:
    """Hashes of the rows (default: all) that a log is about, as the dataset holds them.

    Or as another one (`of`) does, whose parts are stored: it need be in no commit yet. Only those
    parts are read that hold such rows, and of them the columns that somebody saw. The batches of
    `at`, and of `also`, say what was shown for lines that do not.
    """
    dataset = at.dataset if of is None else of
    about = {entry.key for entry in log} if keys is None else set(keys)
    lines = [entry for entry in log if entry.key in about]
    columns = columns_needed(lines, dataset.content_columns)
    contents = at.values(list(about), columns, of=dataset)
    return row_hashes(lines, contents, earlier=_shown_earlier([at, *also], lines))


def decisions_at(at: At, *, more: tuple[Annotation, ...] = ()) -> dict[Key, Decision]:
    """What people decided about rows as they are; `more` are lines yet to be written."""
    log = [*at.log, *more]
    return decide(log, hashes_of(at, log), classes=at.dataset.classes)


def agreement_at(at: At) -> Agreement:
    """How far people agree about rows as they are."""
    by_row = answers_by_row(at.log, hashes_of(at, at.log), classes=at.dataset.classes)
    return agreement(by_row)


def answers_of(at: At) -> list[list[str]]:
    """The labels that people gave to each row, as rows are, that two or more named a class of."""
    by_row = answers_by_row(at.log, hashes_of(at, at.log), classes=at.dataset.classes)
    labels = ([a.label for a in answers if a.label is not None] for answers in by_row.values())
    return [unit for unit in labels if len(unit) > 1]


def _shown_earlier(ats: Iterable[At], lines: Iterable[Annotation]) -> set[Columns]:
    """Sets of columns that batches showed, where a line does not say what it saw."""
    if all(entry.columns is not None for entry in lines):
        return set()
    batches = (batch for at in ats for batch in at.batches)
    return {columns_of(task.fields) for batch in batches for task in batch.tasks}
