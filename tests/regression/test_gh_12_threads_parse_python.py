"""Threads read Python's syntax at the same time: CPython alone calls good code a SystemError."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from datahub.core.syntax import parse_expression, parse_module

CODE = "\n".join(
    f"def f{n}(x):\n    return [x + {n}, (x.y, [1, (2, {{3: 4}})])]" for n in range(60)
)


class Garbage:
    """What is collected in the middle of something else, and gives another thread its turn."""

    def __init__(self) -> None:
        self.me = self

    def __del__(self) -> None:
        sum(range(50))


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads that take turns as often as they can; without the lock, one in six fails."""
    interval, threshold = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(50)
    yield
    sys.setswitchinterval(interval)
    gc.set_threshold(*threshold)


def parse(number: int) -> int:
    for _ in range(20):
        Garbage()
    parse_expression(f"(a + {number}) * b")
    return len(parse_module(CODE).body)


@pytest.mark.slow
@pytest.mark.usefixtures("hasty")
def test_eight_threads_parse_the_same_code() -> None:
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(parse, range(200))) == {60}
