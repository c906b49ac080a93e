"""Errors as RFC 9457 problems: our codes and hints, and one table of HTTP statuses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from datahub.core import errors
from datahub.hub import results

MEDIA_TYPE = "application/problem+json"
STATUSES: dict[type[errors.DatahubError], int] = {
    errors.InputError: 400,
    errors.NothingToCommit: 409,
    errors.NotSignedIn: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.LimitReached: 409,
    errors.NoGate: 409,
    errors.StaleHead: 412,
    errors.GateRefused: 422,
    errors.ConfigError: 500,
    errors.GateError: 500,
    errors.AuthenticationError: 502,  # another system does not know the server
    errors.Rejected: 502,
    errors.BackendError: 502,
    errors.Unavailable: 503,
    errors.StorageError: 507,
}
_HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "5"}}


class TooLarge(errors.InputError):
    """A body is larger than the server takes."""

    code = "too_large"


class TooMany(errors.DatahubError):
    """More requests than the server takes of one user."""

    code = "too_many_requests"

    def __init__(self, seconds: int) -> None:
        super().__init__("Too many requests.", hint=f"Wait for {seconds} s.")
        self.seconds = seconds


class UnknownHost(errors.InputError):
    """A request for a host name that the server does not go by."""

    code = "unknown_host"


class Malformed(errors.InputError):
    """A request that does not fit the OpenAPI document."""

    code = "bad_request"


class NoResource(errors.NotFound):
    """A path or a method that the API does not have."""

    code = "no_resource"


_OF_THE_DOOR: dict[type[errors.DatahubError], int] = {
    TooLarge: 413,
    TooMany: 429,
    UnknownHost: 421,
    Malformed: 422,
}
_ALL = {**STATUSES, **_OF_THE_DOOR}


def status_of(error: errors.DatahubError) -> int:
    """The status of an error: that of its nearest class in the table."""
    return next((_ALL[kind] for kind in type(error).__mro__ if kind in _ALL), 500)


def problem(error: errors.DatahubError, *, status: int | None = None) -> Response:
    """The answer that an error is."""
    status = status_of(error) if status is None else status
    content = results.Problem.of(error).to_json()
    body: dict[str, Any] = {
        "type": f"urn:datahub:problem:{error.code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": content.pop("message"),
        **content,
    }
    headers = dict(_HEADERS.get(status, {}))
    if isinstance(error, TooMany):
        headers["Retry-After"] = str(error.seconds)
    return json_response(body, status, headers=headers, media_type=MEDIA_TYPE)


def json_response(
    content: Any,
    status: int = 200,
    *,
    headers: Mapping[str, str] | None = None,
    media_type: str = "application/json",
) -> Response:
    """JSON as UTF-8. Half of a surrogate pair, which UTF-8 cannot hold, is escaped."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    try:
        body = text.encode()
    except UnicodeEncodeError:
        body = json.dumps(content, separators=(",", ":")).encode()
    return Response(body, status, headers=dict(headers or {}), media_type=media_type)
