"""The processes that read ORC for us: one for each file that is being read, kept for the next.

A process costs 0.1 CPU-seconds to start, as much as reading a part, so one that has read its file
waits for another. It ends with us, however we end: then nobody asks it any more.
"""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from datahub.adapters.rows_polars.elsewhere import Elsewhere
from datahub.adapters.rows_polars.opening import corrupt
from datahub.adapters.rows_polars.orc_child import MORE

_CHILD = Path(__file__).with_name("orc_child.py")
_PIPE = 2**20  # bytes on their way: at 64 KiB, the default, both sides mostly wake each other
_MOST = 2  # that wait: more are seldom reading at once


class _Child:
    """One process, and the file that takes what it says."""

    def __init__(self) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # closed by `end`
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(_CHILD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
        )
        with suppress(OSError, AttributeError):  # a limit of the system, or not Linux
            fcntl.fcntl(self._out, fcntl.F_SETPIPE_SZ, _PIPE)

    @property
    def _out(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    def batches(
        self, path: Path | Elsewhere, columns: Sequence[str] | None, stripes: int
    ) -> Iterator[Any]:
        """One Arrow batch a stripe. Where they break off, SourceError says why."""
        assert self._process.stdin is not None
        count = 0
        try:
            with suppress(BrokenPipeError):  # it ended: reading tells
                self._process.stdin.write(_request_line(path, columns))
                self._process.stdin.flush()
            for batch in pa.ipc.open_stream(self._out):
                yield batch
                count += 1
        except (pa.ArrowException, OSError) as error:
            raise corrupt(str(path), self._last_words()) from error
        if count != stripes:
            raise corrupt(str(path), self._last_words())

    def can_go_on(self) -> bool:
        """Whether it can be asked again, when all batches of a file were taken."""
        return self._out.read(1) == MORE

    def end(self) -> None:
        """End it, whatever it does."""
        self._close()
        self._process.kill()
        self._process.wait()
        self._said.close()

    def _close(self) -> None:
        """Neither ask nor listen any more: so it cannot wait for us while we wait for it."""
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()

    def _last_words(self) -> str:
        self._close()
        if self._process.wait() < 0:
            return "it breaks the ORC reader."
        self._said.seek(0)
        return self._said.read().decode(errors="replace").strip() or "the ORC reader failed."


def _request_line(path: Path | Elsewhere, columns: Sequence[str] | None) -> bytes:
    """A line that asks for a file."""
    if isinstance(path, Elsewhere):
        request = [path.address, columns, path.access()]
    else:
        request = [str(path.absolute()), columns, None]
    return f"{json.dumps(request)}\n".encode()


class _Waiting:
    """Processes that wait to be asked, of this process alone: a fork has none of its parent's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._children: list[_Child] = []

    def take(self) -> _Child:
        """One that waits, or a new one."""
        with self._lock:
            if self._children:
                return self._children.pop()
        return _Child()

    def put(self, child: _Child) -> None:
        """Let one wait, unless enough do."""
        with self._lock:
            if len(self._children) < _MOST:
                self._children.append(child)
                return
        child.end()

    def forget(self) -> None:
        """Leave those that wait to whom they belong."""
        self._lock = threading.Lock()
        self._children = []

    def end(self) -> None:
        """End all that wait."""
        with self._lock:
            children, self._children = self._children, []
        for child in children:
            child.end()


_waiting = _Waiting()
atexit.register(_waiting.end)
os.register_at_fork(after_in_child=_waiting.forget)


def batches(path: Path | Elsewhere, columns: Sequence[str] | None, stripes: int) -> Iterator[Any]:
    """One Arrow batch for each stripe of a file that has so many. Raises SourceError."""
    child = _waiting.take()
    whole = False
    try:
        yield from child.batches(path, columns, stripes)
        whole = child.can_go_on()
    finally:
        if whole:
            _waiting.put(child)
        else:
            child.end()


def end_waiting() -> None:
    """End the processes that wait for a file: who counts what they cost needs them ended."""
    _waiting.end()
