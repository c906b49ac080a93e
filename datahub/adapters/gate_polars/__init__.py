"""Gate on polars: Great Expectations' suites, judged without importing Great Expectations.

Each part of a table is measured by itself, over the columns that the suite names, and measures
are kept (`profiles`). What an expectation says is what Great Expectations' pandas engine says of
it; where that is not certain, the other engine is asked, and the result names it
(docs/decisions/0035-gates-on-polars.md).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from datahub.adapters.gate_polars.kwargs import Asked, NotCovered, asked
from datahub.adapters.gate_polars.measures import Domain, Measure, Measured, with_nulls
from datahub.adapters.gate_polars.names import judge_names
from datahub.adapters.gate_polars.outcome import Outcome
from datahub.adapters.gate_polars.plans import Plan, plan_of
from datahub.adapters.gate_polars.profiles import Profiles
from datahub.adapters.gate_polars.table import Table
from datahub.core import check_words as words
from datahub.core.check_needs import NAMES_ONLY, ROW_COUNTS, nothing_judged
from datahub.core.check_result import CheckResult, State
from datahub.core.errors import GateError, SourceError
from datahub.core.gate_suite import Suite, suite_of
from datahub.ports import GateEngine, Instead, Rows

ENGINE = "polars"
_ROWS = Measure(("rows", [None, None]), (), None, lambda domain: with_nulls(domain, (), {}))
_FAILED = (NotCovered, pl.exceptions.PolarsError, pl.exceptions.PanicException, ArithmeticError)
_Judged = Outcome | GateError


class PolarsGate:
    """Suites over Parquet and ORC files; `otherwise` judges what is not certain here."""

    def __init__(self, rows: Rows, otherwise: GateEngine, profiles: Path | None = None) -> None:
        self._rows = rows
        self._otherwise = otherwise
        self._profiles = Profiles(profiles)

    def check_suite(self, suite: bytes, *, name: str) -> int:
        """Number of expectations. Raises GateError when it cannot be read or holds none."""
        read = suite_of(suite, name=name)
        if None in _all_asked(read):
            return self._otherwise.check_suite(suite, name=name)
        return len(read.entries)

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

        Raises GateError when the suite or a file cannot be read, or there is no row.
        """
        read = suite_of(suite, name=name)
        checks = _all_asked(read)
        if None in checks:
            self._otherwise.check_suite(suite, name=name)
        if not paths:
            raise GateError("There is no file to check.")
        try:
            table = Table(paths, self._rows, instead)
        except (SourceError, ValueError):  # the other engine says what is wrong with the files
            return self._otherwise.judge(paths, suite, name=name, key=key, instead=instead)
        work = _Judging(table, self._profiles, name)
        outcomes = work.outcomes(checks)
        results = {}
        for number, outcome in outcomes.items():
            check = checks[number]
            assert check is not None
            results[number] = _told(check, outcome, name)
        if key is not None and key in table.names:
            keys = work.keys(outcomes, key)
            results |= {at: replace(results[at], keys=examples) for at, examples in keys.items()}
        rest = [number for number in range(len(checks)) if number not in results]
        if rest:
            part = json.dumps(
                {
                    "name": read.name,
                    "expectations": [read.entries[number] for number in rest],
                    "suite_parameters": read.parameters,
                }
            ).encode()
            answers = self._otherwise.judge(paths, part, name=name, key=key, instead=instead)
            results |= dict(zip(rest, answers, strict=True))
        return [results[number] for number in range(len(checks))]


def _all_asked(suite: Suite) -> list[Asked | None]:
    if not isinstance(suite.parameters, dict):
        return [None] * len(suite.entries)
    return [asked(suite, number) for number in range(len(suite.entries))]


class _Judging:
    """One table and one suite."""

    def __init__(self, table: Table, profiles: Profiles, suite: str) -> None:
        self._table = table
        self._profiles = profiles
        self._suite = suite
        self._measured: dict[str, list[Measured]] = {}
        self._failed: dict[str, Exception] = {}
        self._whole: tuple[frozenset[str], pl.DataFrame] | None = None

    def outcomes(self, checks: Sequence[Asked | None]) -> dict[int, _Judged]:
        """What became of the checks, by their number; those for the other engine are left out.

        Raises GateError where there is no row.
        """
        plans: dict[int, Plan] = {}
        found: dict[int, _Judged] = {}
        for number, check in enumerate(checks):
            if check is not None and check.kind in NAMES_ONLY:
                found[number] = judge_names(check, self._table.names)
            elif check is not None:
                plan = self._plan(check)
                if isinstance(plan, GateError):
                    found[number] = plan
                elif plan is not None:
                    plans[number] = plan
        self._measure([_ROWS, *(plan.measure for plan in plans.values())])
        if not sum(part["rows"] for part in self._measured[_ROWS.key]):
            raise GateError(
                f"Suite {self._suite!r} has nothing to check: the table has no rows.",
                hint="An empty table meets nearly every expectation, so it is not a pass.",
            )
        for number, plan in plans.items():
            outcome = self._judged(plan)
            if outcome is not None:
                found[number] = outcome
        return found

    def keys(self, outcomes: Mapping[int, _Judged], key: str) -> dict[int, tuple[str, ...]]:
        """The keys of the first rows that fail each check."""
        firsts = {
            number: outcome.first
            for number, outcome in outcomes.items()
            if isinstance(outcome, Outcome) and not outcome.met
        }
        parts = sorted({part for first in firsts.values() for part, _ in first})
        columns = {
            part: self._table.part(self._table.paths[part], [key], plain=True)[key]
            for part in parts
        }
        return {
            number: tuple(str(columns[part][place]) for part, place in first)
            for number, first in firsts.items()
        }

    def _plan(self, check: Asked) -> Plan | GateError | None:
        """How it is judged; an error where a column is missing; None for the other engine."""
        kwargs = check.kwargs
        columns = {kwargs[name] for name in ("column", "column_A", "column_B") if name in kwargs}
        missing = sorted((columns | set(kwargs.get("column_list", ()))) - set(self._table.names))
        if missing:
            return GateError(
                f"Suite {self._suite!r}, {check.kind}: the table has no column "
                f"{words.list_values(missing)}.",
                hint=f"Its columns are {words.list_values(self._table.names, 20)}.",
            )
        try:
            return plan_of(check, self._table.families)
        except NotCovered:
            return None

    def _measure(self, measures: Sequence[Measure]) -> None:
        """Measure all parts, as far as no profile has it; a measure that fails is given up."""
        measures_by_key = {measure.key: measure for measure in measures}
        for path in self._table.paths:
            profile = {} if self._table.is_patched(path) else self._profiles.of(path)
            todo = [
                measure
                for at, measure in measures_by_key.items()
                if at not in profile and at not in self._failed
            ]
            fresh = self._measure_part(path, todo) if todo else {}
            for at in measures_by_key:
                if at in fresh or at in profile:
                    self._measured.setdefault(at, []).append(fresh.get(at) or profile[at])
            if fresh and not self._table.is_patched(path):
                self._profiles.keep(path, {**profile, **fresh})

    def _measure_part(self, path: Path, todo: Sequence[Measure]) -> dict[str, Measured]:
        columns = {name for measure in todo for name in measure.needs}
        frame = self._table.part(path, columns)
        fresh = {}
        for measure in todo:
            try:
                fresh[measure.key] = measure.compute(Domain.of(frame, measure.condition))
            except (*_FAILED, GateError) as error:
                self._failed[measure.key] = error
        return fresh

    def _judged(self, plan: Plan) -> _Judged | None:
        """What became of a plan; None for the other engine."""
        key = plan.measure.key
        failure = self._failed.get(key)
        if failure is not None:
            return failure if isinstance(failure, GateError) else None
        try:
            outcome = plan.finish(self._measured[key])
            if outcome is None and plan.whole is not None:
                outcome = self._at_once(plan, plan.whole)
            return outcome
        except _FAILED:
            return None
        except GateError as error:
            return error

    def _at_once(self, plan: Plan, judge: Callable[[Domain], Outcome]) -> Outcome:
        """Judge all rows together; one frame is kept for the next plan of the same columns."""
        needs = plan.measure.needs
        if self._whole is None or self._whole[0] != needs:
            self._whole = None
            self._whole = needs, self._table.whole(needs)
        outcome = judge(Domain.of(self._whole[1], plan.measure.condition))
        return replace(outcome, first=[self._place(row) for _, row in outcome.first])

    def _place(self, row: int) -> tuple[int, int]:
        """The part of a row of the whole table, and its place there."""
        for part, values in enumerate(self._measured[_ROWS.key]):
            if row < values["rows"]:
                return part, row
            row -= values["rows"]
        raise IndexError(row)


def _told(check: Asked, outcome: _Judged, suite: str) -> CheckResult:
    """The result as all engines give it."""
    kind, kwargs = check.kind, check.kwargs
    column = words.column_of(kwargs)
    about = (check.severity, check.notes)
    if isinstance(outcome, GateError):
        message = outcome.message
        if not message.startswith("Suite "):
            where = f"Suite {suite!r}, {kind} of {column or 'the table'}"
            message = f"{where} could not be computed: {message}"
        return _result(suite, kind, "could not run", message, None, column, about, outcome.hint)
    is_met, observation = outcome.met, _vacuous(check, outcome) if outcome.met else ""
    if not observation:
        observation = words.describe_result(kind, kwargs, outcome.result, met=is_met)
    else:
        is_met = False
    message = f"Expected {words.describe_expectation(kind, kwargs)}; {observation}."
    state: State = "passed" if is_met else "failed"
    return _result(suite, kind, state, message, observation, column, about, "")


def _result(
    suite: str,
    kind: str,
    state: State,
    message: str,
    seen: str | None,
    column: str | None,
    about: tuple[str, str],
    hint: str,
) -> CheckResult:
    return CheckResult(
        suite=suite,
        expectation=kind,
        state=state,
        message=message,
        column=column,
        observed=seen,
        severity=about[0],
        notes=about[1],
        engine=ENGINE,
        hint=hint,
    )


def _vacuous(check: Asked, outcome: Outcome) -> str:
    """Why it passed without judging anything; empty where it judged something."""
    if check.kind in NAMES_ONLY or check.kind in ROW_COUNTS:
        return ""
    if check.kwargs.get("row_condition"):
        return "" if outcome.rows else "no row to judge: none meets the row_condition"
    return nothing_judged(check.kind, outcome.result, rows=outcome.rows, nulls=outcome.nulls)
