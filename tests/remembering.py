"""A review queue with a memory of its own, as the catalog is to it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from datahub.core.triage import Task
from datahub.ports import MemoryUpdate, NewAnswers, Reconciliation, ReviewQueue


@dataclass
class Texts:
    """Texts by name."""

    texts: dict[str, str] = field(default_factory=dict)

    def count(self) -> int:
        return len(self.texts)

    def recall(self, names: Collection[str] | None = None) -> dict[str, str]:
        return {n: text for n, text in self.texts.items() if names is None or n in names}

    def after(self, kept: MemoryUpdate) -> Texts:
        known = {} if kept.afresh else self.texts
        changed = {**known, **kept.changes}
        return Texts({name: text for name, text in changed.items() if text is not None})


@dataclass
class RememberingQueue:
    """The queue inside, told what it kept when the cursor that a call names was made."""

    inside: ReviewQueue
    cursor: str | None = None
    memories: dict[str | None, Texts] = field(default_factory=lambda: {None: Texts()})

    def check(self) -> Reconciliation:
        found, kept = self.inside.check(self.cursor, self.memories[self.cursor])
        self.keep(kept)
        return found

    def push(self, batch: str, tasks: Sequence[Task], *, classes: Sequence[str]) -> None:
        memory = self.memories[self.cursor]
        self.keep(
            self.inside.push(batch, tasks, classes=classes, cursor=self.cursor, memory=memory)
        )

    def pull(self, cursor: str | None) -> NewAnswers:
        """Pull from where an earlier pull ended; None begins afresh."""
        self.cursor = cursor
        self.memories.setdefault(cursor, Texts())
        pulled = self.inside.pull(cursor, self.memories[cursor])
        self.keep(pulled.update)
        return pulled

    def keep(self, kept: MemoryUpdate) -> None:
        known = self.memories[self.cursor].after(kept)
        self.cursor = kept.cursor
        self.memories[kept.cursor] = known

    def open_tasks(
        self, *, limit: int | None = None, annotator: str = ""
    ) -> list[tuple[str, Task]]:
        return self.inside.open_tasks(limit=limit, annotator=annotator)

    def answer(self, task_id: str, label: str | None, *, annotator: str) -> None:
        self.inside.answer(task_id, label, annotator=annotator)

    def where(self) -> str:
        return self.inside.where()
