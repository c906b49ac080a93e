"""One project as a push or a pull finds it: what is known of it, and what to keep."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from label_studio_sdk import LabelStudio

from datahub.adapters.review_labelstudio.answers import Seen, earlier_memory, instant, stamp
from datahub.adapters.review_labelstudio.reconciling import Inventory
from datahub.adapters.review_labelstudio.tasks import Tasks
from datahub.ports import FORGOTTEN, Kept, Memory, Reconciled


@dataclass
class Place:
    """`lost`: the project that was known is not there; `afresh`: nothing is known of this one."""

    project: Any
    seen: Seen
    inventory: Inventory
    lost: bool
    afresh: bool
    notes: tuple[str, ...]

    @property
    def tasks(self) -> int:
        """How many tasks the project says it has."""
        return int(self.project.task_number or 0)

    def reconciled(self) -> Reconciled:
        """What was found of the tasks, with the notes."""
        return replace(self.inventory.reconciled(), notes=self.notes)

    def kept(self, since: datetime | None = None) -> Kept:
        """What to remember; `since` is how far answers were read."""
        if self.project is None:
            return Kept("", afresh=self.lost)
        last = max(self.inventory.known, default=0)
        seen = replace(self.seen, last=max(self.seen.last, last), since=since or self.seen.since)
        return Kept(seen.to_json(), dict(self.inventory.changes), self.afresh)


def placed(server: LabelStudio, seen: Seen, memory: Memory, project: Any) -> Place:
    """Hold a project, None where there is none, against the one that was seen."""
    if project is None:
        lost = bool(seen.project)
        nothing = Inventory(Tasks(server, 0), FORGOTTEN)
        return Place(None, seen, nothing, lost, lost, _notes(seen, None))
    made = stamp(instant(project.created_at))
    ours = (seen.project, seen.made or made) == (project.id, made)
    earlier = earlier_memory(seen) if ours else {}
    inventory = Inventory(
        Tasks(server, project.id), WithEarlier(memory, earlier) if ours else FORGOTTEN
    )
    inventory.changes.update(earlier)
    kept = replace(seen if ours else Seen(), project=project.id, made=made, earlier={})
    lost = bool(seen.project) and not ours
    return Place(project, kept, inventory, lost, not ours, _notes(seen, project) if lost else ())


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


def _notes(seen: Seen, project: Any) -> tuple[str, ...]:
    if not seen.project:
        return ()
    gone = f"project {seen.project} was deleted in Label Studio, or is on another server"
    if project is None:
        return (f"{gone}; the answers that were taken stay",)
    return (f"{gone}; project {project.id} is in its place; the answers that were taken stay",)
