"""Who is at work in a repository: `running/` holds a file for each store that is open.

Its name says whose it is, its time when it began; it goes with the store, at the latest when the
process ends, and is swept by the next one where the process was killed. A collection keeps what
any of them can reach: what was stored, or lost its name, since the first of them began. No lock:
nobody waits for such a file, and a folder that cannot be written has readers all the same.
"""

from __future__ import annotations

import os
import re
import time
import uuid
import weakref
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from datahub.machine.processes import is_alive, machine, start_time

_NAME = re.compile(r"([0-9a-f]{12})-(\d+)-(\d+)-[0-9a-f]{32}")
_ELSEWHERE = 86_400  # seconds that a process of another machine, or container, is believed to run


class Running:
    """The processes at work in one repository."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "running"
        self._entered = 0.0  # as the file system has it; 0 where it could not be written

    def enter(self, store: object) -> None:
        """Say that this process is at work for as long as `store` lives."""
        pid = os.getpid()
        path = self._folder / f"{machine()}-{pid}-{start_time(pid)}-{uuid.uuid4().hex}"
        with suppress(OSError):
            self._folder.mkdir(exist_ok=True)
            path.touch()
            self._entered = path.stat().st_mtime
            weakref.finalize(store, _leave, path, pid)

    def is_before(self, moment: float) -> bool:
        """Whether others' collections may take away what was stored then, as if it were idle."""
        return moment < self._entered

    def since(self, before: datetime) -> tuple[datetime, int]:
        """What a collection may go by in place of `before`, and for how many others' sake.

        That is the time when the first of them began, if it began earlier.
        """
        earlier = [began for began in self.peers().values() if began < before.timestamp()]
        # A datetime rounds, up too: then it would come after what they stored first.
        times = (
            datetime.fromtimestamp(start, UTC) - timedelta(microseconds=1) for start in earlier
        )
        return min(times, default=before), len(earlier)

    def peers(self) -> dict[str, float]:
        """Since when each other process is at work that is alive."""
        starts: dict[str, float] = {}
        for owner, since in self._alive():
            starts[owner] = min(since, starts.get(owner, since))
        starts.pop(f"{machine()}-{os.getpid()}", None)
        return starts

    def clean(self) -> None:
        """Remove the files of processes of this machine that died."""
        for _ in self._alive():
            pass

    def _alive(self) -> Iterator[tuple[str, float]]:
        """Whose each file is that is not of the dead, and since when; theirs are removed."""
        with suppress(OSError):
            for path in list(self._folder.iterdir()):
                name = _NAME.fullmatch(path.name)
                with suppress(FileNotFoundError):  # it has just left
                    if name is None:
                        continue
                    since = path.stat().st_mtime
                    if name[1] != machine():
                        alive = since > time.time() - _ELSEWHERE
                    else:
                        alive = is_alive(int(name[2])) and start_time(int(name[2])) == name[3]
                    if alive:
                        yield f"{name[1]}-{name[2]}", since
                    else:
                        path.unlink()


def _leave(path: Path, pid: int) -> None:
    if os.getpid() == pid:  # a fork has its parent's store, and another id
        with suppress(OSError):
            path.unlink()
