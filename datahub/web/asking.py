"""Who asks for what: found out before anything of a request is read, and denied by default."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from datahub.core.accounts import Principal, Right, is_csrf_of
from datahub.core.errors import Forbidden, NotFound, NotSignedIn, StaleHead
from datahub.web.limits import Limiter

if TYPE_CHECKING:
    from datahub.hub import Hub

COOKIE = "datahub_session"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
ANYBODY = "anybody"  # rights beside those in a repository
SIGNED_IN = "signed-in"
SERVER_ADMIN = "server-admin"  # an admin of a repository that is served


@dataclass(frozen=True)
class Place:
    """What a server serves: hubs by the names of their repositories. `server` has the accounts."""

    server: Hub
    hubs: Mapping[str, Hub]
    requests: Limiter = field(
        default_factory=lambda: Limiter(per_second=50, burst=500, clock=time.monotonic)
    )
    failures: Limiter = field(
        default_factory=lambda: Limiter(per_second=0.5, burst=30, clock=time.monotonic)
    )
    is_secure: bool = False  # cookies for https alone


@dataclass
class Asking:
    """One request of somebody who may make it."""

    place: Place
    who: Principal
    repo: str
    if_match: str | None = None
    new_session: str | None = None
    before: str = ""  # what the log notes: from which commit to which
    after: str = ""

    def hub(self, branch: str | None = None) -> Hub:
        """The repository's hub on a branch, whose author is who asks.

        With If-Match, a step on it starts from that commit or not at all.
        """
        hub = self.place.hubs[self.repo]
        return hub.on(branch or "main", author=self.who.user, head=self.if_match or "")

    def check_head(self, branch: str, head: str) -> None:
        """Raise StaleHead where If-Match names another commit than the branch's head."""
        if self.if_match is not None and self.if_match != head:
            raise StaleHead(branch, self.if_match, head)

    def moved(self, before: str, after: str) -> None:
        """Note for the log what a write did to a ref."""
        self.before, self.after = before, after


def asking(request: Request) -> Asking:
    """The request's; a route that nobody guards has none, and fails."""
    asks: Asking = request.state.asking
    return asks


Asks = Annotated[Asking, Depends(asking)]


def admit(request: Request, place: Place, right: str) -> Asking:
    """Who asks, if they may. Raises NotSignedIn, Forbidden, NotFound, TooMany."""
    try:
        who, new_session = _principal(request, place)
    except NotSignedIn:
        place.failures.take(request.client.host if request.client else "")
        raise
    place.requests.take(who.user)
    repo = request.path_params.get("repo", "")
    if right == SERVER_ADMIN:
        _check_admin(who, place)
    elif right != SIGNED_IN:
        if repo not in place.hubs or repo not in who.roles:
            raise NotFound(
                f"There is no repository {repo!r} that you may see.",
                hint="GET /api/v1/repos lists yours.",
            )
        who.check(repo, Right(right))
    return Asking(place, who, repo, _if_match(request), new_session)


def _check_admin(who: Principal, place: Place) -> None:
    if not any(Right.ADMIN in who.rights(name) for name in place.hubs):
        raise Forbidden(
            f"{who.user!r} is an admin of no repository here.",
            hint="An admin gives roles: PUT /api/v1/repos/{repo}/members/{user}.",
        )


def _principal(request: Request, place: Place) -> tuple[Principal, str | None]:
    header = request.headers.get("authorization")
    if header is not None:
        scheme, _, text = header.partition(" ")
        if scheme.lower() != "bearer":
            raise NotSignedIn("The header Authorization names no bearer token.")
        return place.server.token_principal(text.strip()), None
    secret = request.cookies.get(COOKIE)
    if secret is None:
        raise NotSignedIn
    is_read = request.method in SAFE  # which can learn the CSRF header of a new secret
    who, fresh = place.server.session_principal(secret, rotate=is_read)
    if not is_read:
        _check_csrf(request, secret)
    return who, fresh


def _check_csrf(request: Request, secret: str) -> None:
    """A page of another site has the cookie sent, and cannot send this header."""
    if not is_csrf_of(request.headers.get("x-csrf-token", ""), secret):
        raise Forbidden(
            "The header X-CSRF-Token is missing or wrong.",
            hint="GET /api/v1/session says what to send.",
        )


def _if_match(request: Request) -> str | None:
    text = request.headers.get("if-match", "").strip()
    return None if text in ("", "*") else text.removeprefix("W/").strip('"')
