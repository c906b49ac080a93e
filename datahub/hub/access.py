"""Accounts of a server as calls: members, tokens, sessions, and the log of writes."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from datetime import timedelta

from datahub.core.accounts import (
    LogEntry,
    Member,
    Principal,
    Session,
    Token,
    checked_repository,
    checked_role,
    checked_user,
)
from datahub.flow.access import log, replies, sessions, tokens
from datahub.hub.parts import once
from datahub.hub.registry import adapter
from datahub.hub.wiring import Wiring
from datahub.ports.accounts import Accounts, Reply

_PAGE = 1000


class Access(Wiring):
    """Who may use the server that this project's catalog keeps the accounts of."""

    @property
    def repository(self) -> str:
        """The name of this repository on a server. Raises InputError for what can be none."""
        return checked_repository(self.settings.repository or self.settings.root.resolve().name)

    def member_set(
        self, user: str, role: str | None, *, repository: str | None = None
    ) -> Member | None:
        """Give somebody a role in a repository, or take it (None); their sessions end."""
        place = checked_repository(repository or self.repository)
        new = None if role is None else checked_role(role)
        self._accounts.set_role(checked_user(user), place, new)
        return None if new is None else Member(user, place, new)

    def members(self, *, repository: str | None = None) -> list[Member]:
        """Who has a role, by repository and name."""
        return self._accounts.members(repository=repository)

    def token_create(
        self, user: str, *, scope: str = "all", note: str = "", life: timedelta
    ) -> tuple[Token, str]:
        """A new token of somebody, and its text, which is shown this once."""
        return tokens.create(
            user,
            scope=scope,
            note=note,
            life=life,
            accounts=self._accounts,
            now=self.clock(),
            fresh=secrets.token_hex,
        )

    def tokens(self) -> list[Token]:
        """All tokens, oldest first, those that ended too."""
        return self._accounts.tokens()

    def token_revoke(self, token: str) -> Token:
        """End a token, by its id. Raises NotFound."""
        return tokens.revoke(token, accounts=self._accounts, now=self.clock())

    def token_principal(self, text: str) -> Principal:
        """Who a token speaks for. Raises NotSignedIn."""
        return tokens.principal(text, accounts=self._accounts, now=self.clock())

    def invite(self, user: str) -> str:
        """A code that one POST may exchange for a session of that user, within minutes."""
        return sessions.invite(
            user, accounts=self._accounts, now=self.clock(), fresh=secrets.token_hex
        )

    def sign_in(self, code: str) -> tuple[str, Session]:
        """A new session for a code: its secret, and what it is. Raises NotSignedIn."""
        return sessions.sign_in(
            code, accounts=self._accounts, now=self.clock(), fresh=secrets.token_hex
        )

    def session_principal(self, secret: str) -> tuple[Principal, str | None]:
        """Whose session it is, and a new secret where the old one is to be replaced."""
        return sessions.principal(
            secret, accounts=self._accounts, now=self.clock(), fresh=secrets.token_hex
        )

    def sign_out(self, secret: str) -> None:
        """End a session."""
        sessions.sign_out(secret, accounts=self._accounts, now=self.clock())

    def log_write(
        self,
        who: Principal | None,
        act: str,
        state: str,
        detail: Mapping[str, object],
        *,
        request: str,
        repository: str = "",
    ) -> LogEntry:
        """Put a write, about to be done or done, into the log."""
        user, via = ("", "") if who is None else (who.user, who.via)
        note = log.Note(user, via, request, repository, act)
        return log.write(self._accounts, note, state, detail, now=self.clock())

    def written(
        self, *, repository: str | None = None, after: int = 0, limit: int = 100
    ) -> list[LogEntry]:
        """The log of writes, oldest first."""
        return self._accounts.entries(after=after, limit=limit, repository=repository)

    def log_break(self) -> int | None:
        """The number of the first entry of the log that was tampered with; None where none was."""
        return log.first_break(self._all_entries())

    def _all_entries(self) -> Iterator[LogEntry]:
        last = 0
        while entries := self.written(after=last, limit=_PAGE):
            yield from entries
            last = entries[-1].number

    def reply_claim(self, who: Principal, key: str, fingerprint: str) -> Reply | None:
        """The reply that a request was given before; None where it is to be done now."""
        return replies.claim(who.user, key, fingerprint, accounts=self._accounts, now=self.clock())

    def reply_settle(
        self, who: Principal, key: str, fingerprint: str, kept: tuple[int, str, bytes] | None
    ) -> None:
        """Keep the status, headers and body that were answered; None lets it be done again."""
        reply = None if kept is None else Reply(fingerprint, *kept)
        self._accounts.settle(who.user, key, reply)

    @once
    def _accounts(self) -> Accounts:
        accounts: Accounts = adapter("accounts", "sql")(self.catalog)
        return accounts
