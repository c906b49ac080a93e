"""What stderr holds where a command with `--json` fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from datahub.core.errors import DatahubError
from datahub.hub.results.history import CheckResult, Verdict
from datahub.hub.results.rows import SetAside
from datahub.hub.results.shape import Cell, Key, Shape


@dataclass(frozen=True)
class MadeBy(Shape):
    """Who or what made a value: answers of people, a model and its LFs, or a commit."""

    annotations: list[str]
    annotators: list[str]
    model: str
    lfs: list[str]
    commit: str
    author: str


@dataclass(frozen=True)
class RowConflict(Shape):
    """Something that both sides changed, with its value before and on both sides."""

    dataset: str
    table: str
    key: Key | None
    column: str | None
    kind: str
    base: Cell
    ours: Cell
    theirs: Cell
    ours_by: MadeBy
    theirs_by: MadeBy


@dataclass(frozen=True)
class Problem(Shape):
    """An error: its stable code, what happened, what to do next.

    `verdict` is present where a gate refused, `conflicts` where a merge, revert or cherry-pick has
    conflicts, `set_aside` where people's answers would no longer count, `results` where
    expectations could not run (all results, theirs too). Otherwise they are absent.
    """

    code: str
    message: str
    hint: str
    verdict: Verdict | None = None
    conflicts: list[RowConflict] | None = None
    set_aside: list[SetAside] | None = None
    results: list[CheckResult] | None = None

    @classmethod
    def of(cls, value: Any, **more: Any) -> Self:
        """The result that a DatahubError is."""
        error: DatahubError = value
        verdict, losses = getattr(error, "verdict", None), getattr(error, "losses", None)
        return cls(
            error.code,
            error.message,
            error.hint,
            None if verdict is None else Verdict.of(verdict),
            RowConflict.list_of(getattr(error, "conflicts", ())) or None,
            None if losses is None else SetAside.list_of(losses),
            CheckResult.list_of(getattr(error, "results", ())) or None,
        )

    def to_json(self) -> dict[str, Any]:
        """The object, without what is absent."""
        return {name: value for name, value in super().to_json().items() if value is not None}


@dataclass(frozen=True)
class Failed(Shape):
    """The one line on stderr."""

    error: Problem
