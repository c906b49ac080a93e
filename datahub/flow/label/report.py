"""What people are told of LFs that voted: Snorkel's table, faults, and what had to run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from datahub.core.dataset import Dataset
from datahub.core.declarative_lf import PYTHON_REGEX
from datahub.core.errors import ConfigError
from datahub.core.in_html import InHTML
from datahub.core.labeling import Fault
from datahub.core.labels import LFSummary, Tally
from datahub.core.lf_sight import Votes
from datahub.core.prompt_lf import Spending
from datahub.core.versions import Commit
from datahub.ports import FoundLF, LeftOut


@dataclass(frozen=True)
class Reuse:
    """What a run had to do: LF -> parts it ran on; the rest of the parts' votes were there.

    `unsafe` LFs cannot be fingerprinted safely, so they always run.
    """

    parts: int
    ran: dict[str, int]
    unsafe: tuple[str, ...]

    @property
    def reused(self) -> int:
        """Number of votes objects that were there already."""
        return sum(self.parts - parts for parts in self.ran.values())


@dataclass(frozen=True)
class LFReport(InHTML):
    """What LFs did on rows: Snorkel's table, and faults beside it.

    `in_python` are regex LFs that polars cannot run. `estimated[j]` is how often the label model
    takes LF j to be right, None where no model was fitted to these votes. `kinds[j]` is what kind
    of LF it is; `spent` is what prompts cost, None where there are none. `left_out` says which
    functions of the folder did not run, and why. `tried` are the votes on a sample, of a trial.
    """

    dataset: str
    rows: int
    votes: int
    coverage: float
    table: tuple[LFSummary, ...]
    fault_counts: tuple[int, ...]
    faults: tuple[Fault, ...]
    commit: Commit | None = None
    changed: bool = False  # whether a commit was made: the same votes again make none
    reuse: Reuse | None = None
    in_python: tuple[str, ...] = ()
    estimated: tuple[float | None, ...] = ()
    kinds: tuple[str, ...] = ()
    spent: Spending | None = None
    left_out: tuple[LeftOut, ...] = ()
    tried: Votes | None = field(default=None, repr=False, compare=False)


def report_of(
    dataset: Dataset,
    tally: Tally,
    names: Sequence[str],
    counts: Sequence[int],
    faults: Sequence[Fault],
) -> LFReport:
    """A report of votes as they were counted; `counts` are the LFs' faults."""
    return LFReport(
        dataset=dataset.name,
        rows=tally.rows,
        votes=tally.votes,
        coverage=tally.coverage,
        table=tuple(tally.summary(names)),
        fault_counts=tuple(counts),
        faults=tuple(faults),
    )


def in_python(lfs: Sequence[FoundLF]) -> tuple[str, ...]:
    """Names of the LFs whose pattern polars cannot run."""
    return tuple(lf.name for lf in lfs if lf.kind == PYTHON_REGEX)


def with_classes(dataset: Dataset) -> Dataset:
    """The dataset, if LFs can vote on it. Raises ConfigError where it has no classes."""
    if not dataset.classes:
        raise ConfigError(
            f"Dataset {dataset.name!r} has no classes yet.",
            hint=f"Import it again with --classes: `datahub import FILE --dataset {dataset.name} "
            "--classes a,b`.",
        )
    return dataset
