"""Expectations about labels and LFs, which only datahub can judge. Pure: a change in, results out.

They stand in a suite beside Great Expectations' own types. Each has a level that warns and one that
refuses; what is compared is the merge and the destination (or the ref that `against` names).
Defaults are measured: docs/gates.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datahub.core.accept import fewest, lower_bound, upper_bound
from datahub.core.check_kinds import (
    DESTINATION,
    SLICE,
    Found,
    Kind,
    Kwargs,
    Unclear,
    check_value,
    thin,
)
from datahub.core.check_result import CheckResult, State
from datahub.core.error_kinds import GateError
from datahub.core.gate_suite import Suite, where
from datahub.core.label_change import DatasetChange
from datahub.core.table_checks import NO_COLUMN_NEEDED, OF_TABLES
from datahub.core.table_view import TableView

ENGINE = "datahub"
_SHOWN = 5


@dataclass(frozen=True)
class LabelCheck:
    """One expectation of a suite; `number` is its place there, from 0."""

    number: int
    kind: str
    kwargs: Kwargs
    severity: str
    notes: str

    @property
    def against(self) -> str:
        """The ref that the merge is compared with; DESTINATION for that of the merge."""
        return str(self.kwargs["against"])


def label_checks(suite: Suite) -> list[LabelCheck]:
    """The expectations of a suite that are datahub's own. Raises GateError for bad arguments."""
    return [
        _check(entry, number, where(suite.name, number + 1))
        for number, entry in enumerate(suite.entries)
        if entry["type"] in CHECKS
    ]


def is_of_table(check: LabelCheck) -> bool:
    """Whether it is judged by a `TableView`, and not by a `DatasetChange`."""
    return check.kind in OF_TABLES


def judge_change(
    check: LabelCheck, change: DatasetChange | TableView, *, suite: str
) -> CheckResult:
    """What became of an expectation: by the change of a dataset, or by a view of its table."""
    found = list(CHECKS[check.kind].judge(change, check.kwargs))
    if isinstance(change, DatasetChange):
        found = thin(check.kwargs, change.after.rows) or found
    bad = [one for one in found if isinstance(one, Found) and one.severity]
    unclear = [one for one in found if isinstance(one, Unclear)]
    refusing = [one for one in bad if one.severity == "critical"]
    open_ = [one for one in unclear if one.counts_as == "refuse"]
    state: State = "failed" if bad or open_ else "passed"
    severity = check.severity
    if state == "failed" and not refusing and not open_:
        severity = "warning" if severity == "critical" else severity
    told = [_words(one) for one in (refusing or bad)] + [one.what for one in unclear]
    told = told or _best(found) or ["nothing to compare"]
    more = f" and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    observed = "; ".join(told[:_SHOWN]) + more
    return CheckResult(
        suite,
        check.kind,
        state,
        f"Expected {CHECKS[check.kind].asked}; {observed}.",
        change.dataset,
        observed=observed,
        severity=severity if state == "failed" else check.severity,
        keys=tuple(key for one in (refusing or bad) for key in one.keys)[:20],
        notes=check.notes,
        engine=ENGINE,
    )


def _words(one: Found) -> str:
    level = one.refuse if one.severity == "critical" else one.warn
    return f"{one.what} {one.told(one.value)}, at most {one.told(level)}"


def _best(found: Sequence[Found | Unclear]) -> list[str]:
    """Where all is well: what came nearest to its level."""
    values = [one for one in found if isinstance(one, Found)]
    nearest = max(values, key=lambda one: one.value - one.warn, default=None)
    return [] if nearest is None else [f"{nearest.what} {nearest.told(nearest.value)}"]


def _flips(change: DatasetChange, kwargs: Kwargs) -> Iterator[Found | Unclear]:
    if not change.compared:
        return
    keys = [str(key) for move in change.moves if move.before and move.after for key in move.keys]
    levels = kwargs["warn"], kwargs["refuse"]
    yield Found("labels that flip:", change.flip_rate, *levels, tuple(keys))
    flipped: dict[str, int] = {}
    for move in change.moves:
        if move.before is not None and move.after is not None:
            flipped[move.before] = flipped.get(move.before, 0) + move.rows
    for name, count in flipped.items():
        rate = count / max(change.before.classes.get(name, 0), count)
        level = kwargs["class_refuse"]
        yield Found(f"labels of {name!r} that flip:", rate, level, level)
    if change.by_people > kwargs["people"]:
        share = change.by_people / change.compared
        yield Found("labels that people gave and that change:", share, 0, 0)


def _coverage(change: DatasetChange, kwargs: Kwargs) -> Iterator[Found | Unclear]:
    coverage = change.after.coverage
    if kwargs["min_value"] is not None:
        yield Found("rows without a label:", 1 - coverage, *[1 - kwargs["min_value"]] * 2)
    if kwargs["max_value"] is not None:
        yield Found("rows with a label:", coverage, *[kwargs["max_value"]] * 2)
    if change.before.labeled:
        drop = change.before.coverage - coverage
        yield Found("coverage falls by", drop, kwargs["warn"], kwargs["refuse"])


def _balance(change: DatasetChange, kwargs: Kwargs) -> Iterator[Found | Unclear]:
    before, after = change.before, change.after
    if not before.labeled or not after.labeled:
        return
    for name in {**before.classes, **after.classes}:
        shares = [side.classes.get(name, 0) / side.labeled for side in (before, after)]
        moved = abs(shares[1] - shares[0])
        yield Found(f"the share of {name!r} moves by", moved, kwargs["warn"], kwargs["refuse"])


def _conflicts(change: DatasetChange, kwargs: Kwargs) -> Iterator[Found | Unclear]:
    for line in change.lfs:
        if line.after is not None:
            what = f"rows on which {line.name} conflicts:"
            yield Found(what, line.after.conflicts, kwargs["warn"], kwargs["refuse"])


def _lf_coverage(change: DatasetChange, kwargs: Kwargs) -> Iterator[Found | Unclear]:
    for line in change.lfs:
        if line.after is not None:
            rest = 1 - kwargs["min_value"]
            yield Found(f"rows on which {line.name} abstains:", 1 - line.after.coverage, rest, rest)
            most = kwargs["max_value"]
            yield Found(f"rows on which {line.name} votes:", line.after.coverage, most, most)


def _faults(change: DatasetChange, kwargs: Kwargs) -> Iterator[Found | Unclear]:
    for line in change.lfs:
        if line.after is not None:
            rate = line.faults_after / max(change.after.rows, 1)
            yield Found(
                f"rows on which {line.name} raises:", rate, kwargs["warn"], kwargs["refuse"]
            )


def _precision(change: DatasetChange, kwargs: Kwargs) -> Iterator[Found | Unclear]:
    """Clopper and Pearson (1934) of each class, the risk shared between the classes."""
    classes = change.after.audit.classes if change.after.audit is not None else ()
    counts = {one.name: (one.labeled, one.right) for one in classes}
    names = [name for name, rows in change.after.classes.items() if rows]
    error = 1 - kwargs["min_value"]
    risk = (1 - kwargs["confidence"]) / max(len(names), 1)
    for name in names:
        rows, right = counts.get(name, (0, 0))
        wrong = rows - right
        if lower_bound(wrong, rows, confidence=1 - risk) > error:
            yield Found(f"audited labels of {name!r} that are wrong:", wrong / rows, error, error)
        elif upper_bound(wrong, rows, confidence=1 - risk) <= error:
            yield Found(f"audited labels of {name!r} that are wrong:", wrong / rows, 1.0, 1.0)
        else:
            need = max(fewest(wrong, error, risk) - rows, 1)
            what = f"{wrong} of {rows} audited labels of {name!r} are wrong: {need} more needed"
            yield Unclear(what, kwargs["unclear"])


def _levels(warn: float, refuse: float, **more: Any) -> Kwargs:
    return {"warn": warn, "refuse": refuse, "against": DESTINATION, **more}


_OF_LABELS: Mapping[str, Kind] = {
    "expect_label_flip_rate_to_be_at_most": Kind(
        "few labels to flip", _levels(0.005, 0.02, class_refuse=0.05, people=0, **SLICE), _flips
    ),
    "expect_label_coverage_to_be_between": Kind(
        "labels to cover the rows",
        _levels(0.01, 0.05, min_value=None, max_value=None, **SLICE),
        _coverage,
    ),
    "expect_class_balance_change_to_be_at_most": Kind(
        "the shares of classes to stay", _levels(0.01, 0.03, **SLICE), _balance
    ),
    "expect_lf_conflict_rate_to_be_at_most": Kind(
        "LFs to agree with each other", _levels(0.10, 0.20), _conflicts
    ),
    "expect_lf_coverage_to_be_between": Kind(
        "each LF to vote",
        {"min_value": 0.001, "max_value": 1.0, "against": DESTINATION},
        _lf_coverage,
    ),
    "expect_lf_fault_rate_to_be_at_most": Kind("LFs not to raise", _levels(0.0, 0.01), _faults),
    "expect_class_precision_on_audit_to_be_at_least": Kind(
        "labels of each class to be right on audited rows",
        {"min_value": None, "confidence": 0.95, "unclear": "refuse", "against": DESTINATION},
        _precision,
    ),
}


CHECKS: Mapping[str, Kind] = {**_OF_LABELS, **OF_TABLES}


def _check(entry: Mapping[str, Any], number: int, place: str) -> LabelCheck:
    kind = CHECKS[entry["type"]]
    given = entry.get("kwargs") or {}
    if not isinstance(given, dict):
        raise GateError(f"Suite {place}: kwargs are no object.")
    unknown = sorted(set(given) - set(kind.defaults))
    if unknown:
        raise GateError(
            f"Suite {place} ({entry['type']}) does not know {', '.join(unknown)}.",
            hint=f"It takes {', '.join(kind.defaults)}.",
        )
    kwargs = {**kind.defaults, **given}
    for name, value in kwargs.items():
        check_value(name, value, f"Suite {place} ({entry['type']})")
    is_bare = kwargs.get("column", "") is None and not kwargs.get("column_list")
    if is_bare and entry["type"] not in NO_COLUMN_NEEDED:
        raise GateError(f"Suite {place} ({entry['type']}) names no column.")
    if "confidence" in kwargs and "min_value" in kwargs and not (kwargs["min_value"] or 1) < 1:
        raise GateError(f"Suite {place} ({entry['type']}) needs a min_value below 1.")
    severity = entry.get("severity") or "critical"
    if severity not in ("critical", "warning", "info"):
        raise GateError(f"Suite {place}: severity is critical, warning or info, not {severity!r}.")
    notes = entry.get("notes")
    words = notes if isinstance(notes, str) else ""
    return LabelCheck(number, entry["type"], kwargs, severity, words)
