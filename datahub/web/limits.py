"""How many requests one user may send: a bucket that fills as time goes by."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

from datahub.web.problems import TooMany

_MOST_NAMES = 10_000


class Limiter:
    """Buckets by name, each of `burst` requests, refilled by `per_second`."""

    def __init__(self, *, per_second: float, burst: int, clock: Callable[[], float]) -> None:
        self._per_second, self._burst, self._clock = per_second, burst, clock
        self._buckets: dict[str, tuple[float, float]] = {}  # name -> (what is left, when)
        self._lock = threading.Lock()

    def take(self, name: str) -> None:
        """Take one request out of a bucket. Raises TooMany."""
        now = self._clock()
        with self._lock:
            left, then = self._buckets.pop(name, (float(self._burst), now))
            left = min(self._burst, left + (now - then) * self._per_second)
            self._buckets[name] = (max(left - 1, left if left < 1 else 0), now)
            if len(self._buckets) > _MOST_NAMES:
                del self._buckets[next(iter(self._buckets))]  # the one that asked longest ago
        if left < 1:
            raise TooMany(math.ceil((1 - left) / self._per_second))
