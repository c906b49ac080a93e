"""ReviewQueue: asked once, in order; each answer, edit and withdrawal told once."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from datahub.core.errors import AnnotationError, NotFound
from datahub.core.relabel import current
from datahub.core.triage import Task, asking_order
from datahub.hub import REGISTRY
from datahub.hub.registry import adapter
from tests.remembering import RememberingQueue

if TYPE_CHECKING:
    from datahub.adapters.labelstudio_server import ServerInfo

CLASSES = ("business", "sport", "tech")


@dataclass(frozen=True)
class Place:
    """A backend: how to open a project in it, and how a person takes an answer back."""

    open: Callable[..., RememberingQueue]
    withdraw: Callable[[RememberingQueue, str, str], None]


def embedded_place(request: pytest.FixtureRequest) -> Place:
    folder: Path = request.getfixturevalue("tmp_path")
    make = adapter("review_queue", "embedded")

    def withdraw(queue: Any, task_id: str, annotator: str) -> None:
        queue.inside.withdraw(task_id, annotator=annotator)

    def opened(project: str, **more: Any) -> Any:
        return RememberingQueue(make(folder / "review.db", project=project, **more))

    return Place(opened, withdraw)


def labelstudio_place(request: pytest.FixtureRequest) -> Place:
    server: ServerInfo = request.getfixturevalue("labelstudio")
    make = adapter("review_queue", "label-studio")

    def withdraw(queue: Any, task_id: str, annotator: str) -> None:
        with signed_in(server) as web:
            for known in web.get(f"/api/tasks/{task_id}/").json()["annotations"]:
                web.delete(f"/api/annotations/{known['id']}/").raise_for_status()

    def opened(project: str, **more: Any) -> Any:
        made = make(url=server.url, token=server.token, project=project, **more)
        return RememberingQueue(made)

    return Place(opened, withdraw)


def signed_in(server: ServerInfo) -> httpx.Client:
    """Label Studio's API as a person's browser has it."""
    web = httpx.Client(base_url=server.url or "", trust_env=False, timeout=60)
    answer = httpx.post(
        f"{server.url}/api/token/refresh/", json={"refresh": server.token}, trust_env=False
    )
    web.headers["Authorization"] = f"Bearer {answer.json()['access']}"
    return web


PLACES = {"embedded": embedded_place, "label-studio": labelstudio_place}


@pytest.fixture(params=sorted(REGISTRY["review_queue"]))
def place(request: pytest.FixtureRequest) -> Place:
    return PLACES[request.param](request)


@pytest.fixture
def queue(place: Place) -> RememberingQueue:
    """An empty queue of a project nobody has seen."""
    return place.open(f"news@{uuid.uuid4().hex[:8]}")


def doubt(key: str | int, score: float, *, text: str = "A text.") -> Task:
    return Task(key, f"hash of {key}", {"text": text}, "small margin", "doubt", "sport", score)


def audit(key: str | int) -> Task:
    return Task(key, f"hash of {key}", {"text": "A."}, "random audit slice", "audit", None, None)


def task_ids(queue: RememberingQueue) -> dict[str | int, str]:
    return {task.key: task_id for task_id, task in queue.open_tasks()}


def test_a_row_is_asked_of_as_many_people_as_said_and_of_each_once(place: Place) -> None:
    """A skip is an answer: that person is not asked again."""
    queue = place.open(f"news@{uuid.uuid4().hex[:8]}", overlap=2)
    queue.push("b1", [doubt("a", 0.1), doubt("b", 0.2)], classes=CLASSES)
    ids = task_ids(queue)

    queue.answer(ids["a"], "sport", annotator="ann@example.org")
    queue.answer(ids["b"], None, annotator="ann@example.org")

    def open_to(who: str) -> list[str | int]:
        return [task.key for _, task in queue.open_tasks(annotator=who)]

    assert list(task_ids(queue)) == ["a", "b"]
    assert (open_to("ann@example.org"), open_to("bob")) == ([], ["a", "b"])
    assert len(queue.open_tasks(annotator="bob", limit=1)) == 1

    queue.answer(ids["a"], "tech", annotator="bob")

    assert list(task_ids(queue)) == open_to("cleo") == ["b"]
    said = {(line.key, line.annotator, line.label) for line in queue.pull(None).annotations}
    assert said == {
        ("a", "ann@example.org", "sport"),
        ("b", "ann@example.org", None),
        ("a", "bob", "tech"),
    }


def test_a_queue_nobody_pushed_to_is_empty(queue: RememberingQueue) -> None:
    pulled = queue.pull(None)

    assert queue.open_tasks() == []
    assert (pulled.annotations, pulled.refusals) == ((), ())
    assert queue.pull(pulled.cursor).annotations == ()
    assert queue.where()


def test_pushing_no_tasks_asks_nothing(queue: RememberingQueue) -> None:
    queue.push("b1", [], classes=CLASSES)

    assert queue.open_tasks() == []


def test_pushed_tasks_are_open_in_asking_order(queue: RememberingQueue) -> None:
    """Lowest score first, and the audit slice in between, not at the end."""
    tasks = [doubt("c", 0.3), doubt("a", 0.1), doubt("b", 0.2), doubt("d", 0.4), audit("x")]

    queue.push("b1", tasks, classes=CLASSES)

    shown = [task for _, task in queue.open_tasks()]
    assert shown == asking_order(tasks)
    assert [task.key for task in shown if task.key != "x"] == ["a", "b", "c", "d"]


def test_later_batches_come_after_earlier_ones(queue: RememberingQueue) -> None:
    queue.push("b1", [doubt("first", 0.9)], classes=CLASSES)
    queue.push("b2", [doubt("second", 0.1)], classes=CLASSES)

    assert list(task_ids(queue)) == ["first", "second"]


def test_a_limit_takes_the_first(queue: RememberingQueue) -> None:
    queue.push("b1", [doubt("b", 0.2), doubt("a", 0.1), doubt("c", 0.3)], classes=CLASSES)

    assert [task.key for _, task in queue.open_tasks(limit=2)] == ["a", "b"]
    assert queue.open_tasks(limit=0) == []


def test_audit_tasks_carry_no_prediction(queue: RememberingQueue) -> None:
    queue.push("b1", [doubt("a", 0.1), audit("x")], classes=CLASSES)

    shown = {task.key: (task.prediction, task.score) for _, task in queue.open_tasks()}
    assert shown == {"a": ("sport", 0.1), "x": (None, None)}


def test_pushing_a_batch_again_adds_only_what_is_missing(queue: RememberingQueue) -> None:
    queue.push("b1", [doubt("a", 0.1)], classes=CLASSES)

    queue.push("b1", [doubt("a", 0.1), doubt("b", 0.2)], classes=CLASSES)
    queue.push("b1", [doubt("a", 0.1), doubt("b", 0.2)], classes=CLASSES)

    assert sorted(task.key for _, task in queue.open_tasks()) == ["a", "b"]


def test_an_answered_task_is_not_asked_again_by_the_same_batch(queue: RememberingQueue) -> None:
    queue.push("b1", [doubt("a", 0.1)], classes=CLASSES)
    queue.answer(task_ids(queue)["a"], "tech", annotator="ann")

    queue.push("b1", [doubt("a", 0.1)], classes=CLASSES)

    assert queue.open_tasks() == []


def test_another_batch_may_ask_the_same_row(queue: RememberingQueue) -> None:
    """A row that changed is asked again."""
    queue.push("b1", [doubt("a", 0.1)], classes=CLASSES)

    queue.push("b2", [replace(doubt("a", 0.1), row_hash="changed")], classes=CLASSES)

    assert [t.row_hash for _, t in queue.open_tasks()] == ["hash of a", "changed"]


def test_an_answer_comes_back_with_its_row(queue: RememberingQueue) -> None:
    queue.push("b1", [doubt("a", 0.1), audit("x")], classes=CLASSES)

    queue.answer(task_ids(queue)["x"], "tech", annotator="ann@example.org")

    (got,) = queue.pull(None).annotations
    assert (got.key, got.row_hash, got.label) == ("x", "hash of x", "tech")
    assert (got.annotator, got.batch, got.withdrawn) == ("ann@example.org", "b1", False)
    assert got.time.endswith("+00:00")
    assert list(task_ids(queue)) == ["a"]


def test_an_answer_says_which_columns_were_shown(queue: RememberingQueue) -> None:
    """Those of the task, whichever of them is the text, in the order of their names."""
    shown = {"text": "A text.", "title": "A title", "from": "ann"}
    queue.push("b1", [replace(doubt("a", 0.1), fields=shown)], classes=CLASSES)

    queue.answer(task_ids(queue)["a"], "tech", annotator="ann@example.org")

    assert [got.columns for got in queue.pull(None).annotations] == [("from", "text", "title")]


def test_a_skip_is_an_answer_without_a_label(queue: RememberingQueue) -> None:
    queue.push("b1", [doubt("a", 0.1)], classes=CLASSES)

    queue.answer(task_ids(queue)["a"], None, annotator="ann")

    assert [(a.key, a.label) for a in queue.pull(None).annotations] == [("a", None)]
    assert queue.open_tasks() == []


def test_several_people_answer_the_same_row(queue: RememberingQueue) -> None:
    queue.push("b1", [doubt("a", 0.1)], classes=CLASSES)
    task_id = task_ids(queue)["a"]

    for annotator, label in (("ann", "tech"), ("Zoë “Z” 🙂", "sport"), ("bob@x.org", None)):
        queue.answer(task_id, label, annotator=annotator)

    said = {a.annotator: a.label for a in queue.pull(None).annotations}
    assert said == {"ann": "tech", "Zoë “Z” 🙂": "sport", "bob@x.org": None}


def test_a_second_answer_edits_the_first(queue: RememberingQueue) -> None:
    """Same id, later time; a skip may become a label and a label a skip."""
    queue.push("b1", [doubt("a", 0.1)], classes=CLASSES)
    task_id = task_ids(queue)["a"]
    queue.answer(task_id, None, annotator="ann")
    first = queue.pull(None)

    queue.answer(task_id, "tech", annotator="ann")
    second = queue.pull(first.cursor)
    queue.answer(task_id, None, annotator="ann")
    third = queue.pull(second.cursor)

    lines = [*first.annotations, *second.annotations, *third.annotations]
    assert [line.label for line in lines] == [None, "tech", None]
    assert len({line.id for line in lines}) == 1
    assert lines[0].time < lines[1].time < lines[2].time


def test_a_withdrawn_answer_is_told_and_its_task_is_open_again(
    place: Place, queue: RememberingQueue
) -> None:
    queue.push("b1", [doubt("a", 0.1)], classes=CLASSES)
    task_id = task_ids(queue)["a"]
    queue.answer(task_id, "tech", annotator="ann")
    first = queue.pull(None)

    place.withdraw(queue, task_id, "ann")
    second = queue.pull(first.cursor)

    (line,) = second.annotations
    assert (line.id, line.withdrawn, line.key) == (first.annotations[0].id, True, "a")
    assert current([*first.annotations, *second.annotations]) == []
    assert list(task_ids(queue)) == ["a"]
    assert queue.pull(second.cursor).annotations == ()


def test_an_answer_after_a_withdrawal_counts(place: Place, queue: RememberingQueue) -> None:
    queue.push("b1", [doubt("a", 0.1)], classes=CLASSES)
    task_id = task_ids(queue)["a"]
    queue.answer(task_id, "tech", annotator="ann")
    first = queue.pull(None)
    place.withdraw(queue, task_id, "ann")

    queue.answer(task_id, "sport", annotator="ann")
    log = [*first.annotations, *queue.pull(first.cursor).annotations]

    assert [line.label for line in current(log)] == ["sport"]


def test_each_change_is_told_once(queue: RememberingQueue) -> None:
    queue.push("b1", [doubt("a", 0.1), doubt("b", 0.2)], classes=CLASSES)
    ids = task_ids(queue)
    queue.answer(ids["a"], "tech", annotator="ann")

    first = queue.pull(None)
    nothing = queue.pull(first.cursor)
    queue.answer(ids["b"], "sport", annotator="ann")
    second = queue.pull(nothing.cursor)

    assert nothing.annotations == ()
    assert [a.key for a in second.annotations] == ["b"]


def test_a_pull_without_a_cursor_tells_everything_again(queue: RememberingQueue) -> None:
    """So a pull whose answer was lost loses nothing."""
    queue.push("b1", [doubt("a", 0.1)], classes=CLASSES)
    queue.answer(task_ids(queue)["a"], "tech", annotator="ann")

    assert queue.pull(None).annotations == queue.pull(None).annotations != ()


def test_an_unknown_task_is_not_found(queue: RememberingQueue) -> None:
    queue.push("b1", [doubt("a", 0.1)], classes=CLASSES)

    for unknown in ("987654", "no number", "", "-1", "9" * 30):
        with pytest.raises(NotFound):
            queue.answer(unknown, "tech", annotator="ann")


def test_a_task_of_another_project_is_not_found(place: Place, queue: RememberingQueue) -> None:
    other = place.open(f"other@{uuid.uuid4().hex[:8]}")
    other.push("b1", [doubt("a", 0.1)], classes=CLASSES)
    queue.push("b1", [], classes=CLASSES)

    with pytest.raises(NotFound):
        queue.answer(task_ids(other)["a"], "tech", annotator="ann")
    assert queue.open_tasks() == []


def test_a_label_outside_the_classes_is_refused(queue: RememberingQueue) -> None:
    queue.push("b1", [doubt("a", 0.1)], classes=CLASSES)
    task_id = task_ids(queue)["a"]

    for label in ("politics", "", "TECH"):
        with pytest.raises(AnnotationError):
            queue.answer(task_id, label, annotator="ann")
    with pytest.raises(AnnotationError):
        queue.answer(task_id, "tech", annotator=" ")
    assert queue.pull(None).annotations == ()


@pytest.mark.parametrize("key", [7, 2**60, "7", "a b/c", "ключ 🗝 \"q\" 'q' <b>", "x" * 500])
def test_keys_of_any_kind_come_back(queue: RememberingQueue, key: str | int) -> None:
    queue.push("b1", [doubt(key, 0.1)], classes=CLASSES)
    queue.push("b1", [doubt(key, 0.1)], classes=CLASSES)
    ((task_id, task),) = queue.open_tasks()

    queue.answer(task_id, "tech", annotator="ann")

    assert task == doubt(key, 0.1)
    assert [a.key for a in queue.pull(None).annotations] == [key]


def test_a_number_and_its_text_are_two_keys(queue: RememberingQueue) -> None:
    queue.push("b1", [doubt(7, 0.1)], classes=CLASSES)
    queue.push("b1", [doubt(7, 0.1), doubt("7", 0.2)], classes=CLASSES)

    assert [task.key for _, task in queue.open_tasks()] == [7, "7"]


@pytest.mark.parametrize("batch", ["12", "1e3", 'b "q" 🙂', "0" * 64])
def test_batches_may_have_any_name(queue: RememberingQueue, batch: str) -> None:
    queue.push(batch, [doubt("a", 0.1)], classes=CLASSES)
    queue.push(batch, [doubt("a", 0.1), doubt("b", 0.2)], classes=CLASSES)

    assert list(task_ids(queue)) == ["a", "b"]


HOSTILE = [
    "<script>document.title = 'run'</script><img src=x onerror=alert(1)>",
    "https://example.org/not-to-be-fetched.txt",
    "s3://bucket/key",
    "{{ 7 * 7 }} $text &amp; \\u0000 \t\r\n \u202e 😀",
    "",
    "x" * 200_000,
]


def test_texts_come_through_as_they_are(queue: RememberingQueue) -> None:
    tasks = [doubt(n, n / 10, text=text) for n, text in enumerate(HOSTILE)]

    queue.push("b1", tasks, classes=CLASSES)

    assert [task.fields["text"] for _, task in queue.open_tasks()] == HOSTILE


def test_all_fields_come_through(queue: RememberingQueue) -> None:
    fields = {"title": "Short", "body": "The longest of them all", "year": "", 'a "b"': "<i>"}
    asked = replace(doubt("a", 0.1), fields=fields)

    queue.push("b1", [asked, replace(asked, key="none", score=0.2, fields={})], classes=CLASSES)

    assert [dict(task.fields) for _, task in queue.open_tasks()] == [fields, {}]


def test_class_names_may_be_hostile(queue: RememberingQueue) -> None:
    classes = ("a & b", '<b>"c"</b>', "$text", "ünï 🙂", "two words", "1")
    asked = [replace(doubt(n, n / 10), prediction=c) for n, c in enumerate(classes)]
    queue.push("b1", asked, classes=classes)
    open_tasks = queue.open_tasks()

    for (task_id, _), label in zip(open_tasks, reversed(classes), strict=True):
        queue.answer(task_id, label, annotator="ann")

    assert [task.prediction for _, task in open_tasks] == list(classes)
    assert [a.label for a in queue.pull(None).annotations] == list(reversed(classes))


def test_classes_may_grow_between_batches(queue: RememberingQueue) -> None:
    queue.push("b1", [doubt("a", 0.1)], classes=CLASSES)
    queue.answer(task_ids(queue)["a"], "tech", annotator="ann")

    queue.push("b2", [doubt("b", 0.1)], classes=(*CLASSES, "politics"))
    queue.answer(task_ids(queue)["b"], "politics", annotator="ann")

    assert [a.label for a in queue.pull(None).annotations] == ["tech", "politics"]


def test_a_hundred_and_twenty_seven_classes_can_be_asked(queue: RememberingQueue) -> None:
    classes = tuple(f"class {n}" for n in range(127))
    queue.push("b1", [audit("a")], classes=classes)

    queue.answer(task_ids(queue)["a"], "class 126", annotator="ann")

    assert [a.label for a in queue.pull(None).annotations] == ["class 126"]


def test_projects_do_not_see_each_other(place: Place, queue: RememberingQueue) -> None:
    other = place.open(f"other@{uuid.uuid4().hex[:8]}")
    other.push("b1", [doubt("theirs", 0.1)], classes=CLASSES)
    queue.push("b1", [doubt("ours", 0.1)], classes=CLASSES)

    other.answer(task_ids(other)["theirs"], "tech", annotator="ann")

    assert list(task_ids(queue)) == ["ours"]
    assert queue.pull(None).annotations == ()


def test_a_queue_opened_again_goes_on(place: Place) -> None:
    """Nothing that matters lives in the object; long names are as good as short ones."""
    for project in ("x" + uuid.uuid4().hex[:1], "long " * 20 + uuid.uuid4().hex):
        place.open(project).push("b1", [doubt("a", 0.1)], classes=CLASSES)

        assert list(task_ids(place.open(project))) == ["a"]
