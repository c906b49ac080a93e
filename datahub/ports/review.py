"""Where people answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from datahub.core.dataset import Key
from datahub.core.relabel import Annotation
from datahub.core.triage import Task


@dataclass(frozen=True)
class Pulled:
    """Answers that are new or changed since `cursor` of an earlier pull, and the next cursor."""

    annotations: tuple[Annotation, ...]
    refused: tuple[tuple[Key, str], ...]  # answers that cannot be taken (empty), with the reason
    cursor: str


class ReviewQueue(Protocol):
    """Tasks out to people, answers back."""

    def push(self, batch: str, tasks: Sequence[Task], *, classes: Sequence[str]) -> None:
        """Ask these tasks. Pushing the same batch again adds only what is missing of it."""
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

    def pull(self, cursor: str | None) -> Pulled:
        """All answers, edits and withdrawals since the cursor; the window may overlap."""
        ...

    def where(self) -> str:
        """Where a person goes to answer: an address or a command."""
        ...
