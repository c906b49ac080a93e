"""Gate by Great Expectations. The only package that imports `great_expectations`.

Suites are taken unmodified and judged by the stock pandas engine, over only the columns that
a check names (docs/decisions/0006-gate-engine.md says why). Nothing is written, sent or shown.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from datahub.adapters.gate_gx import frames
from datahub.adapters.gate_gx.suite import Check, read_suite
from datahub.core import check_words as words
from datahub.core.check_needs import nothing_judged
from datahub.core.check_result import CheckResult, State
from datahub.core.errors import GateError
from datahub.core.verdict import KEYS_TOLD
from datahub.machine.quiet import quiet
from datahub.machine.time_limit import time_limit
from datahub.ports import Instead

_RESULT_FORMAT = {
    "result_format": "BASIC",
    "partial_unexpected_count": KEYS_TOLD,
    "include_unexpected_rows": True,
}
_ONE_AT_A_TIME = threading.RLock()

_Group = tuple[frozenset[str] | None, frames.Form]
_Result = tuple[CheckResult, list[int]]  # with the places of the first rows that failed it
ENGINE = "Great Expectations"


class GreatExpectationsGate:
    """Great Expectations 1.x suites over Parquet and ORC files; `seconds` for each expectation."""

    def __init__(self, seconds: float = 60.0) -> None:
        self._seconds = seconds

    def check_suite(self, suite: bytes, *, name: str) -> int:
        """Number of expectations. Raises GateError when it cannot be read or holds none."""
        with _quiet():
            return len(read_suite(suite, name=name))

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
        with _quiet():
            checks = read_suite(suite, name=name)
            schema, rows = frames.schema_of(paths)
            if rows == 0:
                raise GateError(
                    f"Suite {name!r} has nothing to check: the table has no rows.",
                    hint="An empty table meets nearly every expectation, so it is not a pass.",
                )
            results: dict[int, _Result] = {}
            able = []
            for place, check in enumerate(checks):
                problem = _lacks(check, schema.names, name)
                if problem is None:
                    able.append(place)
                else:
                    results[place] = _could_not_run(check, problem, name), []
            for (columns, form), places in _by_columns(checks, able, schema.names).items():
                members = {place: checks[place] for place in places}
                judge = partial(_judge_check, suite=name, seconds=self._seconds)
                results |= _judge_group(members, paths, columns, form, schema, instead, judge)
            pairs = [results[place] for place in range(len(checks))]
            if key is None or key not in schema.names or not any(at for _, at in pairs):
                return [result for result, _ in pairs]
            keys = frames.frame_of(paths, [key], schema, instead)[key]  # in the order of the rows
        return [replace(result, keys=(*map(str, keys.iloc[at]),)) for result, at in pairs]


def _judge_group(
    members: Mapping[int, Check],
    paths: Sequence[Path],
    columns: frozenset[str] | None,
    form: frames.Form,
    schema: Any,
    instead: Instead | None,
    judge: partial[_Result],
) -> dict[int, _Result]:
    suite: str = judge.keywords["suite"]
    try:
        with _translate_errors(f"Suite {suite!r}"):
            if columns is None:
                frame = frames.empty_frame(schema)
            else:
                frame = frames.frame_of(paths, columns, schema, instead, form)
            validator = _validator(frame)
    except GateError as error:
        return {
            place: (_could_not_run(failure, error, suite), []) for place, failure in members.items()
        }
    results = {}
    for place, check in members.items():
        try:
            results[place] = judge(check, validator, frame)
        except GateError as error:
            results[place] = _could_not_run(check, error, suite), []
    return results


def _by_columns(
    checks: Sequence[Check], able: Sequence[int], names: Sequence[str]
) -> dict[_Group, list[int]]:
    """Places of checks by the columns they need, so that one group at a time is in memory.

    None stands for the names of columns and no row.
    """
    groups: dict[_Group, list[int]] = {}
    for place in able:
        check = checks[place]
        need = frozenset(names) if check.columns is None else check.columns
        columns = None if check.names_only else need or frozenset(names[:1])
        groups.setdefault((columns, check.form), []).append(place)
    return groups


def _lacks(check: Check, names: Sequence[str], suite: str) -> GateError | None:
    """The error of a check that names columns which are not there."""
    missing = sorted((check.columns or frozenset()) - set(names))
    if not missing:
        return None
    return GateError(
        f"Suite {suite!r}, {check.kind}: the table has no column {words.list_values(missing)}.",
        hint=f"Its columns are {words.list_values(names, 20)}.",
    )


def _validator(frame: Any) -> Any:
    """What judges any number of expectations over one frame.

    Great Expectations fingerprints the whole frame for every validator, and `Batch.validate`
    makes one for every expectation: that took longer than the judging.
    """
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
    )
    from great_expectations.validator.v1_validator import Validator

    from datahub.adapters.gate_gx.engine import ExactPandasEngine

    config = DataContextConfig(
        analytics_enabled=False,
        progress_bars={"globally": False, "metric_calculations": False},
        store_backend_defaults=InMemoryStoreBackendDefaults(),  # without a folder for docs
    )
    context = gx.get_context(mode="ephemeral", project_config=config)
    source = context.data_sources.add_pandas("datahub")
    source.get_execution_engine()  # which it keeps, and makes of one class only
    source._execution_engine = ExactPandasEngine()
    asset = source.add_dataframe_asset("table")
    whole = asset.add_batch_definition_whole_dataframe("whole")
    return Validator(whole, result_format=_RESULT_FORMAT, batch_parameters={"dataframe": frame})


def _judge_check(
    check: Check, validator: Any, frame: Any, *, suite: str, seconds: float
) -> _Result:
    where = f"Suite {suite!r}, {check.kind} of {words.column_of(check.kwargs) or 'the table'}"
    with _translate_errors(where), time_limit(seconds):  # a regex of Python's may never end
        result = validator.validate_expectation(check.expectation)
    for message in _exception_messages(result.exception_info or {}):
        raise _not_computed(where, message)
    with _translate_errors(where):
        if bool(result.success):  # the quantile check answers numpy.bool
            if empty := _vacuous(check, validator, frame, result.result):
                return _judged(check, empty, suite, state="failed"), []
            observation = words.describe_result(check.kind, check.kwargs, result.result, met=True)
            return _judged(check, observation, suite, state="passed"), []
        bad_rows = result.result.get("unexpected_rows")
        rows = [] if bad_rows is None or not len(frame) else [int(at) for at in bad_rows.index]
        observation = words.describe_result(check.kind, check.kwargs, result.result)
        return _judged(check, observation, suite, state="failed"), rows


def _judged(check: Check, observation: str, suite: str, *, state: State) -> CheckResult:
    return CheckResult(
        suite=suite,
        expectation=check.kind,
        state=state,
        message=f"Expected {words.describe_expectation(check.kind, check.kwargs)}; {observation}.",
        column=words.column_of(check.kwargs),
        observed=observation,
        severity=check.severity,
        notes=check.notes,
        engine=ENGINE,
    )


def _could_not_run(check: Check, error: GateError, suite: str) -> CheckResult:
    return CheckResult(
        suite=suite,
        expectation=check.kind,
        state="could not run",
        message=error.message,
        column=words.column_of(check.kwargs),
        severity=check.severity,
        notes=check.notes,
        engine=ENGINE,
        hint=error.hint,
    )


def _vacuous(check: Check, validator: Any, frame: Any, result: Mapping[str, Any]) -> str:
    """Why it passed without judging anything; empty where it judged something.

    With a row_condition, a column of nulls alone was asked for; no row at all was not.
    """
    if check.names_only or check.counts_rows:
        return ""
    if not check.conditional:
        nulls = [int(frame[column].isna().sum()) for column in check.columns or ()]
        return nothing_judged(check.kind, result, rows=len(frame), nulls=nulls)
    from great_expectations.expectations.core import ExpectTableRowCountToBeBetween

    expectation = check.expectation
    condition = {"row_condition": expectation.row_condition}
    if getattr(expectation, "condition_parser", None):
        condition["condition_parser"] = expectation.condition_parser
    row_count = ExpectTableRowCountToBeBetween(min_value=1, **condition)
    answer = validator.validate_expectation(row_count)
    for message in _exception_messages(answer.exception_info or {}):
        raise _not_computed(f"The row_condition of {check.kind}", message)
    return "" if bool(answer.success) else "no row to judge: none meets the row_condition"


def _exception_messages(info: Mapping[str, Any]) -> Iterator[str]:
    """Messages of exceptions; exception_info is one of them, or one for each metric."""
    if info.get("raised_exception"):
        yield str(info.get("exception_message") or "")
    for inner in info.values():
        if isinstance(inner, Mapping):
            yield from _exception_messages(inner)


def _not_computed(where: str, why: str) -> GateError:
    text = " ".join(why.split())[:300] or "Great Expectations gives no reason"
    return GateError(
        f"{where} could not be computed: {text}", hint="Fix the suite, or the data it checks."
    )


@contextmanager
def _translate_errors(where: str) -> Iterator[None]:
    try:
        yield
    except GateError:
        raise
    except Exception as error:  # metrics raise what they like; none of it may pass for a pass
        raise _not_computed(where, str(error)) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Great Expectations without noise, one thread at a time.

    It keeps one context for the whole process: a second thread would judge in the first one's.
    Its import takes 3-4 s.
    """
    logger = logging.getLogger("great_expectations")
    logger.propagate = False  # its modules set levels of their own
    logger.handlers[:] = [logging.NullHandler()]
    with _ONE_AT_A_TIME, quiet():
        yield
