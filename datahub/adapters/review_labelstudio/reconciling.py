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

from datahub.adapters.review_labelstudio.answers import Remembered, instant, stamp
from datahub.adapters.review_labelstudio.tasks import Tasks, answered, between
from datahub.ports import Memory, Reconciled
from datahub.ports.review import Asked

ARRIVAL = "id,data,created_at"
ORPHANS = "orphans"  # the name in the memory that is no id of a task
HIGHEST = 2**53  # of all ids: Label Studio reads numbers of a filter as floats


@dataclass
class Inventory:
    """Tasks of one project. `known` are all of them where `whole`, else the ones looked up.

    Answers of what is `gone` are withdrawn where answers are read (`pulling`); elsewhere they are
    remembered apart (`orphans`) until then.
    """

    tasks: Tasks
    memory: Memory
    known: dict[int, Remembered] = field(default_factory=dict)
    pulling: bool = False
    whole: bool = False
    gone: list[Remembered] = field(default_factory=list)
    missed: list[Remembered] = field(default_factory=list)  # gone before this call
    replaced: int = 0  # tasks that are gone, while another has the id
    changes: dict[str, str | None] = field(default_factory=dict)
    doubled: int = 0

    def look_up(self, ids: Collection[int]) -> set[int]:
        """Recall these tasks; return the ids of those that nothing is remembered of."""
        if not self.whole:
            found = self.memory.recall([str(number) for number in ids])
            self.known |= {int(n): Remembered.from_json(text) for n, text in found.items()}
        return set(ids) - self.known.keys()

    def newer(self, last: int) -> set[int]:
        """Ids above `last` of tasks that nothing is remembered of."""
        low = last + 1
        expected = [number for number in self.known if number >= low]
        if self.tasks.count(low, HIGHEST) == len(expected):
            return set()
        return self.look_up({task.id for task in self.tasks.where(between(low, HIGHEST), "id")})

    def look_up_all(self) -> None:
        """Recall all tasks."""
        if not self.whole:
            found = self.memory.recall()
            numbers = found.keys() - {ORPHANS} - self.changes.keys()
            self.known |= {int(n): Remembered.from_json(found[n]) for n in numbers}
            self.whole = True

    def count_again(self, number: int, unknown: set[int]) -> set[int]:
        """Where the project has another number of tasks than is remembered, find which.

        Returns the ids of all tasks that nothing is remembered of.
        """
        apart = bool(self.memory.recall([ORPHANS]))
        if number == self.memory.count() - apart - self.replaced + len(unknown):
            return unknown
        self.look_up_all()
        expected = sorted(self.known.keys() | unknown)
        high = max(expected, default=0)
        there = self.tasks.there(expected, 1, high) if high else set()
        for task in self.known.keys() - there:
            self.lose(task)
        return (unknown | there) - self.known.keys()

    def arrive(self, ids: Collection[int]) -> None:
        """Take in tasks that nothing is remembered of, and take back doubles among them."""
        if not ids:
            return
        self.look_up_all()
        new = {
            task.id: Remembered.of(task.data, stamp(instant(task.created_at)))
            for task in self.tasks.by_id(ids, ARRIVAL)
        }
        for number, task in new.items():
            self.remember(number, task)
        self.undouble({task.row for task in new.values() if task.row})

    def undouble(self, rows: Collection[Asked] | None = None) -> None:
        """Of tasks of one row (of these, or any), take back those that nobody has answered."""
        self.look_up_all()
        groups = [group for group in self._groups(rows) if len(group) > 1]
        doubles = {number for group in groups for number in group}
        if doubles:
            self._take_back(groups, doubles)

    def remember(self, number: int, task: Remembered) -> None:
        """Keep what is known of a task now."""
        self.known[number] = task
        self.changes[str(number)] = task.to_json()

    def post(self, number: int, task: Remembered) -> None:
        """Keep what was just posted, maybe under the id of a task that was deleted."""
        if number in self.known:
            self.lose(number)
        self.remember(number, task)

    def confirm(self, changed: Collection[Any]) -> set[int]:
        """Ids of changed tasks that are others than what is remembered under these ids."""
        made = {task.id: stamp(instant(task.created_at)) for task in changed}
        known = {number: task for number, task in self.known.items() if number in made}
        others = {n for n, task in known.items() if task.made not in ("", made[n])}
        for task in self.tasks.by_id({n for n in known if not known[n].made}, ARRIVAL):
            if Remembered.of(task.data).row in (known[task.id].row, None):
                self.remember(task.id, replace(known[task.id], made=made[task.id]))
            else:
                others.add(task.id)
        for number in others:
            self.lose(number)
        self.replaced += len(others)
        return others

    def lose(self, number: int) -> None:
        """Forget a task that is gone, but for its answers: they are to be withdrawn."""
        task = self.known.pop(number)
        self.gone.append(task)
        self.changes[str(number)] = None
        if task.answers and not self.pulling:
            apart = [*self.orphans(), task]
            self.changes[ORPHANS] = json.dumps([orphan.to_json() for orphan in apart])

    def withdrawn(self) -> list[Remembered]:
        """All tasks that are gone, now and since the last pull: forget them."""
        self.missed = self.orphans()
        if self.missed:
            self.look_up_all()  # their rows may be asked again by now
            self.changes[ORPHANS] = None
        return [*self.gone, *self.missed]

    def orphans(self) -> list[Remembered]:
        """Tasks that are gone, and whose answers no pull has withdrawn yet."""
        text = self.changes.get(ORPHANS) or self.memory.recall([ORPHANS]).get(ORPHANS, "[]")
        return [Remembered.from_json(orphan) for orphan in json.loads(text)]

    def present(self) -> frozenset[Asked]:
        """The rows that are asked."""
        self.look_up_all()
        return frozenset(task.row for task in self.known.values() if task.row)

    def reconciled(self) -> Reconciled:
        """What was found."""
        present = self.present() if self.whole else None
        lost = {task.row for task in (*self.gone, *self.missed) if task.row}
        return Reconciled(
            present=present,
            gone=tuple(row for row in lost if present is None or row not in present),
            deleted=len(self.gone),
            doubled=self.doubled,
            foreign=sum(task.row is None for task in self.known.values()) if self.whole else 0,
        )

    def _groups(self, rows: Collection[Asked] | None) -> list[list[int]]:
        groups: dict[Asked, list[int]] = defaultdict(list)
        for number, task in sorted(self.known.items()):
            if task.row is not None and (rows is None or task.row in rows):
                groups[task.row].append(number)
        return list(groups.values())

    def _take_back(self, groups: Collection[list[int]], doubles: Collection[int]) -> None:
        now = self.tasks.by_id(doubles, "id,total_annotations,cancelled_annotations")
        busy = {task.id for task in now if answered(task)}
        spare: set[int] = set()
        for group in groups:
            stays = busy & set(group) or {group[0]}
            spare |= set(group) - stays
        for number in self.tasks.take_back(spare):
            self.doubled += 1
            del self.known[number]
            self.changes[str(number)] = None
