"""The way to a Label Studio server: one client, and the vendor's errors in our words.

The SDK repeats requests by itself, which asks rows twice after a lost answer; here it
may not. It renews its access token with the same HTTP client, so what is refused by
the hook is refused there as well. (The SDK sends no telemetry.)
"""

from __future__ import annotations

import ipaddress
import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
from label_studio_sdk import LabelStudio
from label_studio_sdk.core.api_error import ApiError
from label_studio_sdk.core.parse_error import ParsingError
from pydantic import ValidationError

from datahub.core.errors import AuthenticationError, NotFound, Rejected, Unavailable

TIMEOUT_SECONDS = 300
_LOGGER = logging.getLogger(__name__)


class Server:
    """Label Studio at `url`, opened with a personal access token when first used."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._client: LabelStudio | None = None

    @contextmanager
    def client(self) -> Iterator[LabelStudio]:
        """A client. Raises Unavailable (try again), AuthenticationError, NotFound, Rejected."""
        try:
            if self._client is None:
                self._client = self._connect()
            yield self._client
        except (httpx.TransportError, httpx.DecodingError, httpx.InvalidURL) as error:
            raise self._unavailable(
                f"did not answer: {error or type(error).__name__}.",
                "`datahub labelstudio start` starts one here; else check the address.",
            ) from error
        except (ApiError, ParsingError) as error:
            raise self._error_of(error.status_code, error.body) from error
        except UnicodeDecodeError as error:
            raise self._cut() from error
        except json.JSONDecodeError as error:
            raise self._not_json(error.doc) from error
        except ValidationError as error:
            raise self.strange() from error

    def strange(self) -> Rejected:
        """What answers is something else."""
        return Rejected(
            f"What answers at {self.url} does not answer like Label Studio.",
            hint="Check the address.",
            backend="label-studio",
        )

    def _connect(self) -> LabelStudio:
        if not self._token or not self._token.isascii() or not self._token.isprintable():
            raise AuthenticationError(
                "This is not a Label Studio token.",
                hint="Make a personal access token under Account & Settings.",
            )
        web = httpx.Client(
            timeout=TIMEOUT_SECONDS,
            follow_redirects=True,
            trust_env=not _on_this_machine(self.url),  # no proxy to oneself
            event_hooks={"request": [_start], "response": [_log, self._check]},
        )
        return LabelStudio(base_url=self.url, api_key=self._token, max_retries=0, httpx_client=web)

    def _check(self, response: httpx.Response) -> None:
        """Stop here what the SDK would take for an answer: it reads any as JSON."""
        if response.status_code >= 500 or response.status_code in (408, 429):
            response.read()
            raise self._unavailable(
                f"answered {response.status_code}: {_text(response)}",
                "Try again. Its log has the details.",
            )

    def _error_of(
        self, status: int | None, body: object
    ) -> AuthenticationError | NotFound | Unavailable | Rejected:
        if status is not None and 200 <= status < 300:
            return self._not_json(body) if isinstance(body, str) else self.strange()
        message = f"Label Studio at {self.url} answered {status}: {_reason(body)}"
        if status in (401, 403):
            return AuthenticationError(
                message, hint="Make a new personal access token under Account & Settings."
            )
        if status == 404:
            return NotFound(message, hint="Was it deleted in Label Studio in the meantime?")
        return Rejected(message, hint="Its log has the details.", backend="label-studio")

    def _not_json(self, body: str) -> Unavailable | Rejected:
        """Cut off on its way, or never JSON."""
        return self._cut() if body.lstrip()[:1] in ("", "{", "[") else self.strange()

    def _cut(self) -> Unavailable:
        return self._unavailable("sent an answer that was cut off on its way.", "Try again.")

    def _unavailable(self, problem: str, hint: str) -> Unavailable:
        return Unavailable(
            f"Label Studio at {self.url} {problem}", hint=hint, backend="label-studio"
        )


def _start(request: httpx.Request) -> None:
    request.extensions["started"] = time.perf_counter()


def _log(response: httpx.Response) -> None:
    """Log an answer: no query, which may hold a key, and no body."""
    request = response.request
    duration = 1000 * (time.perf_counter() - request.extensions.get("started", 0.0))
    path, status = request.url.path, response.status_code
    _LOGGER.debug("%s %s: %s in %.0f ms", request.method, path, status, duration)


def _on_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _text(response: httpx.Response) -> str:
    try:
        return _reason(response.json())
    except ValueError:
        return response.reason_phrase or "no reason given"


def _reason(body: object) -> str:
    if not isinstance(body, dict):
        return str(body)[:200]
    return str(body.get("validation_errors") or body.get("detail") or body)[:500]
