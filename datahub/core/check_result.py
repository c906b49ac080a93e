"""What one expectation said of one table: it passed, failed, or could not run. Pure.

A gate engine answers with one of these for each expectation, in the suite's order. What could not
run has not passed: who judges by results alone asks `core.verdict.failures_of`, which raises for
it, with all results in the error.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from datahub.core.error_kinds import GateError

State = Literal["passed", "failed", "could not run"]


@dataclass(frozen=True)
class CheckResult:
    """One expectation and what became of it.

    `message` says what was asked and what was observed, or why it could not run. `notes` are the
    suite's own words about it; `engine` names what judged it. `severity`, `observed` and `keys`
    are those of `CheckFailure`.
    """

    suite: str
    expectation: str
    state: State
    message: str
    dataset: str = ""
    column: str | None = None
    observed: str | None = None
    severity: str = "critical"
    keys: tuple[str, ...] = ()
    notes: str = ""
    engine: str = ""
    hint: str = ""


class ChecksNotRun(GateError):
    """Expectations that could not run, so the gate has not passed; `results` are of all of them."""

    def __init__(
        self, results: Iterable[CheckResult], message: str | None = None, *, hint: str = ""
    ) -> None:
        self.results = tuple(results)
        could_not = not_run(self.results)
        first = could_not[0]
        more = f" {len(could_not) - 1} more could not run either." if len(could_not) > 1 else ""
        super().__init__(message or first.message + more, hint=hint or first.hint)


def not_run(results: Iterable[CheckResult]) -> list[CheckResult]:
    """Those that could not run."""
    return [result for result in results if result.state == "could not run"]


def passed(results: Iterable[CheckResult]) -> list[CheckResult]:
    """Those that passed."""
    return [result for result in results if result.state == "passed"]


def of_dataset(results: Sequence[CheckResult], dataset: str) -> list[CheckResult]:
    """The same results, as those of a dataset."""
    return [replace(result, dataset=dataset) for result in results]
