"""Three-way merge of two commits: objects, and within a dataset rows, labels and answers.

Whole objects merge by path. A dataset that both sides changed merges by what its tables mean:
content by key and column, the annotation log as a union, models from one side, labels as a
function of those. One that a side removed and the other changed is taken whole, from one side:
a part of it would name what is not there. What both sides changed differently is settled as
asked, or listed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from datahub.core.conflicts import DATASET, OBJECT, Settling, Side, check_all_used
from datahub.core.errors import MergeConflict
from datahub.core.layout import DATASETS
from datahub.core.rowconflict import RowConflict
from datahub.core.setaside import SetAside
from datahub.core.versions import Change, Commit, ObjectId, merged_changes
from datahub.flow.merge.labels import merge_labels
from datahub.flow.merge.rows import merge_content
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


def merge_commits(
    base: Commit,
    ours: Commit,
    theirs: Commit,
    *,
    names: tuple[str, str],
    resolution: Settling,
    store: VersionStore,
    rows: Rows,
    step: Step,
    end_model: EndModel | None = None,
) -> tuple[dict[str, ObjectId | None], Report]:
    """What to change on ours, so that it is the merge; `names` are of source and destination.

    Raises MergeConflict (with all that is left to decide), InputError (a decision that cannot
    be carried out).
    """

    def sides_of(dataset: str) -> Sides:
        return Sides(dataset, base, ours, theirs, store, rows, step, end_model)

    merge = _Merge(
        {c.path: c for c in store.changes(base.id, ours.id)},
        {c.path: c for c in store.changes(base.id, theirs.id)},
        resolution,
        sides_of,
    )
    merge.run()
    if merge.open_conflicts:
        raise MergeConflict(
            merge.open_conflicts, source=names[0], into=names[1], rule=resolution.rule
        )
    check_all_used(resolution, merge.conflicts)
    merge.report.conflicts = len(merge.conflicts)
    return merge.changes, merge.report


class _Merge:
    """A merge under way: what it changes on the head, what is in conflict, what is undecided."""

    def __init__(
        self,
        by_head: dict[str, Change],
        by_source: dict[str, Change],
        resolution: Settling,
        sides_of: Callable[[str], Sides],
    ) -> None:
        self._by_head = by_head
        self._by_source = by_source
        self._settling = resolution
        self._sides_of = sides_of
        self.changes, self._clashing = merged_changes(by_head.values(), by_source.values())
        self.conflicts: list[RowConflict] = []
        self.open_conflicts: list[RowConflict] = []
        self.report = Report()

    def run(self) -> None:
        """Merge datasets by what they mean, and all else by path."""
        for name in self._datasets():
            sides = self._sides_of(name)
            if {"ours", "theirs"} <= sides.datasets.keys():
                self._merge_dataset(sides)
            elif sides.datasets.keys() & {"ours", "theirs"}:
                self._take_dataset(sides)
        for path in self._clashing:
            self._merge_object(path)

    def _datasets(self) -> list[str]:
        """Datasets under which both sides changed something."""
        names = [
            {path.split("/")[1] for path in side if path.startswith(DATASETS)}
            for side in (self._by_head, self._by_source)
        ]
        return sorted(names[0] & names[1])

    def _merge_dataset(self, sides: Sides) -> None:
        """One that both sides have: its tables are merged by what they mean."""
        self._leave_out(_merged_unit(sides.name))
        content = merge_content(sides, self._settling)
        self._note(content.conflicts, content.open_conflicts)
        self.changes |= content.changes
        if content.open_conflicts:
            return
        labels = merge_labels(sides, content, self._settling)
        self._note(labels.conflicts, labels.open_conflicts)
        self.changes |= labels.changes
        self.report.rows += content.rows_from_both
        self.report.relabeled += labels.relabeled
        self.report.settled += labels.settled
        self.report.notes += labels.notes

    def _take_dataset(self, sides: Sides) -> None:
        """One that a side does not have, and the other changed: it is taken whole."""
        name = sides.name
        self._leave_out(lambda path: path.startswith(f"{DATASETS}{name}/"))
        kind = "theirs removed" if "ours" in sides.datasets else "ours removed"
        kind = kind if "base" in sides.datasets else "both added"
        base, head, source = (sides.file_of(side) for side in ("base", "ours", "theirs"))
        conflict = RowConflict(name, DATASET, None, None, kind, base, head, source)
        if self._decide(conflict) == "theirs":
            self.changes |= sides.taking_theirs(lambda path: True)

    def _merge_object(self, path: str) -> None:
        head, source = self._by_head[path], self._by_source[path]
        kind = _kind(head, source)
        conflict = RowConflict("", OBJECT, path, None, kind, head.old, head.new, source.new)
        if self._decide(conflict) == "theirs":
            self.changes[path] = source.new

    def _leave_out(self, unit: Unit) -> None:
        """Take paths out of what is merged object by object."""
        self._clashing = [path for path in self._clashing if not unit(path)]
        self.changes = {path: oid for path, oid in self.changes.items() if not unit(path)}

    def _decide(self, conflict: RowConflict) -> Side | None:
        """List a conflict; the side that was decided for, if any."""
        decision = self._settling.of(conflict)
        side = self._settling.side if decision is None else decision.take
        self._note([conflict], [] if side else [conflict])
        return side

    def _note(self, conflicts: list[RowConflict], open_conflicts: list[RowConflict]) -> None:
        self.conflicts += conflicts
        self.open_conflicts += open_conflicts


def _merged_unit(name: str) -> Unit:
    """What is merged by its meaning: rows, models and labels."""
    units = content_unit(name), model_unit(name), labels_unit(name)
    return lambda path: any(unit(path) for unit in units)


def _kind(head: Change, source: Change) -> str:
    """How an object clashes."""
    if head.new is None:
        return "ours removed"
    if source.new is None:
        return "theirs removed"
    return "both added" if head.old is None else "both changed"
