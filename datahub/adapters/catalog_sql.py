"""Catalog in SQLite or PostgreSQL. The only file that imports `sqlmodel`.

One code for both: what differs is how a writer waits for its turn (`_write`). The schema is
that of `migrations/`; REVISIONS names it here as well, so that opening a catalog costs one
SELECT and no Alembic. Structured values are ASCII JSON text, which every database can hold.
"""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, cast, get_args

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from datahub.core.dataset import Key
from datahub.core.errors import (
    AuthenticationError,
    ConfigError,
    DatahubError,
    InputError,
    Rejected,
    StorageError,
    Unavailable,
)
from datahub.core.verdict import Verdict
from datahub.ports import LedgerEntry, Refusal, Run
from datahub.shared_files import shared_folder

REVISIONS = ("0001",)  # of migrations/versions, oldest first
LOCK_TIMEOUT = 30.0  # seconds a writer waits for its turn
_TURN = 0x64617461687562  # "datahub": the advisory lock that writers on PostgreSQL take
_UPGRADE = "Run `datahub db upgrade`."

State = Literal["intent", "asked", "answered", "stale"]


class _Table(
    SQLModel,
    registry=registry(
        metadata=sa.MetaData(
            naming_convention={
                "ix": "ix_%(table_name)s_%(column_0_N_name)s",
                "uq": "uq_%(table_name)s_%(column_0_N_name)s",
                "ck": "ck_%(table_name)s_%(constraint_name)s",
                "pk": "pk_%(table_name)s",
            }
        )
    ),
):
    """Tables of the catalog, apart from any other SQLModel metadata in the interpreter."""


class RunRow(_Table, table=True):
    """One step that was run."""

    __tablename__: ClassVar[Any] = "run"

    id: int | None = Field(default=None, primary_key=True)
    commit: str = Field(index=True)
    step: str
    branch: str
    time: dt.datetime = Field(sa_type=cast(Any, sa.DateTime(timezone=True)), index=True)
    figures: str = Field(sa_type=sa.Text)  # JSON


class RefusalRow(_Table, table=True):
    """One merge that the gate refused."""

    __tablename__: ClassVar[Any] = "refusal"

    id: int | None = Field(default=None, primary_key=True)
    into: str
    branch: str
    source: str = Field(index=True)  # commit id
    time: dt.datetime = Field(sa_type=cast(Any, sa.DateTime(timezone=True)), index=True)
    verdict: str = Field(sa_type=sa.Text)  # JSON


class AskedRow(_Table, table=True):
    """One row of a dataset that people were asked about. `id` keeps the order of writing."""

    __tablename__: ClassVar[Any] = "asked"
    __table_args__ = (sa.UniqueConstraint("queue", "dataset", "branch", "key"),)

    id: int | None = Field(default=None, primary_key=True)
    queue: str
    dataset: str
    branch: str
    batch: str = Field(index=True)
    key: str = Field(sa_type=sa.Text)  # JSON, so that 7 and "7" stay apart
    row_hash: str
    state: str = Field(
        sa_type=cast(
            Any,
            sa.Enum(*get_args(State), name="state", native_enum=False, create_constraint=True),
        )
    )


class CursorRow(_Table, table=True):
    """Where the last pull of a queue ended."""

    __tablename__: ClassVar[Any] = "cursor"

    queue: str = Field(primary_key=True)
    dataset: str = Field(primary_key=True)
    branch: str = Field(primary_key=True)
    cursor: str = Field(sa_type=sa.Text)


metadata = _Table.metadata


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
            with self._write(checked=False) as connection:
                command.upgrade(migrations_config(connection), "head")
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
            "time": _utc(run.time),
            "figures": _json(dict(run.figures), "figures"),
        }
        with self._write() as connection:
            connection.execute(sa.insert(RunRow).values(**row))

    def runs(self, *, limit: int = 50) -> list[Run]:
        """Newest first."""
        return [
            Run(row.commit, row.step, row.branch, _aware(row.time), json.loads(row.figures))
            for row in self._newest(RunRow, limit)
        ]

    def record_refusal(self, refusal: Refusal) -> None:
        """Keep a refusal with all its reasons."""
        row = {
            "into": refusal.into,
            "branch": refusal.branch,
            "source": refusal.verdict.source,
            "time": _utc(refusal.verdict.time),
            "verdict": _json(json.loads(refusal.verdict.to_json()), "verdict"),
        }
        with self._write() as connection:
            connection.execute(sa.insert(RefusalRow).values(**row))

    def refusals(self, *, limit: int = 50) -> list[Refusal]:
        """Newest first."""
        return [
            Refusal(row.into, row.branch, Verdict.from_json(row.verdict))
            for row in self._newest(RefusalRow, limit)
        ]

    def record_asked(self, entries: Iterable[LedgerEntry]) -> None:
        """Add or overwrite ledger entries, by (queue, dataset, branch, key). All or none.

        An overwritten entry keeps its place. Raises InputError (an unknown state, a key that is
        neither text nor whole number).
        """
        rows = [_ledger_row(entry) for entry in entries]
        if rows:
            with self._write() as connection:
                connection.execute(
                    _upsert(connection, AskedRow, ("queue", "dataset", "branch", "key")), rows
                )

    def asked(self, *, queue: str, dataset: str, branch: str) -> list[LedgerEntry]:
        """The ledger of one queue for one dataset on one branch, in the order it was written."""
        table = _table(AskedRow)
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

    def cursor(self, *, queue: str, dataset: str, branch: str) -> str | None:
        """Where the last pull ended."""
        table = _table(CursorRow)
        query = sa.select(table.c.cursor).where(
            table.c.queue == queue, table.c.dataset == dataset, table.c.branch == branch
        )
        with self._read() as connection:
            return cast("str | None", connection.execute(query).scalar())

    def set_cursor(self, cursor: str, *, queue: str, dataset: str, branch: str) -> None:
        """Remember where a pull ended."""
        row = {"queue": queue, "dataset": dataset, "branch": branch, "cursor": cursor}
        with self._write() as connection:
            connection.execute(_upsert(connection, CursorRow, ("queue", "dataset", "branch")), row)

    def _newest(self, model: type[_Table], limit: int) -> list[Any]:
        table = _table(model)
        query = sa.select(table).order_by(table.c.time.desc(), table.c.id.desc()).limit(limit)
        with self._read() as connection:
            return list(connection.execute(query))

    @cached_property
    def _engine(self) -> sa.Engine:
        try:
            url = sa.make_url(self._url)
            backend = url.get_backend_name()
            if backend == "sqlite":
                return _sqlite_engine(url, self._lock_timeout)
            if backend == "postgresql":
                return sa.create_engine(
                    url, pool_pre_ping=True, connect_args={"connect_timeout": 10}
                )
        except (sa.exc.ArgumentError, ValueError) as error:
            raise ConfigError(
                "The address of the catalog is no database URL.", hint=_URLS
            ) from error
        except ImportError as error:
            raise ConfigError(
                f"The driver for the catalog's address is missing: {error.name}.",
                hint="`pip install 'datahub-labeling[postgres]'` brings the one for PostgreSQL.",
            ) from error
        raise ConfigError(f"A catalog cannot be kept in {backend}.", hint=_URLS)

    @contextmanager
    def _read(self) -> Iterator[sa.Connection]:
        self._check_revision()
        with _translated(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _write(self, *, checked: bool = True) -> Iterator[sa.Connection]:
        """One writer at a time: BEGIN IMMEDIATE on SQLite, an advisory lock on PostgreSQL.

        A plain BEGIN on SQLite answers "database is locked" whatever the timeout, and two
        upserts on PostgreSQL that meet in another order would deadlock.
        """
        if checked:
            self._check_revision()
        with _translated(), self._engine.execution_options(writes=True).begin() as connection:
            if connection.dialect.name == "postgresql":
                wait = int(self._lock_timeout * 1000)
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = {wait}")
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_TURN})")
            yield connection

    def _check_revision(self) -> None:
        if self._checked:
            return
        if self._revision() != REVISIONS[-1]:
            raise ConfigError("The catalog has not been upgraded to this datahub.", hint=_UPGRADE)
        self._checked = True

    def _revision(self) -> str | None:
        """The revision of the schema, or None when there is no schema."""
        path = self._engine.url.database
        if self._engine.dialect.name == "sqlite" and path and not Path(path).exists():
            return None  # connecting would create it
        with _translated(), self._engine.connect() as connection:
            if not sa.inspect(connection).has_table("alembic_version"):
                return None
            found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
        if found is not None and found not in REVISIONS:
            raise ConfigError(
                f"The catalog's schema ({found}) is newer than this datahub ({REVISIONS[-1]}).",
                hint="Upgrade datahub itself; `datahub db upgrade` goes forwards only.",
            )
        return found

    def _prefer_wal(self) -> None:
        """Let readers and a writer of one SQLite file work side by side; the file remembers."""
        if self._engine.dialect.name != "sqlite":
            return
        with (
            _translated(),
            suppress(sa.exc.OperationalError),  # another process is upgrading, and does this
            self._engine.connect() as connection,
        ):
            driver = cast(Any, connection.connection.dbapi_connection)
            driver.execute("PRAGMA journal_mode=WAL")


def migrations_config(connection: sa.Connection) -> Any:
    """Alembic's Config for migrations/ over an open connection."""
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    folder = str(shared_folder("migrations"))
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


_URLS = "Use sqlite:///PATH or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE."


def _sqlite_engine(url: sa.URL, timeout: float) -> sa.Engine:
    engine = sa.create_engine(url, connect_args={"timeout": timeout})

    @sa.event.listens_for(engine, "connect")
    def leave_begin_to_us(connection: Any, record: Any) -> None:
        connection.isolation_level = None

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _upsert(connection: sa.Connection, model: type[_Table], unique: tuple[str, ...]) -> Any:
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    table = _table(model)
    statement = dialect.insert(table)
    changed = {
        column.name: statement.excluded[column.name]
        for column in table.columns
        if column.name not in (*unique, "id")
    }
    return statement.on_conflict_do_update(index_elements=list(unique), set_=changed)


def _table(model: type[_Table]) -> sa.Table:
    return metadata.tables[cast(Any, model).__tablename__]


def _ledger_row(entry: LedgerEntry) -> dict[str, Any]:
    if entry.state not in get_args(State):
        raise InputError(
            f"A ledger entry has the state {entry.state!r}.",
            hint=f"States are {', '.join(get_args(State))}.",
        )
    return {
        "queue": entry.queue,
        "dataset": entry.dataset,
        "branch": entry.branch,
        "batch": entry.batch,
        "key": _key_text(entry.key),
        "row_hash": entry.row_hash,
        "state": entry.state,
    }


def _key_text(key: Key) -> str:
    if isinstance(key, bool) or not isinstance(key, (str, int)):
        raise InputError(f"The key {key!r} is neither text nor a whole number.")
    return json.dumps(key)


def _json(value: object, what: str) -> str:
    try:
        return json.dumps(value, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise InputError(f"The {what} cannot be kept as JSON: {error}") from error


def _utc(time: dt.datetime) -> dt.datetime:
    if time.tzinfo is None:
        raise InputError(f"The time {time.isoformat()} has no time zone.")
    return time.astimezone(dt.UTC)


def _aware(time: dt.datetime) -> dt.datetime:
    """SQLite gives times back without their zone, which is UTC."""
    return time.replace(tzinfo=dt.UTC) if time.tzinfo is None else time.astimezone(dt.UTC)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sa.exc.TimeoutError as error:  # the pool
        raise Unavailable("The catalog's connections are all busy.", backend="catalog") from error
    except sa.exc.DBAPIError as error:
        raise _translation(error) from error


def _translation(error: sa.exc.DBAPIError) -> DatahubError:
    cause: Any = error.orig
    text = " ".join(str(cause).split())[:300]
    if isinstance(cause, sqlite3.Error):
        return _sqlite_translation(getattr(cause, "sqlite_errorname", ""), text)
    return _postgres_translation(getattr(cause, "sqlstate", None), text, error)


def _sqlite_translation(name: str, text: str) -> DatahubError:
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Unavailable(
            "The catalog is locked by another process.",
            hint="Wait until the other command has ended, and run this one again.",
            backend="catalog",
        )
    if name == "SQLITE_ERROR" and "no such" in text:
        return ConfigError(f"The catalog has another schema: {text}.", hint=_UPGRADE)
    if name in ("SQLITE_ERROR", "SQLITE_MISMATCH", "SQLITE_TOOBIG") or "CONSTRAINT" in name:
        return Rejected(f"The catalog refused: {text}.", backend="catalog")
    return StorageError(
        f"The catalog's file cannot be used: {text}.",
        hint="Look at free space and permissions of the folder .datahub.",
    )


def _postgres_translation(state: str | None, text: str, error: sa.exc.DBAPIError) -> DatahubError:
    if state is None and isinstance(error, sa.exc.OperationalError):
        state = _state_of_refused_connection(text)
    state = state or ""
    if state.startswith("28"):
        return AuthenticationError(
            "PostgreSQL does not take the catalog's user or password.",
            hint="Look at the catalog's address in your settings.",
        )
    if state == "3D000":
        return ConfigError(f"The catalog's database is not there: {text}.", hint=_URLS)
    if state.startswith("42P01"):
        return ConfigError(f"The catalog has another schema: {text}.", hint=_UPGRADE)
    if state.startswith(("53100", "58", "XX", "25006")):
        return StorageError(f"PostgreSQL cannot store the catalog: {text}.")
    if state.startswith(("22", "54")):  # such as a NUL in text, or a key too long to index
        return InputError(f"The catalog cannot hold this: {text}.")
    if state.startswith(("08", "40", "53", "55P03", "57")) or isinstance(
        error, (sa.exc.OperationalError, sa.exc.InterfaceError)
    ):
        return Unavailable(
            f"The catalog's database did not answer: {text}.",
            hint="See whether PostgreSQL runs and can be reached, and run the command again.",
            backend="catalog",
        )
    return Rejected(f"The catalog refused: {text}.", backend="catalog")


def _state_of_refused_connection(text: str) -> str:
    """A refused connection has no SQLSTATE in libpq: its words are all there is."""
    if "authentication failed" in text or "no password supplied" in text:
        return "28P01"
    if "does not exist" in text:
        return "28000" if "role" in text else "3D000"
    return "08001"
