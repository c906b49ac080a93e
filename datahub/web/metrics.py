"""Figures for Prometheus: requests by route and status, and their seconds."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from starlette.types import Scope

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Of one app."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "datahub_http_requests",
            "Requests by route, method and status.",
            ("route", "method", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "datahub_http_request_seconds",
            "Seconds until the last byte was sent.",
            ("route",),
            registry=self._registry,
        )

    def seen(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request. What no route takes has one name, for names come from anybody."""
        route = getattr(scope.get("route"), "path", "none")
        method = scope["method"] if route != "none" else "ANY"
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return bytes(generate_latest(self._registry))
