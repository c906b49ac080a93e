"""The only ways by which a branch moves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from datahub.core.verdict import Verdict
from datahub.core.versions import Candidate, Changes, Commit


class Landing(Protocol):
    """Commits and merges onto branches.

    A merge is seen by nobody until `land`. A guarded branch (its gates.toml binds a suite to
    it) takes nothing but `land`.
    """

    def commit(
        self,
        branch: str,
        changes: Changes,
        *,
        message: str,
        author: str,
        time: datetime,
        expected: str,
        metadata: Mapping[str, str] | None = None,
    ) -> Commit:
        """Add one commit on top of `expected`, which must be the branch's head.

        Raises StaleHead, Guarded, BranchNotFound, ObjectNotFound (bytes never put),
        NothingToCommit, InputError (bad path). Atomic: all of it is there or none of it.
        """
        ...

    def propose(
        self,
        source: str,
        *,
        into: str,
        changes: Changes,
        message: str,
        author: str,
        time: datetime,
        expected: str,
        squash: bool = False,
        metadata: Mapping[str, str] | None = None,
    ) -> Candidate:
        """Build the merge of `source` into branch `into` where nobody sees it.

        `changes` is what the merge does to `expected`, which must be the head of `into`; it may
        be empty, and writes nothing under `_datahub/`. With `squash` the commit that lands has
        one parent, the head; the verdict still names the source. Raises StaleHead,
        BranchNotFound, RefNotFound, ObjectNotFound, InputError.
        """
        ...

    def land(self, candidate: Candidate, verdict: Verdict) -> Commit:
        """Put the judged content on its branch, with the verdict inside.

        Raises StaleHead if the head moved on; Guarded if the verdict is not a pass of exactly
        this content, source, head and rules, or if rules and data change together on a guarded
        branch, or if the rules of a guarded branch change without a verdict of kind "rules"
        that gives a reason.
        """
        ...

    def drop(self, candidate: Candidate) -> None:
        """Forget a candidate that will not land."""
        ...
