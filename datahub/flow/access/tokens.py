"""Tokens: made once, shown once, and who a token speaks for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from datahub.core.accounts import (
    NotSignedIn,
    Principal,
    Token,
    checked_scope,
    checked_user,
    digest,
    is_secret_of,
    token_id,
    token_text,
)
from datahub.core.errors import InputError, NotFound
from datahub.ports.accounts import Accounts

MOST = timedelta(days=366)  # that a token may live
_NOTED = timedelta(minutes=1)  # a use is written no more often

Fresh = Callable[[int], str]  # that many random bytes, as hexadecimal digits


def create(
    user: str,
    *,
    scope: str,
    note: str,
    life: timedelta,
    accounts: Accounts,
    now: datetime,
    fresh: Fresh,
) -> tuple[Token, str]:
    """A new token, and its text, which is stored nowhere. Raises InputError."""
    if not timedelta(0) < life <= MOST:
        raise InputError(
            "A token lives for more than nothing and at most 366 days.", hint="Try 90d or 12h."
        )
    if len(note) > 200:
        raise InputError("The note of a token has more than 200 characters.")
    token = Token(fresh(6), checked_user(user), checked_scope(scope), note, now, now + life)
    text = token_text(token.id, fresh(32))
    accounts.add_token(token, digest(text))
    return token, text


def principal(text: str, *, accounts: Accounts, now: datetime) -> Principal:
    """Who a token speaks for. Raises NotSignedIn.

    What is no token, an unknown one and a wrong secret are told the same.
    """
    stored = accounts.token(token_id(text) or "")
    if stored is None or not is_secret_of(text, stored[1]):
        raise NotSignedIn("The token is not known here.")
    token = stored[0]
    if fault := token.fault(now):
        raise NotSignedIn(fault)
    if token.used is None or now - token.used >= _NOTED:
        accounts.touch_token(token.id, now=now)
    return Principal(token.user, f"token {token.id}", accounts.roles(token.user), token.scope)


def revoke(name: str, *, accounts: Accounts, now: datetime) -> Token:
    """End a token. Raises NotFound."""
    token = accounts.token(name)
    if token is None:
        raise NotFound(
            f"There is no token {name!r}.", hint="`datahub token list` shows the ids of all."
        )
    accounts.revoke_token(name, now=now)
    fresh = accounts.token(name)
    return token[0] if fresh is None else fresh[0]
