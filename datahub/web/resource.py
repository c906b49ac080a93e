"""How a resource declares its endpoints, and how it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fastapi import Request, Response

from datahub.hub import results
from datahub.web.problems import json_response

F = TypeVar("F", bound=Callable[..., Any])
V1 = "/api/v1"
REPO = f"{V1}/repos/{{repo}}"


@dataclass(frozen=True)
class Endpoint:
    """One method of one path: `right` is what who asks must have."""

    method: str
    path: str
    call: Callable[..., Any]
    right: str
    result: Any
    status: int = 200
    is_shown_once: bool = False
    media: tuple[str, ...] = ()  # beside JSON


@dataclass
class Resource:
    """A noun of the API: its endpoints, below `base`."""

    name: str
    base: str = REPO
    endpoints: list[Endpoint] = field(default_factory=list)

    def get(
        self, path: str, *, right: str, result: Any, media: Sequence[str] = ()
    ) -> Callable[[F], F]:
        """Declare what reads."""

        def declare(call: F) -> F:
            self.endpoints.append(
                Endpoint("GET", self.base + path, call, right, result, media=tuple(media))
            )
            return call

        return declare

    def write(
        self,
        method: str,
        path: str,
        *,
        right: str,
        result: Any,
        status: int = 200,
        is_shown_once: bool = False,
    ) -> Callable[[F], F]:
        """Declare what changes something: it is logged."""

        def declare(call: F) -> F:
            self.endpoints.append(
                Endpoint(method, self.base + path, call, right, result, status, is_shown_once)
            )
            return call

        return declare


def answer(
    result: Any,
    request: Request | None = None,
    *,
    etag: str = "",
    status: int = 200,
    location: str = "",
) -> Response:
    """A declared result, or a list of them, as JSON; 304 where who asks has it already."""
    headers = {"Location": location} if location else {}
    if etag:
        headers["ETag"] = f'"{etag}"'
        if request is not None and _has(request, etag):
            return Response(status_code=304, headers=headers)
    return json_response(results.plain(result), status, headers=headers)


def _has(request: Request, etag: str) -> bool:
    """Whether If-None-Match names what would be sent."""
    names = request.headers.get("if-none-match", "").split(",")
    return etag in {name.strip().removeprefix("W/").strip('"') for name in names}
