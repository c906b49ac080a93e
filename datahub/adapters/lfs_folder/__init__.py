"""LFSource: the labeling functions of a folder of plain Python files.

Their code runs in processes of its own (`child`), which get an environment of what is listed
(`environment`) and, where bubblewrap works, a place apart (`sandbox`). What such a process says is
JSON and votes, and is checked (`descriptions`, `answers`): nothing of it can run here.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from datahub.adapters.lfs_folder import sandbox
from datahub.adapters.lfs_folder.children import Place
from datahub.adapters.lfs_folder.discovery import discover_lfs, display_path, with_files
from datahub.adapters.lfs_folder.environment import filter_environment
from datahub.adapters.lfs_folder.limits import Limits, memory_of
from datahub.adapters.lfs_folder.workers import FolderWorkers
from datahub.core.errors import ConfigError
from datahub.core.labeling import LabelingFunction
from datahub.core.leaving import NO_RULE, Leaving
from datahub.core.prompt_lf import Ask, PromptLF
from datahub.ports import FoundLF, LFSet

Sandbox = Literal["auto", "bwrap", "none"]


class FolderLFSource:
    """The LFs of `folder`; files are named relative to `project`.

    Prompts get `ask`, `leaving` (which columns they may send), and `model` where they name none;
    without `ask` they are as they were written.
    LFs see the variables in `environment` beside the usual ones, and in a sandbox the paths in
    `readable` beside the project. `memory` is that of one process ("4GB", "none", "": most of
    the machine's).
    """

    def __init__(
        self,
        project: Path,
        folder: Path,
        *,
        ask: Ask | None = None,
        model: str = "",
        leaving: Leaving = NO_RULE,
        sandbox: Sandbox = "auto",
        environment: Collection[str] = (),
        readable: Sequence[Path] = (),
        memory: str = "",
    ) -> None:
        self._ask = ask
        self._model = model
        self._leaving = leaving
        self._project = project.resolve()
        self._folder = folder.resolve()
        self._sandbox = sandbox
        self._environment = environment
        self._readable = readable
        self._memory = memory

    @property
    def isolation(self) -> str:
        """`bwrap`, or empty. Raises ConfigError where it is demanded and does not work."""
        return "" if self._bwrap is None else "bwrap"

    @property
    def isolation_hint(self) -> str:
        """What to do for LFs to run apart. Empty where they do."""
        if self._sandbox == "none":
            return (
                'sandbox = "none" is set; with "auto", LFs run in a sandbox where bubblewrap works.'
            )
        bwrap = shutil.which("bwrap")
        if bwrap is None:
            return "Install bubblewrap, which works on Linux (`apt install bubblewrap`)."
        why = sandbox.failure(bwrap, self._project)
        return why and f"bubblewrap cannot make a sandbox here ({why}): allow user namespaces."

    def discover(self) -> list[FoundLF]:
        """All LFs in order of file and definition.

        Raises LabelingFunctionError: a file does not import, a name is invalid or stands
        twice, none found.
        """
        with self.workers() as workers:
            return workers.lfs

    def workers(self, jobs: int = 1) -> FolderWorkers:
        """Processes that import the folder for themselves; the first of them says what it has."""
        files = sorted(path for path in self._folder.glob("*.py") if path.is_file())
        names = {display_path(path, self._project) for path in files if not self._is_hidden(path)}
        return FolderWorkers(self._place(jobs), jobs=jobs, files=names, wire=self._wire)

    def prepare(self, lf: LabelingFunction) -> LabelingFunction:
        """An LF of this process, ready to be called: ONNX files are seen from the project."""
        return self._wire(with_files(lf, self._project))

    def load(self) -> LFSet:
        """The LFs themselves, imported into this process. Raises as `discover` does."""
        folder_lfs = discover_lfs(self._project, self._folder, model=self._model_asked)
        return LFSet([self._wire(live.lf) for live in folder_lfs.lfs], tuple(folder_lfs.left_out))

    @property
    def _model_asked(self) -> str | None:
        return None if self._ask is None else self._model

    def _place(self, jobs: int) -> Place:
        environment = filter_environment(os.environ, self._environment)
        if jobs > 1:
            environment["POLARS_MAX_THREADS"] = "1"
        limits, before = Limits(memory_of(self._memory)), list[str]()
        if self._bwrap is not None:
            apart = not self._folder.is_relative_to(self._project)  # labeling_functions is a link
            readable = [*self._readable, *([self._folder] if apart else [])]
            before = sandbox.command(self._bwrap, self._project, readable=readable)
            if sandbox.counts_processes():
                limits = replace(limits, processes=sandbox.PROCESSES)
        return Place(self._project, self._folder, self._model_asked, before, environment, limits)

    @property
    def _bwrap(self) -> str | None:
        if self._sandbox == "none":
            return None
        path = shutil.which("bwrap")
        if path is not None and sandbox.works(path, self._project):
            return path
        if self._sandbox == "auto":
            return None
        raise ConfigError(
            'LFs must run in a sandbox (sandbox = "bwrap" under [lf]), and '
            + ("there is no bwrap here." if path is None else "bwrap cannot make one here."),
            hint=f'{self.isolation_hint} Or take "auto", which runs LFs without one.',
        )

    def _wire(self, lf: LabelingFunction) -> LabelingFunction:
        if isinstance(lf, PromptLF) and self._ask is not None:
            return lf.connect(self._ask, model=self._model, leaving=self._leaving)
        return lf

    def _is_hidden(self, path: Path) -> bool:
        """Whether it is a link to a file of the project that is nobody's to see."""
        target = path.resolve()
        if target.is_relative_to(self._folder) or not target.is_relative_to(self._project):
            return False
        return any(part.startswith(".") for part in target.relative_to(self._project).parts)
