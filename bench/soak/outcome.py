"""What a soak run saw: how much it tried, and what went wrong."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

SHOWN = 20  # findings that are kept in full of each run


@dataclass
class Outcome:
    """Counts of one run. `tried` is any count worth telling; `wrong` must stay empty.

    `skipped` says why a run, or a part of it, could not take place.
    """

    tried: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def went_wrong(self, kind: str, what: str) -> None:
        """Count a finding: altered, lost, doubled, stuck, missed or crashed."""
        self.wrong[kind] += 1
        if len(self.findings) < SHOWN:
            self.findings.append(f"{kind}: {what}")

    def as_json(self) -> dict[str, Any]:
        """The same for a results file."""
        return {
            "tried": dict(self.tried),
            "wrong": dict(self.wrong),
            "findings": self.findings,
            "skipped": self.skipped,
        }


@dataclass(frozen=True)
class Bounds:
    """Which tries of a run are made: from `first` on, and none begins after so many minutes."""

    first: int = 0
    minutes: float | None = None

    def tries(self, count: int) -> Iterator[int]:
        """Number the tries, up to `count`."""
        end = None if self.minutes is None else time.monotonic() + 60 * self.minutes
        for number in range(self.first, count):
            if end is not None and time.monotonic() > end:
                return
            yield number


ALL = Bounds()
