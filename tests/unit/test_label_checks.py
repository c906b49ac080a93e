"""Expectations about labels and LFs: what each says of a change, and which arguments it takes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from datahub.core.check_result import CheckResult
from datahub.core.errors import GateError
from datahub.core.gate_suite import suite_of
from datahub.core.label_change import DatasetChange, LFLine, Move, Side
from datahub.core.label_checks import CHECKS, judge_change, label_checks
from datahub.core.labels import LFSummary
from datahub.core.scoring import judge
from datahub.core.table_checks import OF_TABLES

FLIPS, COVERAGE = "expect_label_flip_rate_to_be_at_most", "expect_label_coverage_to_be_between"
BALANCE = "expect_class_balance_change_to_be_at_most"
CONFLICTS = "expect_lf_conflict_rate_to_be_at_most"
VOTES, FAULTS = "expect_lf_coverage_to_be_between", "expect_lf_fault_rate_to_be_at_most"
PRECISION = "expect_class_precision_on_audit_to_be_at_least"


def side(ham: int, spam: int, *, rows: int = 1000, **more: Any) -> Side:
    return Side(rows, ham + spam, {"ham": ham, "spam": spam}, **more)


def lf(conflicts: float = 0.05, *, coverage: float = 0.3, faults: int = 0) -> LFLine:
    line = LFSummary("offer", (1,), coverage, 0.2, conflicts)
    return LFLine("offer", line, line, 0, faults)


def change(**more: Any) -> DatasetChange:
    """Nothing changes, but for what is said."""
    same = DatasetChange(
        dataset="mail",
        ran=(),
        lfs=(lf(),),
        before=side(600, 300),
        after=side(600, 300),
        compared=900,
        flipped=0,
        gained=0,
        lost=0,
        by_people=0,
        answered=0,
        moves=(),
        lf_moves=(),
    )
    return replace(same, **more)


def flips(rows: int) -> dict[str, Any]:
    return {"flipped": rows, "moves": (Move("ham", "spam", rows, (1, 2)),)}


def judged(kind: str, about: DatasetChange, **kwargs: Any) -> CheckResult:
    entry = {"type": kind, "kwargs": kwargs.pop("kwargs", {}), **kwargs}
    (check,) = label_checks(suite_of(json.dumps({"expectations": [entry]}).encode(), name="s"))
    return judge_change(check, about, suite="s")


@pytest.mark.parametrize(
    ("kind", "about", "state", "severity"),
    [
        (FLIPS, change(), "passed", "critical"),
        (FLIPS, change(**flips(4)), "passed", "critical"),  # .44%
        (FLIPS, change(**flips(9)), "failed", "warning"),  # 1%
        (FLIPS, change(**flips(27)), "failed", "critical"),  # 3%
        (FLIPS, change(by_people=1), "failed", "critical"),
        (FLIPS, change(compared=0, before=Side(0, 0, {})), "passed", "critical"),
        (COVERAGE, change(after=side(590, 298)), "failed", "warning"),
        (COVERAGE, change(after=side(560, 280)), "failed", "critical"),
        (COVERAGE, change(after=side(630, 330)), "passed", "critical"),
        (BALANCE, change(after=side(585, 315)), "failed", "warning"),
        (BALANCE, change(after=side(560, 340)), "failed", "critical"),
        (CONFLICTS, change(), "passed", "critical"),
        (CONFLICTS, change(lfs=(lf(), lf(0.171))), "failed", "warning"),
        (CONFLICTS, change(lfs=(lf(0.21),)), "failed", "critical"),
        (VOTES, change(lfs=(lf(coverage=0.0),)), "failed", "critical"),
        (VOTES, change(), "passed", "critical"),
        (FAULTS, change(lfs=(lf(faults=1),)), "failed", "warning"),
        (FAULTS, change(lfs=(lf(faults=11),)), "failed", "critical"),
    ],
)
def test_each_warns_and_refuses_at_its_level(
    kind: str, about: DatasetChange, state: str, severity: str
) -> None:
    """The defaults are those of docs/gates.md."""
    result = judged(kind, about)

    assert (result.state, result.severity) == (state, severity), result.message


def test_a_class_of_few_rows_flips_by_itself() -> None:
    """Ten rows of fifty are a fifth of the class, and one in a hundred of all."""
    about = change(
        before=side(50, 850),
        after=side(40, 860),
        compared=900,
        flipped=10,
        moves=(Move("ham", "spam", 10, (3, 4)),),
    )

    result = judged(FLIPS, about)

    assert (result.state, result.severity) == ("failed", "critical")
    assert "'ham'" in result.message


def test_a_suite_can_only_warn_and_say_its_own_levels() -> None:
    result = judged(FLIPS, change(**flips(27)), severity="info")
    wide = judged(FLIPS, change(**flips(27)), kwargs={"warn": 0.1, "refuse": 0.2})

    assert (result.state, result.severity) == ("failed", "info")
    assert wide.state == "passed"


def audited(wrong: int, rows: int) -> DatasetChange:
    pairs: dict[tuple[str, str | None], int]
    pairs = {("ham", "ham"): rows - wrong, ("spam", "ham"): wrong, ("spam", "spam"): 400}
    return change(after=side(600, 300, audit=judge(pairs, ["ham", "spam"])))


@pytest.mark.parametrize(
    ("wrong", "rows", "state", "told"),
    [
        (0, 200, "passed", ""),
        (0, 20, "failed", "52 more needed"),
        (60, 200, "failed", "at most"),
        (8, 100, "failed", "more needed"),
    ],
)
def test_precision_on_the_audit_slice_has_three_answers(
    wrong: int, rows: int, state: str, told: str
) -> None:
    """What is not known yet refuses, unless the suite lets it pass; what is bad always does."""
    result = judged(PRECISION, audited(wrong, rows), kwargs={"min_value": 0.95})
    lenient = judged(PRECISION, audited(wrong, rows), kwargs={"min_value": 0.95, "unclear": "pass"})

    assert result.state == state, result.message
    assert told in result.message
    assert lenient.state == ("failed" if told == "at most" else "passed")
    assert told in lenient.message


def test_a_class_that_nobody_audited_is_unclear() -> None:
    result = judged(PRECISION, change(), kwargs={"min_value": 0.9})

    assert result.state == "failed"
    assert "0 of 0 audited labels of 'ham'" in result.message


@pytest.mark.parametrize(
    ("kind", "kwargs", "told"),
    [
        (FLIPS, {"wran": 0.1}, "does not know wran"),
        (FLIPS, {"refuse": "much"}, "must be a share"),
        (FLIPS, {"refuse": True}, "must be a share"),
        (FLIPS, {"refuse": 2}, "must be a share"),
        (FLIPS, {"refuse": -0.1}, "must be a share"),
        (FLIPS, {"against": 3}, "must be a ref"),
        (PRECISION, {}, "min_value"),
        (PRECISION, {"min_value": 1}, "below 1"),
        (PRECISION, {"min_value": 0.9, "confidence": 1.0}, "confidence"),
        (PRECISION, {"min_value": 0.9, "unclear": "maybe"}, "refuse or pass"),
        (BALANCE, [], "no object"),
    ],
)
def test_arguments_that_cannot_be_are_refused(kind: str, kwargs: Any, told: str) -> None:
    """At `gate set`, before anybody is judged by them."""
    if kwargs == []:
        kwargs = [1]
    with pytest.raises(GateError, match=told):
        judged(kind, change(), kwargs=kwargs)


def test_severities_that_are_none_are_refused() -> None:
    with pytest.raises(GateError, match="severity"):
        judged(FLIPS, change(), severity="bad")


@pytest.mark.parametrize("kind", sorted(set(CHECKS) - set(OF_TABLES)))
def test_none_passes_what_changes_everything(kind: str) -> None:
    """A check that cannot fail is none."""
    about = change(
        **flips(900),
        lfs=(lf(1.0, coverage=0.0, faults=1000),),
        after=Side(1000, 100, {"spam": 100}),
    )
    kwargs = {"min_value": 0.9} if kind == PRECISION else {}

    assert judged(kind, about, kwargs=kwargs).state == "failed"
