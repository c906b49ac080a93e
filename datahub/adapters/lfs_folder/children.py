"""One process that runs users' code, seen from outside: asked, stopped, ended.

It has three pipes and no other file of ours, an environment of its own, and a session of its own,
so that Ctrl-C is ours to answer. When we end, however we end, it ends.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

from datahub.adapters.lfs_folder.answers import parse_error
from datahub.adapters.lfs_folder.descriptions import text
from datahub.adapters.lfs_folder.limits import Limits
from datahub.adapters.lfs_folder.messages import BadMessage, receive, send
from datahub.adapters.lfs_folder.talk import Talk
from datahub.core.errors import LabelingFunctionError, storable

_LOGGER = logging.getLogger(__name__)
_CODE = (
    "import sys; sys.path[:] = {path}; from datahub.adapters.lfs_folder.child import main; main()"
)
T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """How a process starts: `before` its command stands what keeps it apart, if anything does."""

    project: Path
    folder: Path
    model: str | None
    before: Sequence[str]
    environment: Mapping[str, str]
    limits: Limits


class Interruption(Exception):
    """The process was stopped, and says where it was."""


class Child:
    """One process. It is asked one thing at a time; `stop` and `end` may come from elsewhere."""

    def __init__(self, place: Place) -> None:
        code = _CODE.format(path=ascii([path for path in sys.path if path]))
        self._running = subprocess.Popen(
            [*place.before, sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(place.environment),
            start_new_session=True,
        )
        _LOGGER.info(
            "LF process %d started%s", self._running.pid, " in a sandbox" if place.before else ""
        )
        assert self._running.stderr is not None  # all three are pipes
        self._talk = Talk(os.dup(self._running.stderr.fileno()))
        self._running.stderr.close()
        self._writing = threading.Lock()
        self._asked = 0
        self._heard = threading.Event()
        self._heard.set()
        self._notes: list[str] = []
        begin = {
            "project": str(place.project),
            "folder": str(place.folder),
            "model": place.model,
            "limits": asdict(place.limits),
            "parent": 0 if place.before else os.getpid(),
        }
        with suppress(OSError):  # it ended: asking tells
            send(_open(self._running.stdin), begin)

    def ask(
        self,
        question: Mapping[str, Any],
        parse: Callable[[dict[str, Any], bytes], T],
        *,
        content: bytes | memoryview = b"",
        votes: int = 0,
    ) -> T:
        """Its answer, with as many bytes of votes, as `parse` takes it.

        Raises the error that it refuses with; LabelingFunctionError where it ends, has ended or
        sends an invalid answer; Stopped.
        """
        if self.has_ended:
            raise self._end_error()
        self._asked += 1
        self._heard.clear()
        try:
            message, votes_sent = self._exchange(
                {**question, "number": self._asked}, content, votes
            )
            return self._answer(message, votes_sent, parse)
        except (OSError, EOFError) as error:
            raise self._end_error() from error
        except BadMessage as error:
            self.end()
            raise LabelingFunctionError(
                f"A labeling function process sent an invalid answer: {error}.",
                hint="Check for LFs that write to file descriptors they did not open. Nothing was "
                "committed.",
            ) from error
        finally:
            self._heard.set()

    def _exchange(
        self, question: Mapping[str, Any], content: bytes | memoryview, votes: int
    ) -> tuple[dict[str, Any], bytes]:
        try:
            with self._writing:
                send(_open(self._running.stdin), question, content)
            return receive(_open(self._running.stdout), content=votes)
        except ValueError as error:
            if self.has_ended:  # from another thread, which closed the pipes
                raise EOFError from error
            raise

    def _answer(
        self, message: dict[str, Any], votes: bytes, parse: Callable[[dict[str, Any], bytes], T]
    ) -> T:
        if message.get("number") != self._asked:
            raise BadMessage("an answer to another question")
        if "stopped" in message:
            self._notes = _notes(message["stopped"])
            raise Interruption
        if "refused" in message:
            raise parse_error(message["refused"])
        return parse(message, votes)

    @property
    def has_ended(self) -> bool:
        """Whether it was ended from here; its pipes are closed then."""
        return self._running.returncode is not None

    def stop(self) -> None:
        """Ask what it is at, if it is at something."""
        if self._heard.is_set() or not self._writing.acquire(timeout=0.2):
            return
        try:
            send(_open(self._running.stdin), {"do": "stop"})
        except (OSError, ValueError):
            return
        finally:
            self._writing.release()

    def last_words(self, seconds: float) -> list[str]:
        """What it was at when it was stopped, if it says so in time."""
        self._heard.wait(seconds)
        return self._notes

    def end(self) -> None:
        """End it and what it started, whatever they do."""
        if self._running.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._running.pid, signal.SIGKILL)
            self._running.kill()
            self._running.wait()
        self._talk.end()
        for pipe in (self._running.stdin, self._running.stdout):
            with suppress(OSError):  # what was not sent yet need not be
                _open(pipe).close()

    def _end_error(self) -> LabelingFunctionError:
        self.end()
        return LabelingFunctionError(
            f"A process that ran LFs ended with {self._running.returncode}.",
            hint="Its output is above. Out of memory? Try fewer --jobs, or more `memory` "
            "under [lf] in datahub.toml.",
        )


def _notes(message: object) -> list[str]:
    if not isinstance(message, list) or len(message) > 10:
        raise BadMessage("no notes")
    return [storable(text(note, most=500)) for note in message]


def _open(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None  # both are pipes
    return pipe
