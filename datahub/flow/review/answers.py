"""Answers, sorted out: which are taken into the log, and which cannot be, and why.

An answer that cannot be taken is kept until that is settled: it was fixed or withdrawn, or its
row became again what was shown.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from datahub.core.dataset import Dataset, Key
from datahub.core.errors import AnnotationError
from datahub.core.relabel import Annotation, checked_label, current
from datahub.flow.dataset.annotations import Hashes
from datahub.ports import LedgerEntry, NewAnswers, RefusedAnswer

ROW_GONE = "The row is no longer in the dataset."
ROW_CHANGED = "What was shown of the row has changed since."


def encode(answer: RefusedAnswer) -> str:
    """Write for the catalog."""
    entry = answer.entry and answer.entry.to_json()
    rest = {"key": answer.key, "reason": answer.reason, "quiet": answer.quiet}
    return json.dumps({**rest, "entry": entry})


def read(id: str, text: str) -> RefusedAnswer:
    """Read what `encode` wrote of the answer with this id."""
    raw = json.loads(text)
    entry = Annotation.from_json(raw["entry"]) if raw["entry"] else None
    return RefusedAnswer(id, raw["key"], raw["reason"], entry, raw["quiet"])


@dataclass
class AnswerSorter:
    """`log_lines` are lines for the log; `stale` are answers to rows that changed meanwhile."""

    log_lines: list[Annotation] = field(default_factory=list)
    refusals: list[RefusedAnswer] = field(default_factory=list)
    stale: list[Annotation] = field(default_factory=list)

    def sort(
        self,
        entry: Annotation,
        dataset: Dataset,
        now: Hashes,
        latest_lines: Mapping[str, Annotation],
    ) -> None:
        """Sort out one line; `latest_lines` are the latest lines of the log by id."""
        earlier = latest_lines.get(entry.id)
        if entry.withdrawn:
            # what was never taken need not be withdrawn
            self.log_lines += [entry] if earlier else []
            return
        try:
            checked_label(entry.label, dataset.classes, key=entry.key)
        except AnnotationError as error:
            self._refuse(entry, error.message)
            if earlier and not earlier.withdrawn and earlier.time <= entry.time:
                self.log_lines.append(replace(earlier, withdrawn=True, time=entry.time))
            return
        if entry.key not in now:
            self._refuse(entry, ROW_GONE, quiet=True)
        elif entry.row_hash not in now[entry.key]:
            self._refuse(entry, ROW_CHANGED, quiet=True)
            self.stale.append(entry)
            self.log_lines += [entry] if earlier else []  # it counts should the row change back
        else:
            self.log_lines.append(entry)

    def _refuse(self, entry: Annotation, reason: str, *, quiet: bool = False) -> None:
        self.refusals.append(RefusedAnswer(entry.id, entry.key, reason, entry, quiet))


def still_waiting(memory: Mapping[str, str], response: NewAnswers) -> list[RefusedAnswer]:
    """Refused answers of earlier pulls that this one says nothing new of."""
    if response.update.afresh:
        memory = without_place(memory)
    news = {line.id for line in response.annotations} | {
        refusal.id for refusal in response.refusals
    }
    news |= set(response.settled_ids)
    return [read(id, text) for id, text in memory.items() if id not in news]


def without_place(memory: Mapping[str, str]) -> dict[str, str]:
    """Refused answers that may count yet, though the place they were given in is gone.

    What could only be fixed there is gone with it: the row is asked again.
    """
    return {
        id: text for id, text in memory.items() if (answer := read(id, text)).quiet and answer.entry
    }


def latest(log: Iterable[Annotation]) -> dict[str, Annotation]:
    """The latest line of each annotation, by id; `log` is in the order of time."""
    return {entry.id: entry for entry in log}


def refusals_to_report(
    refusals: Sequence[RefusedAnswer], before: Mapping[str, str]
) -> tuple[tuple[Key, str], ...]:
    """What to say: (key, reason) of those that a person can settle, and of new ones."""
    return tuple(
        (answer.key, answer.reason)
        for answer in refusals
        if not (answer.quiet and answer.id in before)
    )


def refusal_changes(
    refusals: Sequence[RefusedAnswer], before: Mapping[str, str]
) -> dict[str, str | None]:
    """Changes to what the catalog keeps of refused answers."""
    now = {answer.id: encode(answer) for answer in refusals}
    return {**dict.fromkeys(before.keys() - now.keys()), **now}


def marks(
    ledger: Sequence[LedgerEntry],
    log: Sequence[Annotation],
    keys: set[Key],
    stale: Sequence[Annotation],
) -> list[LedgerEntry]:
    """Entries of rows that answers came to (`keys`), as the whole log now has them."""
    answered_rows = {(entry.key, entry.row_hash) for entry in current(log)}
    stale_rows = {(entry.key, entry.row_hash) for entry in stale}
    entries = []
    for entry in ledger:
        row = (entry.key, entry.row_hash)
        if row in stale_rows:
            entries.append(replace(entry, state="stale"))
        elif entry.key in keys and entry.state in ("asked", "answered"):
            entries.append(replace(entry, state="answered" if row in answered_rows else "asked"))
    return entries
