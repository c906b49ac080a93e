"""What became of a gate run: a verdict, or the error because of which there is none.

What could not be judged has not passed: an outcome says so. Pure, and without any format.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace

from datahub.core.check_result import CheckResult, ChecksNotRun
from datahub.core.error_kinds import DatahubError, GateError
from datahub.core.verdict import KEYS_TOLD, CheckFailure, Verdict

_COULD_NOT_RUN = "The gate could not run."
_COUNTS = re.compile(r"[\d,]+ of [\d,]+ values \([\d.]+%\) are (?:null|unexpected)")


@dataclass(frozen=True)
class Outcome:
    """What became of a gate run: a verdict, or the error that kept it from judging."""

    source: str
    into: str
    verdict: Verdict | None = None
    error: DatahubError | None = None

    @property
    def state(self) -> str:
        """How it ended, in words."""
        if self.verdict is None:
            return "could not run"
        return "passed" if self.verdict.passed else "refused"

    @property
    def refused(self) -> tuple[CheckFailure, ...]:
        """What failed; nothing where nothing was judged."""
        return self.verdict.failures if self.verdict else ()

    @property
    def results(self) -> tuple[CheckResult, ...]:
        """What became of each expectation, also where some could not run."""
        if self.verdict is not None:
            return self.verdict.results
        return self.error.results if isinstance(self.error, ChecksNotRun) else ()


@dataclass(frozen=True)
class Place:
    """Where a failure's expectation stands: a file as the repository names it, and a line."""

    file: str
    line: int


def rows_of(failure: CheckFailure | CheckResult) -> str:
    """The rows that failed, by key, in one line; empty where there is none to name.

    >>> rows_of(CheckFailure("s", "expect_x", "no", keys=("7", "9")))
    'rows 7, 9'
    """
    if not failure.keys:
        return ""
    more = f", ... (the first {KEYS_TOLD})" if len(failure.keys) == KEYS_TOLD else ""
    return f"rows {', '.join(failure.keys)}{more}"


def without_cells(verdict: Verdict) -> Verdict:
    """The same verdict without any value of the data: of what was observed, only counts stay."""
    return replace(
        verdict,
        failures=tuple(map(_without_cells, verdict.failures)),
        results=tuple(map(_result_without_cells, verdict.results)),
    )


def error_without_cells(error: DatahubError) -> DatahubError:
    """An error of the gate may quote the value that it stumbled over: then without its text."""
    if not isinstance(error, GateError):
        return error
    text, hint = _COULD_NOT_RUN, "Run it without --keys-only where values may be shown."
    if isinstance(error, ChecksNotRun):
        return ChecksNotRun(map(_result_without_cells, error.results), text, hint=hint)
    return GateError(text, hint=hint)


def line_of(failure: CheckFailure, suite: str) -> int:
    """The line of a suite's JSON where a failed expectation stands; 1 where it is not found."""
    try:
        expectations = json.loads(suite)["expectations"]
        types = [entry.get("type", entry.get("expectation_type")) for entry in expectations]
        columns = [entry.get("kwargs", {}).get("column") for entry in expectations]
    except (ValueError, TypeError, KeyError, AttributeError):
        return 1
    before = 0
    for kind, column in zip(types, columns, strict=True):
        if kind == failure.expectation and column in (failure.column, None):
            break
        before += kind == failure.expectation
    name = json.dumps(failure.expectation)
    lines = [number for number, text in enumerate(suite.splitlines(), 1) if name in text]
    return lines[before] if before < len(lines) else 1


def _without_cells(failure: CheckFailure) -> CheckFailure:
    message, observed = _counts_alone(failure.message, failure.observed, "not met")
    return replace(failure, message=message, observed=observed)


def _result_without_cells(result: CheckResult) -> CheckResult:
    if result.state == "could not run":
        return replace(result, message="It could not run.", observed=None, hint="")
    instead = "met" if result.state == "passed" else "not met"
    message, observed = _counts_alone(result.message, result.observed, instead)
    return replace(result, message=message, observed=observed)


def _counts_alone(message: str, observed: str | None, instead: str) -> tuple[str, str | None]:
    """The message and what was observed, of which only counts stay."""
    if observed is None:
        return message, None
    counts = _COUNTS.match(observed)
    text = counts[0] if counts else instead
    subject = message.removesuffix(f"; {observed}.")
    if subject == message:  # a message of another form: its expectation is named beside it
        subject = "The expectation"
    return f"{subject}; {text}.", text
