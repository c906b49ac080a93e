"""Who may do what on a server: roles by repository, rights, tokens, sessions.

A person or a machine is a name. It has one role in each repository, or none, and then the
repository is not there for it. A token acts for its owner, and a scope narrows it. What is
stored of a token, a session or a sign-in code is its SHA-256, never itself.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from datahub.core.error_kinds import DatahubError, InputError


class Right(StrEnum):
    """What an endpoint asks for."""

    READ = "read"  # rows, differences, why, figures of LFs
    VERDICTS = "verdicts"
    ANSWER = "answer"
    LABEL = "label"  # LF code, runs, fits, branches, commits
    JUDGE = "judge"
    LAND = "land"  # on a guarded branch; gates; tags; rows that leave
    ADMIN = "admin"  # members, tokens, the log


class Role(StrEnum):
    """What somebody is in a repository; each later one but `annotator` may do more."""

    READER = "reader"
    ANNOTATOR = "annotator"
    LABELER = "labeler"
    MAINTAINER = "maintainer"
    ADMIN = "admin"


_READER = frozenset({Right.READ, Right.VERDICTS})
_LABELER = _READER | {Right.ANSWER, Right.LABEL, Right.JUDGE}
RIGHTS: dict[Role, frozenset[Right]] = {
    Role.READER: _READER,
    Role.ANNOTATOR: frozenset({Right.ANSWER}),  # sees the tasks it is given, and no other row
    Role.LABELER: _LABELER,
    Role.MAINTAINER: _LABELER | {Right.LAND},
    Role.ADMIN: _LABELER | {Right.LAND, Right.ADMIN},
}
SCOPES: dict[str, frozenset[Right]] = {
    "all": frozenset(Right),
    "judge": frozenset({Right.JUDGE, Right.VERDICTS}),
}


class NotSignedIn(DatahubError):
    """Nobody, or a token or session that no longer counts."""

    code = "not_signed_in"

    def __init__(self, why: str = "This needs a token.") -> None:
        super().__init__(
            why, hint="Send `Authorization: Bearer dh_...`; `datahub token create` makes a token."
        )


class Forbidden(DatahubError):
    """Somebody who may not do this."""

    code = "forbidden"


@dataclass(frozen=True)
class Member:
    """Somebody's role in a repository."""

    user: str
    repository: str
    role: Role


@dataclass(frozen=True)
class Token:
    """A token, without its secret. `used` is when it was last used, to a minute."""

    id: str
    user: str
    scope: str
    note: str
    created: datetime
    expires: datetime
    used: datetime | None = None
    revoked: datetime | None = None

    def fault(self, now: datetime) -> str:
        """Why it does not count; empty where it does."""
        if self.revoked is not None:
            return "The token was revoked."
        return "The token has expired." if self.expires <= now else ""


@dataclass(frozen=True)
class Session:
    """Somebody who signed in: until `expires`, with a new secret after `fresh_until`."""

    user: str
    created: datetime
    fresh_until: datetime
    expires: datetime


@dataclass(frozen=True)
class Principal:
    """Who asks: by which token or session, with which roles, within which scope."""

    user: str
    via: str
    roles: dict[str, Role]
    scope: str = "all"

    def rights(self, repository: str) -> frozenset[Right]:
        """What may be done in a repository; nothing where there is no role."""
        role = self.roles.get(repository)
        return frozenset() if role is None else RIGHTS[role] & SCOPES[self.scope]

    def check(self, repository: str, right: Right) -> None:
        """Raise Forbidden where the right is missing."""
        if right not in self.rights(repository):
            raise Forbidden(
                f"{self.user!r} may not do this in {repository!r}: it needs the right {right!r}.",
                hint=f"Those with it are {_roles_with(right)}; an admin of the repository gives "
                "roles. A token of a narrow scope has fewer rights than its owner.",
            )


@dataclass(frozen=True)
class LogEntry:
    """One write, about to be done or done. `hash` covers all else, the entry before too."""

    number: int
    time: datetime
    user: str
    via: str
    request: str
    repository: str
    act: str
    state: str  # begun, done, refused
    detail: str  # JSON
    before: str
    hash: str


def entry_hash(entry: LogEntry) -> str:
    """The hash that an entry must have."""
    parts = (
        str(entry.number),
        entry.time.isoformat(),
        entry.user,
        entry.via,
        entry.request,
        entry.repository,
        entry.act,
        entry.state,
        entry.detail,
        entry.before,
    )
    text = "".join(f"{len(part.encode())}:{part}" for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()


def token_text(token_id: str, secret: str) -> str:
    """What the owner keeps of a token.

    >>> token_text("0a1b2c3d4e5f", "ab" * 32)[:20]
    'dh_0a1b2c3d4e5f_abab'
    """
    return f"dh_{token_id}_{secret}"


def token_id(text: str) -> str | None:
    """The id in a token; None for what is no token.

    >>> token_id("dh_0a1b2c3d4e5f_" + "ab" * 32), token_id("dh_0a1b2c3d4e5f_ab")
    ('0a1b2c3d4e5f', None)
    """
    match = re.fullmatch(r"dh_([0-9a-f]{12})_[0-9a-f]{64}", text)
    return match[1] if match else None


def digest(secret: str) -> str:
    """What is stored of a secret of 256 random bits, which needs no salt."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def is_secret_of(text: str, stored: str) -> bool:
    """Whether a secret is the one whose digest is stored, in constant time."""
    return hmac.compare_digest(digest(text), stored)


def csrf_of(session_secret: str) -> str:
    """What a page must send beside its session's cookie; who has no cookie cannot know it."""
    return digest(f"csrf {session_secret}")


def is_csrf_of(header: str, session_secret: str) -> bool:
    """Whether a header is what goes beside that session's cookie."""
    return hmac.compare_digest(header.encode(), csrf_of(session_secret).encode())


def checked_user(name: str) -> str:
    """Return a name that people and machines may have, else raise InputError.

    >>> checked_user("ada@example.org")
    'ada@example.org'
    """
    if not is_user(name):
        raise InputError(
            f"{name!r} cannot be a user's name.", hint="Use letters, digits and . _ @ + -"
        )
    return name


def is_user(name: str) -> bool:
    """Whether people and machines may have the name.

    >>> is_user("ci-1"), is_user("Ada L")
    (True, False)
    """
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}", name) is not None


def checked_repository(name: str) -> str:
    """Return a name that a repository may have on a server, else raise InputError."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise InputError(
            f"{name!r} cannot be a repository's name.",
            hint="Use letters, digits and . _ - in the setting `repository`.",
        )
    return name


def checked_role(name: str) -> Role:
    """The role of that name. Raises InputError."""
    if name not in set(Role):
        raise InputError(f"There is no role {name!r}.", hint=f"Roles are {', '.join(Role)}.")
    return Role(name)


def life_of(text: str) -> timedelta:
    """A number of hours or days. Raises InputError.

    >>> life_of("12h"), life_of("30d")
    (datetime.timedelta(seconds=43200), datetime.timedelta(days=30))
    """
    match = re.fullmatch(r"([0-9]{1,5})([hd])", text)
    if match is None:
        raise InputError(f"{text!r} is no number of hours or days.", hint="Try 90d or 12h.")
    return timedelta(**{{"h": "hours", "d": "days"}[match[2]]: int(match[1])})


def checked_scope(name: str) -> str:
    """Return a scope of tokens, else raise InputError."""
    if name not in SCOPES:
        raise InputError(f"There is no scope {name!r}.", hint=f"Scopes are {', '.join(SCOPES)}.")
    return name


def _roles_with(right: Right) -> str:
    return ", ".join(role for role in Role if right in RIGHTS[role])
