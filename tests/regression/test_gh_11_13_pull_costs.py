"""A pull that has nothing to bring asks for next to nothing, and keeps no list of all answers."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from bench.soak.faults import Proxy
from datahub.adapters.review_labelstudio import LabelStudioReviewQueue
from datahub.core.triage import Task
from tests.remembering import RememberingQueue

if TYPE_CHECKING:
    from datahub.adapters.labelstudio_server import ServerInfo


@pytest.fixture
def proxy(labelstudio: ServerInfo) -> Iterator[Proxy]:
    proxy = Proxy(labelstudio.url or "", seed=11, share=0.0)
    with closing(proxy):
        yield proxy


@pytest.mark.slow
def test_only_changed_tasks_are_read_and_only_what_is_needed_of_them(
    proxy: Proxy, labelstudio: ServerInfo
) -> None:
    queue = RememberingQueue(
        LabelStudioReviewQueue(
            url=proxy.url, token=labelstudio.token, project=f"costs {uuid.uuid4().hex[:8]}"
        )
    )
    asked = [Task(n, f"h{n}", {"text": "A."}, "why", "doubt", "a", n / 99) for n in range(60)]
    queue.push("b", asked, classes=("a", "b"))
    waiting = queue.open_tasks()
    for task_id, _ in waiting[:40]:
        queue.answer(task_id, "a", annotator="ann@example.org")
    first = queue.pull(queue.cursor)
    queue.answer(waiting[50][0], "b", annotator="ann@example.org")
    second = queue.pull(first.cursor)
    proxy.asked.clear()

    third = queue.pull(second.cursor)

    read = [parse_qs(urlsplit(path).query) for path in proxy.asked if "/api/tasks/" in path]
    assert [len(p.annotations) for p in (first, second, third)] == [40, 1, 0]
    assert [query["fields"] for query in read] == [["task_only"]]
    assert not any("data" in query["include"][0].split(",") for query in read)
    assert max(len(p.cursor) for p in (first, second, third)) < 200
    assert not any(third.update.changes.values())
