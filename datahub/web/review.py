"""Review: the next tasks of who asks, and their answers. People see no other row here."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, Query, Response

from datahub.core.accounts import Right
from datahub.core.blinding import shown_guess
from datahub.core.errors import NotFound
from datahub.hub import results
from datahub.web.asking import Asks
from datahub.web.resource import Resource, answer

review = Resource("review")

Branch = Annotated[str, Query(description="The branch that rows were pushed on.", max_length=200)]


@review.get("/datasets/{dataset}/tasks", right=Right.ANSWER, result=list[results.AskedTask])
def list_tasks(
    dataset: str,
    ask: Asks,
    branch: Branch,
    limit: Annotated[int, Query(ge=1, le=100)] = 1,
) -> Response:
    """Your next tasks, first to see first."""
    hub = ask.hub(branch)
    waiting = hub.review_open(dataset, limit=limit, annotator=ask.who.user)
    classes = list(hub.dataset(dataset, ref=branch).classes)
    is_hidden, share = hub.settings.guesses == "hidden", hub.settings.audit_share
    return answer(
        [
            results.AskedTask(
                task_id,
                task.key,
                dict(task.fields),
                None if is_hidden else shown_guess(task, audit_share=share),
                classes,
            )
            for task_id, task in waiting
        ]
    )


@review.write(
    "POST", "/datasets/{dataset}/answers", right=Right.ANSWER, result=results.Answered, status=201
)
def add_answer(
    dataset: str,
    ask: Asks,
    branch: Branch,
    task: Annotated[str, Body(max_length=200)],
    label: Annotated[str | None, Body(max_length=1000)] = None,
) -> Response:
    """Answer one of your tasks by the name of a class; null is a skip."""
    hub = ask.hub(branch)
    if task not in {name for name, _ in hub.review_open(dataset, annotator=ask.who.user)}:
        raise NotFound(
            f"No task {task!r} waits for an answer of yours.",
            hint=f"GET /datasets/{dataset}/tasks lists those that do.",
        )
    count = hub.review_answer([(task, label)], annotator=ask.who.user, dataset=dataset)
    return answer(results.Answered(count), status=201)
