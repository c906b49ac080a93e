"""What anybody may ask: whether the server is well, the way to sign in, the OpenAPI document."""

from __future__ import annotations

import html
import json
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse

from datahub.core.accounts import csrf_of
from datahub.core.errors import DatahubError, NotSignedIn
from datahub.hub import results
from datahub.web.asking import ANYBODY, Place
from datahub.web.guard import set_session
from datahub.web.problems import Malformed, problem
from datahub.web.resource import V1, Resource, answer

public = Resource("public", "")

_PAGE = """\
<!doctype html><html lang="en"><meta charset="utf-8"><title>Sign in - datahub</title>
<main><h1>datahub</h1><form method="post" action="/sign-in">
<input type="hidden" name="code" value="{code}"><button>Sign in</button></form></main></html>
"""


@public.get("/healthz", right=ANYBODY, result=results.Healthy)
def get_health() -> Response:
    """Whether the server runs."""
    return answer(results.Healthy("ok"))


@public.get("/readyz", right=ANYBODY, result=results.Healthy)
def get_readiness(request: Request) -> Response:
    """Whether the server can answer: its catalog and its stores do."""
    place: Place = request.app.state.place
    try:
        place.server.written(limit=1)
        for hub in place.hubs.values():
            hub.branches()
    except DatahubError:  # which, the server's log and its metrics tell, and nobody else
        return answer(results.Healthy("not ready"), status=503)
    return answer(results.Healthy("ready"))


@public.get("/sign-in", right=ANYBODY, result=None, media=("text/html",))
def get_sign_in(code: Annotated[str, Query(max_length=200)] = "") -> Response:
    """A page with one button. To look at it, as link previews do, does not use the code up."""
    return HTMLResponse(_PAGE.format(code=html.escape(code, quote=True)))


@public.write("POST", "/sign-in", right=ANYBODY, result=results.SignedIn)
async def sign_in(request: Request) -> Response:
    """Exchange a one-time code, as JSON or a form's field `code`, for a session."""
    place: Place = request.app.state.place
    is_form = "form" in request.headers.get("content-type", "")
    try:
        code = _code(await request.body(), is_form=is_form)
        secret, session = await run_in_threadpool(place.server.sign_in, code)
    except NotSignedIn as error:
        try:
            place.failures.take(request.client.host if request.client else "")
        except DatahubError as limit:
            return problem(limit)
        return problem(error)
    except DatahubError as error:
        return problem(error)
    response: Response = (
        RedirectResponse(f"{V1}/session", 303)  # who you are
        if is_form
        else answer(results.SignedIn(session.user, csrf_of(secret)))
    )
    set_session(response, secret, is_secure=place.is_secure)
    return response


def _code(body: bytes, *, is_form: bool) -> str:
    try:
        text = body.decode()
        code = parse_qs(text).get("code", [""])[0] if is_form else json.loads(text)["code"]
    except (ValueError, TypeError, KeyError, RecursionError):
        code = None
    if not isinstance(code, str):
        raise Malformed("The body holds no code.", hint='Send {"code": "..."}.')
    return code
