"""Labeling functions: where they come from and what runs them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from types import TracebackType
from typing import Protocol, Self

import polars as pl

from datahub.core.batch import Label, number_labels
from datahub.core.errors import PromptNotReady
from datahub.core.labeling import LabelingFunction, LFOutput
from datahub.core.prompt_lf import Question, Reply, Spending


@dataclass(frozen=True)
class FoundLF:
    """What is known of a labeling function without running it, and where it stands.

    The fingerprint changes whenever its votes may. Unless it is not `safe`: then the LF reads
    something that no fingerprint can cover (a file, a loaded model, the clock), and equal
    fingerprints promise nothing.
    """

    name: str
    fingerprint: str  # SHA-256, hexadecimal
    file: str  # relative to the project
    line: int
    kind: str  # snorkel, or what kind of declarative LF
    safe: bool  # the fingerprint covers all that decides its votes
    label: Label | None = None  # the only class that it votes, where it has one
    class_names: tuple[str, ...] | None = ()  # that it votes by; None: it tells them as it runs
    model_file: str = ""  # relative to the project: the ONNX file that it names, if it does
    # Told by processes of the LFs; of one LF they are the same however it was found.
    columns: tuple[str, ...] | None = field(default=None, compare=False)  # all that it reads
    endpoint: str = field(default="", compare=False)  # of a prompt that names its own

    def voting(self, classes: Sequence[str]) -> FoundLF:
        """The same on a dataset with these classes: it may vote by their names.

        Raises LabelingFunctionError: a name is none of them.
        """
        if self.class_names == () or (self.class_names is None and not classes):
            return self
        number_labels(self.name, [(name, name) for name in self.class_names or ()], classes)
        made_of = f"{self.fingerprint} {json.dumps(list(classes))}"
        digest = sha256(made_of.encode()).hexdigest()
        label = classes.index(self.label) if isinstance(self.label, str) else self.label
        return replace(self, fingerprint=digest, class_names=(), label=label)


@dataclass(frozen=True)
class LeftOut:
    """A function of the folder that gives no votes: no LF, or one that cannot run yet."""

    name: str
    file: str  # relative to the project
    line: int
    why: str  # sentences

    @classmethod
    def until_ready(cls, error: PromptNotReady, file: str, line: int) -> LeftOut:
        """A prompt that cannot be asked yet, and what that means for labels."""
        effect = "It did not run, and labels do not use its earlier votes until it runs again."
        return cls(error.lf, file, line, f"{error.message} {effect} {error.hint}")

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.why}"


@dataclass(frozen=True)
class LFSet:
    """LFs that can be called in this process, and what was left out."""

    lfs: list[LabelingFunction]
    left_out: tuple[LeftOut, ...]


class LFSource(Protocol):
    """Where labeling functions come from. Their code does not run in this process, but for `load`.

    `isolation` names what keeps them from files, network and processes of this machine; empty
    where nothing does.
    """

    @property
    def isolation(self) -> str:
        """Raises ConfigError where it is demanded and cannot be had."""
        ...

    @property
    def isolation_hint(self) -> str:
        """What to do where nothing keeps them; empty where something does."""
        ...

    def discover(self) -> list[FoundLF]:
        """All LFs in order of file and definition.

        Raises LabelingFunctionError: a file does not import, a name stands twice, none found.
        """
        ...

    def workers(self, jobs: int = 1) -> LFWorkers:
        """The same LFs, ready to be applied by so many processes of their own."""
        ...

    def prepare(self, lf: LabelingFunction) -> LabelingFunction:
        """An LF that lies in no file, ready to be called in this process.

        Prompts can ask, and models that are files are loaded.
        """
        ...

    def load(self) -> LFSet:
        """The LFs themselves: their code runs in this process, with all that it can reach."""
        ...


class LFWorkers(Protocol):
    """Processes that apply labeling functions. They start at `with`, and end with it."""

    def __enter__(self) -> Self:
        """Start; what the LFs are is waited for when it is asked."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End all processes, whatever they do."""
        ...

    @property
    def lfs(self) -> list[FoundLF]:
        """What `discover` says. Raises LabelingFunctionError."""
        ...

    @property
    def slices(self) -> list[FoundLF]:
        """Slicing functions, of other names than LFs; `apply` votes 1 on the rows of a slice."""
        ...

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What is not among `lfs`, and why. Empty until that was asked."""
        ...

    def apply(
        self,
        work: Iterable[tuple[pl.DataFrame, Sequence[FoundLF]]],
        *,
        key: str,
        cardinality: int,
        classes: Sequence[str] = (),
    ) -> Iterator[LFOutput]:
        """What `core.labeling.apply` says of each frame, in their order, a few frames ahead.

        Raises LabelingFunctionError as it does, and where a process dies or says what is no
        answer.
        """
        ...


class Prompts(Protocol):
    """A language model that is asked. An answer is paid for once, whatever ends the run."""

    @property
    def spent(self) -> Spending:
        """What was spent so far."""
        ...

    def ask(self, lf: str, questions: Sequence[Question]) -> Sequence[Reply]:
        """A reply to each question of an LF, in their order; equal ones are asked once.

        What goes wrong with one question is its reply's problem. Raises LimitReached,
        Unavailable, AuthenticationError, Rejected, ConfigError, StorageError, and asks no more.
        """
        ...
