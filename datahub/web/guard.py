"""A route: nobody reaches its code without the right that it names, and each write is logged.

A request with an Idempotency-Key that comes again is answered again, and is not done again.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from datahub.core.errors import Conflict, DatahubError
from datahub.web.asking import COOKIE, SAFE, Asking, Place, admit
from datahub.web.problems import Malformed, problem, status_of

_LOGGER = logging.getLogger("datahub.web")
_KEPT_HEADERS = ("location", "etag", "content-type")
_REPLAYED = "Idempotency-Replayed"

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Guarded(APIRoute):
    """A route whose `x-datahub-right` is asked for before its code, or its body, is looked at."""

    @property
    def right(self) -> str:
        """The right that it names."""
        return str((self.openapi_extra or {})["x-datahub-right"])

    @property
    def is_secret(self) -> bool:
        """Whether what it answers is shown once, and kept nowhere."""
        return bool((self.openapi_extra or {}).get("x-datahub-shown-once"))

    def get_route_handler(self) -> Handler:
        """The handler, behind the guard."""
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                place: Place = request.app.state.place
                ask = await run_in_threadpool(admit, request, place, self.right)
                request.state.asking = ask
                if request.method in SAFE:
                    response = await inner(request)
                else:
                    response = await _Write(request, ask, self).run(inner)
            except DatahubError as error:
                return problem(error)
            except RequestValidationError as error:
                return problem(malformed(error))
            except BaseException as error:
                if type(error).__name__ != "PanicException":
                    raise
                return problem(bug(error, request))  # of Rust: a BaseException of its own
            _renew(response, ask)
            return response

        return handle


class _Write:
    """One request that changes something."""

    def __init__(self, request: Request, ask: Asking, route: Guarded) -> None:
        self._request, self._ask, self._route = request, ask, route
        self._server = ask.place.server
        self._key = request.headers.get("idempotency-key") if request.method == "POST" else None

    async def run(self, inner: Handler) -> Response:
        """Do it, unless it was done before."""
        request_print = self._print(await self._request.body())
        if self._key is None:
            return await self._logged(inner)
        reply = await run_in_threadpool(
            self._server.reply_claim, self._ask.who, self._key, request_print
        )
        if reply is not None:
            headers = {**json.loads(reply.headers), _REPLAYED: "true"}
            return Response(reply.body, reply.status, headers)
        kept: tuple[int, str, bytes] | None = None
        try:
            response = await self._logged(inner)
            kept = self._to_keep(response)
            return response
        finally:  # what failed unforeseen may be sent again
            await run_in_threadpool(
                self._server.reply_settle, self._ask.who, self._key, request_print, kept
            )

    async def _logged(self, inner: Handler) -> Response:
        await self._note("begun", {})
        status = 500
        try:
            response = await inner(self._request)
            status = response.status_code
        except DatahubError as error:
            response = problem(error)
            status = status_of(error)
        except RequestValidationError as error:
            response = problem(malformed(error))
            status = 422
        finally:
            change = {"from": self._ask.before, "to": self._ask.after}
            await self._note(
                "done" if status < 400 else "refused",
                {"status": status, **{name: ref for name, ref in change.items() if ref}},
            )
        return response

    async def _note(self, state: str, detail: dict[str, object]) -> None:
        await run_in_threadpool(
            self._server.log_write,
            self._ask.who,
            f"{self._request.method} {self._request.url.path}",
            state,
            detail,
            request=self._request.state.request_id,
            repository=self._ask.repo,
        )

    def _print(self, body: bytes) -> str:
        """What makes two requests the same."""
        url, headers = self._request.url, self._request.headers
        digest = hashlib.sha256(body).hexdigest()
        parts = [self._request.method, url.path, url.query, headers.get("if-match", ""), digest]
        return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()

    def _to_keep(self, response: Response) -> tuple[int, str, bytes] | None:
        if response.status_code >= 500 or response.status_code == 429:
            return None
        if self._route.is_secret and response.status_code < 400:
            response = problem(
                Conflict(
                    "This was done, and its answer is shown only once.",
                    hint="Revoke what was made, and make another with a new key.",
                )
            )
        headers = {
            name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers
        }
        return response.status_code, json.dumps(headers), bytes(response.body)


def malformed(error: RequestValidationError) -> Malformed:
    """What does not fit, without the values: they may be secrets."""
    places = [
        f"{'.'.join(map(str, fault.get('loc', ())))}: {fault.get('msg', '')}"
        for fault in error.errors()[:5]
    ]
    return Malformed("; ".join(places), hint="GET /api/v1/openapi.json says what fits.")


def bug(error: BaseException, request: Request) -> DatahubError:
    """A fault of datahub, written to the server's log; the answer has its id and no more."""
    name = request.scope.get("state", {}).get("request_id", "")
    _LOGGER.error("request %s failed", name, exc_info=error)
    fault = DatahubError(
        "This is a fault of datahub.", hint=f"The server's log has it under the request {name}."
    )
    fault.code = "bug"
    return fault


def _renew(response: Response, ask: Asking) -> None:
    if ask.new_session is not None:
        set_session(response, ask.new_session, is_secure=ask.place.is_secure)


def set_session(response: Response, secret: str, *, is_secure: bool) -> None:
    """Give a browser the cookie of a session, which no script can read."""
    response.set_cookie(
        COOKIE, secret, httponly=True, samesite="strict", secure=is_secure, path="/"
    )
