"""What datahub needs of the world, in its own words. Adapters fit these by shape.

All calls raise only errors of `datahub.core.errors`. The contract suite of each
port (tests/contract/) runs on every registered backend.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy.typing as npt
import polars as pl

from datahub.core.dataset import Key
from datahub.core.features import Features
from datahub.core.labeling import Applied, LabelingFunction
from datahub.core.labels import LabelMatrix, SoftLabels
from datahub.core.paircounts import PairCounts
from datahub.core.prompt_lf import Question, Reply, Spending
from datahub.core.relabel import Annotation
from datahub.core.triage import Task
from datahub.core.verdict import CheckFailure, Verdict
from datahub.core.versions import (
    Candidate,
    Change,
    Changes,
    Collected,
    Commit,
    CommitId,
    Damage,
    ObjectId,
)


class Rows(Protocol):
    """Tables in files: Parquet and ORC (and CSV on the way in)."""

    def files(self, path: Path) -> list[Path]:
        """The files of one table: `path` itself, or those of a folder and its folders, by name.

        Names that begin with . or _ are passed over, and what has no suffix of a known format.
        Raises SourceError: not there, or a folder without such a file.
        """
        ...

    def scan(self, paths: Sequence[Path]) -> pl.LazyFrame:
        """All rows of these files, one table; the format is read off each file's bytes.

        Raises SourceError: not there, corrupt, of no known format, or of unequal schemas. What
        is corrupt in the middle shows only when the frame is computed: use `collect`.
        """
        ...

    def collect(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """Compute a frame that comes from `scan`. Raises SourceError, and no error of polars."""
        ...

    def batches(
        self, paths: Sequence[Path], *, columns: Sequence[str] | None = None, size: int = 50_000
    ) -> Iterator[pl.DataFrame]:
        """The same rows in file order, in bounded memory, a frame of at most `size` at a time."""
        ...

    def write(
        self,
        frame: pl.DataFrame | pl.LazyFrame | Iterable[pl.DataFrame],
        path: Path,
        *,
        slab: int = 50_000,
    ) -> int:
        """Write all rows in their order; the suffix (.parquet, .orc, .csv) says how.

        Frames of one schema are one table, and only some of them are in memory at a time. Who
        reads the file holds `slab` of its rows at least.

        Returns the number of rows. The same rows give the same bytes. Written beside and
        renamed: a file is whole or absent. Raises StorageError, SourceError (unknown suffix,
        or a type the format cannot hold).
        """
        ...


@dataclass(frozen=True)
class LabelModelFit:
    """What a label model learned: plain arrays, so that it can be saved as JSON.

    `weights[j]` is the model's estimate that LF j is right where it votes, or NaN when it
    never voted. `class_balance` is the prior over classes, and `balance_from` says how it was
    got: given, estimated or uniform. `arrays` are all that `predict` needs; `counts`, of a model
    that learns from them, are those of the votes.
    """

    model: str
    cardinality: int
    seed: int
    weights: npt.NDArray[Any]  # float64 [m]
    class_balance: npt.NDArray[Any]  # float64 [k]
    balance_from: str
    arrays: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    counts: PairCounts | None = None


class LabelModel(Protocol):
    """Votes to soft labels."""

    name: str

    def fit(
        self,
        votes: LabelMatrix,
        *,
        cardinality: int,
        seed: int,
        class_balance: Sequence[float] | None = None,
        counts: PairCounts | None = None,
        shares: Sequence[float] | None = None,
    ) -> LabelModelFit:
        """Learn from votes [n, m]. Leaves global random state alone; n or m may be 0.

        `counts`, where given, are the pair counts of exactly these votes, so that a model that
        learns from them need not count. `shares[j]` in (0, 1] is how much a vote of LF j counts,
        below 1 where the LF repeats others; a model that cannot use them leaves them.
        """
        ...

    def predict(self, fit: LabelModelFit, votes: LabelMatrix) -> SoftLabels:
        """Soft labels [n, k], rows summing to 1; a row without a vote is NaN throughout."""
        ...


class EndModel(Protocol):
    """What a row holds to classes, learned from soft labels: the second opinion triage asks."""

    name: str

    def out_of_fold(
        self, features: Features, soft: SoftLabels, *, seed: int, folds: int = 5
    ) -> SoftLabels:
        """Probabilities [n, k] for every row by a model that has not seen that row or its double.

        Rows of `soft` that are NaN are scored but not learned from. With too few labeled rows
        or classes to learn from, all rows are NaN.
        """
        ...


@dataclass(frozen=True)
class Pulled:
    """Answers that are new or changed since `cursor` of an earlier pull, and the next cursor."""

    annotations: tuple[Annotation, ...]
    refused: tuple[tuple[Key, str], ...]  # answers that cannot be taken (empty), with the reason
    cursor: str


class ReviewQueue(Protocol):
    """Tasks out to people, answers back."""

    def push(self, batch: str, tasks: Sequence[Task], *, classes: Sequence[str]) -> None:
        """Ask these tasks. Pushing the same batch again adds only what is missing of it."""
        ...

    def open_tasks(self, *, limit: int | None = None) -> list[tuple[str, Task]]:
        """(task id, task) of tasks nobody has answered yet, in the order people see them."""
        ...

    def answer(self, task_id: str, label: str | None, *, annotator: str) -> None:
        """Record one person's answer, None for a skip.

        Raises AnnotationError (label outside the classes), NotFound.
        """
        ...

    def pull(self, cursor: str | None) -> Pulled:
        """All answers, edits and withdrawals since the cursor; the window may overlap."""
        ...

    def where(self) -> str:
        """Where a person goes to answer: an address or a command."""
        ...


class VersionStore(Protocol):
    """Branches, tags, commits and bytes of one repository.

    A merge is seen by nobody until `land`. A guarded branch (its gates.toml binds a suite to
    it) takes nothing but `land`.
    """

    def branches(self) -> dict[str, str]:
        """Branch name -> commit id of its head."""
        ...

    def tags(self) -> dict[str, CommitId]:
        """Tag name -> commit id."""
        ...

    def create_tag(self, name: str, *, at: str) -> Commit:
        """Name a commit for good. Raises TagExists, BranchExists, RefNotFound, InputError."""
        ...

    def delete_tag(self, name: str) -> None:
        """Remove the name, not the history. Raises TagNotFound."""
        ...

    def create_branch(self, name: str, *, at: str) -> Commit:
        """Cut a branch at a ref, without a copy.

        Raises BranchExists, TagExists, RefNotFound, InputError; Guarded when the commit's own rules
        bind a suite to that name: its content would be on a guarded branch, and unjudged.
        """
        ...

    def delete_branch(self, name: str) -> None:
        """Remove the name, not the history. Raises BranchNotFound, Guarded."""
        ...

    def commit_at(self, ref: str) -> Commit:
        """The commit that a ref names. Raises RefNotFound.

        A ref is a branch, a tag, an id or a unique prefix of one (8+), and any of these with
        `~n` (n first parents back), `^` or `^2` (the first, the second parent).
        """
        ...

    def objects(self, ref: str, prefix: str = "") -> dict[str, ObjectId]:
        """Path -> object id of what a commit holds under a prefix."""
        ...

    def changes(self, old: str, new: str, prefix: str = "") -> list[Change]:
        """Paths under a prefix that differ between two refs, sorted.

        Costs what differs, not what there is. Raises RefNotFound.
        """
        ...

    def content_of(self, ref: str) -> str:
        """`core.versions.content_id` of what a commit holds: what a verdict names."""
        ...

    def log(self, ref: str, *, limit: int | None = None) -> list[Commit]:
        """History, children before parents."""
        ...

    def merge_base(self, ours: str, theirs: str) -> Commit:
        """The best common ancestor. Raises RefNotFound, InputError (unrelated histories)."""
        ...

    def stage(self, suffix: str) -> Path:
        """A fresh path in the store's own scratch folder, to write a file that `put` will take."""
        ...

    def put(self, path: Path) -> ObjectId:
        """Store a file by content, durably. A staged file is moved, any other is copied."""
        ...

    def put_bytes(self, content: bytes) -> ObjectId:
        """Store bytes by content, durably."""
        ...

    def fetch(self, oid: ObjectId) -> Path:
        """A local, read-only file with these bytes; checked when read the first time.

        Raises ObjectNotFound, StorageError (the bytes are not what was stored).
        """
        ...

    def read(self, oid: ObjectId) -> bytes:
        """The bytes themselves. Raises like `fetch`."""
        ...

    def commit(
        self,
        branch: str,
        changes: Changes,
        *,
        message: str,
        author: str,
        time: datetime,
        expected: str,
        metadata: Mapping[str, str] | None = None,
    ) -> Commit:
        """Add one commit on top of `expected`, which must be the branch's head.

        Raises StaleHead, Guarded, BranchNotFound, ObjectNotFound (bytes never put),
        NothingToCommit, InputError (bad path). Atomic: all of it is there or none of it.
        """
        ...

    def propose(
        self,
        source: str,
        *,
        into: str,
        changes: Changes,
        message: str,
        author: str,
        time: datetime,
        expected: str,
        squash: bool = False,
        metadata: Mapping[str, str] | None = None,
    ) -> Candidate:
        """Build the merge of `source` into branch `into` where nobody sees it.

        `changes` is what the merge does to `expected`, which must be the head of `into`; it may
        be empty, and writes nothing under `_datahub/`. With `squash` the commit that lands has
        one parent, the head; the verdict still names the source. Raises StaleHead,
        BranchNotFound, RefNotFound, ObjectNotFound, InputError.
        """
        ...

    def land(self, candidate: Candidate, verdict: Verdict) -> Commit:
        """Put the judged content on its branch, with the verdict inside.

        Raises StaleHead if the head moved on; Guarded if the verdict is not a pass of exactly
        this content, source, head and rules, or if rules and data change together on a guarded
        branch, or if the rules of a guarded branch change without a verdict of kind "rules"
        that gives a reason.
        """
        ...

    def drop(self, candidate: Candidate) -> None:
        """Forget a candidate that will not land."""
        ...


@runtime_checkable
class Upkeep(Protocol):
    """What a version store on a disk of ours also does: a server looks after itself."""

    def check(self) -> list[Damage]:
        """Read everything that a branch, a tag or a lease reaches; what is wrong with it."""
        ...

    def collect(self, *, before: datetime, dry_run: bool) -> Collected:
        """Remove what nothing reaches and nothing has reached since `before`.

        Objects stored, names deleted and candidates leased since then are kept: a writer may be
        about to commit them, a reader may be reading them. Others may work on meanwhile.
        """
        ...


@runtime_checkable
class Adopting(Protocol):
    """A version store that can take over a whole history, ids and all."""

    def adopt(
        self,
        history: Sequence[tuple[Commit, Changes]],
        *,
        branches: Mapping[str, CommitId],
        tags: Mapping[str, CommitId],
    ) -> None:
        """Make this history the repository's, all of it or nothing.

        Commits come parents first, with their changes to the first parent. Each must come to
        the id it states, so that verdicts in it still speak of what they spoke of. Raises Conflict
        (the repository holds more than its beginning), InputError (another id, an unknown
        commit), ObjectNotFound.
        """
        ...


@dataclass(frozen=True)
class GitCommit:
    """A commit as git has it: `changes` are path -> blob id (None: gone) to the first parent."""

    id: str
    parents: tuple[str, ...]
    message: bytes
    changes: Mapping[str, str | None]


@dataclass(frozen=True)
class GitHistory:
    """All that a git repository holds: parents first; branches and tags as name -> git id."""

    commits: Sequence[GitCommit]
    blobs: Mapping[str, bytes]
    branches: Mapping[str, str]
    tags: Mapping[str, str]


class GitRepositories(Protocol):
    """Plain git repositories in folders."""

    def history(self, folder: Path) -> GitHistory:
        """Read a repository. Raises InputError (none there, files that are no plain files)."""
        ...

    def stored(self, folder: Path, oid: ObjectId) -> Path | None:
        """Where the bytes of an object lie: in a folder of objects, or in git-lfs's own."""
        ...

    def write(self, folder: Path, stream: Iterable[bytes], *, branch: str) -> None:
        """Make one from what `git fast-import` takes, with `branch` checked out.

        Raises Conflict (the folder holds something), ConfigError (no git), StorageError.
        """
        ...


class Gate(Protocol):
    """Expectation suites over tables."""

    def check_suite(self, suite: bytes, *, name: str) -> int:
        """Number of expectations. Raises GateError when it cannot be read or holds none."""
        ...

    def judge(self, paths: Sequence[Path], suite: bytes, *, name: str) -> list[CheckFailure]:
        """What failed, each with its severity; empty when everything passed.

        `core.verdict.refusing` says which of them refuse. `paths` are Parquet files of one
        table with equal schemas. Raises GateError when any expectation could not be computed
        (a missing column, an unknown expectation), or when there is no row to judge.
        """
        ...


@dataclass(frozen=True)
class Run:
    """One step that was run, by commit id; `figures` are its counts and seconds."""

    commit: str
    step: str
    branch: str
    time: datetime
    figures: Mapping[str, Any]


@dataclass(frozen=True)
class Refusal:
    """A merge that the gate refused."""

    into: str
    branch: str
    verdict: Verdict


@dataclass(frozen=True)
class LedgerEntry:
    """One row that was asked: by whom it is awaited, and what became of it.

    state: intent (about to be posted), asked, answered, stale (the row changed: ask again),
    dropped (never committed, so never posted).
    """

    queue: str
    dataset: str
    branch: str
    batch: str
    key: Key
    row_hash: str
    state: str


class Catalog(Protocol):
    """What happened and what is under way, by commit id. Never a copy of a branch head."""

    def upgrade(self) -> str:
        """Bring the schema to the newest migration; return its revision."""
        ...

    def record_run(self, run: Run) -> None:
        """Keep a run."""
        ...

    def runs(self, *, limit: int = 50) -> list[Run]:
        """Newest first."""
        ...

    def record_refusal(self, refusal: Refusal) -> None:
        """Keep a refusal with all its reasons."""
        ...

    def refusals(self, *, limit: int = 50) -> list[Refusal]:
        """Newest first."""
        ...

    def record_asked(self, entries: Iterable[LedgerEntry]) -> None:
        """Add or overwrite ledger entries, by (queue, dataset, branch, key). All or none."""
        ...

    def asked(self, *, queue: str, dataset: str, branch: str) -> list[LedgerEntry]:
        """The ledger of one queue for one dataset on one branch, in the order it was written."""
        ...

    def cursor(self, *, queue: str, dataset: str, branch: str) -> str | None:
        """Where the last pull ended."""
        ...

    def set_cursor(self, cursor: str, *, queue: str, dataset: str, branch: str) -> None:
        """Remember where a pull ended."""
        ...


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


class LFWorkers(Protocol):
    """Processes that apply labeling functions."""

    def apply(
        self,
        work: Iterable[tuple[pl.DataFrame, Sequence[FoundLF]]],
        *,
        key: str,
        cardinality: int,
    ) -> Iterator[Applied]:
        """What `core.labeling.apply` says of each frame, in their order, a few frames ahead.

        Raises LabelingFunctionError as it does, and where a process dies. Ending the iteration
        ends the processes.
        """
        ...


class LFSource(Protocol):
    """Where labeling functions come from."""

    def discover(self) -> list[FoundLF]:
        """All LFs in order of file and definition.

        Raises LabelingFunctionError: a file does not import, a name stands twice, none found.
        """
        ...

    def workers(self, jobs: int) -> LFWorkers:
        """The same LFs on so many processes of their own."""
        ...
