"""ReviewQueue in one SQLite file: several projects, several people, no server.

Tables: task (what was asked, in asking order), annotation (who answered what, as
of now), change (the append-only log that `pull` reads). The file has a format
version (PRAGMA user_version) and an identity; a cursor is "<identity>:<change>",
so that a cursor of a lost file is never mistaken for one of its successor.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from datahub.core.errors import AnnotationError, NotFound, StorageError, Unavailable
from datahub.core.relabel import Annotation, checked_label
from datahub.core.shown import columns_of
from datahub.core.triage import Task, asking_order
from datahub.machine.disk import connect_to_read
from datahub.ports import FORGOTTEN, Memory, MemoryUpdate, NewAnswers, Reconciliation

FORMAT_VERSION = 2  # in format 1 answers did not say which columns they saw; nothing else differs
BUSY_SECONDS = 30

_TABLES = """
create table identity (id text not null);
create table batch (
    project text not null, batch text not null, classes text not null,
    primary key (project, batch));
create table task (
    id integer primary key autoincrement, project text not null, batch text not null,
    key text not null, task text not null, unique (project, batch, key));
create table annotation (
    task integer not null references task, annotator text not null, entry text not null,
    primary key (task, annotator));
create table change (
    id integer primary key autoincrement, project text not null, entry text not null);
create index change_of_project on change (project, id);
"""


def _now() -> datetime:
    return datetime.now(UTC)


class EmbeddedReviewQueue:
    """One project's queue in `database`, which is made when first written to.

    `overlap` is the number of people who are asked about each row.
    """

    def __init__(
        self,
        database: Path,
        *,
        project: str,
        overlap: int = 1,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._overlap = overlap
        self._database = database
        self._project = project
        self._clock = clock

    def check(
        self, cursor: str | None, memory: Memory = FORGOTTEN
    ) -> tuple[Reconciliation, MemoryUpdate]:
        """What is asked in the file: nobody takes it away, nor doubles it."""
        with self._reading() as db:
            rows = db.execute("select task from task where project = ?", (self._project,))
            tasks = [Task(**json.loads(task)) for (task,) in rows]
        present = frozenset((task.key, task.row_hash) for task in tasks)
        return Reconciliation(present), MemoryUpdate(cursor or "")

    def push(
        self,
        batch: str,
        tasks: Sequence[Task],
        *,
        classes: Sequence[str],
        cursor: str | None = None,
        memory: Memory = FORGOTTEN,
    ) -> MemoryUpdate:
        """Ask these tasks, in `triage.asking_order`, after those asked before.

        A task is known by its batch and key: pushing it again changes nothing.
        """
        with self._writing() as db:
            db.execute(
                "insert or replace into batch values (?, ?, ?)",
                (self._project, batch, json.dumps(list(classes))),
            )
            db.executemany(
                "insert or ignore into task (project, batch, key, task) values (?, ?, ?, ?)",
                [
                    (self._project, batch, json.dumps(task.key), json.dumps(task.plain()))
                    for task in asking_order(tasks)
                ],
            )
        return MemoryUpdate(cursor or "")

    def open_tasks(
        self, *, limit: int | None = None, annotator: str = ""
    ) -> list[tuple[str, Task]]:
        """(task id, task) of what too few have answered, in the order people see it.

        With an annotator, what this person has not answered.
        """
        with self._reading() as db:
            rows = db.execute(
                "select id, task from task where project = ?"
                " and (select count(*) from annotation where annotation.task = task.id) < ?"
                " and not exists (select 1 from annotation"
                " where annotation.task = task.id and annotation.annotator = ?)"
                " order by id limit ?",
                (self._project, self._overlap, annotator, -1 if limit is None else limit),
            ).fetchall()
        return [(str(number), Task(**json.loads(task))) for number, task in rows]

    def answer(self, task_id: str, label: str | None, *, annotator: str) -> None:
        """Record an answer; the same person's second one edits the first (same id, later time)."""
        if not annotator.strip():
            raise AnnotationError(
                "An answer needs the name of who gave it.", hint="Say who answers."
            )
        with self._writing() as db:
            number, batch, task, classes = self._task(db, task_id)
            checked_label(label, classes, key=task.key)
            previous = _annotation(db, number, annotator)
            entry = Annotation(
                id=previous.id if previous else uuid.uuid4().hex,
                key=task.key,
                row_hash=task.row_hash,
                label=label,
                annotator=annotator,
                time=self._time(after=previous),
                batch=batch,
                columns=columns_of(task.fields),
            )
            db.execute(
                "insert or replace into annotation values (?, ?, ?)",
                (number, annotator, entry.to_json()),
            )
            self._log(db, entry)

    def withdraw(self, task_id: str, *, annotator: str) -> None:
        """Take this person's answer back; the task is open again. Raises NotFound."""
        with self._writing() as db:
            number, _, task, _ = self._task(db, task_id)
            previous = _annotation(db, number, annotator)
            if previous is None:
                raise NotFound(
                    f"{annotator!r} has not answered task {task_id} ({task.key!r}).",
                    hint="Only an answer that was given can be taken back.",
                )
            db.execute(
                "delete from annotation where task = ? and annotator = ?", (number, annotator)
            )
            self._log(db, replace(previous, withdrawn=True, time=self._time(after=previous)))

    def pull(self, cursor: str | None, memory: Memory = FORGOTTEN) -> NewAnswers:
        """Every change after the cursor, oldest first, each once; nothing is ever refused here.

        A cursor that is not of this file reads from the beginning.
        """
        with self._reading() as db:
            (identity,) = db.execute("select id from identity").fetchone()
            file, _, number = (cursor or "").rpartition(":")
            after = int(number) if file == identity and number.isdecimal() else 0
            rows = db.execute(
                "select id, entry from change where project = ? and id > ? order by id",
                (self._project, after),
            ).fetchall()
        last = rows[-1][0] if rows else after
        entries = tuple(Annotation.from_json(entry) for _, entry in rows)
        return NewAnswers(entries, (), MemoryUpdate(f"{identity}:{last}"))

    def where(self) -> str:
        """The command that asks in the terminal."""
        return "datahub review answer"

    def _task(self, db: sqlite3.Connection, task_id: str) -> tuple[int, str, Task, tuple[str, ...]]:
        row = db.execute(
            "select task.id, task.batch, task.task, batch.classes from task"
            " join batch using (project, batch) where project = ? and cast(task.id as text) = ?",
            (self._project, task_id),
        ).fetchone()
        if row is None:
            raise NotFound(
                f"There is no task {task_id!r} in project {self._project!r}.",
                hint="`datahub review answer` shows the open tasks.",
            )
        number, batch, task, classes = row
        return number, batch, Task(**json.loads(task)), tuple(json.loads(classes))

    def _time(self, *, after: Annotation | None) -> str:
        now = self._clock().astimezone(UTC)
        if after is not None:
            now = max(now, datetime.fromisoformat(after.time) + timedelta(microseconds=1))
        return now.isoformat(timespec="microseconds")

    def _log(self, db: sqlite3.Connection, entry: Annotation) -> None:
        db.execute(
            "insert into change (project, entry) values (?, ?)", (self._project, entry.to_json())
        )

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A queue that was not made yet is read as an empty one, which is nowhere on the disk."""
        file = str(self._database) if self._database.exists() else ":memory:"
        with self._translate_errors(), closing(self._connect(file)) as db:
            yield db

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._translate_errors():
            self._database.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._connect(str(self._database))) as db, _transaction(db):
                yield db

    def _connect(self, file: str) -> sqlite3.Connection:
        db, _ = connect_to_read(
            lambda: sqlite3.connect(file, timeout=BUSY_SECONDS, isolation_level=None),
            None if file == ":memory:" else Path(file),
        )
        try:
            if _version(db) != FORMAT_VERSION:
                self._make(db)
        except BaseException:
            db.close()
            raise
        return db

    def _make(self, db: sqlite3.Connection) -> None:
        with _transaction(db):
            version = _version(db)  # again: another process may have been faster
            if version == 0:
                for statement in _TABLES.split(";"):
                    db.execute(statement)
                db.execute("insert into identity values (?)", (uuid.uuid4().hex,))
            if version in (0, 1):
                db.execute(f"pragma user_version = {FORMAT_VERSION}")
            elif version != FORMAT_VERSION:
                raise StorageError(
                    f"{self._database} has format {version}; this datahub knows {FORMAT_VERSION}.",
                    hint="Upgrade datahub, or name another file for the review queue.",
                )
        db.execute("pragma journal_mode = wal")

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise Unavailable(
                    f"{self._database} is in use for more than {BUSY_SECONDS} seconds.",
                    hint="Another datahub writes to it. Try again.",
                    backend="embedded",
                ) from error
            raise self._error(error) from error
        except (sqlite3.Error, OSError) as error:
            raise self._error(error) from error

    def _error(self, error: Exception) -> StorageError:
        return StorageError(
            f"The review queue {self._database} cannot be used: {error}.",
            hint="Is the disk full or read-only? Is this a file of datahub's? "
            "`datahub gc` frees what nothing reaches, also on a full disk.",
        )


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    """BEGIN IMMEDIATE: a writer waits for its turn before it reads, so none is ever stale."""
    db.execute("begin immediate")
    try:
        yield
    except BaseException:
        if db.in_transaction:  # a full disk has rolled back already
            db.execute("rollback")
        raise
    db.execute("commit")


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("pragma user_version").fetchone()[0])


def _annotation(db: sqlite3.Connection, number: int, annotator: str) -> Annotation | None:
    row = db.execute(
        "select entry from annotation where task = ? and annotator = ?", (number, annotator)
    ).fetchone()
    return Annotation.from_json(row[0]) if row else None
