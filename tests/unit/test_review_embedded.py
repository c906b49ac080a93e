"""The embedded review queue: one file for several projects, people and programs."""

from __future__ import annotations

import multiprocessing
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from datahub.adapters.review_embedded import EmbeddedReviewQueue
from datahub.core.errors import NotFound, StorageError
from datahub.core.triage import Task, asking_order

CLASSES = ("ham", "spam")
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def task(key: str, score: float | None = 0.5) -> Task:
    return Task(key, "h", {"text": "t"}, "reason", "doubt" if score else "audit", None, score)


def queue_in(folder: Path, *, now: datetime = NOON) -> EmbeddedReviewQueue:
    return EmbeddedReviewQueue(folder / "own" / "review.db", project="p", clock=lambda: now)


def test_times_come_from_the_clock_and_are_told_in_utc(tmp_path: Path) -> None:
    elsewhere = NOON.astimezone(timezone(timedelta(hours=5)))
    queue = queue_in(tmp_path, now=elsewhere)
    queue.push("b", [task("a")], classes=CLASSES)

    queue.answer("1", "ham", annotator="ann")

    assert queue.pull(None).annotations[0].time == "2026-11-24T12:00:00.000000+00:00"


def test_an_edit_is_later_even_where_the_clock_stands(tmp_path: Path) -> None:
    queue = queue_in(tmp_path)
    queue.push("b", [task("a")], classes=CLASSES)

    for label in ("ham", "spam"):
        queue.answer("1", label, annotator="ann")
    queue.withdraw("1", annotator="ann")

    times = [line.time for line in queue.pull(None).annotations]
    assert times == sorted(set(times))


def test_only_a_given_answer_can_be_withdrawn(tmp_path: Path) -> None:
    queue = queue_in(tmp_path)
    queue.push("b", [task("a")], classes=CLASSES)
    queue.answer("1", "ham", annotator="ann")

    with pytest.raises(NotFound):
        queue.withdraw("1", annotator="bob")


def test_every_edit_is_a_line_of_the_log(tmp_path: Path) -> None:
    queue = queue_in(tmp_path)
    queue.push("b", [task("a")], classes=CLASSES)

    for label in ("ham", "spam", None):
        queue.answer("1", label, annotator="ann")

    assert [line.label for line in queue.pull(None).annotations] == ["ham", "spam", None]


def test_a_cursor_of_a_lost_file_hides_nothing_of_its_successor(tmp_path: Path) -> None:
    cursors = []
    for name in ("lost", "new"):
        queue = queue_in(tmp_path / name)
        queue.push("b", [task("a")], classes=CLASSES)
        queue.answer("1", "ham", annotator="ann")
        cursors.append(queue.pull(None).cursor)

    assert len(queue.pull(cursors[0]).annotations) == 1
    assert len(queue.pull("no cursor at all").annotations) == 1
    assert queue.pull(cursors[1]).annotations == ()


def test_a_file_of_the_earlier_format_goes_on_with_its_answers(tmp_path: Path) -> None:
    """They do not say which columns they saw; those given from now on do."""
    queue = queue_in(tmp_path)
    queue.push("b", [task("a"), task("c")], classes=CLASSES)
    queue.answer("1", "ham", annotator="ann")
    with sqlite3.connect(tmp_path / "own" / "review.db") as db:
        for table in ("annotation", "change"):
            db.execute(f"update {table} set entry = json_remove(entry, '$.columns')")
        db.execute("pragma user_version = 1")

    queue.answer("2", "spam", annotator="ann")

    saw = {line.key: line.columns for line in queue.pull(None).annotations}
    assert saw == {"a": None, "c": ("text",)}


def test_a_file_of_another_format_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "review.db"
    with sqlite3.connect(path) as db:
        db.execute("pragma user_version = 99")

    with pytest.raises(StorageError, match="99"):
        EmbeddedReviewQueue(path, project="p").open_tasks()


def test_what_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "review.db"
    path.write_text("my notes, " * 200)

    with pytest.raises(StorageError):
        EmbeddedReviewQueue(path, project="p").push("b", [], classes=CLASSES)
    assert path.read_text().startswith("my notes")


def test_a_folder_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StorageError):
        EmbeddedReviewQueue(tmp_path / "file" / "review.db", project="p").push(
            "b", [task("a")], classes=CLASSES
        )


def test_a_queue_that_nobody_wrote_to_is_empty_and_nowhere(tmp_path: Path) -> None:
    """It is asked about on a full disk, and where nothing may be written."""
    queue = EmbeddedReviewQueue(tmp_path / "absent" / "review.db", project="p")

    assert queue.open_tasks() == []
    assert queue.pull(None).annotations == ()

    assert not (tmp_path / "absent").exists()


def test_a_push_that_fails_asks_nothing_of_it(tmp_path: Path) -> None:
    """All of a batch or none: the second task cannot be written as JSON."""
    queue = queue_in(tmp_path)
    broken = Task("b", "h", {"text": object()}, "r", "doubt", None, 0.9)  # type: ignore[dict-item]  # the fault itself

    with pytest.raises(TypeError):
        queue.push("b", [task("a"), broken], classes=CLASSES)
    assert queue.open_tasks() == []


def _push_and_answer(path: Path, person: int) -> None:
    queue = EmbeddedReviewQueue(path, project="p")
    queue.push("b", [task(str(n), n + 1) for n in range(20)], classes=CLASSES)
    for n in range(20):
        queue.answer(str(n + 1), "ham", annotator=f"person {person}")


@pytest.mark.slow
def test_people_in_several_programs_lose_nothing(tmp_path: Path) -> None:
    """All start on a file that is not there yet, and push the same batch."""
    spawned = multiprocessing.get_context("spawn")
    people = [
        spawned.Process(target=_push_and_answer, args=(tmp_path / "review.db", n)) for n in range(3)
    ]
    for person in people:
        person.start()
    for person in people:
        person.join()

    lines = EmbeddedReviewQueue(tmp_path / "review.db", project="p").pull(None).annotations
    assert [person.exitcode for person in people] == [0, 0, 0]
    assert len({(line.key, line.annotator) for line in lines}) == len(lines) == 60


def test_a_killed_writer_leaves_whole_answers(tmp_path: Path) -> None:
    """SIGKILL between the answer and its log line: both are there, or neither."""
    queue = queue_in(tmp_path)
    queue.push("b", [task("a")], classes=CLASSES)
    killed = subprocess.run(
        [sys.executable, "-c", _DIES_BEFORE_THE_LOG, str(tmp_path / "own" / "review.db")],
        check=False,
    )

    assert killed.returncode == -9
    assert queue.pull(None).annotations == ()
    assert len(queue.open_tasks()) == 1


_DIES_BEFORE_THE_LOG = """
import os, signal, sys
from pathlib import Path
from datahub.adapters.review_embedded import EmbeddedReviewQueue

class Dying(EmbeddedReviewQueue):
    def _log(self, db, entry):
        os.kill(os.getpid(), signal.SIGKILL)

Dying(Path(sys.argv[1]), project="p").answer("1", "ham", annotator="ann")
"""


def test_the_audit_slice_is_spread_over_the_whole_order() -> None:
    asked = asking_order([*(task(str(n), n / 100) for n in range(1, 81)), *[task("x", None)] * 20])

    places = [place for place, one in enumerate(asked) if one.score is None]
    assert [place // 5 for place in places] == list(range(20))
    assert len({place % 5 for place in places}) > 1  # nobody can count them out
    assert asking_order([]) == []
    assert asking_order([task("x", None)] * 3) == [task("x", None)] * 3
