"""The log of writes: each entry holds the hash of the one before it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from datahub.core.accounts import LogEntry, entry_hash
from datahub.ports.accounts import WriteLog


@dataclass(frozen=True)
class Note:
    """Who writes what: `via` is a token, a session or the command line."""

    user: str
    via: str
    request: str
    repository: str
    act: str


def write(
    accounts: WriteLog, note: Note, state: str, detail: Mapping[str, object], *, now: datetime
) -> LogEntry:
    """Put an entry at the end of the log. `state` is begun, done or refused."""
    text = json.dumps(detail, sort_keys=True)

    def make(last: LogEntry | None) -> LogEntry:
        number, before = (1, "") if last is None else (last.number + 1, last.hash)
        entry = LogEntry(
            number,
            now.astimezone(UTC),
            note.user,
            note.via,
            note.request,
            note.repository,
            note.act,
            state,
            text,
            before,
            "",
        )
        return replace(entry, hash=entry_hash(entry))

    return accounts.append(make)


def first_break(entries: Iterable[LogEntry]) -> int | None:
    """The number of the first entry that is not as it was written; None where all are.

    `entries` are all of a log, from the first on. What was cut off at the end, nothing here tells:
    compare the last hash with one that was kept elsewhere.
    """
    before = ""
    for number, entry in enumerate(entries, start=1):
        if (entry.number, entry.before, entry.hash) != (number, before, entry_hash(entry)):
            return entry.number
        before = entry.hash
    return None
