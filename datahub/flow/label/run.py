"""Act one's first half: LFs vote, and only those that have to.

Votes are objects of the commit, one for each LF fingerprint and part of the rows: they are
the cache, and there is no other. What is held in memory is one part's votes at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from datahub.core.dataset import Dataset, Part
from datahub.core.errors import (
    InputError,
    LabelingFunctionError,
    ObjectNotFound,
    StorageError,
)
from datahub.core.labeling import FAULTS_KEPT, Fault, LFOutput
from datahub.core.labels import Gold, LabelMatrix, Tally
from datahub.core.layout import lfs_file, votes_file
from datahub.core.lf_code import LFFiles
from datahub.core.manifest import LFEntry, VotesManifest
from datahub.core.versions import ObjectId, Objects
from datahub.flow.dataset.at import At
from datahub.flow.dataset.code import check_unchanged, put_code
from datahub.flow.dataset.draft import Draft
from datahub.flow.dataset.parts import GOLD_LABEL
from datahub.flow.dataset.votes import class_numbers
from datahub.flow.label.report import LFReport, Reuse, in_python, report_of, with_classes
from datahub.flow.steps import Step
from datahub.ports import FoundLF, JournalEntry, LFWorkers, VoteJournal

BATCH = 20_000  # rows that LFs see at a time

Files = Callable[[Collection[str]], LFFiles]  # those of LFs, with the models that they name


def run_lfs(
    at: At,
    workers: LFWorkers,
    step: Step,
    *,
    max_fault_share: float,
    files: Files,
    root: Path,
    leave_out: Collection[str] = (),
    journal: VoteJournal | None = None,
) -> LFReport:
    """Let LFs vote where the head has no votes of theirs, and commit the votes with sources.

    `at` is the head that the step starts from. Raises LabelingFunctionError when an LF returns no
    class, or raises on more than `max_fault_share` of the rows; ConfigError when the dataset has
    no classes. `files` reads what LFs come from: their votes are committed with it, unless it
    changes meanwhile. Faults inside `root` are told from there. `leave_out` are names of LFs that
    do not run. What the run stores is added to `journal`, and what a run that was killed added is
    taken from there; it is cleared when all is committed.
    """
    before = files(())
    dataset = with_classes(at.dataset)
    ready = [lf for lf in workers.lfs if lf.name not in leave_out]
    lfs = [lf.voting(dataset.classes) for lf in ready]
    _check_inside(lfs, before)
    models = sorted({lf.model_file for lf in lfs} - {""})
    run = _Run(at, lfs, str(root), journal)
    for batch, output in _apply(run.batches(at.files("rows")), workers, dataset):
        run.add(batch, output, step)
    run.finish(step)
    run.check_faults(max_fault_share)
    report = run.report()
    code = files(models)
    check_unchanged(before.without(models), code.without(models))
    commit = _draft(at, run, code).commit(
        step,
        message=f"Label {dataset.rows} rows of {at.name} with {len(lfs)} LFs",
        metadata={
            "step": "lf run",
            "dataset": at.name,
            "lfs": str(len(lfs)),
            "votes": str(report.votes),
            "coverage": f"{report.coverage:.4f}",
            "faults": str(sum(report.fault_counts)),
        },
    )
    if journal is not None:
        journal.clear()
    return replace(report, commit=commit, changed=commit != at.commit)


def _check_inside(lfs: Sequence[FoundLF], code: LFFiles) -> None:
    """Raise InputError for an LF whose file no commit can hold."""
    for lf in lfs:
        if code.texts and lf.file not in code.texts:
            raise InputError(
                f"LF {lf.name!r} stands in {lf.file}, which leads out of the project.",
                hint="Copy the file into labeling_functions/: a commit of votes holds their code.",
            )


def _draft(at: At, run: _Run, code: LFFiles) -> Draft:
    """The votes, their manifest and the code of LFs; what was there of others goes."""
    draft = Draft(at, run.objects)
    draft.put(lfs_file(at.name), run.manifest().to_json())
    put_code(draft, code, run.manifest())
    draft.drop_rest("votes")
    return draft


class _Earlier:
    """The votes that the head has, and what its manifest says of them."""

    def __init__(self, at: At) -> None:
        self._name = at.name
        self._objects: Objects = {}
        self._manifest: VotesManifest | None = None
        if at.votes is not None and at.votes.cardinality == len(at.dataset.classes):
            self._objects, self._manifest = at.objects("votes"), at.votes
        # else a vote that was a class may be none now

    def votes(self, lf: FoundLF, part: str) -> ObjectId | None:
        """The votes of an LF on a part, if they are what it would say again."""
        manifest = self._manifest
        entry = manifest.entry(lf.fingerprint) if manifest and lf.safe else None
        if manifest is None or entry is None or entry.faults is None:
            return None
        if part not in manifest.parts:
            return None
        if lf.kind == "prompt" and entry.faults.get(part):
            return None  # a question that failed is asked again; the others' answers are kept
        return self._objects.get(votes_file(self._name, lf.fingerprint, part))

    def faults(self, lf: FoundLF, part: str) -> tuple[int, list[Fault]]:
        """How often an LF raised on a part, and the faults that were kept of it."""
        entry = self._manifest.entry(lf.fingerprint) if self._manifest else None
        if self._manifest is None or entry is None or entry.faults is None:
            return 0, []
        faults = [f for f in self._manifest.faults.get(part, ()) if f.lf == entry.name]
        return entry.faults.get(part, 0), faults


class _Unfinished:
    """The votes that a run stored which did not come to its commit."""

    def __init__(self, at: At, journal: VoteJournal | None) -> None:
        self._at = at
        self._journal = journal
        self._cardinality = len(at.dataset.classes)
        entries = journal.entries() if journal else []
        self._entries = {(e.fingerprint, e.part, e.cardinality): e for e in entries}

    def take(self, lf: FoundLF, part: Part) -> tuple[JournalEntry, bytes] | None:
        """The votes of an LF on a part, stored again, so that a collection leaves them alone."""
        entry = self._entries.get((lf.fingerprint, part.sha256, self._cardinality))
        if entry is None or not lf.safe or (lf.kind == "prompt" and entry.fault_count):
            return None
        try:
            votes = self._at.store.read(entry.votes)
        except (ObjectNotFound, StorageError):  # collected, or damaged: the LF votes again
            return None
        if len(votes) != part.rows or self._at.store.put(votes) != entry.votes:
            return None
        return entry, votes

    def add(
        self, lf: FoundLF, part: Part, oid: ObjectId, count: int, faults: Sequence[Fault]
    ) -> JournalEntry:
        """What is to be kept of votes that were stored."""
        return JournalEntry(
            lf.fingerprint, part.sha256, self._cardinality, oid, count, tuple(faults)
        )

    def keep(self, entries: Sequence[JournalEntry]) -> None:
        """Keep what was stored of a part."""
        if self._journal is not None and entries:
            self._journal.add(entries)


@dataclass
class _OpenPart:
    """A part that LFs are voting on: its votes so far, LFs without votes, faults kept of each."""

    part: Part
    votes: LabelMatrix
    missing: list[int]
    faults: list[list[Fault]]
    offset: int = 0


@dataclass(frozen=True)
class _Batch:
    of: _OpenPart
    frame: pl.DataFrame
    lfs: tuple[FoundLF, ...]


class _Run:
    """One run over the parts: what was there, what had to run, and what came of it."""

    def __init__(
        self, at: At, lfs: Sequence[FoundLF], root: str, journal: VoteJournal | None = None
    ) -> None:
        self._at = at
        self._dataset = at.dataset
        self._lfs = lfs
        self._earlier = _Earlier(at)
        self._unfinished = _Unfinished(at, journal)
        self._root = root
        self._tally = Tally(len(lfs))
        self._counts: list[dict[str, int]] = [{} for _ in lfs]
        self._faults: dict[str, tuple[Fault, ...]] = {}
        self._ran = [0] * len(lfs)
        self._open: deque[_OpenPart] = deque()
        self.objects: dict[str, ObjectId] = {}

    def batches(self, paths: Sequence[Path]) -> Iterator[_Batch]:
        """Take from the head the votes that are there; yield the rows that LFs must still see."""
        for part, path in zip(self._dataset.parts, paths, strict=True):
            now = self._begin(part)
            self._open.append(now)
            self._close()  # a part whose votes are all there is not held until the next that runs
            lfs = tuple(self._lfs[j] for j in now.missing)
            for frame in self._at.rows.batches([path], size=BATCH) if lfs else ():
                yield _Batch(now, frame, lfs)

    def add(self, batch: _Batch, output: LFOutput, step: Step) -> None:
        """Take in what LFs said of a batch; batches come in their order."""
        now, height = batch.of, batch.frame.height
        now.votes[now.offset : now.offset + height, now.missing] = output.votes
        for j, count in zip(now.missing, output.fault_counts, strict=True):
            if count:
                name = self._lfs[j].name
                faults = [f.told_from(self._root) for f in output.faults if f.lf == name]
                now.faults[j] = (now.faults[j] + faults)[:FAULTS_KEPT]
                self._count(j, now.part, count)
        now.offset += height
        self._close()
        step.progress("label", self._tally.rows + now.offset % now.part.rows, self._dataset.rows)

    def finish(self, step: Step) -> None:
        """Close the parts that are left when all batches are in."""
        self._close()
        step.progress("label", self._tally.rows, self._dataset.rows)

    def _begin(self, part: Part) -> _OpenPart:
        votes = np.empty((part.rows, len(self._lfs)), dtype=np.int8, order="F")
        now = _OpenPart(part, votes, [], [[] for _ in self._lfs])
        for j, lf in enumerate(self._lfs):
            oid = self._earlier.votes(lf, part.sha256)
            if oid is None:
                self._resume(now, j)
                continue
            votes[:, j] = np.frombuffer(self._at.store.read(oid), dtype=np.int8)
            self._keep(j, part, oid)
            count, now.faults[j] = self._earlier.faults(lf, part.sha256)
            self._count(j, part, count)
        return now

    def _resume(self, now: _OpenPart, j: int) -> None:
        """Take votes that a killed run stored; where there are none, the LF must run."""
        resumed = self._unfinished.take(self._lfs[j], now.part)
        if resumed is None:
            now.missing.append(j)
            return
        entry, votes = resumed
        now.votes[:, j] = np.frombuffer(votes, dtype=np.int8)
        now.faults[j] = [replace(fault, lf=self._lfs[j].name) for fault in entry.faults]
        self._keep(j, now.part, entry.votes)
        self._count(j, now.part, entry.fault_count)

    def _close(self) -> None:
        while self._open and (
            not self._open[0].missing or self._open[0].offset == self._open[0].part.rows
        ):
            now = self._open.popleft()
            votes = (now.votes[:, j].tobytes() for j in now.missing)
            fresh: list[JournalEntry] = []
            for j, oid in zip(now.missing, self._at.store.put_all(votes), strict=True):
                self._ran[j] += 1
                self._keep(j, now.part, oid)
                if (lf := self._lfs[j]).safe:
                    count = self._counts[j].get(now.part.sha256, 0)
                    fresh.append(self._unfinished.add(lf, now.part, oid, count, now.faults[j]))
            self._unfinished.keep(fresh)
            self._tally.add(now.votes, self._gold(now.part))
            if faults := tuple(fault for of_lf in now.faults for fault in of_lf):
                self._faults[now.part.sha256] = faults

    def _gold(self, part: Part) -> Gold | None:
        """What the rows of a part are, for the report alone: no LF and no label sees it."""
        if not self._dataset.has_gold:
            return None
        names = self._at.part("gold", part, [GOLD_LABEL])
        return None if names is None else class_numbers(names[GOLD_LABEL], self._dataset)

    def check_faults(self, share: float) -> None:
        """Raise LabelingFunctionError if an LF raised on too many rows."""
        rows = self._dataset.rows
        for lf, counts in zip(self._lfs, self._counts, strict=True):
            count = sum(counts.values())
            if count > share * rows:
                first = next(f for f in self.manifest().all_faults if f.lf == lf.name)
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
                name=lf.name,
                fingerprint=lf.fingerprint,
                kind=lf.kind,
                file=lf.file,
                line=lf.line,
                faults=counts,
                fault_total=sum(counts.values()),
            )
            for lf, counts in zip(self._lfs, self._counts, strict=True)
        )
        parts = tuple(part.sha256 for part in self._dataset.parts)
        return VotesManifest(entries, parts, len(self._dataset.classes), self._faults)

    def report(self) -> LFReport:
        """What people are told."""
        manifest = self.manifest()
        names = manifest.names
        reuse = Reuse(
            parts=len(self._dataset.parts),
            ran=dict(zip(names, self._ran, strict=True)),
            unsafe=tuple(lf.name for lf in self._lfs if not lf.safe),
        )
        counts = [entry.fault_total for entry in manifest.lfs]
        report = report_of(self._dataset, self._tally, names, counts, manifest.all_faults)
        kinds = tuple(entry.kind for entry in manifest.lfs)
        return replace(report, reuse=reuse, in_python=in_python(self._lfs), kinds=kinds)

    def _keep(self, j: int, part: Part, oid: ObjectId) -> None:
        path = votes_file(self._dataset.name, self._lfs[j].fingerprint, part.sha256)
        self.objects[path] = oid

    def _count(self, j: int, part: Part, faults: int) -> None:
        if faults:
            self._counts[j][part.sha256] = self._counts[j].get(part.sha256, 0) + faults


def _apply(
    batches: Iterator[_Batch], workers: LFWorkers, dataset: Dataset
) -> Iterator[tuple[_Batch, LFOutput]]:
    """What LFs say of each batch; a few batches are read ahead."""
    ahead: deque[_Batch] = deque()

    def work() -> Iterator[tuple[pl.DataFrame, Sequence[FoundLF]]]:
        for batch in batches:
            ahead.append(batch)
            yield batch.frame, batch.lfs

    k, classes = len(dataset.classes), dataset.classes
    for output in workers.apply(work(), key=dataset.key, cardinality=k, classes=classes):
        yield ahead.popleft(), output
