"""Answers that were paid for: an append-only log in one SQLite file.

A line is written, durably, before the answer is used, so that a killed run never pays twice.
It is keyed by the SHA-256 of the question and holds no row and no prompt. It is no truth: votes
are objects of commits, and a lost log only means that what is asked again is paid again.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from datahub.core.errors import StorageError, Unavailable
from datahub.core.prompt_lf import Reply

FORMAT_VERSION = 1
BUSY_SECONDS = 30
_TABLE = """
create table if not exists answer (
    id text primary key, model text not null, answer text not null, problem text not null,
    prompt_tokens integer not null, completion_tokens integer not null) without rowid
"""


class AnswerLog:
    """Replies by the id of their question, in `database`, which is made on first use."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._one_at_a_time = threading.Lock()

    def replies(self, ids: Iterable[str]) -> dict[str, Reply]:
        """The replies that are there. Raises StorageError, Unavailable."""
        replies = {}
        with self._open() as db:
            for question_id in ids:
                line = db.execute("select answer, problem from answer where id = ?", (question_id,))
                if (row := line.fetchone()) is not None:
                    replies[question_id] = Reply(*row)
        return replies

    def add(
        self, id: str, reply: Reply, *, model: str, prompt_tokens: int, completion_tokens: int
    ) -> None:
        """Keep a reply; on disk when this returns. The first one of a question stays."""
        line = (id, model, reply.text, reply.problem, prompt_tokens, completion_tokens)
        with self._one_at_a_time, self._open() as db:
            db.execute("insert or ignore into answer values (?, ?, ?, ?, ?, ?)", line)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self._database.parent.mkdir(parents=True, exist_ok=True)
            with closing(
                sqlite3.connect(self._database, timeout=BUSY_SECONDS, isolation_level=None)
            ) as db:
                self._check_format(db)
                yield db
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise Unavailable(
                    f"{self._database} is in use for more than {BUSY_SECONDS} seconds.",
                    hint="Another datahub writes to it. Try again.",
                    backend="prompts",
                ) from error
            raise self._error(error) from error
        except (sqlite3.Error, OSError) as error:
            raise self._error(error) from error

    def _check_format(self, db: sqlite3.Connection) -> None:
        version = db.execute("pragma user_version").fetchone()[0]
        if version == 0:
            db.execute(_TABLE)
            db.execute(f"pragma user_version = {FORMAT_VERSION}")
        elif version != FORMAT_VERSION:
            raise StorageError(
                f"{self._database} has format {version}; this datahub knows {FORMAT_VERSION}.",
                hint="Upgrade datahub, or move the file away: its answers would be paid for twice.",
            )

    def _error(self, error: Exception) -> StorageError:
        return StorageError(
            f"The log of answers {self._database} cannot be used: {error}.",
            hint="Is the disk full or read-only? Without the log no prompt is sent.",
        )
