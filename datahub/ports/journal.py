"""Votes that were stored by a run that has not committed yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from datahub.core.labeling import Fault
from datahub.core.versions import ObjectId


@dataclass(frozen=True)
class JournalEntry:
    """The votes of one LF on one part of the rows, with its faults there.

    `cardinality` is the number of classes that the votes are of.
    """

    fingerprint: str
    part: str  # SHA-256
    cardinality: int
    votes: ObjectId
    fault_count: int = 0
    faults: tuple[Fault, ...] = ()


class VoteJournal(Protocol):
    """What a run stored so far, so that the next one need not do it again.

    All of it may be lost at any time; what is damaged is as if it were not there. Nothing raises.
    """

    def entries(self) -> list[JournalEntry]:
        """What was added since the last `clear`, in that order."""
        ...

    def add(self, entries: Sequence[JournalEntry]) -> None:
        """Keep these durably, where that is possible. The votes are durable before."""
        ...

    def clear(self) -> None:
        """Forget all: it is committed."""
        ...
