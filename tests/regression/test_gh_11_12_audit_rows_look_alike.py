"""Whatever an annotator can see of an audit row, other rows look the same, and as often."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from datahub.adapters.review_labelstudio import LabelStudioReviewQueue
from datahub.adapters.review_labelstudio.page import Page
from datahub.adapters.review_labelstudio.task_data import (
    batch_of,
    guesses,
    sealed_length,
    task_of,
    task_request,
)
from datahub.core.triage import AUDIT_REASON, Task, asking_order
from datahub.hub import Hub
from tests.integration.conftest import Datahub
from tests.regression.test_gh_11_12_annotator_page import posted_tasks
from tests.remembering import RememberingQueue

if TYPE_CHECKING:
    from datahub.adapters.labelstudio_server import ServerInfo

CLASSES = (
    "ham",
    "s" * 700,
    "קצר, 🙂",
)  # one that alone is longer than what is sealed is by default
SECRET = "of the repository"
OWN = ("row_key", "row_hash", "batch", "sealed")  # of each task its own
SEEN_OF_A_TASK = (
    *("predictions", "total_predictions", "meta", "overlap", "is_labeled", "annotations"),
    *("drafts", "comment_count", "total_annotations", "cancelled_annotations", "updated_by"),
)


def asked(number: int, slice_: Any) -> Task:
    """A task; audit rows and others have the same texts."""
    fields = {"text": f"Text {number // 2 % 7}.", "title": f"Title {number // 2 % 3}"}
    if slice_ == "audit":
        return Task(number, f"{number:064x}", fields, AUDIT_REASON, "audit", None, None)
    reason = f"label model says {CLASSES[1]}, end model says ham"
    return Task(number, f"{number:064x}", fields, reason, "doubt", CLASSES[1], number / 1000)


def slice_of(number: int) -> str:
    return "audit" if number % 2 else "doubt"


def many() -> list[Task]:
    return [asked(number, slice_of(number)) for number in range(60)]


def visible(data: dict[str, Any]) -> str:
    """What is the same for rows alike; of what is a task's own, its form."""
    form = {name: (type(data[name]).__name__, len(str(data[name]))) for name in OWN[1:]}
    return json.dumps({name: v for name, v in data.items() if name not in OWN} | form)


def posted(tasks: list[Task], batch: str) -> list[dict[str, Any]]:
    page = Page.of(tasks, CLASSES, kinds={}, old="")
    length = sealed_length(tasks, batch)
    data: list[dict[str, Any]] = [
        task_request(task, batch, page, secret=SECRET, guess=None, sealed_length=length)["data"]
        for task in tasks
    ]
    return data


def test_all_that_is_posted_of_two_rows_alike_is_alike() -> None:
    """Field by field, names of fields and their order too, in a batch of any name."""
    for batch in ("b", "b-again"):
        tasks = many()
        data = posted(tasks, batch)

        of_slice = {name: Counter[str]() for name in ("audit", "doubt")}
        for task, values in zip(tasks, data, strict=True):
            of_slice[task.slice][visible(values)] += 1
        assert of_slice["audit"] == of_slice["doubt"]
        assert [task_of(values, secret=SECRET) for values in data] == tasks
        assert {batch_of(values, secret=SECRET) for values in data} == {batch}


def test_no_two_tasks_share_what_could_tell_a_batch() -> None:
    """Neither within a batch nor when a row is asked again; and it has one length."""
    data = [*posted(many(), "b"), *posted(many(), "b-again")]

    assert len({values["batch"] for values in data}) == len(data)
    assert len({values["sealed"] for values in data}) == len(data)
    assert {len(values["batch"]) for values in data} == {32}
    assert not any("again" in str(values) for values in data)


def test_a_missing_guess_is_as_frequent_among_other_rows() -> None:
    tasks = [asked(n, "audit" if n < 20 else "doubt") for n in range(100)]

    shown = guesses(tasks, secret=SECRET)

    without = Counter(task.slice for task, guess in zip(tasks, shown, strict=True) if not guess)
    assert without == {"audit": 20, "doubt": 20}


def test_the_order_tells_nothing_that_a_count_could_find() -> None:
    """By its place a task is an audit as often as by any other, over many batches."""
    places = Counter[int]()
    for seed in range(300):
        tasks = [asked(n + 100 * seed, "audit" if n < 4 else "doubt") for n in range(20)]
        order = asking_order(tasks)
        places.update(place for place, task in enumerate(order) if task.slice == "audit")

    assert sum(places.values()) == 1200
    assert min(places[place] for place in range(20)) > 25  # 60 on the mean: none is spared
    assert max(places.values()) < 110


def test_the_batch_of_a_task_that_an_earlier_datahub_pushed_is_read_as_it_is() -> None:
    """Sealed without its batch, or not sealed at all; or sealed by another repository."""
    (data,) = posted([asked(1, "audit")], "b")
    unsealed = {name: value for name, value in data.items() if name != "sealed"}

    assert batch_of(unsealed | {"batch": "old"}, secret=SECRET) == "old"
    assert batch_of(data, secret="of another one") == data["batch"]


@pytest.fixture
def queue(labelstudio: ServerInfo) -> RememberingQueue:
    name = f"alike {uuid.uuid4().hex[:8]}"
    return RememberingQueue(
        LabelStudioReviewQueue(url=labelstudio.url or "", token=labelstudio.token, project=name)
    )


def test_label_studio_shows_nothing_that_differs(
    labelstudio: ServerInfo, queue: RememberingQueue
) -> None:
    """Nor when rows are asked again; and answers are logged with the batch they were asked in."""
    queue.push("b", many(), classes=CLASSES)
    again = [asked(number, "doubt") for number in (100, 102)]
    queue.push("b-again", again, classes=CLASSES)

    tasks = posted_tasks(labelstudio, queue.where())
    first = tasks[: len(many())]
    of_slice = {name: Counter[str]() for name in ("audit", "doubt")}
    for task in first:
        fields = {name: task[name] for name in SEEN_OF_A_TASK if name in task}
        data = {name: value for name, value in task["data"].items() if name != "guess"}
        of_slice[slice_of(task["data"]["row_key"])][f"{visible(data)} {fields}"] += 1
    assert of_slice["audit"] == of_slice["doubt"]
    forms = {len(task["data"][name]) for task in tasks for name in ("batch",)}
    assert forms == {32}
    for task_id, open_task in queue.open_tasks():
        if open_task.key in (3, 100):
            queue.answer(task_id, "ham", annotator="ann@example.org")
    lines = queue.pull(queue.cursor).annotations
    assert {line.key: line.batch for line in lines} == {3: "b", 100: "b-again"}


@pytest.mark.parametrize("guessing", ["shown", "hidden"])
def test_a_list_in_the_terminal_tells_neither_reasons_nor_slices(
    labeled: Path, datahub: Datahub, guessing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guess stands where it may; why a row is asked is told by --json, for programs."""
    monkeypatch.setenv("DATAHUB_GUESSES", guessing)
    datahub("review", "push", "--budget", "5")

    listed = datahub("review", "answer", "--list").out
    reasons = {task.reason for _, task in Hub.open(labeled).review_open()}

    assert AUDIT_REASON in reasons
    assert not any(reason in listed for reason in reasons)
    assert "audit" not in listed
    classes = Hub.open(labeled).dataset().classes
    guess_column = [line.split()[2] for line in listed.splitlines()[1:] if len(line.split()) > 2]
    assert (guessing == "hidden") <= (not set(guess_column) & set(classes))
