"""What is written to file descriptor 2 past Python, without the panics of Rust.

polars prints a panic by itself before Python sees an exception. A process of our own reads what
comes and passes it on, panics apart. It is a process because a thread would wait for the
interpreter, which a call that panics may hold, and would lose the last words of a process that
aborts. Python's own `sys.stderr` goes around it.
"""

from __future__ import annotations

import os
import re
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from typing import NoReturn

_END = b"\0 datahub: end of stderr \0"
_MAX_PANICS = 32_768  # bytes of panics: they fit into a pipe
_QUIET = 0.05  # seconds after which half a line is passed on
_LOOK = 1000  # milliseconds between looks at whether the parent is there
_PATIENCE = 2000  # milliseconds that we wait for the other process
_HEADER = re.compile(rb"thread '.*' (\(\d+\) )?panicked at ")
_FRAME = re.compile(rb" +(\d+:|at) ")
_TRACE = re.compile(rb"stack backtrace:$")
_NOTE = re.compile(rb"note: (run with `RUST_BACKTRACE=|Some details are omitted, run with `RUST_)")


class Panics:
    r"""Tells Rust's panics from all else that is written. Feed it bytes; it returns what may pass.

    >>> found = Panics()
    >>> found.feed(b"one\n\nthread 'x' panicked at a.rs:3:5:\nno such date\nstack backtrace:\n")
    b'one\n'
    >>> found.feed(b"   0: core::panicking::panic_fmt\ntwo\n")
    b'two\n'
    """

    def __init__(self) -> None:
        self.panics = b""
        self._half = b""  # a line without its end
        self._blank = b""  # a blank line: the first of a panic is one
        self._in: re.Pattern[bytes] | None = None  # what the last line of a panic was

    def feed(self, content: bytes) -> bytes:
        """Take what was written next."""
        *lines, self._half = (self._half + content).split(b"\n")
        return b"".join(self._pass(line) for line in lines)

    def rest(self) -> bytes:
        """What waits for the end of its line, where no more comes for a while."""
        if self._in is _HEADER:  # a panic's message may have any lines, and no end
            self._in = None
        output, self._blank, self._half = self._blank + self._half, b"", b""
        return output

    def _pass(self, line: bytes) -> bytes:
        if not self._is_of_a_panic(line):
            if not line:
                output, self._blank = self._blank, b"\n"
                return output
            output, self._blank = self._blank + line + b"\n", b""
            return output
        self.panics = (self.panics + line + b"\n")[-_MAX_PANICS:]
        self._blank = b""
        return b""

    def _is_of_a_panic(self, line: bytes) -> bool:
        for begins in (_HEADER, _TRACE):
            if begins.match(line):
                self._in = begins
                return True
        if _NOTE.match(line):
            self._in = None
            return True
        if self._in is _TRACE and not _FRAME.match(line):
            self._in = None
        return self._in is not None


@contextmanager
def panics_held_back() -> Iterator[Callable[[], str]]:
    """Keep panics off stderr; what is yielded ends that, and returns those that came.

    Nothing is done where stderr is not the process's own, as in a test that captures it.
    """
    if not _is_ours():
        yield lambda: ""
        return
    os.environ.setdefault("RUST_BACKTRACE", "1")  # a panic with a backtrace has a clear end
    before, sys.stderr = sys.stderr, _away_from_2()
    pipe = _filter_at_2(sys.stderr.fileno())
    try:
        yield lambda: _end(pipe)
    finally:
        _end(pipe)
        sys.stderr.flush()
        os.dup2(sys.stderr.fileno(), 2)
        sys.stderr = before


def _is_ours() -> bool:
    """Whether stderr is file descriptor 2, and no thread would be lost by a fork."""
    own = isinstance(sys.stderr, TextIOWrapper) and sys.stderr is sys.__stderr__
    try:
        return own and sys.stderr.fileno() == 2 and threading.active_count() == 1
    except (OSError, ValueError):
        return False


def _away_from_2() -> TextIOWrapper:
    sys.stderr.flush()
    return open(  # noqa: PTH123  as long as the process
        os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace"
    )


def _filter_at_2(real: int) -> int:
    """Start the process that reads what is written to 2; return where its panics come out."""
    to_read, to_write = os.pipe()
    panics, to_keep = os.pipe()
    parent = os.getpid()
    if os.fork() == 0:
        _pass_on(to_read, real, to_keep, parent=parent)
    os.close(to_read)
    os.close(to_keep)
    os.dup2(to_write, 2)
    os.close(to_write)
    return panics


def _end(pipe: int) -> str:
    """Have all that was written so far passed on; return the panics among it, the first time."""
    with suppress(OSError):
        os.write(2, _END)
    watch, panics = select.poll(), b""
    watch.register(pipe, select.POLLIN)
    with suppress(OSError):
        while watch.poll(_PATIENCE) and (more := os.read(pipe, _MAX_PANICS)):
            panics += more
    return panics.decode("utf-8", "replace")


def _pass_on(source: int, real: int, to_keep: int, *, parent: int) -> NoReturn:
    """Be the other process: it ends with the last one that can write, or after its parent."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)  # what those end may still have a last word
        _close_all_but(source, real, to_keep)
        _filter(source, real, to_keep, parent=parent)
    finally:
        os._exit(0)


def _close_all_but(*stay: int) -> None:
    at = 0
    for number in sorted(stay):
        os.closerange(at, number)
        at = number + 1
    os.closerange(at, 4096)


def _filter(source: int, real: int, to_keep: int, *, parent: int) -> None:
    panics = Panics()
    watch = select.poll()
    watch.register(source, select.POLLIN)
    while True:
        if not watch.poll(_QUIET * 1000):
            _write(real, panics.rest())
            while not watch.poll(_LOOK):
                if os.getppid() != parent:  # what it started may hold the pipe open for days
                    return
        more = os.read(source, 65_536)
        before, end, after = more.partition(_END)
        _write(real, panics.feed(before))
        if end:
            _write(real, panics.rest())
            _write(to_keep, panics.panics)
            os.close(to_keep)
        _write(real, panics.feed(after))
        if not more:
            _write(real, panics.rest())
            return


def _write(to: int, content: bytes) -> None:
    with suppress(OSError):  # who listened has left; those who write must not wait for us
        while content:
            content = content[os.write(to, content) :]
