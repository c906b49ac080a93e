"""A request that is sent again with its Idempotency-Key is answered again, and not done again."""

from __future__ import annotations

from datetime import datetime, timedelta

from datahub.core.errors import Conflict, InputError
from datahub.ports.accounts import Accounts, Reply

KEPT = timedelta(hours=24)
LONGEST = 200


def claim(
    user: str, key: str, fingerprint: str, *, accounts: Accounts, now: datetime
) -> Reply | None:
    """The reply that was given before; None where the request is to be done now.

    Raises InputError (another request had this key), Conflict (the first one is still at work).
    """
    if not 0 < len(key) <= LONGEST or not key.isascii() or not key.isprintable():
        raise InputError(
            f"An Idempotency-Key has 1 to {LONGEST} printable ASCII characters.",
            hint="A UUID will do.",
        )
    reply = accounts.claim(user, key, fingerprint, now=now, since=now - KEPT)
    if reply is None:
        return None
    if reply.fingerprint != fingerprint:
        raise InputError(
            "This Idempotency-Key was used for another request.", hint="Use a new key for each."
        )
    if not reply.status:
        raise Conflict(
            "The request with this Idempotency-Key is still at work, or was cut off.",
            hint="Look whether it was done before you send it with another key.",
        )
    return reply
