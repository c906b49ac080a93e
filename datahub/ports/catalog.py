"""What was done, refused and asked, beside the dataset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypedDict

from datahub.core.dataset import Key
from datahub.core.verdict import Verdict
from datahub.ports.review import Memory, MemoryUpdate


@dataclass(frozen=True)
class Run:
    """One step that was run, by commit id; `figures` are its counts and seconds."""

    commit: str
    step: str
    branch: str
    time: datetime
    figures: Mapping[str, Any]


@dataclass(frozen=True)
class Refusal:
    """A merge that the gate refused."""

    into: str
    branch: str
    verdict: Verdict


@dataclass(frozen=True)
class LedgerEntry:
    """One row that was asked: by whom it is awaited, and what became of it.

    state: intent (about to be posted), asked, answered, stale (the row changed: ask again),
    gone (the task was deleted: ask again), dropped (not asked, and may be chosen again).
    """

    queue: str
    dataset: str
    branch: str
    batch: str
    key: Key
    row_hash: str
    state: str


class Where(TypedDict):
    """Which part of the ledger: one queue, for one dataset on one branch."""

    queue: str
    dataset: str
    branch: str


class Catalog(Protocol):
    """What happened and what is under way, by commit id. Never a copy of a branch head."""

    def upgrade(self) -> str:
        """Bring the schema to the newest migration; return its revision."""
        ...

    def record_run(self, run: Run) -> None:
        """Keep a run."""
        ...

    def runs(self, *, limit: int = 50) -> list[Run]:
        """Newest first."""
        ...

    def record_refusal(self, refusal: Refusal) -> None:
        """Keep a refusal with all its reasons."""
        ...

    def refusals(self, *, limit: int = 50) -> list[Refusal]:
        """Newest first."""
        ...

    def record_entries(self, entries: Iterable[LedgerEntry]) -> None:
        """Add or overwrite ledger entries, by (queue, dataset, branch, key). All or none."""
        ...

    def ledger(self, *, queue: str, dataset: str, branch: str) -> list[LedgerEntry]:
        """The ledger of one queue for one dataset on one branch, in the order it was written."""
        ...

    def ledgers(self, *, branch: str) -> list[tuple[str, str]]:
        """(dataset, queue) of every ledger of a branch that has an entry, sorted."""
        ...

    def memory(self, kind: str, *, queue: str, dataset: str, branch: str) -> Memory:
        """What is remembered of a queue: what it has `seen`, and answers that were `refused`."""
        ...

    def keep(
        self,
        update: MemoryUpdate,
        *,
        queue: str,
        dataset: str,
        branch: str,
        entries: Iterable[LedgerEntry] = (),
        refusals: Mapping[str, str | None] | None = None,
    ) -> None:
        """Remember what a push or a pull kept, ledger entries and refused answers, in one."""
        ...

    def cursor(self, *, queue: str, dataset: str, branch: str) -> str | None:
        """Where the last pull ended."""
        ...
