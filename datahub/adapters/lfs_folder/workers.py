"""LFs on several processes: each imports the folder for itself, since LFs do not pickle.

A child is a plain process that reads one batch of rows after the other from its standard
input and answers on a pipe of its own; what LFs print goes to stderr. Batches come back in the
order in which they were given. A child that dies is an error; when the parent ends, however
it ends, the children end too, whatever an LF is doing.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any

import polars as pl

from datahub.core.errors import LabelingFunctionError
from datahub.core.labeling import Applied
from datahub.machine.processes import end_with
from datahub.ports import FoundLF

_START = (
    "import sys; sys.path[:] = {path}; "
    "from datahub.adapters.lfs_folder.workers import answer; answer({project}, {folder}, {parent})"
)
_LENGTH = 8  # bytes before each message


class FolderWorkers:
    """`jobs` processes that have the LFs of `folder`; they start when there is work."""

    def __init__(self, project: Path, folder: Path, *, jobs: int) -> None:
        self._project = project
        self._folder = folder
        self._jobs = jobs

    def apply(
        self,
        work: Iterable[tuple[pl.DataFrame, Sequence[FoundLF]]],
        *,
        key: str,
        cardinality: int,
        classes: Sequence[str] = (),
    ) -> Iterator[Applied]:
        """Apply LFs to frames, in order; at most two frames a process are under way.

        Raises LabelingFunctionError, also where a process dies or finds other LFs in the folder.
        """
        children: list[_Child] = []
        idle: SimpleQueue[_Child] = SimpleQueue()
        waiting: deque[Future[Applied]] = deque()

        def on_a_child(frame: pl.DataFrame, lfs: Sequence[FoundLF]) -> Applied:
            child = idle.get()
            try:
                return child.apply(frame, lfs, key=key, cardinality=cardinality, classes=classes)
            finally:
                idle.put(child)

        threads = ThreadPoolExecutor(self._jobs)
        try:
            for frame, lfs in work:
                if len(children) < min(self._jobs, len(waiting) + 1):
                    children.append(_Child(self._project, self._folder))
                    idle.put(children[-1])
                waiting.append(threads.submit(on_a_child, frame, lfs))
                if len(waiting) == 2 * self._jobs:
                    yield _awaited(waiting.popleft())
            while waiting:
                yield _awaited(waiting.popleft())
        finally:
            for child in children:
                child.end()
            threads.shutdown(cancel_futures=True)


def _awaited(answer: Future[Applied]) -> Applied:
    """What a child answers, or Ctrl-C: a blocking wait is restarted by polars' signal handler."""
    while not wait([answer], timeout=0.2).done:
        pass  # Python looks for signals here
    return answer.result()


class _Child:
    def __init__(self, project: Path, folder: Path) -> None:
        start = _START.format(
            path=json.dumps(sys.path),
            project=json.dumps(str(project)),
            folder=json.dumps(str(folder)),
            parent=os.getpid(),
        )
        self._running = subprocess.Popen(
            [sys.executable, "-c", start],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "POLARS_MAX_THREADS": "1"},
            start_new_session=True,  # Ctrl-C is the parent's to answer
        )

    def apply(
        self,
        frame: pl.DataFrame,
        lfs: Sequence[FoundLF],
        *,
        key: str,
        cardinality: int,
        classes: Sequence[str],
    ) -> Applied:
        asked = {found.lf.name: found.fingerprint for found in lfs}
        try:
            _send(_open(self._running.stdin), (frame, asked, key, cardinality, tuple(classes)))
            kind, answer = _receive(_open(self._running.stdout))
        except (OSError, EOFError) as error:
            raise LabelingFunctionError(
                f"A process that ran LFs ended with {self._running.wait()}.",
                hint="What it said stands above. Out of memory? Try fewer --jobs.",
            ) from error
        if kind == "applied":
            applied: Applied = answer
            return applied
        raise LabelingFunctionError(
            answer["message"], hint=answer["hint"], lf=answer["lf"], key=answer["key"]
        )

    def end(self) -> None:
        self._running.kill()
        self._running.wait()
        for pipe in (self._running.stdin, self._running.stdout):
            try:
                _open(pipe).close()
            except BrokenPipeError:  # what was not sent yet need not be
                continue


def answer(project: str, folder: str, parent: int) -> None:
    """Be a child: apply LFs to what comes in until nothing more comes."""
    from datahub.adapters.lfs_folder import FolderLFSource

    end_with(parent)
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # these two are not the LFs'
    os.dup2(2, 1)
    here: dict[str, FoundLF] = {}
    while True:
        try:
            frame, asked, key, cardinality, classes = _receive(source)
        except EOFError:
            return
        try:
            here = here or {
                f.lf.name: f for f in FolderLFSource(Path(project), Path(folder)).discover()
            }
            ready = {name: here[name].voting(classes) for name in asked if name in here}
            said: tuple[str, Any] = ("applied", _applied(frame, asked, ready, key, cardinality))
        except LabelingFunctionError as error:
            said = (
                "refused",
                {"message": error.message, "hint": error.hint, "lf": error.lf, "key": error.key},
            )
        _send(sink, said)


def _applied(
    frame: pl.DataFrame, asked: dict[str, str], here: dict[str, FoundLF], key: str, cardinality: int
) -> Applied:
    from datahub.core.labeling import apply

    for name, fingerprint in asked.items():
        if name not in here or here[name].fingerprint != fingerprint:
            raise LabelingFunctionError(
                f"LF {name!r} changed from one process to the next.",
                hint="If its file changed meanwhile, run again. If it fits a model, give that a "
                "random_state; or take --jobs 1.",
                lf=name,
            )
    return apply(frame, [here[name].lf for name in asked], key=key, cardinality=cardinality)


def _send(pipe: IO[bytes], message: object) -> None:
    content = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.write(len(content).to_bytes(_LENGTH, "big"))
    pipe.write(content)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> Any:
    """One message of our own other half. Raises EOFError when there are no more."""
    head = pipe.read(_LENGTH)
    content = pipe.read(int.from_bytes(head, "big")) if len(head) == _LENGTH else b""
    if not content or len(content) != int.from_bytes(head, "big"):
        raise EOFError
    return pickle.loads(content)


def _open(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None  # both are pipes
    return pipe
