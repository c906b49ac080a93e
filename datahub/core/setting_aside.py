"""Which answers of people a change of rows sets aside, and why each. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from datahub.core.dataset import Dataset, Key
from datahub.core.relabel import Annotation
from datahub.core.setaside import CHANGED, CLASS, COLUMN, LOG, REMOVED, SetAside


def summed_up(
    dataset: str, losses: Mapping[Annotation, str], tasks: Collection[Annotation]
) -> SetAside:
    """Count answers that are lost, each with its reason, and tasks that nobody need answer now."""
    return SetAside(
        dataset=dataset,
        answers=len(losses),
        people=tuple(sorted({entry.annotator for entry in losses})),
        rows=len({entry.key for entry in losses}),
        tasks=len(tasks),
        reasons=dict(sorted(Counter(losses.values()).items())),
    )


def reason(
    entry: Annotation,
    after: Dataset | None,
    log: Collection[Annotation],
    hashes: Mapping[Key, Collection[str]],
) -> str:
    """Why an answer does not count in a dataset as it is to be, with this log; "": it does."""
    if entry not in log:
        return LOG
    if after is None or entry.key not in hashes:
        return REMOVED
    if entry.row_hash not in hashes[entry.key]:
        removals = set(entry.columns or ()) - set(after.content_columns)
        return COLUMN if removals else CHANGED
    return "" if entry.label is None or entry.label in after.classes else CLASS
