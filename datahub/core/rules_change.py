"""What rules of a checkout would check otherwise than those of a branch. Pure: JSON and TOML.

Whether a suite became softer decides nothing: the branch's own rules judge. A reviewer sees it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from datahub.core.check_kinds import LEVELS
from datahub.core.error_kinds import DatahubError
from datahub.core.label_checks import CHECKS
from datahub.core.layout import GATES
from datahub.core.verdict import Gate, gates_of

_LOWER = ("mostly", "min_value", "confidence")  # the lower, the less is asked
_HIGHER = ("max_value", "threshold", "warn", "refuse", "class_refuse", "people", "exact", "tokens")
_SEVERITIES = ("info", "warning", "critical")
_GONE = object()


@dataclass(frozen=True)
class RulesChange:
    """Rules that are not the branch's: the files that differ, what they would check less, or not.

    `weaker` says in words what would be checked less; `other` names what is new or changed
    otherwise. `problem` is why the new rules cannot be read.
    """

    files: tuple[str, ...]
    weaker: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    problem: str = ""


def rules_change(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> RulesChange | None:
    """What differs between two sets of rules, by path; None where nothing does.

    >>> rules_change({"expectations/a.json": b"{}"}, {"expectations/a.json": b"{}"})
    """
    paths = before.keys() | after.keys()
    files = tuple(sorted(path for path in paths if before.get(path) != after.get(path)))
    if not files:
        return None
    try:
        gates = gates_of(before.get(GATES)), gates_of(after.get(GATES))
        weaker, remarks = list(_unbound(*gates)), [*_bound(*gates)]
        for path in files:
            if path.endswith(".json"):
                for is_weaker, text in _suite_edits(before.get(path), after.get(path)):
                    (weaker if is_weaker else remarks).append(f"{path}: {text}")
    except (DatahubError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        return RulesChange(files, problem=" ".join(str(error).split())[:300])
    return RulesChange(files, tuple(weaker), tuple(remarks))


def _unbound(before: list[Gate], after: list[Gate]) -> Iterator[str]:
    for gate in before:
        if gate not in after:
            yield f"{gate.suite} no longer judges {gate.table} of {gate.dataset} on {gate.branch}"


def _bound(before: list[Gate], after: list[Gate]) -> Iterator[str]:
    for gate in after:
        if gate not in before:
            yield f"{gate.suite} judges {gate.table} of {gate.dataset} on {gate.branch}"


def _suite_edits(before: bytes | None, after: bytes | None) -> Iterator[tuple[bool, str]]:
    """(whether it checks less, what changed in words) of two texts of a suite."""
    old, new = _expectations(before), _expectations(after)
    for name in old:
        if name not in new:
            yield True, f"{name} is gone"
    for name, entry in new.items():
        if name not in old:
            yield False, f"{name} is new"
        else:
            yield from ((less, f"{name}: {text}") for less, text in _edits(old[name], entry))


def _expectations(suite: bytes | None) -> dict[str, dict[str, Any]]:
    """Expectations by a name: type, column, and a number where one comes again."""
    entries = json.loads(suite)["expectations"] if suite is not None else []
    named: dict[str, dict[str, Any]] = {}
    for entry in entries:
        kwargs = entry.get("kwargs") or {}
        columns = kwargs.get("column") or kwargs.get("column_list") or kwargs.get("column_A")
        name = f"{entry['type']} of {columns}" if columns else str(entry["type"])
        number = sum(other.split(" (")[0] == name for other in named)
        named[f"{name} ({number + 1})" if number else name] = entry
    return named


def _edits(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[bool, str]]:
    was, now = (entry.get("severity") or "critical" for entry in (old, new))
    if was != now:
        ranks = [
            _SEVERITIES.index(severity) if severity in _SEVERITIES else 2 for severity in (was, now)
        ]
        yield ranks[1] < ranks[0], f"severity {was} -> {now}"
    defaults = CHECKS[old["type"]].defaults if old["type"] in CHECKS else {}
    before, after = ({**defaults, **(entry.get("kwargs") or {})} for entry in (old, new))
    for name in [*before, *(name for name in after if name not in before)]:
        sides = before.get(name, _GONE), after.get(name, _GONE)
        if sides[0] != sides[1]:
            texts = ["none" if side is _GONE else json.dumps(side) for side in sides]
            yield _is_less(name, *sides), f"{name} {texts[0]} -> {texts[1]}"


def _is_less(name: str, old: Any, new: Any) -> bool:
    """Whether an argument asks less than it did; of those that cannot be ordered: no."""
    if name == "unclear":
        return bool(new == "pass")
    if name == "mostly":
        old, new = (1 if side is _GONE else side for side in (old, new))
    if name in ("row_condition", "ignore_row_if", "slice"):
        return old in (_GONE, None) or new not in (_GONE, None)
    if name == "value_set" and isinstance(old, list) and isinstance(new, list):
        return not set(map(json.dumps, new)) <= set(map(json.dumps, old))
    if name in LEVELS and isinstance(old, list) and isinstance(new, list):
        pairs = zip(old, new, strict=True)
        return any(b < a if name == "alpha" else b > a for a, b in pairs)
    if name not in (*_LOWER, *_HIGHER):
        return False
    if new is _GONE or new is None:
        return True
    if old is _GONE or old is None:
        return False
    return bool(new < old if name in _LOWER else new > old)
