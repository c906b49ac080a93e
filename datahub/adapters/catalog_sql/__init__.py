"""Catalog in SQLite or PostgreSQL. The only package that imports `sqlmodel`.

One code for both: what differs is how a writer waits for its turn (`_write`). The schema is
that of `migrations/`; REVISIONS names it here as well, so that opening a catalog costs one
SELECT and no Alembic.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa

from datahub.adapters.catalog_sql import tables
from datahub.adapters.catalog_sql.memory import SqlMemory, forget, remember
from datahub.adapters.catalog_sql.translation import UPGRADE, URLS, translate_errors
from datahub.core.errors import ConfigError
from datahub.core.verdict import Verdict
from datahub.machine.disk import connect_to_read
from datahub.machine.installed import shared_folder
from datahub.ports import LedgerEntry, Memory, MemoryUpdate, Refusal, Run

_LOGGER = logging.getLogger(__name__)
REVISIONS = ("0001", "0002", "0003")  # of migrations/versions, oldest first
LOCK_TIMEOUT = 30.0  # seconds a writer waits for its turn
_TURN = 0x64617461687562  # "datahub": the advisory lock that writers on PostgreSQL take


class SqlCatalog:
    """A catalog at an SQLAlchemy URL: `sqlite:///PATH` or `postgresql+psycopg://...`."""

    def __init__(self, url: str, *, lock_timeout: float = LOCK_TIMEOUT) -> None:
        self._url = url
        self._lock_timeout = lock_timeout
        self._checked = False

    def upgrade(self) -> str:
        """Bring the schema to the newest migration; return its revision.

        Two processes may do so at once: the second waits and finds nothing to do.
        Raises ConfigError when the schema is newer than this datahub.
        """
        if self._revision() != REVISIONS[-1]:
            from alembic import command

            self._prefer_wal()
            with self._write(check=False) as connection:
                command.upgrade(migrations_config(connection), "head")
        self._checked = True
        return REVISIONS[-1]

    def close(self) -> None:
        """Give all connections back."""
        if "_engine" in self.__dict__:
            self._engine.dispose()

    def record_run(self, run: Run) -> None:
        """Keep a run. Raises InputError (a time without zone, figures that are not JSON)."""
        row = {
            "commit": run.commit,
            "step": run.step,
            "branch": run.branch,
            "time": tables.utc(run.time),
            "figures": tables.json_text(dict(run.figures), "figures"),
        }
        with self._write() as connection:
            connection.execute(sa.insert(tables.RunRow).values(**row))

    def runs(self, *, limit: int = 50) -> list[Run]:
        """Newest first."""
        return [
            Run(row.commit, row.step, row.branch, tables.aware(row.time), json.loads(row.figures))
            for row in self._newest(tables.RunRow, limit)
        ]

    def record_refusal(self, refusal: Refusal) -> None:
        """Keep a refusal with all its reasons."""
        row = {
            "into": refusal.into,
            "branch": refusal.branch,
            "source": refusal.verdict.source,
            "time": tables.utc(refusal.verdict.time),
            "verdict": tables.json_text(json.loads(refusal.verdict.to_json()), "verdict"),
        }
        with self._write() as connection:
            connection.execute(sa.insert(tables.RefusalRow).values(**row))

    def refusals(self, *, limit: int = 50) -> list[Refusal]:
        """Newest first."""
        return [
            Refusal(row.into, row.branch, Verdict.from_json(row.verdict))
            for row in self._newest(tables.RefusalRow, limit)
        ]

    def record_entries(self, entries: Iterable[LedgerEntry]) -> None:
        """Add or overwrite ledger entries, by (queue, dataset, branch, key). All or none.

        An overwritten entry keeps its place. Raises InputError (an unknown state, a key that is
        neither text nor whole number).
        """
        rows = [tables.ledger_row(entry) for entry in entries]
        if rows:
            with self._write() as connection:
                connection.execute(tables.upsert(connection, tables.AskedRow), rows)

    def memory(self, kind: str, *, queue: str, dataset: str, branch: str) -> Memory:
        """What is remembered of a queue: `seen` by it, or `refused`."""
        return SqlMemory(
            self._read, {"queue": queue, "dataset": dataset, "branch": branch, "kind": kind}
        )

    def keep(
        self,
        update: MemoryUpdate,
        *,
        queue: str,
        dataset: str,
        branch: str,
        entries: Iterable[LedgerEntry] = (),
        refusals: Mapping[str, str | None] | None = None,
    ) -> None:
        """Remember what a queue saw, where it ended, what was refused (None: no more), in one.

        Raises InputError as `record_entries` does.
        """
        where = {"queue": queue, "dataset": dataset, "branch": branch}
        rows = [tables.ledger_row(entry) for entry in entries]
        with self._write() as connection:
            if update.afresh:
                forget(connection, {**where, "kind": "seen"})
            remember(connection, {**where, "kind": "seen"}, update.changes)
            remember(connection, {**where, "kind": "refused"}, refusals or {})
            if rows:
                connection.execute(tables.upsert(connection, tables.AskedRow), rows)
            connection.execute(
                tables.upsert(connection, tables.CursorRow), {**where, "cursor": update.cursor}
            )

    def ledger(self, *, queue: str, dataset: str, branch: str) -> list[LedgerEntry]:
        """The ledger of one queue for one dataset on one branch, in the order it was written."""
        table = tables.table(tables.AskedRow)
        query = (
            sa.select(table)
            .where(table.c.queue == queue, table.c.dataset == dataset, table.c.branch == branch)
            .order_by(table.c.id)
        )
        with self._read() as connection:
            return [
                LedgerEntry(
                    row.queue,
                    row.dataset,
                    row.branch,
                    row.batch,
                    json.loads(row.key),
                    row.row_hash,
                    row.state,
                )
                for row in connection.execute(query)
            ]

    def ledgers(self, *, branch: str) -> list[tuple[str, str]]:
        """(dataset, queue) of every ledger of a branch that has an entry."""
        table = tables.table(tables.AskedRow)
        query = sa.select(table.c.dataset, table.c.queue).where(table.c.branch == branch).distinct()
        with self._read() as connection:
            return sorted((row.dataset, row.queue) for row in connection.execute(query))

    def cursor(self, *, queue: str, dataset: str, branch: str) -> str | None:
        """Where the last pull ended."""
        table = tables.table(tables.CursorRow)
        query = sa.select(table.c.cursor).where(
            table.c.queue == queue, table.c.dataset == dataset, table.c.branch == branch
        )
        with self._read() as connection:
            return cast("str | None", connection.execute(query).scalar())

    def _newest(self, model: type[tables.Table], limit: int) -> list[Any]:
        table = tables.table(model)
        query = sa.select(table).order_by(table.c.time.desc(), table.c.id.desc()).limit(limit)
        with self._read() as connection:
            return list(connection.execute(query))

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection for the other stores in this database."""
        with self._read() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """The same for what writes, one at a time."""
        with self._write() as connection:
            yield connection

    @cached_property
    def _engine(self) -> sa.Engine:
        try:
            url = sa.make_url(self._url)
            backend = url.get_backend_name()
            if backend == "sqlite":
                return _sqlite_engine(url, self._lock_timeout)
            if backend == "postgresql":
                engine = sa.create_engine(
                    url, pool_pre_ping=True, connect_args={"connect_timeout": 10}
                )
                sa.event.listen(engine, "invalidate", _log_lost)
                sa.event.listen(engine, "connect", _log_connected)
                return engine
        except (sa.exc.ArgumentError, ValueError) as error:
            raise ConfigError("The catalog's address is not a database URL.", hint=URLS) from error
        except ImportError as error:
            raise ConfigError(
                f"The driver for the catalog's database is missing: {error.name}.",
                hint="`pip install 'datahub-labeling[postgres]'` brings the one for PostgreSQL.",
            ) from error
        raise ConfigError(f"A catalog cannot be kept in {backend}.", hint=URLS)

    @contextmanager
    def _read(self) -> Iterator[sa.Connection]:
        self._check_revision()
        with translate_errors(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _write(self, *, check: bool = True) -> Iterator[sa.Connection]:
        """One writer at a time: BEGIN IMMEDIATE on SQLite, an advisory lock on PostgreSQL.

        A plain BEGIN on SQLite answers "database is locked" whatever the timeout, and two
        upserts on PostgreSQL that meet in another order would deadlock.
        """
        if check:
            self._check_revision()
        with translate_errors(), self._engine.execution_options(writes=True).begin() as connection:
            if connection.dialect.name == "postgresql":
                wait = int(self._lock_timeout * 1000)
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = {wait}")
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_TURN})")
            yield connection

    def _check_revision(self) -> None:
        if self._checked:
            return
        if self._revision() != REVISIONS[-1]:
            raise ConfigError("The catalog has not been upgraded to this datahub.", hint=UPGRADE)
        self._checked = True

    def _revision(self) -> str | None:
        """The revision of the schema, or None when there is no schema."""
        path = self._engine.url.database
        if self._engine.dialect.name == "sqlite" and path and not Path(path).exists():
            return None  # connecting would create it
        with translate_errors(), self._engine.connect() as connection:
            if not sa.inspect(connection).has_table("alembic_version"):
                return None
            revision = connection.exec_driver_sql(
                "SELECT version_num FROM alembic_version"
            ).scalar()
        if revision is not None and revision not in REVISIONS:
            raise ConfigError(
                f"The catalog's schema ({revision}) is newer than this datahub ({REVISIONS[-1]}).",
                hint="Upgrade datahub itself; `datahub db upgrade` goes forwards only.",
            )
        return revision

    def _prefer_wal(self) -> None:
        """Let readers and a writer of one SQLite file work side by side; the file remembers."""
        if self._engine.dialect.name != "sqlite":
            return
        with (
            translate_errors(),
            suppress(sa.exc.OperationalError),  # another process is upgrading, and does this
            self._engine.connect() as connection,
        ):
            driver = cast(Any, connection.connection.dbapi_connection)
            driver.execute("PRAGMA journal_mode=WAL")


def _log_lost(connection: object, record: object, error: BaseException | None) -> None:
    """A connection of the pool that does not answer; the next one is opened in its place."""
    why = type(error).__name__ if error else "too old"
    _LOGGER.info("the catalog's connection was lost (%s); connecting again", why)


def _log_connected(connection: object, record: object) -> None:
    _LOGGER.debug("connected to the catalog's database")


def migrations_config(connection: sa.Connection) -> Any:
    """Alembic's Config for migrations/ over an open connection."""
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    folder = str(shared_folder("migrations"))
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _sqlite_engine(url: sa.URL, timeout: float) -> sa.Engine:
    engine = sa.create_engine(url, connect_args={"timeout": timeout})

    @sa.event.listens_for(engine, "do_connect")
    def connect(dialect: Any, record: Any, words: Any, options: Any) -> sqlite3.Connection:
        connection, record.info["alone"] = connect_to_read(
            lambda: sqlite3.connect(*words, **options), Path(url.database or "")
        )
        return connection

    @sa.event.listens_for(engine, "checkin")
    def give_back(connection: Any, record: Any) -> None:
        if record.info.pop("alone", False):
            record.invalidate()  # it kept all others out

    @sa.event.listens_for(engine, "connect")
    def leave_begin_to_us(connection: Any, record: Any) -> None:
        connection.isolation_level = None

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
