"""Accounts of a server as calls: members, tokens, sessions, and the log of writes."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

from datahub.core.accounts import (
    LogEntry,
    Member,
    Principal,
    Role,
    Session,
    Token,
    checked_repository,
    checked_role,
    checked_user,
    is_user,
)
from datahub.core.errors import NotFound
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

    def member_remove(self, user: str, *, repository: str | None = None) -> Member:
        """Take somebody's role away; their sessions end. Raises NotFound."""
        place = checked_repository(repository or self.repository)
        role = self._accounts.roles(user).get(place)
        if role is None:
            raise NotFound(
                f"{user!r} has no role in {place!r}.",
                hint="`datahub member list` shows who has one.",
            )
        self.member_set(user, None, repository=place)
        return Member(user, place, role)

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

    def invite_admin(self) -> tuple[str, str]:
        """Who works in this project, as an admin of it, and a code that signs them in.

        Who can write the catalog could make themselves one anyway. An author whose name is none
        of a user is `admin`.
        """
        user = self._local_user()
        if self._accounts.roles(user).get(self.repository) is not Role.ADMIN:
            with self.logged("member set", {"user": user, "role": "admin"}):
                self.member_set(user, Role.ADMIN)
        return user, self.invite(user)

    def _local_user(self) -> str:
        return self.settings.author if is_user(self.settings.author) else "admin"

    def sign_in(self, code: str) -> tuple[str, Session]:
        """A new session for a code: its secret, and what it is. Raises NotSignedIn."""
        return sessions.sign_in(
            code, accounts=self._accounts, now=self.clock(), fresh=secrets.token_hex
        )

    def session_principal(self, secret: str, *, rotate: bool) -> tuple[Principal, str | None]:
        """Whose session it is, and a new secret where the old one is to be replaced.

        Rotate where who asks can take the new one. Raises NotSignedIn.
        """
        return sessions.principal(
            secret,
            rotate=rotate,
            accounts=self._accounts,
            now=self.clock(),
            fresh=secrets.token_hex,
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

    @contextmanager
    def logged(self, act: str, detail: Mapping[str, object]) -> Iterator[None]:
        """Put what the command line does to accounts into the log, before it is done and after."""
        who, request = Principal(self.settings.author, "command line", {}), secrets.token_hex(16)

        def note(state: str) -> None:
            self.log_write(who, act, state, detail, request=request, repository=self.repository)

        note("begun")
        state = "refused"
        try:
            yield
            state = "done"
        finally:
            note(state)

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
