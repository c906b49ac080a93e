"""What a project holds now, against what is remembered of it.

Tasks belong to the row (key and hash) that they ask. They are told apart by their ids and by
when they were made: Label Studio gives the id of a deleted task to the next. A row that is asked
twice (an import that arrived twice, two who pushed at a time) is asked once from here on: what
nobody has answered is taken back.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

from datahub.adapters.review_labelstudio.answers import TaskMemory, instant, stamp
from datahub.adapters.review_labelstudio.tasks import Tasks, between, has_answer
from datahub.ports import Memory, Reconciliation
from datahub.ports.review import RowVersion

ARRIVAL = "id,data,created_at"
ORPHANS = "orphans"  # the name in the memory that is no id of a task
HIGHEST = 2**53  # of all ids: Label Studio reads numbers of a filter as floats


@dataclass
class Inventory:
    """Tasks of one project. `entries` are all of them where `whole`, else the ones looked up.

    Answers of tasks that are gone (`losses`) are withdrawn where answers are read (`pulling`);
    elsewhere they are remembered apart (`orphans`) until then.
    """

    tasks: Tasks
    memory: Memory
    entries: dict[int, TaskMemory] = field(default_factory=dict)
    pulling: bool = False
    whole: bool = False
    losses: list[TaskMemory] = field(default_factory=list)
    earlier_losses: list[TaskMemory] = field(default_factory=list)  # gone before this call
    replacements: int = 0  # tasks that are gone, while another has the id
    changes: dict[str, str | None] = field(default_factory=dict)
    duplicates: int = 0

    def look_up(self, ids: Collection[int]) -> set[int]:
        """Recall these tasks; return the ids of those that nothing is remembered of."""
        if not self.whole:
            texts = self.memory.recall([str(number) for number in ids])
            self.entries |= {int(n): TaskMemory.from_json(text) for n, text in texts.items()}
        return set(ids) - self.entries.keys()

    def newer(self, last: int) -> set[int]:
        """Ids above `last` of tasks that nothing is remembered of."""
        low = last + 1
        numbers = [number for number in self.entries if number >= low]
        if self.tasks.count(low, HIGHEST) == len(numbers):
            return set()
        return self.look_up({task.id for task in self.tasks.where(between(low, HIGHEST), "id")})

    def look_up_all(self) -> None:
        """Recall all tasks."""
        if not self.whole:
            texts = self.memory.recall()
            numbers = texts.keys() - {ORPHANS} - self.changes.keys()
            self.entries |= {int(n): TaskMemory.from_json(texts[n]) for n in numbers}
            self.whole = True

    def count_again(self, number: int, unknown: set[int]) -> set[int]:
        """Where the project has another number of tasks than is remembered, find which.

        Returns the ids of all tasks that nothing is remembered of.
        """
        apart = bool(self.memory.recall([ORPHANS]))
        if number == self.memory.count() - apart - self.replacements + len(unknown):
            return unknown
        self.look_up_all()
        ids = sorted(self.entries.keys() | unknown)
        high = max(ids, default=0)
        present = self.tasks.find_ids(ids, 1, high) if high else set()
        for task in self.entries.keys() - present:
            self.lose(task)
        return (unknown | present) - self.entries.keys()

    def arrive(self, ids: Collection[int]) -> None:
        """Take in tasks that nothing is remembered of, and take back doubles among them."""
        if not ids:
            return
        self.look_up_all()
        new = {
            task.id: TaskMemory.of(task.data, stamp(instant(task.created_at)))
            for task in self.tasks.by_id(ids, ARRIVAL)
        }
        for number, task in new.items():
            self.remember(number, task)
        self.undouble({task.row for task in new.values() if task.row})

    def undouble(self, rows: Collection[RowVersion] | None = None) -> None:
        """Of tasks of one row (of these, or any), take back those that nobody has answered."""
        self.look_up_all()
        groups = [group for group in self._groups(rows) if len(group) > 1]
        doubles = {number for group in groups for number in group}
        if doubles:
            self._take_back(groups, doubles)

    def remember(self, number: int, task: TaskMemory) -> None:
        """Keep what is known of a task now."""
        self.entries[number] = task
        self.changes[str(number)] = task.to_json()

    def post(self, number: int, task: TaskMemory) -> None:
        """Keep what was just posted, maybe under the id of a task that was deleted."""
        if number in self.entries:
            self.lose(number)
        self.remember(number, task)

    def confirm(self, tasks: Collection[Any]) -> set[int]:
        """Ids of changed tasks that are others than what is remembered under these ids."""
        times = {task.id: stamp(instant(task.created_at)) for task in tasks}
        entries = {number: task for number, task in self.entries.items() if number in times}
        strangers = {n for n, task in entries.items() if task.made not in ("", times[n])}
        for task in self.tasks.by_id({n for n in entries if not entries[n].made}, ARRIVAL):
            if TaskMemory.of(task.data).row in (entries[task.id].row, None):
                self.remember(task.id, replace(entries[task.id], made=times[task.id]))
            else:
                strangers.add(task.id)
        for number in strangers:
            self.lose(number)
        self.replacements += len(strangers)
        return strangers

    def lose(self, number: int) -> None:
        """Forget a task that is gone, but for its answers: they are to be withdrawn."""
        task = self.entries.pop(number)
        self.losses.append(task)
        self.changes[str(number)] = None
        if task.answers and not self.pulling:
            apart = [*self.orphans(), task]
            self.changes[ORPHANS] = json.dumps([orphan.to_json() for orphan in apart])

    def withdrawn(self) -> list[TaskMemory]:
        """All tasks that are gone, now and since the last pull: forget them."""
        self.earlier_losses = self.orphans()
        if self.earlier_losses:
            self.look_up_all()  # their rows may be asked again by now
            self.changes[ORPHANS] = None
        return [*self.losses, *self.earlier_losses]

    def orphans(self) -> list[TaskMemory]:
        """Tasks that are gone, and whose answers no pull has withdrawn yet."""
        text = self.changes.get(ORPHANS) or self.memory.recall([ORPHANS]).get(ORPHANS, "[]")
        return [TaskMemory.from_json(orphan) for orphan in json.loads(text)]

    def present(self) -> frozenset[RowVersion]:
        """The rows that are asked."""
        self.look_up_all()
        return frozenset(task.row for task in self.entries.values() if task.row)

    def reconciliation(self) -> Reconciliation:
        """What was found."""
        present = self.present() if self.whole else None
        rows = {task.row for task in (*self.losses, *self.earlier_losses) if task.row}
        return Reconciliation(
            present=present,
            missing=tuple(row for row in rows if present is None or row not in present),
            deletions=len(self.losses),
            duplicates=self.duplicates,
            foreign=sum(task.row is None for task in self.entries.values()) if self.whole else 0,
        )

    def _groups(self, rows: Collection[RowVersion] | None) -> list[list[int]]:
        groups: dict[RowVersion, list[int]] = defaultdict(list)
        for number, task in sorted(self.entries.items()):
            if task.row is not None and (rows is None or task.row in rows):
                groups[task.row].append(number)
        return list(groups.values())

    def _take_back(self, groups: Collection[list[int]], doubles: Collection[int]) -> None:
        now = self.tasks.by_id(doubles, "id,total_annotations,cancelled_annotations")
        busy = {task.id for task in now if has_answer(task)}
        spare: set[int] = set()
        for group in groups:
            stays = busy & set(group) or {group[0]}
            spare |= set(group) - stays
        for number in self.tasks.take_back(spare):
            self.duplicates += 1
            del self.entries[number]
            self.changes[str(number)] = None
