"""Who is who on a server, and what they wrote: members, tokens, sessions, the log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from datahub.core.accounts import LogEntry, Member, Role, Session, Token


@dataclass(frozen=True)
class Reply:
    """What a request with an Idempotency-Key was answered; `status` 0: it is still at work."""

    fingerprint: str
    status: int
    headers: str  # JSON
    body: bytes


class Members(Protocol):
    """Roles by user and repository."""

    def set_role(self, user: str, repository: str, role: Role | None) -> None:
        """Give a role, or take it (None). All sessions of the user end, in one."""
        ...

    def members(self, *, repository: str | None = None) -> list[Member]:
        """By repository and name."""
        ...

    def roles(self, user: str) -> dict[str, Role]:
        """Repository -> role."""
        ...


class Tokens(Protocol):
    """Tokens by id; the store has digests alone."""

    def add_token(self, token: Token, digest: str) -> None:
        """Keep a new token."""
        ...

    def token(self, token_id: str) -> tuple[Token, str] | None:
        """A token and its digest."""
        ...

    def tokens(self) -> list[Token]:
        """Oldest first, revoked ones too."""
        ...

    def revoke_token(self, token_id: str, *, now: datetime) -> bool:
        """End a token; whether there was one that had not ended."""
        ...

    def touch_token(self, token_id: str, *, now: datetime) -> None:
        """Note when it was used."""
        ...


class Sessions(Protocol):
    """Sessions and one-time sign-in codes, by their digests."""

    def add_code(self, digest: str, user: str, *, expires: datetime) -> None:
        """Keep a code that one POST may exchange for a session."""
        ...

    def redeem_code(self, digest: str, *, now: datetime) -> str | None:
        """The user of a code that was not used yet, which is used now; None where none counts."""
        ...

    def add_session(self, digest: str, session: Session) -> None:
        """Keep a new session; those that expired go."""
        ...

    def session(self, digest: str) -> Session | None:
        """The session, expired or not."""
        ...

    def end_session(self, digest: str, *, at: datetime) -> None:
        """Let a session end no later than `at`."""
        ...


class WriteLog(Protocol):
    """What was written, append-only: the store itself refuses changes of entries."""

    def append(self, make: Callable[[LogEntry | None], LogEntry]) -> LogEntry:
        """Put an entry at the end, made of the last one (None: there is none), in one."""
        ...

    def entries(self, *, after: int = 0, limit: int, repository: str | None) -> list[LogEntry]:
        """Oldest first, from the number after `after` on."""
        ...


class Replies(Protocol):
    """Answers that are given again where a request is sent again."""

    def claim(
        self, user: str, key: str, fingerprint: str, *, now: datetime, since: datetime
    ) -> Reply | None:
        """The reply of that key; None where it is claimed now. What is before `since` goes."""
        ...

    def settle(self, user: str, key: str, reply: Reply | None) -> None:
        """Keep the reply of a claimed key; None gives the key back."""
        ...


class Accounts(Members, Tokens, Sessions, WriteLog, Replies, Protocol):
    """All of it, in one store. Calls raise only errors of `datahub.core.errors`."""
