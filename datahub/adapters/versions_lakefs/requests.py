"""Requests as they go out: logged with their status and duration, never with what they carry.

All of them go through one pool of connections, the SDK's and our own. An address is logged
without its query, where a signature may be.
"""

from __future__ import annotations

import logging
import time
from typing import Any
from urllib.parse import urlsplit

import urllib3

_LOGGER = logging.getLogger(__name__)


class Retry(urllib3.Retry):
    """A request that is sent again is logged."""

    def increment(
        self, method: str | None = None, url: str | None = None, *rest: Any, **options: Any
    ) -> Any:
        """What is left to try. Raises what went wrong where nothing is."""
        fewer = super().increment(method, url, *rest, **options)
        why = fewer.history[-1].status or type(fewer.history[-1].error).__name__
        _LOGGER.info("%s %s again: %s", method, urlsplit(url or "").path, why)
        return fewer


def log_requests(pool: Any) -> None:
    """Log each request of a pool of connections."""
    send = pool.request

    def request(method: str, url: str, *rest: Any, **options: Any) -> Any:
        start = time.perf_counter()
        status: object = "no answer"
        try:
            answer = send(method, url, *rest, **options)
            status = answer.status
        finally:
            duration = 1000 * (time.perf_counter() - start)
            _LOGGER.debug("%s %s: %s in %.0f ms", method, urlsplit(url).path, status, duration)
        return answer

    pool.request = request
