"""Three-way merge of two commits: objects, and within a dataset rows, labels and answers.

Whole objects merge by path. A dataset that both sides changed merges by what its tables mean:
content by key and column, the annotation log as a union, models from one side, labels as a
function of those. What both sides changed differently is settled as asked, or listed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from datahub.core.conflicts import OBJECT, Conflict, Settling, check_all_used
from datahub.core.errors import MergeConflict
from datahub.core.layout import dataset_file
from datahub.core.setaside import SetAside
from datahub.core.versions import Change, Commit, ObjectId, merged_changes
from datahub.flow.merge.labels import merged_labels
from datahub.flow.merge.rows import merged_content
from datahub.flow.merge.sides import Sides, Unit, content_unit, labels_unit, model_unit
from datahub.flow.steps import Step
from datahub.ports import EndModel, Rows, VersionStore


@dataclass
class Report:
    """What a merge did beyond whole objects.

    `rows` counts rows put or taken by the row merge, `relabeled` those whose label was decided
    rewritten by both sides' answers, `settled` those with an answer that settles a conflict;
    `set_aside` is what it took from people's work, where that was agreed to.
    """

    conflicts: int = 0
    rows: int = 0
    relabeled: int = 0
    settled: int = 0
    notes: list[str] = field(default_factory=list)
    set_aside: tuple[SetAside, ...] = ()


def merged(
    base: Commit,
    ours: Commit,
    theirs: Commit,
    *,
    names: tuple[str, str],
    settling: Settling,
    store: VersionStore,
    rows: Rows,
    step: Step,
    end_model: EndModel | None = None,
) -> tuple[dict[str, ObjectId | None], Report]:
    """What to change on ours, so that it is the merge; `names` are of source and destination.

    Raises MergeConflict (with all that is left to decide), InputError (a decision that cannot
    be carried out).
    """
    mine, other = store.changes(base.id, ours.id), store.changes(base.id, theirs.id)
    changes, clashing = merged_changes(mine, other)
    report = Report()
    conflicts: list[Conflict] = []
    left: list[Conflict] = []
    for name in _datasets_of_both(mine, other, store, ours, theirs):
        sides = Sides(name, base, ours, theirs, store, rows, step, end_model)
        own = _owned(name)
        clashing = [path for path in clashing if not own(path)]
        changes = {path: oid for path, oid in changes.items() if not own(path)}
        content = merged_content(sides, settling)
        conflicts += content.conflicts
        left += content.left
        changes |= content.changes
        if content.left:
            continue
        labels = merged_labels(sides, content, settling)
        conflicts += labels.conflicts
        left += labels.left
        changes |= labels.changes
        report.rows += content.rows_from_both
        report.relabeled += labels.relabeled
        report.settled += labels.settled
        report.notes += labels.notes
    for conflict in _of_objects(clashing, mine, other):
        conflicts.append(conflict)
        one = settling.of(conflict)
        side = settling.side if one is None else one.take
        if side is None:
            left.append(conflict)
        elif side == "theirs":
            changes[str(conflict.key)] = None if conflict.theirs is None else str(conflict.theirs)
    if left:
        raise MergeConflict(left, source=names[0], into=names[1], rule=settling.rule)
    check_all_used(settling, conflicts)
    report.conflicts = len(conflicts)
    return changes, report


def _datasets_of_both(
    mine: Sequence[Change], other: Sequence[Change], store: VersionStore, *at: Commit
) -> list[str]:
    """Datasets that both sides have, and changed."""
    touched = [
        {c.path.split("/")[1] for c in side if c.path.startswith("datasets/")}
        for side in (mine, other)
    ]
    return [
        name
        for name in sorted(touched[0] & touched[1])
        if all(store.objects(commit.id, dataset_file(name)) for commit in at)
    ]


def _owned(name: str) -> Unit:
    units = content_unit(name), model_unit(name), labels_unit(name)
    return lambda path: any(unit(path) for unit in units)


def _of_objects(
    paths: Sequence[str], mine: Sequence[Change], other: Sequence[Change]
) -> list[Conflict]:
    found = []
    our = {c.path: c for c in mine}
    their = {c.path: c for c in other}
    for path in paths:
        a, b = our[path], their[path]
        kind = (
            "ours removed"
            if a.new is None
            else "theirs removed"
            if b.new is None
            else "both added"
            if a.old is None
            else "both changed"
        )
        found.append(Conflict("", OBJECT, path, None, kind, a.old, a.new, b.new))
    return found
