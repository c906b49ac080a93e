"""Warnings and threads of libraries, held down for a while by any number of threads at once.

Python keeps one list of warning filters for the whole process, and BLAS one number of threads.
Two who each save and restore them would restore what the other set: so the first one in saves,
and the last one out restores.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class SharedState:
    """Something process-wide that is `begin`-ed by the first who needs it, and undone by the last.

    >>> acts = []
    >>> shared = SharedState(lambda: acts.append("begin") or (lambda: acts.append("end")))
    >>> with shared.enter(), shared.enter():
    ...     acts
    ['begin']
    >>> acts
    ['begin', 'end']
    """

    def __init__(self, begin: Callable[[], Callable[[], object]]) -> None:
        self._begin = begin
        self._lock = threading.Lock()
        self._inside = 0
        self._undo: Callable[[], object] | None = None

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Have it begun for as long as the body runs."""
        with self._lock:
            if self._inside == 0:
                self._undo = self._begin()
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0 and self._undo is not None:
                    self._undo()


def _without_warnings() -> Callable[[], object]:
    catcher = warnings.catch_warnings()
    catcher.__enter__()
    warnings.simplefilter("ignore")
    return lambda: catcher.__exit__(None, None, None)


quiet = SharedState(_without_warnings).enter
