"""Where people answer, and what a queue remembers of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from datahub.core.dataset import Key
from datahub.core.relabel import Annotation
from datahub.core.triage import Task

RowVersion = tuple[Key, str]  # a row that is asked, as it was shown: its key, its hash


class Memory(Protocol):
    """Texts by name, which last from one call to the next. Others keep them: a queue only asks."""

    def count(self) -> int:
        """How many there are."""
        ...

    def recall(self, names: Collection[str] | None = None) -> dict[str, str]:
        """Those of these names, where there are any; all of them for None."""
        ...


class Forgotten:
    """The memory of a queue that has not been asked yet."""

    def count(self) -> int:
        """None."""
        return 0

    def recall(self, names: Collection[str] | None = None) -> dict[str, str]:
        """Nothing."""
        return {}


FORGOTTEN = Forgotten()


@dataclass(frozen=True)
class MemoryUpdate:
    """What to remember from here on: `changes` by name, None forgets; `afresh`: forget all else."""

    cursor: str
    changes: Mapping[str, str | None] = field(default_factory=dict)
    afresh: bool = False


@dataclass(frozen=True)
class Reconciliation:
    """What the queue holds now, against what is remembered of it.

    `present` are the rows that are asked there, None where only those `missing` are known (rows
    that were asked there, and are not any more). Counts are of tasks; `notes` are sentences
    for a person.
    """

    present: frozenset[RowVersion] | None = None
    missing: tuple[RowVersion, ...] = ()
    deletions: int = 0
    duplicates: int = 0  # asked twice, and taken back
    foreign: int = 0  # tasks that are not datahub's
    notes: tuple[str, ...] = ()
    is_closed: bool = False


@dataclass(frozen=True)
class RefusedAnswer:
    """An answer that cannot be taken, and why. `entry` is the answer, where it is one.

    A `quiet` one is told once: nobody can fix it in the queue.
    """

    id: str
    key: Key
    reason: str
    entry: Annotation | None = None
    quiet: bool = False


@dataclass(frozen=True)
class NewAnswers:
    """Answers that are new or changed since an earlier pull, and what to remember.

    `settled_ids` are those of answers, refused before, that are gone or right now.
    """

    annotations: tuple[Annotation, ...]
    refusals: tuple[RefusedAnswer, ...]
    update: MemoryUpdate
    settled_ids: tuple[str, ...] = ()
    reconciliation: Reconciliation = Reconciliation()

    @property
    def cursor(self) -> str:
        """Where this pull ended."""
        return self.update.cursor


class ReviewQueue(Protocol):
    """Tasks out to people, answers back."""

    def check(
        self, cursor: str | None, memory: Memory = FORGOTTEN
    ) -> tuple[Reconciliation, MemoryUpdate]:
        """Hold what is asked here against what is remembered; take back what is asked twice."""
        ...

    def push(
        self,
        batch: str,
        tasks: Sequence[Task],
        *,
        classes: Sequence[str],
        cursor: str | None = None,
        memory: Memory = FORGOTTEN,
    ) -> MemoryUpdate:
        """Ask these tasks, but for rows that are asked as they are. May be repeated."""
        ...

    def open_tasks(
        self, *, limit: int | None = None, annotator: str = ""
    ) -> list[tuple[str, Task]]:
        """(task id, task) of tasks that want answers yet, in the order people see them.

        With an annotator, those that this person has not answered.
        """
        ...

    def answer(self, task_id: str, label: str | None, *, annotator: str) -> None:
        """Record one person's answer, None for a skip.

        Raises AnnotationError (label outside the classes), NotFound.
        """
        ...

    def pull(self, cursor: str | None, memory: Memory = FORGOTTEN) -> NewAnswers:
        """All answers, edits and withdrawals since the cursor; the window may overlap."""
        ...

    def where(self) -> str:
        """Where a person goes to answer: an address or a command."""
        ...
