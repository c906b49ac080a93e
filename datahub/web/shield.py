"""What stands before every request: host names, sizes, an id, and headers of every answer."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from datahub.web.problems import TooLarge, UnknownHost, problem

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
Seen = Callable[[Scope, int, float], None]  # a request, its status, its seconds


class Shield:
    """ASGI around an app. `hosts` are host names without ports; `largest` is in bytes."""

    def __init__(self, app: ASGIApp, *, hosts: Collection[str], largest: int, seen: Seen) -> None:
        self._app = app
        self._hosts = {host.lower() for host in hosts}
        self._largest = largest
        self._seen = seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through to the app, or answer what is wrong with it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request
        began, status = time.monotonic(), 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "private, no-store")
            await send(message)

        try:
            await self._checked(scope, receive, answer)
        finally:
            self._seen(scope, status, time.monotonic() - began)

    async def _checked(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if _host_name(headers.get("host", "")) not in self._hosts:
            error: Any = UnknownHost(
                "This server does not go by the host name of the request.",
                hint="Add it with `datahub serve --host-name NAME`.",
            )
            await problem(error)(scope, receive, send)
            return
        if _length(headers) > self._largest:
            await problem(self._too_large())(scope, receive, send)
            return
        await self._app(scope, _Bounded(receive, self._largest, self._too_large), send)

    def _too_large(self) -> TooLarge:
        return TooLarge(
            f"The body has more than {self._largest:,} bytes.",
            hint="`datahub import` on the server takes files of any size.",
        )


class _Bounded:
    """A body that ends with an error where it is too long, whatever its header said."""

    def __init__(self, receive: Receive, largest: int, error: Callable[[], TooLarge]) -> None:
        self._receive, self._left, self._error = receive, largest, error

    async def __call__(self) -> Message:
        """The next piece. Raises TooLarge."""
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise self._error()
        return message


def _host_name(host: str) -> str:
    """A Host header without its port."""
    if host.startswith("["):
        return host.partition("]")[0].lower() + "]"
    return host.partition(":")[0].lower()


def _length(headers: Headers) -> int:
    text = headers.get("content-length", "0")
    return int(text) if text.isascii() and text.isdigit() else 0
