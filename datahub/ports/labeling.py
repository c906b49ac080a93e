"""Labeling functions: where they come from and what runs them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Protocol

import polars as pl

from datahub.core.batch import BatchLF
from datahub.core.labeling import Applied, LabelingFunction
from datahub.core.prompt_lf import Question, Reply, Spending


@dataclass(frozen=True)
class FoundLF:
    """A labeling function and where it stands. The fingerprint changes whenever its votes may.

    Unless it is not `safe`: then the LF reads something that no fingerprint can cover (a file,
    a loaded model, the clock), and equal fingerprints promise nothing.
    """

    lf: LabelingFunction
    fingerprint: str  # SHA-256, hexadecimal
    file: str  # relative to the project
    line: int
    kind: str  # snorkel, or what kind of declarative LF
    safe: bool  # the fingerprint covers all that decides its votes

    def voting(self, classes: Sequence[str]) -> FoundLF:
        """The same on a dataset with these classes: it may vote by their names.

        Raises LabelingFunctionError: a name is none of them.
        """
        named = self.lf.named(classes) if isinstance(self.lf, BatchLF) else self.lf
        if named is self.lf:
            return self
        made_of = f"{self.fingerprint} {json.dumps(list(classes))}"
        return replace(self, lf=named, fingerprint=sha256(made_of.encode()).hexdigest())


class LFSource(Protocol):
    """Where labeling functions come from."""

    def discover(self) -> list[FoundLF]:
        """All LFs in order of file and definition.

        Raises LabelingFunctionError: a file does not import, a name stands twice, none found.
        """
        ...

    @property
    def left_out(self) -> tuple[str, ...]:
        """What the last `discover` left out, and why: a sentence each."""
        ...

    def workers(self, jobs: int) -> LFWorkers:
        """The same LFs on so many processes of their own."""
        ...


class LFWorkers(Protocol):
    """Processes that apply labeling functions."""

    def apply(
        self,
        work: Iterable[tuple[pl.DataFrame, Sequence[FoundLF]]],
        *,
        key: str,
        cardinality: int,
        classes: Sequence[str] = (),
    ) -> Iterator[Applied]:
        """What `core.labeling.apply` says of each frame, in their order, a few frames ahead.

        Raises LabelingFunctionError as it does, and where a process dies. Ending the iteration
        ends the processes.
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
