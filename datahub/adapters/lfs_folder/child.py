"""The process that runs users' code: it imports the folder, and answers what it is asked.

Questions come in on what was its standard input, answers go out on what was its standard output;
what LFs print goes to stderr. A thread reads the questions, so that "stop" reaches an LF that is
running, and so that this ends when nobody can ask any more.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any

import polars as pl

from datahub.adapters.lfs_folder import light_snorkel
from datahub.adapters.lfs_folder.answers import encode_error, encode_output
from datahub.adapters.lfs_folder.attributed import PlaceStream
from datahub.adapters.lfs_folder.descriptions import describe_all
from datahub.adapters.lfs_folder.discovery import FolderLFs, LiveLF, discover_lfs
from datahub.adapters.lfs_folder.limits import Limits, take
from datahub.adapters.lfs_folder.messages import receive, send
from datahub.core.errors import ConfigError, LabelingFunctionError
from datahub.core.labeling import apply
from datahub.machine.processes import end_with

Question = tuple[dict[str, Any], bytes]
Answer = tuple[dict[str, Any], bytes]


def main() -> None:
    """Answer until nobody asks any more. Threads of LFs do not keep it from ending."""
    try:
        _answer()
    except KeyboardInterrupt:
        os._exit(130)
    except BaseException:  # noqa: BLE001  the last wall: not to go on, but to say so
        traceback.print_exc()
        os._exit(1)


def _answer() -> None:
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # these two are not the LFs'
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    begin, _ = receive(source)
    if begin["parent"]:
        end_with(begin["parent"])
    project, folder = Path(begin["project"]), Path(begin["folder"])
    sys.stdout = sys.stderr = PlaceStream(sys.stderr, project=project, folder=folder)
    take(Limits(**begin["limits"]))
    light_snorkel.install()
    questions = SimpleQueue[Question]()
    threading.Thread(target=_listen, args=(source, questions), daemon=True).start()
    lfs = _Folder(project, folder, begin["model"])
    while True:
        question, content = questions.get()
        message, votes = _reply(lfs, question, content)
        send(sink, {"number": question["number"], **message}, votes)


def _listen(source: IO[bytes], questions: SimpleQueue[Question]) -> None:
    main_thread = threading.main_thread().ident
    assert main_thread is not None  # it runs
    while True:
        try:
            question, content = receive(source, content=None)
        except (EOFError, OSError):
            os._exit(0)  # whatever an LF is doing
        if question["do"] == "stop":
            signal.pthread_kill(main_thread, signal.SIGINT)
        else:
            questions.put((question, content))


def _reply(folder: _Folder, question: Mapping[str, Any], content: bytes) -> Answer:
    try:
        if question["do"] == "discover":
            folder_lfs = folder.discover()
            return {
                "lfs": describe_all(folder_lfs.lfs),
                "slices": describe_all(folder_lfs.slices),
                "left_out": [*map(asdict, folder_lfs.left_out)],
            }, b""
        return folder.apply(question, pl.read_ipc_stream(content))
    except (LabelingFunctionError, ConfigError) as error:
        return {"refused": encode_error(error)}, b""
    except KeyboardInterrupt as interrupt:
        notes = [str(note)[:500] for note in getattr(interrupt, "__notes__", ())]
        return {"stopped": notes[:10]}, b""


class _Folder:
    """The folder's LFs, imported once."""

    def __init__(self, project: Path, folder: Path, model: str | None) -> None:
        self._place = project, folder
        self._model = model
        self._found: FolderLFs | None = None
        self._voting: dict[tuple[str, ...], dict[str, LiveLF]] = {}

    def discover(self) -> FolderLFs:
        """All of them. Raises LabelingFunctionError."""
        if self._found is None:
            self._found = discover_lfs(*self._place, model=self._model, alone=True)
        return self._found

    def apply(self, question: Mapping[str, Any], frame: pl.DataFrame) -> Answer:
        """What those that are asked for say of rows. Raises LabelingFunctionError."""
        fingerprints, key = question["lfs"], question["key"]
        lfs = self._voting_lfs(fingerprints, tuple(question["classes"]))
        k, classes = question["cardinality"], question["classes"]
        output = apply(frame, lfs, key=key, cardinality=k, classes=classes)
        return encode_output(output, frame[key], list(fingerprints))

    def _voting_lfs(self, fingerprints: Mapping[str, str], classes: tuple[str, ...]) -> list[Any]:
        if classes not in self._voting:
            self._voting[classes] = {}
        ready = self._voting[classes]
        folder = self.discover()
        by_name = {live.found.name: live for live in (*folder.slices, *folder.lfs)}
        for name, fingerprint in fingerprints.items():
            if name in by_name and name not in ready:
                ready[name] = by_name[name].voting(classes)
            if name not in ready or ready[name].found.fingerprint != fingerprint:
                raise change_error(name)
        return [ready[name].lf for name in fingerprints]


def change_error(name: str) -> LabelingFunctionError:
    """One process knows an LF as another than the next."""
    return LabelingFunctionError(
        f"LF {name!r} changed from one process to the next.",
        hint="If its file changed meanwhile, run again. If it fits a model, give that a "
        "random_state; or take --jobs 1.",
        lf=name,
    )
