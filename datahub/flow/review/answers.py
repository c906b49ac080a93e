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

GONE = "The row is no longer in the dataset."
CHANGED = "What was shown of the row has changed since."


def written(answer: RefusedAnswer) -> str:
    """Write for the catalog."""
    entry = answer.entry and answer.entry.to_json()
    rest = {"key": answer.key, "reason": answer.reason, "quiet": answer.quiet}
    return json.dumps({**rest, "entry": entry})


def read(id: str, text: str) -> RefusedAnswer:
    """Read what `written` wrote of the answer with this id."""
    raw = json.loads(text)
    entry = Annotation.from_json(raw["entry"]) if raw["entry"] else None
    return RefusedAnswer(id, raw["key"], raw["reason"], entry, raw["quiet"])


@dataclass
class Sorted:
    """`taken` are lines for the log; `stale` are answers to rows that changed meanwhile."""

    taken: list[Annotation] = field(default_factory=list)
    refused: list[RefusedAnswer] = field(default_factory=list)
    stale: list[Annotation] = field(default_factory=list)

    def sort(
        self,
        entry: Annotation,
        known: Dataset,
        now: Hashes,
        logged: Mapping[str, Annotation],
    ) -> None:
        """Sort out one line; `logged` are the latest lines of the log by id."""
        earlier = logged.get(entry.id)
        if entry.withdrawn:
            self.taken += [entry] if earlier else []  # what was never taken need not be withdrawn
            return
        try:
            checked_label(entry.label, known.classes, key=entry.key)
        except AnnotationError as error:
            self._refuse(entry, error.message)
            if earlier and not earlier.withdrawn and earlier.time <= entry.time:
                self.taken.append(replace(earlier, withdrawn=True, time=entry.time))
            return
        if entry.key not in now:
            self._refuse(entry, GONE, quiet=True)
        elif entry.row_hash not in now[entry.key]:
            self._refuse(entry, CHANGED, quiet=True)
            self.stale.append(entry)
            self.taken += [entry] if earlier else []  # it counts should the row change back
        else:
            self.taken.append(entry)

    def _refuse(self, entry: Annotation, reason: str, *, quiet: bool = False) -> None:
        self.refused.append(RefusedAnswer(entry.id, entry.key, reason, entry, quiet))


def still_waiting(kept: Mapping[str, str], pulled: NewAnswers) -> list[RefusedAnswer]:
    """Refused answers of earlier pulls that this one says nothing new of."""
    if pulled.update.afresh:
        kept = without_place(kept)
    news = {line.id for line in pulled.annotations} | {refused.id for refused in pulled.refusals}
    news |= set(pulled.settled_ids)
    return [read(id, text) for id, text in kept.items() if id not in news]


def without_place(kept: Mapping[str, str]) -> dict[str, str]:
    """Refused answers that may count yet, though the place they were given in is gone.

    What could only be fixed there is gone with it: the row is asked again.
    """
    return {
        id: text for id, text in kept.items() if (known := read(id, text)).quiet and known.entry
    }


def latest(log: Iterable[Annotation]) -> dict[str, Annotation]:
    """The latest line of each annotation, by id; `log` is in the order of time."""
    return {entry.id: entry for entry in log}


def told(
    refused: Sequence[RefusedAnswer], before: Mapping[str, str]
) -> tuple[tuple[Key, str], ...]:
    """What to say: (key, reason) of those that a person can settle, and of new ones."""
    return tuple(
        (answer.key, answer.reason)
        for answer in refused
        if not (answer.quiet and answer.id in before)
    )


def remembered(
    refused: Sequence[RefusedAnswer], before: Mapping[str, str]
) -> dict[str, str | None]:
    """Changes to what the catalog keeps of refused answers."""
    now = {answer.id: written(answer) for answer in refused}
    return {**dict.fromkeys(before.keys() - now.keys()), **now}


def marks(
    ledger: Sequence[LedgerEntry],
    log: Sequence[Annotation],
    keys: set[Key],
    stale: Sequence[Annotation],
) -> list[LedgerEntry]:
    """Entries of rows that answers came to (`keys`), as the whole log now has them."""
    answered = {(entry.key, entry.row_hash) for entry in current(log)}
    outdated = {(entry.key, entry.row_hash) for entry in stale}
    marked = []
    for entry in ledger:
        row = (entry.key, entry.row_hash)
        if row in outdated:
            marked.append(replace(entry, state="stale"))
        elif entry.key in keys and entry.state in ("asked", "answered"):
            marked.append(replace(entry, state="answered" if row in answered else "asked"))
    return marked
