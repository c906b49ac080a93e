"""Accounts in the catalog's database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa

from datahub.adapters.catalog_sql import SqlCatalog, tables
from datahub.adapters.catalog_sql.account_tables import (
    CodeRow,
    MemberRow,
    ReplyRow,
    SessionRow,
    TokenRow,
    WriteRow,
)
from datahub.core.accounts import LogEntry, Member, Role, Session, Token
from datahub.ports.accounts import Reply

T = TypeVar("T")
_MEMBER = tables.table(MemberRow)
_TOKEN = tables.table(TokenRow)
_CODE = tables.table(CodeRow)
_SESSION = tables.table(SessionRow)
_WRITE = tables.table(WriteRow)
_REPLY = tables.table(ReplyRow)


class SqlAccounts:
    """Accounts in the database of a catalog, with its connections."""

    def __init__(self, catalog: SqlCatalog) -> None:
        self._read, self._write = catalog.reading, catalog.writing

    def set_role(self, user: str, repository: str, role: Role | None) -> None:
        """Give a role, or take it (None). All sessions of the user end, in one."""
        with self._write() as connection:
            connection.execute(
                sa.delete(_MEMBER).where(_MEMBER.c.user == user, _MEMBER.c.repository == repository)
            )
            if role is not None:
                row = {"user": user, "repository": repository, "role": str(role)}
                connection.execute(sa.insert(_MEMBER).values(**row))
            connection.execute(sa.delete(_SESSION).where(_SESSION.c.user == user))

    def members(self, *, repository: str | None = None) -> list[Member]:
        """By repository and name."""
        query = sa.select(_MEMBER).order_by(_MEMBER.c.repository, _MEMBER.c.user)
        if repository is not None:
            query = query.where(_MEMBER.c.repository == repository)
        with self._read() as connection:
            rows = list(connection.execute(query))
        return [Member(row.user, row.repository, Role(row.role)) for row in rows]

    def roles(self, user: str) -> dict[str, Role]:
        """Repository -> role."""
        query = sa.select(_MEMBER).where(_MEMBER.c.user == user)
        with self._read() as connection:
            return {row.repository: Role(row.role) for row in connection.execute(query)}

    def add_token(self, token: Token, digest: str) -> None:
        """Keep a new token."""
        with self._write() as connection:
            connection.execute(sa.insert(_TOKEN).values(**_in_utc(asdict(token)), digest=digest))

    def token(self, token_id: str) -> tuple[Token, str] | None:
        """A token and its digest."""
        with self._read() as connection:
            row = connection.execute(sa.select(_TOKEN).where(_TOKEN.c.id == token_id)).first()
        return None if row is None else (_value(Token, row), row.digest)

    def tokens(self) -> list[Token]:
        """Oldest first, revoked ones too."""
        with self._read() as connection:
            rows = connection.execute(sa.select(_TOKEN).order_by(_TOKEN.c.created, _TOKEN.c.id))
            return [_value(Token, row) for row in rows]

    def revoke_token(self, token_id: str, *, now: datetime) -> bool:
        """End a token; whether there was one that had not ended."""
        row = sa.and_(_TOKEN.c.id == token_id, _TOKEN.c.revoked.is_(None))
        with self._write() as connection:
            statement = sa.update(_TOKEN).where(row).values(revoked=tables.utc(now))
            return bool(connection.execute(statement).rowcount)

    def touch_token(self, token_id: str, *, now: datetime) -> None:
        """Note when it was used."""
        statement = sa.update(_TOKEN).where(_TOKEN.c.id == token_id).values(used=tables.utc(now))
        with self._write() as connection:
            connection.execute(statement)

    def add_code(self, digest: str, user: str, *, expires: datetime) -> None:
        """Keep a code that one POST may exchange for a session."""
        row = {"digest": digest, "user": user, "expires": tables.utc(expires)}
        with self._write() as connection:
            connection.execute(sa.insert(_CODE).values(**row))

    def redeem_code(self, digest: str, *, now: datetime) -> str | None:
        """The user of a code that was not used yet, which is used now; None where none counts."""
        match = _CODE.c.digest == digest
        with self._write() as connection:
            row = connection.execute(sa.select(_CODE).where(match)).first()
            connection.execute(sa.delete(_CODE).where(match | (_CODE.c.expires <= tables.utc(now))))
        return None if row is None or tables.aware(row.expires) <= now else row.user

    def add_session(self, digest: str, session: Session) -> None:
        """Keep a new session; those that expired go."""
        with self._write() as connection:
            expired = _SESSION.c.expires <= tables.utc(session.created)
            connection.execute(sa.delete(_SESSION).where(expired))
            row = {**_in_utc(asdict(session)), "digest": digest}
            connection.execute(sa.insert(_SESSION).values(**row))

    def session(self, digest: str) -> Session | None:
        """The session, expired or not."""
        with self._read() as connection:
            row = connection.execute(sa.select(_SESSION).where(_SESSION.c.digest == digest)).first()
        return None if row is None else _value(Session, row)

    def end_session(self, digest: str, *, at: datetime) -> None:
        """Let a session end no later than `at`."""
        later = sa.and_(_SESSION.c.digest == digest, _SESSION.c.expires > tables.utc(at))
        with self._write() as connection:
            statement = sa.update(_SESSION).where(later).values(expires=tables.utc(at))
            connection.execute(statement)

    def append(self, make: Callable[[LogEntry | None], LogEntry]) -> LogEntry:
        """Put an entry at the end, made of the last one (None: there is none), in one."""
        newest = sa.select(_WRITE).order_by(_WRITE.c.number.desc()).limit(1)
        with self._write() as connection:
            row = connection.execute(newest).first()
            entry = make(None if row is None else _value(LogEntry, row))
            connection.execute(sa.insert(_WRITE).values(**_in_utc(asdict(entry))))
        return entry

    def entries(self, *, after: int = 0, limit: int, repository: str | None) -> list[LogEntry]:
        """Oldest first, from the number after `after` on."""
        query = sa.select(_WRITE).where(_WRITE.c.number > after)
        if repository is not None:
            query = query.where(_WRITE.c.repository == repository)
        with self._read() as connection:
            rows = connection.execute(query.order_by(_WRITE.c.number).limit(limit))
            return [_value(LogEntry, row) for row in rows]

    def claim(
        self, user: str, key: str, fingerprint: str, *, now: datetime, since: datetime
    ) -> Reply | None:
        """The reply of that key; None where it is claimed now. What is before `since` goes."""
        with self._write() as connection:
            connection.execute(sa.delete(_REPLY).where(_REPLY.c.time < tables.utc(since)))
            row = connection.execute(sa.select(_REPLY).where(*_of(user, key))).first()
            if row is not None:
                return Reply(row.fingerprint, row.status, row.headers, bytes(row.body))
            fresh = Reply(fingerprint, 0, "{}", b"")
            values = {**asdict(fresh), "user": user, "key": key, "time": tables.utc(now)}
            connection.execute(sa.insert(_REPLY).values(**values))
        return None

    def settle(self, user: str, key: str, reply: Reply | None) -> None:
        """Keep the reply of a claimed key; None gives the key back."""
        with self._write() as connection:
            if reply is None:
                connection.execute(sa.delete(_REPLY).where(*_of(user, key)))
            else:
                statement = sa.update(_REPLY).where(*_of(user, key)).values(**asdict(reply))
                connection.execute(statement)


def _of(user: str, key: str) -> tuple[Any, Any]:
    return _REPLY.c.user == user, _REPLY.c.key == key


def _in_utc(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: tables.utc(value) if isinstance(value, datetime) else value
        for name, value in values.items()
    }


def _value(kind: type[T], row: Any) -> T:
    """A value of core whose fields are columns of the row."""
    columns = {field.name: getattr(row, field.name) for field in fields(kind)}  # type: ignore[arg-type]
    return kind(
        **{
            name: tables.aware(value) if isinstance(value, datetime) else value
            for name, value in columns.items()
        }
    )
