"""One project as a push or a pull finds it: what is known of it, and what to keep."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from label_studio_sdk import LabelStudio

from datahub.adapters.review_labelstudio.answers import Cursor, earlier_memory, instant, stamp
from datahub.adapters.review_labelstudio.reconciling import Inventory
from datahub.adapters.review_labelstudio.tasks import Tasks
from datahub.ports import FORGOTTEN, Memory, MemoryUpdate, Reconciliation


@dataclass
class Place:
    """`is_lost`: the known project is not there; `afresh`: nothing is known of this one."""

    project: Any
    cursor: Cursor
    inventory: Inventory
    is_lost: bool
    afresh: bool
    notes: tuple[str, ...]

    @property
    def tasks(self) -> int:
        """How many tasks the project says it has."""
        return int(self.project.task_number or 0)

    def reconciliation(self) -> Reconciliation:
        """What was found of the tasks, with the notes."""
        return replace(self.inventory.reconciliation(), notes=self.notes)

    def update(self, since: datetime | None = None) -> MemoryUpdate:
        """What to remember; `since` is how far answers were read."""
        if self.project is None:
            return MemoryUpdate("", afresh=self.is_lost)
        last = max(self.inventory.entries, default=0)
        cursor = replace(
            self.cursor, last=max(self.cursor.last, last), since=since or self.cursor.since
        )
        return MemoryUpdate(cursor.to_json(), dict(self.inventory.changes), self.afresh)


def find_place(server: LabelStudio, cursor: Cursor, memory: Memory, project: Any) -> Place:
    """Hold a project, None where there is none, against the one that the cursor names."""
    if project is None:
        is_lost = bool(cursor.project)
        empty = Inventory(Tasks(server, 0), FORGOTTEN)
        return Place(None, cursor, empty, is_lost, is_lost, _notes(cursor, None))
    birth = stamp(instant(project.created_at))
    is_ours = (cursor.project, cursor.made or birth) == (project.id, birth)
    earlier = earlier_memory(cursor) if is_ours else {}
    inventory = Inventory(
        Tasks(server, project.id), WithEarlier(memory, earlier) if is_ours else FORGOTTEN
    )
    inventory.changes.update(earlier)
    new_cursor = replace(
        cursor if is_ours else Cursor(), project=project.id, made=birth, earlier={}
    )
    is_lost = bool(cursor.project) and not is_ours
    return Place(
        project,
        new_cursor,
        inventory,
        is_lost,
        not is_ours,
        _notes(cursor, project) if is_lost else (),
    )


@dataclass(frozen=True)
class WithEarlier:
    """A memory, and what an earlier datahub kept elsewhere."""

    memory: Memory
    earlier: Mapping[str, str]

    def count(self) -> int:
        """How many there are."""
        return self.memory.count() + len(self.earlier)

    def recall(self, names: Collection[str] | None = None) -> dict[str, str]:
        """Those of these names."""
        more = {n: text for n, text in self.earlier.items() if names is None or n in names}
        return {**more, **self.memory.recall(names)}


def _notes(cursor: Cursor, project: Any) -> tuple[str, ...]:
    if not cursor.project:
        return ()
    fact = f"project {cursor.project} was deleted in Label Studio, or is on another server"
    if project is None:
        return (f"{fact}; the answers that were taken stay",)
    return (f"{fact}; project {project.id} is in its place; the answers that were taken stay",)
