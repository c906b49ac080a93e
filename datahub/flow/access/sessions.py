"""Sessions: a one-time code becomes one, its secret changes each hour, and it ends."""

from __future__ import annotations

from datetime import datetime, timedelta

from datahub.core.accounts import NotSignedIn, Principal, Session, checked_user, digest
from datahub.flow.access.tokens import Fresh
from datahub.ports.accounts import Accounts

CODE_LIFE = timedelta(minutes=10)
LIFE = timedelta(hours=12)
ROTATION = timedelta(hours=1)
GRACE = timedelta(minutes=1)  # requests under way still have the secret of before

_ENDED = "The session has ended, or was never there. Sign in again."


def invite(user: str, *, accounts: Accounts, now: datetime, fresh: Fresh) -> str:
    """A code that one POST may exchange for a session, within minutes."""
    code = fresh(32)
    accounts.add_code(digest(code), checked_user(user), expires=now + CODE_LIFE)
    return code


def sign_in(code: str, *, accounts: Accounts, now: datetime, fresh: Fresh) -> tuple[str, Session]:
    """The secret of a new session, and the session. Raises NotSignedIn."""
    user = accounts.redeem_code(digest(code), now=now)
    if user is None:
        raise NotSignedIn("The code was used already, has expired, or was never given.")
    session = Session(user, now, now + ROTATION, now + LIFE)
    return _start(session, accounts=accounts, fresh=fresh), session


def principal(
    secret: str, *, rotate: bool, accounts: Accounts, now: datetime, fresh: Fresh
) -> tuple[Principal, str | None]:
    """Whose session it is, and its new secret where it is time for one. Raises NotSignedIn.

    Without `rotate` the secret stays as it is, however old.
    """
    session = accounts.session(digest(secret))
    if session is None or session.expires <= now:
        raise NotSignedIn(_ENDED)
    member = Principal(session.user, "session", accounts.roles(session.user))
    if not rotate or now < session.fresh_until or session.expires - now <= GRACE:
        return member, None
    accounts.end_session(digest(secret), at=now + GRACE)
    successor = Session(session.user, session.created, now + ROTATION, session.expires)
    return member, _start(successor, accounts=accounts, fresh=fresh)


def sign_out(secret: str, *, accounts: Accounts, now: datetime) -> None:
    """End a session now."""
    accounts.end_session(digest(secret), at=now)


def _start(session: Session, *, accounts: Accounts, fresh: Fresh) -> str:
    secret = fresh(32)
    accounts.add_session(digest(secret), session)
    return secret
