"""Repositories, sessions, tokens and members, and the log of writes."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import Body, Query, Request, Response

from datahub.core.accounts import Forbidden, NotSignedIn, csrf_of
from datahub.core.accounts import Right as R
from datahub.core.errors import NotFound
from datahub.hub import results
from datahub.web.asking import COOKIE, SIGNED_IN, Asks
from datahub.web.resource import V1, Resource, answer

repositories = Resource("repositories", V1)
tokens = Resource("tokens", V1)
members = Resource("members")

Role = Literal["reader", "annotator", "labeler", "maintainer", "admin"]


@repositories.get("/repos", right=SIGNED_IN, result=list[results.Repository])
def list_repositories(ask: Asks) -> Response:
    """The repositories in which you have a role."""
    return answer(
        [
            results.Repository(name, str(role))
            for name, role in sorted(ask.who.roles.items())
            if name in ask.place.hubs
        ]
    )


@repositories.get("/session", right=SIGNED_IN, result=results.SignedIn)
def get_session(ask: Asks, request: Request) -> Response:
    """Who you are; for a session, what goes into X-CSRF-Token."""
    secret = ask.new_session or request.cookies.get(COOKIE)
    is_session = ask.who.via == "session" and secret is not None
    csrf = csrf_of(secret) if is_session and secret is not None else None
    return answer(results.SignedIn(ask.who.user, csrf))


@repositories.write("DELETE", "/session", right=SIGNED_IN, result=results.SignedIn)
def delete_session(ask: Asks, request: Request) -> Response:
    """Sign out: the session ends on the server."""
    secret = request.cookies.get(COOKIE)
    if ask.who.via != "session" or secret is None:
        raise NotSignedIn("There is no session to end.")
    ask.place.server.sign_out(secret)
    response = answer(results.SignedIn(ask.who.user, None))
    response.delete_cookie(COOKIE)
    return response


@tokens.get("/tokens", right=SIGNED_IN, result=list[results.Token])
def list_tokens(ask: Asks) -> Response:
    """Your own tokens, those that ended too."""
    own = [token for token in ask.place.server.tokens() if token.user == ask.who.user]
    return answer(results.Token.list_of(own))


@tokens.write(
    "POST", "/tokens", right=SIGNED_IN, result=results.NewToken, status=201, is_shown_once=True
)
def create_token(
    ask: Asks,
    days: Annotated[int, Body(ge=1, le=366)],
    scope: Annotated[Literal["all", "judge"], Body()] = "all",
    note: Annotated[str, Body(max_length=200)] = "",
) -> Response:
    """A token of your own, shown this once. It takes a session: no token makes another."""
    if ask.who.via != "session":
        raise Forbidden(
            "A token cannot make tokens.",
            hint="Sign in, or run `datahub token create` on the server.",
        )
    token, text = ask.place.server.token_create(
        ask.who.user, scope=scope, note=note, life=timedelta(days=days)
    )
    return answer(results.NewToken.of(token, token=text), status=201)


@tokens.write("DELETE", "/tokens/{token}", right=SIGNED_IN, result=results.Token)
def revoke_token(token: str, ask: Asks) -> Response:
    """End one of your tokens."""
    server = ask.place.server
    if token not in {own.id for own in server.tokens() if own.user == ask.who.user}:
        raise NotFound(f"You have no token {token!r}.", hint="GET /api/v1/tokens lists yours.")
    return answer(results.Token.of(server.token_revoke(token)))


@members.get("/members", right=R.ADMIN, result=list[results.Member])
def list_members(ask: Asks) -> Response:
    """Who has which role in this repository."""
    return answer(results.Member.list_of(ask.place.server.members(repository=ask.repo)))


@members.write("PUT", "/members/{user}", right=R.ADMIN, result=results.Member)
def set_member(user: str, ask: Asks, role: Annotated[Role, Body(embed=True)]) -> Response:
    """Give somebody a role; the sessions of that user end."""
    member = ask.place.server.member_set(user, role, repository=ask.repo)
    return answer(results.Member.of(member))


@members.write("DELETE", "/members/{user}", right=R.ADMIN, result=results.Member)
def remove_member(user: str, ask: Asks) -> Response:
    """Take somebody's role away; the sessions of that user end."""
    ask.place.server.member_remove(user, repository=ask.repo)
    return answer(results.Member(user, ask.repo, None))


@members.get("/log", right=R.ADMIN, result=list[results.Written])
def list_writes(
    ask: Asks,
    after: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """Writes to this repository, oldest first: who, what, from which commit to which."""
    entries = ask.place.server.written(repository=ask.repo, after=after, limit=limit)
    return answer(results.Written.list_of(entries))
