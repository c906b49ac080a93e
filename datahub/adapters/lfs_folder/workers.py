"""The LFs of a folder on processes of their own, which import it for themselves.

The first process says what LFs there are, and applies them; with more jobs more are started when
there is work. LFs that are plain data run here instead, as columns, and so do prompts: one limit
of requests and of cost for all. Batches come back in the order in which they were given. A child
that dies is an error; when the parent ends, however it ends, the children end too, whatever an LF
is doing.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
import polars as pl

from datahub.adapters.lfs_folder.answers import parse_output
from datahub.adapters.lfs_folder.child import change_error
from datahub.adapters.lfs_folder.children import Child, Place
from datahub.adapters.lfs_folder.descriptions import RemoteLF, parse_left_out, parse_lfs
from datahub.core.batch import BatchLF
from datahub.core.declarative_lf import DeclarativeLF
from datahub.core.labeling import LabelingFunction, LFOutput, apply
from datahub.ports import FoundLF, LeftOut

Wiring = Callable[[LabelingFunction], LabelingFunction]
_Folder = tuple[list[RemoteLF], list[RemoteLF], tuple[LeftOut, ...]]  # LFs, slices
T = TypeVar("T")
_PATIENCE = 2.0  # seconds that processes have to say where they were stopped


@dataclass(frozen=True)
class _Work:
    """A frame and its LFs; `remote` is what those that run elsewhere will have said of it."""

    frame: pl.DataFrame
    lfs: Sequence[FoundLF]
    remote: Future[LFOutput] | None


class FolderWorkers:
    """`jobs` processes that have the LFs of a place.

    `files` are the folder's; `wire` makes a prompt one that can ask.
    """

    def __init__(self, place: Place, *, jobs: int, files: Collection[str], wire: Wiring) -> None:
        self._place = place
        self._jobs = jobs
        self._files = files
        self._wire = wire
        self._children: list[Child] = []
        self._idle = SimpleQueue[Child]()
        self._told: dict[str, RemoteLF] | None = None
        self._slices: dict[str, RemoteLF] = {}
        self.left_out: tuple[LeftOut, ...] = ()
        self._voting: dict[tuple[str, ...], dict[str, LabelingFunction]] = {}

    def __enter__(self) -> Self:
        """Start the first process; it begins to import."""
        self._threads = ThreadPoolExecutor(self._jobs)
        self._start()
        self._discovery = self._threads.submit(self._discover)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End all processes; at Ctrl-C, ask them first where they are."""
        try:
            if isinstance(error, KeyboardInterrupt):
                self._ask_where(error)
        finally:  # Ctrl-C may come again
            for child in self._children:
                child.end()
            self._threads.shutdown(cancel_futures=True)

    @property
    def lfs(self) -> list[FoundLF]:
        """All LFs in order of file and definition. Raises LabelingFunctionError."""
        return [lf.found for lf in self._lfs().values()]

    @property
    def slices(self) -> list[FoundLF]:
        """Slicing functions: `apply` votes 1 on rows of a slice. Raises LabelingFunctionError."""
        self._lfs()
        return [lf.found for lf in self._slices.values()]

    def apply(
        self,
        work: Iterable[tuple[pl.DataFrame, Sequence[FoundLF]]],
        *,
        key: str,
        cardinality: int,
        classes: Sequence[str] = (),
    ) -> Iterator[LFOutput]:
        """Apply LFs to frames, in order; at most two frames a process are under way.

        Raises LabelingFunctionError, also where a process dies or finds other LFs in the folder.
        """
        question = {"do": "apply", "key": key, "cardinality": cardinality, "classes": list(classes)}
        queue: deque[_Work] = deque()
        for frame, lfs in work:
            self._check(lfs, classes)
            away = [lf for lf in lfs if self._all()[lf.name].lf is None]
            remote = self._submit(frame, away, question, len(queue)) if away else None
            queue.append(_Work(frame, lfs, remote))
            while queue and (queue[0].remote is None or len(queue) >= 2 * self._jobs):
                yield self._whole(queue.popleft(), key, cardinality, tuple(classes))
        while queue:
            yield self._whole(queue.popleft(), key, cardinality, tuple(classes))

    def _ask_where(self, interrupt: KeyboardInterrupt) -> None:
        for child in self._children:
            child.stop()
        until = time.monotonic() + _PATIENCE
        for child in self._children:
            for note in child.last_words(max(0.0, until - time.monotonic())):
                interrupt.add_note(note)

    def _lfs(self) -> dict[str, RemoteLF]:
        if self._told is None:
            lfs, slices, self.left_out = _await_answer(self._discovery)
            self._told = {lf.found.name: lf for lf in lfs}
            self._slices = {lf.found.name: lf for lf in slices}
            if all(lf.lf is not None for lf in lfs) and not slices:
                self._children[0].end()  # nothing is left for it to do
        return self._told

    def _all(self) -> dict[str, RemoteLF]:
        return self._slices | self._lfs() if self._slices else self._lfs()

    def _discover(self) -> _Folder:
        def parse(message: dict[str, Any], _: bytes) -> _Folder:
            omissions = parse_left_out(message.get("left_out"))
            lfs = parse_lfs(message.get("lfs"), files=self._files)
            slices = parse_lfs(message.get("slices"), files=self._files, least=0)
            return lfs, slices, omissions

        first = self._children[0]
        answer = first.ask({"do": "discover"}, parse)
        self._idle.put(first)
        return answer

    def _start(self) -> Child:
        child = Child(self._place)
        self._children.append(child)
        return child

    def _check(self, lfs: Sequence[FoundLF], classes: Sequence[str]) -> None:
        by_name = self._all()
        for lf in lfs:
            current = by_name.get(lf.name)
            if current is None or current.found.voting(classes).fingerprint != lf.fingerprint:
                raise change_error(lf.name)

    def _submit(
        self, frame: pl.DataFrame, lfs: Sequence[FoundLF], question: Mapping[str, Any], ahead: int
    ) -> Future[LFOutput]:
        """Have an idle process apply LFs to a frame, a new one where none is and there may be."""
        if len(self._children) < min(self._jobs, ahead + 1):
            self._idle.put(self._start())  # here: Linux ends it with the thread that started it
        return self._threads.submit(self._on_a_child, frame, lfs, question)

    def _on_a_child(
        self, frame: pl.DataFrame, lfs: Sequence[FoundLF], terms: Mapping[str, Any]
    ) -> LFOutput:
        keys, names = frame[terms["key"]], [lf.name for lf in lfs]
        question = {**terms, "lfs": {lf.name: lf.fingerprint for lf in lfs}}
        buffer = BytesIO()
        frame.select(self._columns(frame, lfs, terms["key"])).write_ipc_stream(buffer)
        child = self._idle.get()
        try:
            return child.ask(
                question,
                lambda message, votes: parse_output(
                    message, votes, keys, names, terms["cardinality"]
                ),
                content=buffer.getbuffer(),
                votes=len(keys) * len(names),
            )
        finally:
            self._idle.put(child)

    def _columns(self, frame: pl.DataFrame, lfs: Sequence[FoundLF], key: str) -> list[str]:
        """What has to be sent: all columns, unless each LF says which it reads."""
        read = [self._all()[lf.name].columns for lf in lfs]
        names = {name for columns in read for name in columns or ()}
        if None in read or not names <= set(frame.columns):
            return frame.columns
        return [name for name in frame.columns if name in names or name == key]

    def _whole(self, work: _Work, key: str, cardinality: int, classes: tuple[str, ...]) -> LFOutput:
        lfs = [self._local_lf(entry, classes) for entry in work.lfs]
        local_lfs = [lf for lf in lfs if lf is not None]
        run = partial(
            apply, work.frame, local_lfs, key=key, cardinality=cardinality, classes=classes
        )
        if work.remote is None:
            return run()
        return _join([lf is None for lf in lfs], _await_answer(work.remote), run())

    def _local_lf(self, entry: FoundLF, classes: tuple[str, ...]) -> LabelingFunction | None:
        """The LF, if it runs here: a prompt as one that can ask, and votes by numbers."""
        lf = self._all()[entry.name].lf
        if lf is None:
            return None
        lfs = self._voting.setdefault(classes, {})
        if entry.name not in lfs:
            ready = self._wire(lf)
            if isinstance(ready, DeclarativeLF | BatchLF):
                ready = ready.for_classes(classes)
            lfs[entry.name] = ready
        return lfs[entry.name]


def _join(away: Sequence[bool], remote: LFOutput, local: LFOutput) -> LFOutput:
    votes = np.empty((len(remote.votes), len(away)), dtype=np.int8)
    is_remote = np.array(away, dtype=bool)
    votes[:, is_remote], votes[:, ~is_remote] = remote.votes, local.votes
    counts = {True: iter(remote.fault_counts), False: iter(local.fault_counts)}
    return LFOutput(votes, remote.faults + local.faults, tuple(next(counts[flag]) for flag in away))


def _await_answer(answer: Future[T]) -> T:
    """What a child answers, or Ctrl-C: a blocking wait is restarted by polars' signal handler."""
    while not wait([answer], timeout=0.2).done:
        pass  # Python looks for signals here
    return answer.result()
