"""What judges a dataset before it lands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import polars as pl

from datahub.core.check_result import CheckResult


@dataclass(frozen=True)
class Instead:
    """Lines that go before those of some files: each for the one that has its key there."""

    key: str
    lines: Mapping[Path, pl.DataFrame]


class GateEngine(Protocol):
    """Expectation suites over tables. Which suite a branch is bound to is a `core.verdict.Gate`."""

    def check_suite(self, suite: bytes, *, name: str) -> int:
        """Number of expectations. Raises GateError when it cannot be read or holds none."""
        ...

    def judge(
        self,
        paths: Sequence[Path],
        suite: bytes,
        *,
        name: str,
        key: str | None = None,
        instead: Instead | None = None,
    ) -> list[CheckResult]:
        """What became of every expectation, in the suite's order.

        One that could not be computed (a missing column, say) is a result, too: it has not
        passed, and `core.verdict.failures_of` raises for it. `paths` are Parquet or ORC files of
        one table with equal schemas, judged with the lines `instead` of theirs. Rows that failed
        are named by their `key`, a column. Raises GateError when the suite or the files cannot be
        read, or when there is no row to judge.
        """
        ...
