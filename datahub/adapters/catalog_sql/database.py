"""A database at an address: its connections, its schema, and how writers take turns.

One code for SQLite and PostgreSQL: what differs is how a writer waits (`_write`). The schema is
that of `migrations/`; REVISIONS names it here as well, so that opening it costs one SELECT and no
Alembic.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa

from datahub.adapters.catalog_sql.translation import UPGRADE, URLS, translate_errors
from datahub.core.errors import ConfigError
from datahub.machine.disk import connect_to_read
from datahub.machine.installed import shared_folder

_LOGGER = logging.getLogger(__name__)
REVISIONS = ("0001", "0002", "0003", "0004")  # of migrations/versions, oldest first
LOCK_TIMEOUT = 30.0  # seconds a writer waits for its turn
_TURN = 0x64617461687562  # "datahub": the advisory lock that writers on PostgreSQL take


class Database:
    """The database at an SQLAlchemy URL: `sqlite:///PATH` or `postgresql+psycopg://...`."""

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
    def reading(self) -> Iterator[sa.Connection]:
        """A connection for the other stores in this database."""
        with self._read() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """The same for what writes, one at a time."""
        with self._write() as connection:
            yield connection

    @contextmanager
    def _read(self) -> Iterator[sa.Connection]:
        self._check_revision()
        with translate_errors(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _write(self, *, check: bool = True, alone: bool = True) -> Iterator[sa.Connection]:
        """One writer at a time: BEGIN IMMEDIATE on SQLite, an advisory lock on PostgreSQL.

        A plain BEGIN on SQLite answers "database is locked" whatever the timeout, and two
        upserts on PostgreSQL that meet in another order would deadlock. Who locks one row alone
        takes no turn there (not `alone`).
        """
        if check:
            self._check_revision()
        with translate_errors(), self._engine.execution_options(writes=True).begin() as connection:
            if connection.dialect.name == "postgresql":
                wait = int(self._lock_timeout * 1000)
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = {wait}")
                if alone:
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
