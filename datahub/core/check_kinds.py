"""What expectations of datahub's own are made of: levels, kinds, and what their kwargs may be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from datahub.core.error_kinds import GateError

DESTINATION = "destination"
LEAST_ROWS = 200  # of a slice: of fewer, nothing is said
SLICE: Mapping[str, Any] = {"slice": None, "unclear": "refuse"}


@dataclass(frozen=True)
class Found:
    """One thing that was measured: its value, and the levels from which it warns and refuses."""

    what: str
    value: float
    warn: float
    refuse: float
    keys: tuple[str, ...] = ()
    is_share: bool = True

    def told(self, value: float) -> str:
        """A value of this kind as people read it."""
        return f"{value:.2%}" if self.is_share else f"{value:.3g}"

    @property
    def severity(self) -> str:
        """What it comes to; empty where it is within the levels."""
        return (
            "critical" if self.value > self.refuse else "warning" if self.value > self.warn else ""
        )


@dataclass(frozen=True)
class Unclear:
    """One thing that cannot be told yet; `counts_as` says whether it passes."""

    what: str
    counts_as: str


Kwargs = Mapping[str, Any]


@dataclass(frozen=True)
class Kind:
    """A type of expectation: what it asks in words, its kwargs with defaults, and who judges."""

    asked: str
    defaults: Kwargs
    judge: Callable[[Any, Kwargs], Iterator[Found | Unclear]]


def thin(kwargs: Kwargs, rows: int) -> list[Found | Unclear]:
    """That a slice has too few rows to say anything; nothing where it has enough."""
    if kwargs.get("slice") is None or rows >= LEAST_ROWS:
        return []
    return [
        Unclear(f"{rows} rows in the slice: {LEAST_ROWS - rows} more needed", kwargs["unclear"])
    ]


def check_value(name: str, value: object, place: str) -> None:
    """Raise GateError for a kwarg that cannot be."""
    good, kind = _good(name, value)
    if not good:
        raise GateError(f"{place}: {name} is {value!r}, and must be {kind}.")


def _good(name: str, value: object) -> tuple[bool, str]:
    if name == "against":
        return isinstance(value, str) and bool(value), "a ref"
    if name in ("column", "text"):
        return value is None or (isinstance(value, str) and bool(value)), "a column"
    if name in ("column_list", "kinds"):
        texts = isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value)
        return value is None or (texts and bool(value)), "a list of names"
    if name == "slice":
        return value is None or (isinstance(value, dict) and _is_slice(value)), (
            "an object of columns, each with a value or a list of values"
        )
    if name == "of":
        return value in ("all", "new"), "all or new"
    if name == "unclear":
        return value in ("refuse", "pass"), "refuse or pass"
    if name in ("min_value", "max_value") and value is None:
        return True, ""
    if name == "confidence":
        return isinstance(value, float) and 0.5 <= value <= 0.9999, "a share"
    if name in LEVELS:
        pair = isinstance(value, (list, tuple)) and len(value) == 2 and all(map(_is_number, value))
        return pair, "[warn, refuse]"
    most = 1e12 if name in ("people", "overlaps", "rows", "tokens") else 1
    good = isinstance(value, (int, float)) and _is_number(value) and 0 <= value <= most
    return good, "a share"


LEVELS = ("w1", "psi", "ks", "linf", "js", "nulls", "near", "alpha")  # kwargs of [warn, refuse]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and type(value) is not bool


def _is_slice(value: Mapping[object, object]) -> bool:
    cells = [one for many in value.values() for one in (many if isinstance(many, list) else [many])]
    return bool(cells) and all(isinstance(one, (str, int, bool)) for one in cells)
