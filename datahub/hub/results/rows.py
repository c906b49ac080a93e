"""Results of the project and its rows: init, import, export, status."""

from __future__ import annotations

from dataclasses import dataclass

from datahub.hub.results.history import Commit
from datahub.hub.results.shape import Key, Shape


@dataclass(frozen=True)
class Created(Shape):
    """A new project: its folder, its branch and first commit, and the files written."""

    folder: str
    branch: str
    commit: str
    files: list[str]


@dataclass(frozen=True)
class Part(Shape):
    """A file of rows. `size` is in bytes; `nulls` counts them by column."""

    sha256: str
    rows: int
    first_key: Key
    last_key: Key
    size: int
    nulls: dict[str, int]


@dataclass(frozen=True)
class Dataset(Shape):
    """A dataset as of a commit. `columns` are pairs of a name and a type of polars."""

    name: str
    key: str
    columns: list[tuple[str, str]]
    parts: list[Part]
    classes: list[str]
    text: str | None
    key_made: bool
    has_gold: bool


@dataclass(frozen=True)
class SetAside(Shape):
    """People's answers that no longer count, and open tasks whose rows changed."""

    dataset: str
    answers: int
    people: list[str]
    rows: int
    tasks: int
    reasons: dict[str, int]


@dataclass(frozen=True)
class PandasIndex(Shape):
    """Columns that were the index of pandas, and indexes that are no column."""

    columns: list[str]
    ranges: list[str]


@dataclass(frozen=True)
class Imported(Shape):
    """What an import made. `kept` rows keep their label, `unlabeled` have none yet."""

    dataset: Dataset
    commit: Commit
    kept: int
    unlabeled: int
    set_aside: list[SetAside]
    left_out: list[str]
    left_out_count: int
    index: PandasIndex


@dataclass(frozen=True)
class Exported(Shape):
    """A table that was written. `file` is the target: a file, or a folder of `files` files."""

    file: str
    rows: int
    files: int
    table: str
    commit: str


@dataclass(frozen=True)
class LeftOut(Shape):
    """A function of labeling_functions/ that does not run, and why."""

    name: str
    file: str
    line: int
    why: str


@dataclass(frozen=True)
class Stale(Shape):
    """Something that is out of date, and what to do."""

    what: str
    hint: str


@dataclass(frozen=True)
class DatasetState(Shape):
    """The state of a dataset."""

    name: str
    rows: int
    classes: list[str]
    lfs: int
    labeled: bool
    unlabeled: int


@dataclass(frozen=True)
class Status(Shape):
    """The state of the project. `refused`: LFs may not run here without a sandbox."""

    branch: str
    head: Commit
    guarded: bool
    datasets: list[DatasetState]
    out_of_date: list[Stale]
    isolated: bool
    isolation_hint: str
    refused: bool
    left_out: list[LeftOut]


@dataclass(frozen=True)
class Catalog(Shape):
    """The revision of the catalog's schema."""

    revision: str
