"""Whatever happens to a request on its way: try again, it says, and trying again completes it."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count, cycle
from typing import TYPE_CHECKING

import pytest

from bench.soak.faults import Proxy, request_kind
from datahub.adapters.review_labelstudio import LabelStudioReviewQueue
from datahub.core.errors import Unavailable
from datahub.core.triage import Task
from tests.remembering import RememberingQueue

if TYPE_CHECKING:
    from datahub.adapters.labelstudio_server import ServerInfo

CLASSES = ("sport", "tech")
HARD = ("5xx before", "cut", "dropped after", "cut without a length", "5xx after", "dropped before")
TRIES = 5  # of a run that a busy server fails before its fault
SOFT = ("doubled", "doubled late", "delayed")


@pytest.fixture
def proxy(labelstudio: ServerInfo) -> Iterator[Proxy]:
    proxy = Proxy(labelstudio.url or "", seed=11, share=0.0)
    with closing(proxy):
        yield proxy


def tasks() -> list[Task]:
    return [Task(n, f"h{n}", {"text": "A."}, "why", "doubt", "tech", n / 10) for n in range(7)]


def at_each_request(proxy: Proxy, run: Callable[[], object]) -> tuple[int, set[str]]:
    """Run until a run meets no fault: in the first its first request, then its second, ...

    Returns how many requests the last run took, and the kinds of requests that met a fault. A run
    that fails before it comes to its fault (the server itself was busy) says nothing: it is
    repeated, as a person would.
    """
    kinds, spoilt = cycle(HARD), set[str]()
    for number in count():
        kind = next(kinds)
        if not _meets(proxy, [*[""] * number, kind], run):
            return len(proxy.asked), spoilt
        spoilt.add(request_kind(proxy.asked[number]))
    raise AssertionError


def _meets(proxy: Proxy, script: list[str], run: Callable[[], object]) -> bool:
    """Whether a run comes to the end of a script of faults."""
    for attempt in range(TRIES):
        proxy.script, unavailable = list(script), False
        proxy.asked.clear()
        try:
            run()
        except Unavailable:
            unavailable = True
            if attempt + 1 == TRIES and proxy.script:
                raise
        if not (proxy.script and unavailable):
            break
    met, proxy.script = not proxy.script, []
    return met


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

    every = {"api/token/refresh", "api/projects", "api/tasks"}
    # Which requests there are besides depends on what the server holds of other projects.
    assert pushes[0] > 6
    assert {*every, "api/projects/import"} <= pushes[1]
    assert checks[0] >= 3
    assert every <= checks[1]
    assert pulls[0] >= 5
    assert {*every, "api/users"} <= pulls[1]
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
