"""A review cut short at any point: every row is asked once, and no answer is lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from datahub import Hub
from datahub.core.triage import Task
from datahub.ports import MemoryUpdate
from tests.integration.conftest import Datahub

pytestmark = pytest.mark.slow


class Cut(BaseException):
    """The process dies here: nothing after this runs, not even clean-up code."""


def dying_after(call: Callable[..., Any], times: int) -> Callable[..., Any]:
    """The call as it is, `times` times; then death, before it does anything."""
    left = [times]

    def run(*args: Any, **kwargs: Any) -> Any:
        if left[0] == 0:
            raise Cut
        left[0] -= 1
        return call(*args, **kwargs)

    return run


def waiting(hub: Hub) -> list[str]:
    return sorted(str(task.key) for _, task in hub.review_open())


@pytest.mark.parametrize(
    ("part", "call", "times", "asked_before"),
    [
        ("catalog", "keep", 0, 0),
        ("catalog", "record_entries", 0, 0),
        ("store", "commit", 0, 0),
        ("catalog", "keep", 1, 5),
    ],
)
def test_a_push_cut_short_is_finished_by_the_next(
    datahub: Datahub, labeled: Path, part: str, call: str, times: int, asked_before: int
) -> None:
    """Before anything, before the commit, after the post: five rows more, each once."""
    hub = Hub.open(labeled)
    of = getattr(hub, part)
    setattr(of, call, dying_after(getattr(of, call), times))
    with pytest.raises(Cut):
        hub.review_push(budget=5)

    Hub.open(labeled).review_push(budget=5)

    asked = waiting(Hub.open(labeled))
    assert len(asked) == len(set(asked))
    assert len(asked) == asked_before + 5


def test_a_push_that_died_before_its_post_is_posted_by_the_next(
    datahub: Datahub, labeled: Path
) -> None:
    """What the commit says was asked, is asked."""
    hub = Hub.open(labeled)
    queue = hub.queue()

    def dies(batch: str, tasks: Sequence[Task], **more: Any) -> MemoryUpdate:
        raise Cut

    queue.push = dies  # type: ignore[method-assign]
    hub.queue = lambda dataset=None: queue  # type: ignore[method-assign]
    with pytest.raises(Cut):
        hub.review_push(budget=5)
    assert waiting(Hub.open(labeled)) == []

    Hub.open(labeled).review_push(budget=3)

    asked = waiting(Hub.open(labeled))
    assert len(asked) == len(set(asked)) == 8


def test_a_pull_cut_short_takes_every_answer_once(datahub: Datahub, labeled: Path) -> None:
    """The answers are in the commit; only the cursor was lost."""
    hub = Hub.open(labeled)
    hub.review_push(budget=4)
    hub.review_answer([(task_id, "ham") for task_id, _ in hub.review_open()], annotator="ann")
    hub.catalog.keep = dying_after(hub.catalog.keep, 0)  # type: ignore[method-assign]
    with pytest.raises(Cut):
        hub.review_pull()

    again = Hub.open(labeled).review_pull()

    assert again.annotations == 0
    assert again.statuses["annotated"] == 4


def test_several_people_go_by_majority_and_a_tie_stays_open(
    datahub: Datahub, labeled: Path
) -> None:
    """Answers of two people who disagree leave the row open; a third settles it."""
    hub = Hub.open(labeled)
    hub.review_push(budget=1)
    ((task_id, _),) = hub.review_open()
    hub.review_answer([(task_id, "ham")], annotator="ann")
    hub.review_answer([(task_id, "spam")], annotator="bob")
    assert hub.review_pull().statuses["open"] == 1

    hub.review_answer([(task_id, "spam")], annotator="eve")
    settled = hub.review_pull()

    assert "open" not in settled.statuses
    assert settled.statuses["annotated"] == 1
