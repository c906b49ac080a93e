"""Act one's first half: LFs vote, and only those that have to.

Votes are objects of the commit, one for each LF fingerprint and part of the rows: they are
the cache, and there is no other. What is held in memory is one part's votes at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from datahub.core.dataset import Dataset, Part
from datahub.core.errors import LabelingFunctionError
from datahub.core.labeling import FAULTS_KEPT, Fault, LFOutput
from datahub.core.labels import LabelMatrix, Tally
from datahub.core.layout import lfs_file, table_prefix, votes_file
from datahub.core.manifest import LFEntry, VotesManifest
from datahub.core.versions import ObjectId
from datahub.flow.dataset.tables import dataset_at, table_paths
from datahub.flow.dataset.votes import manifest_at
from datahub.flow.label.report import LFReport, Reuse, in_python, report_of, with_classes
from datahub.flow.steps import Step, begin, end
from datahub.ports import FoundLF, LFWorkers, Rows, VersionStore

BATCH = 20_000  # rows that LFs see at a time

Sources = Callable[[Sequence[str]], Mapping[str, bytes]]


def run_lfs(
    dataset: str,
    workers: LFWorkers,
    *,
    store: VersionStore,
    rows: Rows,
    step: Step,
    max_fault_share: float,
    sources: Sources,
    root: Path,
    leave_out: Collection[str] = (),
) -> LFReport:
    """Let LFs vote where the head has no votes of theirs, and commit the votes with sources.

    Raises LabelingFunctionError when an LF returns no class, or raises on more than
    `max_fault_share` of the rows; ConfigError when the dataset has no classes. `sources` gives the
    contents of LFs' files. Faults inside `root` are told from there. `leave_out` are names of LFs
    that do not run.
    """
    head = begin(store, step)
    known = with_classes(dataset_at(store, head.id, dataset))
    ready = [found for found in workers.found if found.name not in leave_out]
    lfs = [found.voting(known.classes) for found in ready]
    texts = sources(sorted({found.file for found in lfs}))
    paths = table_paths(store, head.id, dataset, "rows")
    run = _Run(known, lfs, store, _Earlier.at(store, head.id, known), str(root))
    batches = run.batches(paths, rows)
    for batch, applied in _applied(batches, workers, known):
        run.add(batch, applied, step)
    run.finish(step)
    run.check_faults(max_fault_share)
    changes: dict[str, ObjectId | None] = {**run.objects}
    changes[lfs_file(dataset)] = store.put_bytes(run.manifest().to_json().encode())
    changes |= zip(texts, store.put_all(texts.values()), strict=True)
    old = [p for p in store.objects(head.id, table_prefix(dataset, "votes")) if p not in changes]
    earlier = manifest_at(store, head.id, dataset)
    written = {entry.file for entry in earlier.lfs} if earlier else set()
    old += [path for path in store.objects(head.id) if path in written - set(texts)]
    report = run.report()
    commit = end(
        store,
        step,
        head,
        {**dict.fromkeys(old, None), **changes},
        message=f"Label {known.rows} rows of {dataset} with {len(lfs)} LFs",
        metadata={
            "step": "lf run",
            "dataset": dataset,
            "lfs": str(len(lfs)),
            "votes": str(report.votes),
            "coverage": f"{report.coverage:.4f}",
            "faults": str(sum(report.fault_counts)),
        },
    )
    return LFReport(**{**report.__dict__, "commit": commit, "changed": commit != head})


@dataclass(frozen=True)
class _Earlier:
    """The votes that the head holds, and what its manifest says of them."""

    held: dict[str, ObjectId] = field(default_factory=dict)
    manifest: VotesManifest | None = None

    @classmethod
    def at(cls, store: VersionStore, ref: str, dataset: Dataset) -> _Earlier:
        manifest = manifest_at(store, ref, dataset.name)
        if manifest is None or manifest.cardinality != len(dataset.classes):
            return cls()  # a vote that was a class may be none now
        return cls(store.objects(ref, table_prefix(dataset.name, "votes")), manifest)

    def votes(self, dataset: str, found: FoundLF, part: str) -> ObjectId | None:
        """The votes of an LF on a part, if they are what it would say again."""
        entry = self.manifest.entry(found.fingerprint) if self.manifest and found.safe else None
        if self.manifest is None or entry is None or entry.faults is None:
            return None
        if part not in self.manifest.parts:
            return None
        if found.kind == "prompt" and entry.faults.get(part):
            return None  # a question that failed is asked again; the others' answers are kept
        return self.held.get(votes_file(dataset, found.fingerprint, part))

    def faults(self, found: FoundLF, part: str) -> tuple[int, list[Fault]]:
        """How often an LF raised on a part, and the faults that were kept of it."""
        entry = self.manifest.entry(found.fingerprint) if self.manifest else None
        if self.manifest is None or entry is None or entry.faults is None:
            return 0, []
        kept = [f for f in self.manifest.faults.get(part, ()) if f.lf == entry.name]
        return entry.faults.get(part, 0), kept


@dataclass
class _OpenPart:
    """A part that LFs are voting on: its votes so far, LFs without votes, faults kept of each."""

    part: Part
    votes: LabelMatrix
    missing: list[int]
    kept: list[list[Fault]]
    done: int = 0


@dataclass(frozen=True)
class _Batch:
    of: _OpenPart
    frame: pl.DataFrame
    lfs: tuple[FoundLF, ...]


class _Run:
    """One run over the parts: what was there, what had to run, and what came of it."""

    def __init__(
        self,
        dataset: Dataset,
        lfs: Sequence[FoundLF],
        store: VersionStore,
        earlier: _Earlier,
        root: str,
    ) -> None:
        self._dataset = dataset
        self._lfs = lfs
        self._store = store
        self._earlier = earlier
        self._root = root
        self._tally = Tally(len(lfs))
        self._counts: list[dict[str, int]] = [{} for _ in lfs]
        self._kept: dict[str, tuple[Fault, ...]] = {}
        self._ran = [0] * len(lfs)
        self._open: deque[_OpenPart] = deque()
        self.objects: dict[str, ObjectId] = {}

    def batches(self, paths: Sequence[Path], rows: Rows) -> Iterator[_Batch]:
        """Take from the head the votes that are there; yield the rows that LFs must still see."""
        for part, path in zip(self._dataset.parts, paths, strict=True):
            now = self._begin(part)
            self._open.append(now)
            self._close()  # a part whose votes are all there is not held until the next that runs
            lfs = tuple(self._lfs[j] for j in now.missing)
            for frame in rows.batches([path], size=BATCH) if lfs else ():
                yield _Batch(now, frame, lfs)

    def add(self, batch: _Batch, applied: LFOutput, step: Step) -> None:
        """Take in what LFs said of a batch; batches come in their order."""
        now, height = batch.of, batch.frame.height
        now.votes[now.done : now.done + height, now.missing] = applied.votes
        for j, count in zip(now.missing, applied.fault_counts, strict=True):
            if count:
                name = self._lfs[j].name
                found = [f.told_from(self._root) for f in applied.faults if f.lf == name]
                now.kept[j] = (now.kept[j] + found)[:FAULTS_KEPT]
                self._count(j, now.part, count)
        now.done += height
        self._close()
        step.progress("label", self._tally.rows + now.done % now.part.rows, self._dataset.rows)

    def finish(self, step: Step) -> None:
        """Close the parts that are left when all batches are in."""
        self._close()
        step.progress("label", self._tally.rows, self._dataset.rows)

    def _begin(self, part: Part) -> _OpenPart:
        votes = np.empty((part.rows, len(self._lfs)), dtype=np.int8, order="F")
        now = _OpenPart(part, votes, [], [[] for _ in self._lfs])
        for j, found in enumerate(self._lfs):
            held = self._earlier.votes(self._dataset.name, found, part.sha256)
            if held is None:
                now.missing.append(j)
                continue
            votes[:, j] = np.frombuffer(self._store.read(held), dtype=np.int8)
            self._keep(j, part, held)
            count, now.kept[j] = self._earlier.faults(found, part.sha256)
            self._count(j, part, count)
        return now

    def _close(self) -> None:
        while self._open and (
            not self._open[0].missing or self._open[0].done == self._open[0].part.rows
        ):
            now = self._open.popleft()
            votes = (now.votes[:, j].tobytes() for j in now.missing)
            for j, oid in zip(now.missing, self._store.put_all(votes), strict=True):
                self._ran[j] += 1
                self._keep(j, now.part, oid)
            self._tally.add(now.votes)
            if faults := tuple(fault for one in now.kept for fault in one):
                self._kept[now.part.sha256] = faults

    def check_faults(self, share: float) -> None:
        """Raise LabelingFunctionError if an LF raised on too many rows."""
        rows = self._dataset.rows
        for found, counts in zip(self._lfs, self._counts, strict=True):
            count = sum(counts.values())
            if count > share * rows:
                first = next(f for f in self.manifest().all_faults if f.lf == found.name)
                raise LabelingFunctionError(
                    f"LF {first.lf!r} raised on {count} of {rows} rows, first on {first.key!r} "
                    f"at {first.where}: {first.error}",
                    hint=f"Fix the LF; up to {share:.1%} of rows may fail "
                    "(max_fault_share in datahub.toml). Nothing was committed.",
                    lf=first.lf,
                    key=first.key,
                )

    def manifest(self) -> VotesManifest:
        """What lfs.json will say."""
        entries = tuple(
            LFEntry(
                name=found.name,
                fingerprint=found.fingerprint,
                kind=found.kind,
                file=found.file,
                line=found.line,
                faults=counts,
                fault_total=sum(counts.values()),
            )
            for found, counts in zip(self._lfs, self._counts, strict=True)
        )
        parts = tuple(part.sha256 for part in self._dataset.parts)
        return VotesManifest(entries, parts, len(self._dataset.classes), self._kept)

    def report(self) -> LFReport:
        """What people are told."""
        manifest = self.manifest()
        names = manifest.names
        reuse = Reuse(
            parts=len(self._dataset.parts),
            ran=dict(zip(names, self._ran, strict=True)),
            unsafe=tuple(found.name for found in self._lfs if not found.safe),
        )
        counts = [entry.fault_total for entry in manifest.lfs]
        made = report_of(self._dataset, self._tally, names, counts, manifest.all_faults)
        kinds = tuple(entry.kind for entry in manifest.lfs)
        more = {"reuse": reuse, "in_python": in_python(self._lfs), "kinds": kinds}
        return LFReport(**{**made.__dict__, **more})

    def _keep(self, j: int, part: Part, oid: ObjectId) -> None:
        path = votes_file(self._dataset.name, self._lfs[j].fingerprint, part.sha256)
        self.objects[path] = oid

    def _count(self, j: int, part: Part, faults: int) -> None:
        if faults:
            self._counts[j][part.sha256] = self._counts[j].get(part.sha256, 0) + faults


def _applied(
    batches: Iterator[_Batch], workers: LFWorkers, dataset: Dataset
) -> Iterator[tuple[_Batch, LFOutput]]:
    """What LFs say of each batch; a few batches are read ahead."""
    given: deque[_Batch] = deque()

    def work() -> Iterator[tuple[pl.DataFrame, Sequence[FoundLF]]]:
        for batch in batches:
            given.append(batch)
            yield batch.frame, batch.lfs

    k, classes = len(dataset.classes), dataset.classes
    for applied in workers.apply(work(), key=dataset.key, cardinality=k, classes=classes):
        yield given.popleft(), applied
