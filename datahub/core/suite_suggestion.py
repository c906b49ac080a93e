"""A suite to begin from: bounds from how a table was, with room to move. Pure: sketches in.

A person edits it. Each expectation's notes say what was seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from datahub.core.column_drift import Sketch

Entry = dict[str, Any]
MOST_CATEGORIES = 50
_ROOM = 0.05  # of shares
_NULL_ROOM = 0.01
_RANGE_ROOM = 0.1  # of the range of numbers


def suggest_labels(
    labels: Sequence[Sketch], classes: Sequence[str], conflicts: float
) -> Iterator[Entry]:
    """For labels as they were at some commits; `conflicts` is the most that an LF has now."""
    coverages = [1 - one.null_share for one in labels if one.rows]
    yield _entry(
        "expect_column_values_to_be_in_set",
        {"column": "label", "value_set": list(classes)},
        f"the classes: {len(classes)}",
    )
    if coverages:
        least = max(_down(min(coverages) - _ROOM), 0.0)
        notes = f"coverage was {min(coverages):.1%} to {max(coverages):.1%}"
        yield _entry("expect_label_coverage_to_be_between", {"min_value": least}, notes)
    for name in classes:
        shares = [share for one in labels if (share := _share(one, name)) is not None]
        most = max(shares, default=1.0) + _ROOM
        if shares and most < 1:
            yield _entry(
                "expect_column_values_to_not_be_in_set",
                {"column": "label", "value_set": [name], "mostly": _down(1 - most)},
                f"the share of {name} was {min(shares):.1%} to {max(shares):.1%}",
            )
    yield _entry("expect_label_flip_rate_to_be_at_most", {}, "the default")
    yield _entry("expect_class_balance_change_to_be_at_most", {}, "the default")
    level = max(0.12, -_down(-1.5 * conflicts))
    yield _entry(
        "expect_lf_conflict_rate_to_be_at_most",
        {"warn": round(min(0.1, level), 2), "refuse": min(level, 1.0)},
        f"the most that an LF conflicts is {conflicts:.1%}",
    )
    yield _entry("expect_lf_coverage_to_be_between", {}, "the default")
    yield _entry("expect_lf_fault_rate_to_be_at_most", {}, "the default")


def suggest_rows(
    columns: Mapping[str, Sequence[Sketch]], key: str, personal: Mapping[str, int]
) -> Iterator[Entry]:
    """For rows: each column at some commits, oldest or newest first; kinds of personal data now."""
    yield _entry("expect_column_values_to_be_unique", {"column": key}, "the key")
    stable = []
    for name, sketches in columns.items():
        seen = [one for one in sketches if one.rows]
        if not seen:
            continue
        yield from _nulls(name, seen)
        if name == key:
            continue
        if seen[0].is_numbers and seen[0].least is not None:
            yield from _range(name, seen)
            stable.append(name)
        elif values := _categories(seen):
            kwargs = {"column": name, "value_set": values, "mostly": 0.99}
            yield _entry("expect_column_values_to_be_in_set", kwargs, f"{len(values)} values")
            stable.append(name)
    if stable:
        yield _entry("expect_column_drift_to_be_at_most", {"column_list": stable}, "the default")
    kinds = {kind: rows for kind, rows in personal.items() if rows}
    told = ", ".join(f"{kind} in {rows} rows" for kind, rows in kinds.items()) or "none now"
    kwargs = {"rows": math.ceil(1.1 * max(kinds.values()))} if kinds else {}
    yield _entry("expect_no_personal_data", kwargs, told)


def _nulls(name: str, seen: Sequence[Sketch]) -> Iterator[Entry]:
    most = max(one.null_share for one in seen)
    mostly = _down(1 - most - _NULL_ROOM)
    if most == 0:
        yield _entry("expect_column_values_to_not_be_null", {"column": name}, "no null was seen")
    elif mostly > 0:
        kwargs = {"column": name, "mostly": mostly}
        notes = f"at most {most:.1%} were null"
        yield _entry("expect_column_values_to_not_be_null", kwargs, notes)


def _range(name: str, seen: Sequence[Sketch]) -> Iterator[Entry]:
    least = min(one.least for one in seen if one.least is not None)
    most = max(one.most for one in seen if one.most is not None)
    room = _RANGE_ROOM * (most - least)
    low = 0.0 if least >= 0 > least - room else least - room  # counts stay counts
    kwargs = {"column": name, "min_value": _short(low), "max_value": _short(most + room)}
    notes = f"{_short(least)} to {_short(most)}"
    yield _entry("expect_column_values_to_be_between", kwargs, notes)


def _categories(seen: Sequence[Sketch]) -> list[str]:
    """All values of a column that has few of them, and few next to its rows."""
    if any(one.counts is None for one in seen):
        return []
    values = sorted({value for one in seen for value in one.counts or ()})
    few = len(values) <= min(MOST_CATEGORIES, max(one.rows for one in seen) // 2)
    return values if few else []


def _share(sketch: Sketch, name: str) -> float | None:
    total = sum((sketch.counts or {}).values())
    return (sketch.counts or {}).get(name, 0) / total if total else None


def _entry(kind: str, kwargs: Mapping[str, Any], notes: str) -> Entry:
    return {"type": kind, "kwargs": dict(kwargs), "notes": notes}


def _down(share: float) -> float:
    """Two digits, and no more than it is."""
    return math.floor(share * 100 + 1e-9) / 100


def _short(number: float) -> float | int:
    """Without digits that nobody would write."""
    short = float(f"{number:.6g}")
    return int(short) if short == int(short) and abs(short) < 2**53 else short
