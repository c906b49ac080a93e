"""Whatever happens to a request on its way: try again, it says, and trying again completes it."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from itertools import count, cycle
from typing import TYPE_CHECKING

import pytest

from bench.soak.faults import Proxy
from datahub.adapters.review_labelstudio import LabelStudioReviewQueue
from datahub.core.errors import Unavailable
from datahub.core.triage import Task
from tests.remembering import RememberingQueue

if TYPE_CHECKING:
    from datahub.adapters.labelstudio_server import ServerInfo

CLASSES = ("sport", "tech")
HARD = ("5xx before", "cut", "dropped after", "cut without a length", "5xx after", "dropped before")
SOFT = ("doubled", "doubled late", "delayed")


@pytest.fixture
def proxy(labelstudio: ServerInfo) -> Iterator[Proxy]:
    proxy = Proxy(labelstudio.url or "", seed=11, share=0.0)
    with closing(proxy):
        yield proxy


def tasks() -> list[Task]:
    return [Task(n, f"h{n}", {"text": "A."}, "why", "doubt", "tech", n / 10) for n in range(7)]


def at_each_request(proxy: Proxy, run: Callable[[], object]) -> int:
    """Run until a run meets no fault: in the first its first request, then its second, ..."""
    kinds = cycle(HARD)
    for number in count():
        proxy.script = [*[""] * number, next(kinds)]
        with suppress(Unavailable):
            run()
        if proxy.script:
            proxy.script = []
            return number
    raise AssertionError


def test_each_request_may_fail_and_repeating_completes_it_once(
    proxy: Proxy, labelstudio: ServerInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a push with several posts, its check, and a pull, token refresh and all."""
    monkeypatch.setattr("datahub.adapters.review_labelstudio.task_data.TASKS_PER_POST", 3)
    name = f"faults {uuid.uuid4().hex[:8]}"

    def opened() -> LabelStudioReviewQueue:
        return LabelStudioReviewQueue(url=proxy.url, token=labelstudio.token, project=name)

    queue = RememberingQueue(opened())

    def afresh(act: Callable[[], object]) -> Callable[[], object]:
        def run() -> object:
            queue.inside = opened()  # as another command does, with no token yet
            return act()

        return run

    pushes = at_each_request(proxy, afresh(lambda: queue.push("b", tasks(), classes=CLASSES)))
    checks = at_each_request(proxy, afresh(queue.check))
    rows = Counter(task.key for _, task in queue.open_tasks())
    for task_id, _ in queue.open_tasks():
        queue.answer(task_id, "tech", annotator="ann@example.org")
    brought: list[object] = []
    cursor = queue.cursor
    pulls = at_each_request(proxy, afresh(lambda: brought.append(queue.pull(cursor).annotations)))

    assert (pushes > 3, checks > 2, pulls > 4) == (True, True, True)
    assert rows == Counter(range(7))
    assert {len(lines) for lines in brought if isinstance(lines, tuple)} == {7}


def test_requests_that_arrive_twice_or_late_do_nothing_twice(
    proxy: Proxy, labelstudio: ServerInfo
) -> None:
    name = f"twice {uuid.uuid4().hex[:8]}"
    for fault in SOFT:
        queue = RememberingQueue(
            LabelStudioReviewQueue(url=proxy.url, token=labelstudio.token, project=name + fault)
        )
        proxy.script = [fault] * 30
        queue.push("b", tasks(), classes=CLASSES)
        proxy.script = []
        proxy.calm()

        queue.check()

        assert Counter(task.key for _, task in queue.open_tasks()) == Counter(range(7))
        assert len(queue.inside.open_tasks()) == 7
