"""What `datahub ci` found: a verdict, what changed for labels, and what rules would change."""

from __future__ import annotations

from dataclasses import dataclass

from datahub.core.error_kinds import DatahubError
from datahub.core.label_change import DatasetChange
from datahub.core.rules_change import RulesChange
from datahub.core.verdict import Verdict


@dataclass(frozen=True)
class CIResult:
    """What a checkout does to a branch.

    `verdict` is by the branch's own rules; None where nothing is to be merged, since LFs and data
    are as they were. `tried` is what the checkout's rules say of the same, or why they cannot be
    used; None where they are the branch's, or nothing is left to judge by them. Of a report that
    was read, it is only the words. `votes` is the SHA-256 of a file that the votes came from.
    """

    source: str
    into: str
    verdict: Verdict | None
    changes: tuple[DatasetChange, ...]
    rules: RulesChange | None
    tried: Verdict | DatahubError | str | None
    votes: str = ""

    @property
    def passed(self) -> bool:
        """Whether nothing refuses; where nothing changes, nothing does."""
        return self.verdict is None or self.verdict.passed

    @property
    def state(self) -> str:
        """How it ended, in a word."""
        if self.verdict is None:
            return "unchanged"
        return "passed" if self.verdict.passed else "refused"
