"""Read an expectation suite: JSON as Great Expectations 1.x writes it. Pure.

What cannot be understood is a GateError: Great Expectations itself logs an invalid expectation and
leaves it out, and a suite that lost a check must not pass. What an expectation's kwargs may be is
for the engine to say that judges it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datahub.core.check_needs import NAMES_ONLY
from datahub.core.error_kinds import GateError

MOST_BYTES = 16 << 20
EXAMPLE = (
    'A suite is JSON as Great Expectations 1.x writes it: {"name": "labels", "expectations": '
    '[{"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "label"}}]}.'
)
_SUITE_FIELDS = frozenset(
    {"name", "expectations", "suite_parameters", "meta", "notes", "id"}
    | {"expectation_suite_name", "data_asset_type", "ge_cloud_id"}
)
_FIELDS = frozenset(
    {"type", "kwargs", "meta", "notes", "description", "severity", "id", "rendered_content"}
    | {"expectation_context", "success_on_last_run"}
)


@dataclass(frozen=True)
class Suite:
    """Expectations as they are written, in order, each with a type."""

    name: str
    entries: Sequence[Mapping[str, Any]]
    parameters: Mapping[str, Any]


def suite_of(content: bytes, *, name: str) -> Suite:
    """Read a suite. Raises GateError."""
    if len(content) > MOST_BYTES:
        raise GateError(
            f"Suite {name!r} has {len(content):,} bytes; {MOST_BYTES:,} at most are read.",
            hint="Ask for a large set of values by a regex, or by a column of its own.",
        )
    try:
        raw = json.loads(content, object_pairs_hook=_names_once, parse_constant=_number)
    except (ValueError, RecursionError) as error:
        raise GateError(f"Suite {name!r} is not JSON: {error}", hint=EXAMPLE) from error
    entries = raw.get("expectations") if isinstance(raw, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise GateError(f"Suite {name!r} has no list of expectations.", hint=EXAMPLE)
    if not entries:
        raise GateError(
            f"Suite {name!r} has no expectations, so everything would pass.", hint=EXAMPLE
        )
    unknown = sorted(set(raw) - _SUITE_FIELDS)
    if unknown:
        raise GateError(
            f"Suite {name!r} does not know {', '.join(map(repr, unknown))}: what is in it would "
            "not be checked.",
            hint=EXAMPLE,
        )
    for number, entry in enumerate(entries, 1):
        _check_fields(entry, where(name, number))
    return Suite(name, entries, raw.get("suite_parameters") or {})


def where(name: str, number: int) -> str:
    """How an expectation of a suite is named in errors."""
    return f"{name!r}, expectation {number}"


def columns_asked(suite: Suite) -> dict[str, str]:
    """Column -> the first expectation that asks about its values.

    >>> columns_asked(Suite("s", [{"type": "expect_x", "kwargs": {"column": "a"}}], {}))
    {'a': 'expect_x'}
    """
    columns: dict[str, str] = {}
    for entry in suite.entries:
        kwargs = entry.get("kwargs")
        if entry["type"] in NAMES_ONLY or not isinstance(kwargs, dict):
            continue  # whether a column is there is what it asks
        names = [kwargs.get(name) for name in ("column", "column_A", "column_B")]
        names += kwargs["column_list"] if isinstance(kwargs.get("column_list"), list) else []
        for name in names:
            if isinstance(name, str):
                columns.setdefault(name, entry["type"])
    return columns


def _check_fields(entry: Mapping[str, Any], where: str) -> None:
    unknown = sorted(set(entry) - _FIELDS)
    if unknown or not isinstance(entry.get("type"), str):
        fault = f"does not know {', '.join(unknown)}" if unknown else "has no type"
        raise GateError(f"Suite {where} {fault}.", hint=EXAMPLE)


def _names_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON. Of two values of one name, a reader may see one, and the gate another."""
    content: dict[str, Any] = {}
    for name, value in pairs:
        if name in content:
            raise ValueError(f"{name!r} is there twice in one object")
        content[name] = value
    return content


def _number(name: str) -> float:
    """A number that JSON has no digits for. Every comparison with NaN is false, or true."""
    if name == "NaN":
        raise ValueError("NaN is no number to compare with")
    return float(name.replace("Infinity", "inf"))
