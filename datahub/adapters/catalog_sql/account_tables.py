"""Tables of accounts: members, tokens, sessions, codes, the log of writes, kept replies."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar, cast

import sqlalchemy as sa
from sqlmodel import Field

from datahub.adapters.catalog_sql.tables import Table

_TIME = cast(Any, sa.DateTime(timezone=True))


class MemberRow(Table, table=True):
    """A role."""

    __tablename__: ClassVar[Any] = "member"

    user: str = Field(primary_key=True)
    repository: str = Field(primary_key=True)
    role: str


class TokenRow(Table, table=True):
    """A token, by its digest."""

    __tablename__: ClassVar[Any] = "token"

    id: str = Field(primary_key=True)
    digest: str
    user: str
    scope: str
    note: str = Field(sa_type=sa.Text)
    created: dt.datetime = Field(sa_type=_TIME)
    expires: dt.datetime = Field(sa_type=_TIME)
    used: dt.datetime | None = Field(sa_type=_TIME, default=None)
    revoked: dt.datetime | None = Field(sa_type=_TIME, default=None)


class CodeRow(Table, table=True):
    """A sign-in code that nobody used yet."""

    __tablename__: ClassVar[Any] = "sign_in_code"

    digest: str = Field(primary_key=True)
    user: str
    expires: dt.datetime = Field(sa_type=_TIME)


class SessionRow(Table, table=True):
    """A session."""

    __tablename__: ClassVar[Any] = "session"

    digest: str = Field(primary_key=True)
    user: str = Field(index=True)
    created: dt.datetime = Field(sa_type=_TIME)
    fresh_until: dt.datetime = Field(sa_type=_TIME)
    expires: dt.datetime = Field(sa_type=_TIME)


class WriteRow(Table, table=True):
    """An entry of the log of writes. The database refuses to change or remove one."""

    __tablename__: ClassVar[Any] = "write_log"

    number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    time: dt.datetime = Field(sa_type=_TIME)
    user: str
    via: str
    request: str
    repository: str = Field(index=True)
    act: str
    state: str
    detail: str = Field(sa_type=sa.Text)
    before: str
    hash: str


class ReplyRow(Table, table=True):
    """What a request with an Idempotency-Key was answered; status 0: it is at work."""

    __tablename__: ClassVar[Any] = "reply"

    user: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    fingerprint: str
    time: dt.datetime = Field(sa_type=_TIME, index=True)
    status: int
    headers: str = Field(sa_type=sa.Text)
    body: bytes = Field(sa_type=sa.LargeBinary)
