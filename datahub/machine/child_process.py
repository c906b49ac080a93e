"""A process of our own that does one thing, says how far it is, and can be ended with all it began.

It leads a process group. Its stdout are messages, a JSON object a line; its stderr, and what
anybody there prints, is its log. `code` is Python that calls `connect` first.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import IO, Any

from datahub.machine.processes import end_with

Message = dict[str, Any]
Send = Callable[[Message], None]
_START = "import sys; sys.path[:] = {path}; {code}"
_WAITING = 1000  # lines that nobody took yet; then the process waits
_LONGEST = 1 << 24  # characters of a line
_CLOSING = 2.0  # seconds for pipes that somebody else still holds


def connect() -> tuple[Message, Send]:
    """In the process: what it is to do, and how it sends messages. It ends with its parent."""
    first: Message = json.loads(sys.stdin.readline())
    end_with(first["parent"])
    sink = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what is printed is no message
    sending = threading.Lock()

    def send(message: Message) -> None:
        with sending:
            sink.write(json.dumps(message) + "\n")
            sink.flush()

    return first, send


class ChildProcess:
    """The process, as its parent has it. Whoever made it calls `kill` at the end."""

    def __init__(self, code: str, first: Mapping[str, Any]) -> None:
        path = ascii([path for path in sys.path if path])
        self._running = subprocess.Popen(
            [sys.executable, "-c", _START.format(path=path, code=code)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="backslashreplace",
            start_new_session=True,
        )
        self._lines: queue.Queue[tuple[bool, str] | None] = queue.Queue(_WAITING)
        self._open = 2
        self._closed = threading.Event()
        self._alive_at = time.monotonic()
        for pipe, is_message in ((self._running.stdout, True), (self._running.stderr, False)):
            threading.Thread(target=self._read, args=(pipe, is_message), daemon=True).start()
        assert self._running.stdin is not None
        with suppress(OSError), self._running.stdin as stdin:  # it ended: listening tells
            stdin.write(json.dumps({**first, "parent": os.getpid()}) + "\n")

    @property
    def pid(self) -> int:
        """Its process id, which is its group's too."""
        return self._running.pid

    @property
    def end(self) -> str:
        """How it ended, for people; after `kill`."""
        code = self._running.wait()
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def listen(self, seconds: float) -> tuple[list[Message], list[str], bool]:
        """Messages and lines of its log within so many seconds, and whether it has ended."""
        messages: list[Message] = []
        log: list[str] = []
        until = time.monotonic() + seconds
        while self._open and len(log) < _WAITING:
            with suppress(queue.Empty):
                line = self._lines.get(timeout=max(0.0, min(until - time.monotonic(), 0.1)))
                if line is None:
                    self._open -= 1
                elif line[0]:
                    messages.append(json.loads(line[1]))
                else:
                    log.append(line[1].rstrip("\n"))
                continue
            if time.monotonic() >= until or self._has_closed():
                break
        return messages, log, not self._open or self._has_closed()

    def _has_closed(self) -> bool:
        """Whether it ended a while ago, though somebody else may still hold its pipes."""
        if self._is_running() or not self._lines.empty():
            self._alive_at = time.monotonic()
        return time.monotonic() - self._alive_at > _CLOSING

    def _is_running(self) -> bool:
        """Whether it has not ended. Until `kill`, its number and its group's are nobody else's."""
        if not hasattr(os, "waitid"):
            return self._running.poll() is None
        if self._running.returncode is not None:
            return False
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._running.pid, options) is None

    def terminate(self) -> None:
        """Ask it and all of its group to end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it and all of its group now."""
        self._signal(signal.SIGKILL)
        self._running.wait()
        self._closed.set()

    def _signal(self, number: int) -> None:
        if self._running.returncode is None:  # else its number may be another's by now
            with suppress(ProcessLookupError, PermissionError):  # it has ended
                os.killpg(self._running.pid, number)

    def _read(self, pipe: IO[str], is_message: bool) -> None:
        with suppress(OSError, ValueError), pipe:
            while line := pipe.readline(_LONGEST if is_message else 2000):
                self._put((is_message, line))
        self._put(None)

    def _put(self, line: tuple[bool, str] | None) -> None:
        while not self._closed.is_set():
            with suppress(queue.Full):
                self._lines.put(line, timeout=0.5)
                return
