"""Answers of one person, on their way to the queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from datahub.core.errors import AnnotationError
from datahub.core.relabel import checked_label
from datahub.core.triage import Task
from datahub.flow.dataset.at import At
from datahub.ports import ReviewQueue


def answer(
    at: At, answers: Sequence[tuple[str, str | None]], *, annotator: str, queue: ReviewQueue
) -> int:
    """Record one person's answers, (task id, label or None for a skip); all are checked first."""
    for task_id, label in answers:
        checked_label(label, at.dataset.classes, key=task_id)
    for task_id, label in answers:
        queue.answer(task_id, label, annotator=annotator)
    return len(answers)


def answers_by_key(
    lines: Sequence[Mapping[str, object]],
    *,
    key: str,
    annotator: str,
    tasks: Sequence[tuple[str, Task]],
) -> list[tuple[str, str | None]]:
    """(task id, label) of a table with a key column and a column `label`; empty labels skip.

    `tasks` are those that wait for the annotator. Raises AnnotationError when a column is missing
    or none of them is about a key.
    """
    open_tasks = {str(task.key): number for number, task in tasks}
    answers: list[tuple[str, str | None]] = []
    for line in lines:
        if key not in line or "label" not in line:
            raise AnnotationError(
                f"The file has columns {', '.join(map(str, line))}.",
                hint=f"It needs {key!r} and 'label'; an empty label is a skip.",
            )
        if str(line[key]) not in open_tasks:
            raise AnnotationError(
                f"Row {line[key]!r} is not waiting for an answer of {annotator}'s.",
                hint="`datahub review answer --list --annotator NAME` shows the rows that are.",
            )
        label = line["label"]
        answers.append((open_tasks[str(line[key])], None if label in (None, "") else str(label)))
    return answers
