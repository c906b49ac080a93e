"""VoteJournal in a file: a JSON line for each entry, appended and synced.

A line that is cut off, or does not say its own hash, is as if it were not there.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from datahub.core.labeling import Fault
from datahub.ports.journal import JournalEntry

_MOST = 64 << 20  # bytes from which on it begins again


class FileJournal:
    """Lines of one file, which may be lost, and may be in a folder that cannot be written."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def entries(self) -> list[JournalEntry]:
        """What was added and can be read."""
        try:
            with self._file.open("rb") as file:
                lines = file.read(2 * _MOST).splitlines()
        except OSError:
            return []
        parsed = [_parse(line) for line in lines]
        return [entry for entry in parsed if entry is not None]

    def add(self, entries: Sequence[JournalEntry]) -> None:
        """Append these in one write; where that fails, the next run does them again."""
        # A line break comes first, too: the last run may have been killed within a line.
        content = b"".join(b"\n" + _line(entry) + b"\n" for entry in entries)
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            if self._file.exists() and self._file.stat().st_size > _MOST:
                self.clear()
            handle = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC)
            try:
                os.write(handle, content)
                os.fsync(handle)
            finally:
                os.close(handle)

    def clear(self) -> None:
        """Remove the file."""
        with suppress(OSError):
            self._file.unlink()


def _line(entry: JournalEntry) -> bytes:
    body = json.dumps(asdict(entry)).encode()
    return hashlib.sha256(body).hexdigest().encode() + b" " + body


def _parse(line: bytes) -> JournalEntry | None:
    digest, _, body = line.partition(b" ")
    if not body or hashlib.sha256(body).hexdigest().encode() != digest:
        return None
    try:
        raw = json.loads(body)
        faults = tuple(Fault(**fault) for fault in raw.pop("faults"))
        return JournalEntry(**raw, faults=faults)
    except (ValueError, TypeError, KeyError, AttributeError):  # of another datahub
        return None
