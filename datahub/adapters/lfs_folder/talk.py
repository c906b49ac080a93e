"""What a process that runs users' code prints, passed on to stderr as it comes.

It has no terminal of ours: on one it could read what is typed. Signs that steer a terminal are
written out.
"""

from __future__ import annotations

import codecs
import os
import re
import select
import sys
import threading
from contextlib import suppress
from typing import TextIO

_STEERING = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_AT_ONCE = 65536


class Talk:
    """A thread that passes on what comes out of a pipe, whose reading end is `source`."""

    def __init__(self, source: int) -> None:
        self._source = source
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._pass_on, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Pass on what is there, and no more: somebody may hold the pipe open."""
        self._over.set()
        self._thread.join(timeout=5)

    def _pass_on(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        try:
            while True:
                wait = 0 if self._over.is_set() else 0.1
                ready = select.select([self._source], [], [], wait)[0]
                if not ready and self._over.is_set():
                    return
                content = os.read(self._source, _AT_ONCE) if ready else None
                if content == b"":
                    return
                if content:
                    _say(decoder.decode(content))
        finally:
            os.close(self._source)


def _say(text: str) -> None:
    printable = _STEERING.sub(lambda sign: sign[0].encode("unicode_escape").decode(), text)
    with suppress(OSError, ValueError):  # nobody listens any more
        if _is_a_file(sys.stderr):  # by its number: panics of Rust are held back from that
            os.write(2, printable.encode("utf-8", "backslashreplace"))
        else:
            sys.stderr.write(printable)
            sys.stderr.flush()


def _is_a_file(stream: TextIO) -> bool:
    try:
        return stream.fileno() >= 0
    except (OSError, ValueError):  # what stands in its place keeps text in memory
        return False
