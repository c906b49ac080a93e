"""Tables of the catalog, and how core's values become rows of them and come back.

The same schema as `migrations/` builds. Structured values are ASCII JSON text, which every
database can hold, and times are UTC.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Any, ClassVar, Literal, cast, get_args

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from datahub.core.dataset import Key
from datahub.core.errors import InputError
from datahub.core.job import STATES
from datahub.ports import LedgerEntry

State = Literal["intent", "asked", "answered", "stale", "gone", "dropped"]


class Table(
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


class RunRow(Table, table=True):
    """One step that was run."""

    __tablename__: ClassVar[Any] = "run"

    id: int | None = Field(default=None, primary_key=True)
    commit: str = Field(index=True)
    step: str
    branch: str
    time: dt.datetime = Field(sa_type=cast(Any, sa.DateTime(timezone=True)), index=True)
    figures: str = Field(sa_type=sa.Text)  # JSON


class RefusalRow(Table, table=True):
    """One merge that the gate refused."""

    __tablename__: ClassVar[Any] = "refusal"

    id: int | None = Field(default=None, primary_key=True)
    into: str
    branch: str
    source: str = Field(index=True)  # commit id
    time: dt.datetime = Field(sa_type=cast(Any, sa.DateTime(timezone=True)), index=True)
    verdict: str = Field(sa_type=sa.Text)  # JSON


class AskedRow(Table, table=True):
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


class CursorRow(Table, table=True):
    """Where the last pull of a queue ended."""

    __tablename__: ClassVar[Any] = "cursor"

    queue: str = Field(primary_key=True)
    dataset: str = Field(primary_key=True)
    branch: str = Field(primary_key=True)
    cursor: str = Field(sa_type=sa.Text)


class RememberedRow(Table, table=True):
    """One thing that is remembered of a queue; `kind` says what sort of thing."""

    __tablename__: ClassVar[Any] = "remembered"

    queue: str = Field(primary_key=True)
    dataset: str = Field(primary_key=True)
    branch: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    name: str = Field(primary_key=True, sa_type=sa.Text)
    text: str = Field(sa_type=sa.Text)


class JobRow(Table, table=True):
    """One job. Structured values are JSON text."""

    __tablename__: ClassVar[Any] = "job"
    __table_args__ = (
        sa.UniqueConstraint("author", "key"),
        sa.Index(None, "state", "id"),
        sa.Index(None, "lane", "state", "id"),
        {"sqlite_autoincrement": True},  # a number is never given twice
    )

    id: int | None = Field(default=None, primary_key=True)
    kind: str
    arguments: str = Field(sa_type=sa.Text)
    branch: str
    author: str
    lane: str | None
    expected: str
    key: str | None
    attempts: int
    state: str = Field(
        sa_type=cast(Any, sa.Enum(*STATES, name="state", native_enum=False, create_constraint=True))
    )
    attempt: int
    fence: int
    worker: str
    base: str
    progress: str = Field(sa_type=sa.Text)
    cancel: bool
    due: dt.datetime = Field(sa_type=cast(Any, sa.DateTime(timezone=True)))
    lease_until: dt.datetime | None = Field(sa_type=cast(Any, sa.DateTime(timezone=True)))
    created: dt.datetime = Field(sa_type=cast(Any, sa.DateTime(timezone=True)))
    started: dt.datetime | None = Field(sa_type=cast(Any, sa.DateTime(timezone=True)))
    ended: dt.datetime | None = Field(sa_type=cast(Any, sa.DateTime(timezone=True)))
    result: str | None = Field(sa_type=sa.Text)
    failure: str | None = Field(sa_type=sa.Text)
    lines: int  # of its log


class JobEventRow(Table, table=True):
    """Something that happened to a job; `data` is JSON."""

    __tablename__: ClassVar[Any] = "job_event"
    __table_args__ = (sa.Index(None, "job", "id"), {"sqlite_autoincrement": True})

    id: int | None = Field(default=None, primary_key=True)
    job: int
    kind: str
    time: dt.datetime = Field(sa_type=cast(Any, sa.DateTime(timezone=True)))
    data: str = Field(sa_type=sa.Text)


metadata = Table.metadata


def upsert(connection: sa.Connection, model: type[Table]) -> Any:
    """Insert, or overwrite the row of the same queue, dataset and branch (and key, or name)."""
    into = table(model)
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    names = ("queue", "dataset", "branch", "key", "kind", "name")
    unique = [name for name in names if name in into.columns]
    statement = dialect.insert(into)
    updates = {
        column.name: statement.excluded[column.name]
        for column in into.columns
        if column.name not in (*unique, "id")
    }
    return statement.on_conflict_do_update(index_elements=unique, set_=updates)


def table(model: type[Table]) -> sa.Table:
    """The SQLAlchemy table of a model."""
    return metadata.tables[cast(Any, model).__tablename__]


def ledger_row(entry: LedgerEntry) -> dict[str, Any]:
    """One row of `asked`. Raises InputError (an unknown state, a key of another type)."""
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


def json_text(value: object, label: str) -> str:
    """ASCII JSON. Raises InputError when `value` is none."""
    try:
        return json.dumps(value, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise InputError(f"The {label} cannot be kept as JSON: {error}") from error


def utc(time: dt.datetime) -> dt.datetime:
    """The same moment in UTC. Raises InputError when it has no zone."""
    if time.tzinfo is None:
        raise InputError(f"The time {time.isoformat()} has no time zone.")
    return time.astimezone(dt.UTC)


def aware(time: dt.datetime) -> dt.datetime:
    """SQLite gives times back without their zone, which is UTC."""
    return time.replace(tzinfo=dt.UTC) if time.tzinfo is None else time.astimezone(dt.UTC)
