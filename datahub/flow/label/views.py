"""Look at what LFs do, on real rows: on a sample, over all votes, and where two disagree.

Nothing here commits. A part's votes are held at a time, unless the whole matrix is asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from datahub.core.dataset import Dataset
from datahub.core.errors import InputError, NotFound
from datahub.core.labeling import FAULTS_KEPT, Fault, LFOutput
from datahub.core.labels import LabelMatrix, Tally
from datahub.core.lf_sight import Disagreement, Disputes, Sight, Votes, sight
from datahub.core.manifest import VotesManifest
from datahub.flow.dataset.at import At
from datahub.flow.dataset.parts import GOLD_LABEL
from datahub.flow.dataset.samples import Sample, draw_sample, labels_of
from datahub.flow.dataset.votes import class_numbers, current_votes, read_votes, votes_by_part
from datahub.flow.label.report import LFReport, in_python, report_of, with_classes
from datahub.flow.steps import Progress, quiet
from datahub.ports import FoundLF, LFWorkers

_STEP, _STEPS = 100, 50  # rows of a sample between two words of progress, and steps at the most


def try_lfs(
    at: At,
    workers: LFWorkers,
    *,
    sample: int,
    seed: int,
    root: Path,
    progress: Progress = quiet,
    leave_out: Collection[str] = (),
) -> LFReport:
    """Let LFs vote on a random sample of rows. Faults inside `root` are told from there."""
    dataset = with_classes(at.dataset)
    lfs = [lf.voting(dataset.classes) for lf in workers.lfs if lf.name not in leave_out]
    rows = draw_sample(at, size=sample, seed=seed, progress=progress)
    output = _apply(rows.frame, lfs, workers, dataset, progress)
    tally = Tally(len(lfs))
    labels, judge = labels_of(at, rows.keys)
    tally.add(output.votes, labels if judge == "gold" else None)
    names = [lf.name for lf in lfs]
    faults = [fault.told_from(str(root)) for fault in output.faults]
    report = report_of(dataset, tally, names, output.fault_counts, faults)
    votes = Votes(rows.keys.to_numpy(), output.votes, tuple(names), dataset.classes)
    kinds = tuple(lf.kind for lf in lfs)
    return replace(report, in_python=in_python(lfs), kinds=kinds, tried=votes)


def see_lf(
    at: At,
    name: str,
    workers: LFWorkers,
    *,
    sample: int,
    show: int,
    seed: int,
    root: Path,
    progress: Progress = quiet,
) -> Sight:
    """One LF on a random sample: what it hits, what it misses, what contradicts it.

    Its votes are held against gold, else against the labels of the commit, and against the
    committed votes of the other LFs; against what of these there is. Raises NotFound: no LF of
    that name.
    """
    dataset = with_classes(at.dataset)
    lf = _find_lf(name, workers.lfs).voting(dataset.classes)
    rows = draw_sample(at, size=sample, seed=seed, progress=progress)
    output = _apply(rows.frame, [lf], workers, dataset, progress)
    faults = tuple(fault.told_from(str(root)) for fault in output.faults)
    votes, names = _other_votes(at, rows, name)
    labels, judge = labels_of(at, rows.keys)
    return sight(
        rows.frame,
        replace(output, faults=faults),
        lf=lf.name,
        label=lf.label if isinstance(lf.label, int) else None,
        dataset=dataset,
        other_votes=votes,
        other_names=names,
        labels=labels,
        judge=judge,
        show=show,
        seed=seed,
        in_python=bool(in_python([lf])),
        safe=lf.safe,
    )


def lf_stats(at: At, *, gold: bool) -> LFReport:
    """The LF table of the votes that a commit holds.

    Beside it what the label model takes for each LF's accuracy, and, with gold, the true one.
    """
    manifest = current_votes(at)
    tally = Tally(len(manifest.lfs))
    if gold:
        at.check_gold()
    matrices = votes_by_part(at, manifest)
    for part, votes in zip(at.dataset.parts, matrices, strict=True):
        names = at.part("gold", part, [GOLD_LABEL]) if gold else None
        tally.add(votes, None if names is None else class_numbers(names[GOLD_LABEL], at.dataset))
    counts = [entry.fault_total for entry in manifest.lfs]
    report = report_of(at.dataset, tally, manifest.names, counts, manifest.all_faults)
    kinds = tuple(entry.kind for entry in manifest.lfs)
    return replace(report, estimated=_estimates(at), kinds=kinds)


def conflicts(at: At, first: str, second: str, *, show: int, seed: int) -> Disagreement:
    """The rows on which two LFs voted for different classes, `show` of them drawn at random.

    Raises NotFound (an LF that did not vote), InputError (one LF named twice).
    """
    manifest = current_votes(at)
    columns = [_column(manifest, name) for name in (first, second)]
    if first == second:
        raise InputError(
            f"{first!r} is named twice.", hint="Name two LFs: `datahub lf conflicts A B`."
        )
    disputes = Disputes((first, second), at.dataset, show=show, seed=seed)
    pair = replace(manifest, lfs=tuple(manifest.lfs[j] for j in columns))
    for votes in votes_by_part(at, pair):
        disputes.add(votes)
    sample = Sample.of(at, disputes.places())
    labels, judge = labels_of(at, sample.keys)
    return disputes.summary(sample.frame, labels, judge)


def all_votes(at: At) -> Votes:
    """The whole label matrix in memory, with its keys and names."""
    manifest = current_votes(at)
    frames = at.rows.batches(at.files("rows"), columns=[at.key])
    keys = pl.concat(frame[at.key] for frame in frames)
    matrix = read_votes(at, manifest)
    return Votes(keys.to_numpy(), matrix, tuple(manifest.names), at.dataset.classes)


def _apply(
    frame: pl.DataFrame,
    lfs: Sequence[FoundLF],
    workers: LFWorkers,
    dataset: Dataset,
    progress: Progress,
) -> LFOutput:
    """What LFs say of a sample, a few rows at a time: who waits for a slow one sees it go on."""
    size = max(_STEP, frame.height // _STEPS)
    work = ((frame[start : start + size], lfs) for start in range(0, max(frame.height, 1), size))
    pieces, k, classes = list[LFOutput](), len(dataset.classes), dataset.classes
    for output in workers.apply(work, key=dataset.key, cardinality=k, classes=classes):
        pieces.append(output)
        progress("label", sum(len(piece.votes) for piece in pieces), frame.height)
    faults = list[Fault]()
    for lf in lfs:
        of_lf = [fault for piece in pieces for fault in piece.faults if fault.lf == lf.name]
        faults += of_lf[:FAULTS_KEPT]
    counts = np.array([piece.fault_counts for piece in pieces]).sum(axis=0)
    votes = np.concatenate([piece.votes for piece in pieces])
    return LFOutput(votes, tuple(faults), tuple(map(int, counts)))


def _find_lf(name: str, lfs: Sequence[FoundLF]) -> FoundLF:
    for lf in lfs:
        if lf.name == name:
            return lf
    names = ", ".join(lf.name for lf in lfs)
    raise NotFound(f"There is no labeling function {name!r}.", hint=f"There are: {names}.")


def _column(manifest: VotesManifest, name: str) -> int:
    if name in manifest.names:
        return manifest.names.index(name)
    raise NotFound(
        f"No LF named {name!r} has voted.", hint=f"Voted have: {', '.join(manifest.names)}."
    )


def _other_votes(at: At, sample: Sample, name: str) -> tuple[LabelMatrix, list[str]]:
    """Committed votes of all other LFs on the sample; of none where votes are of earlier rows."""
    manifest = at.votes
    if manifest is None or not at.votes_are_current:
        return np.empty((len(sample.keys), 0), dtype=np.int8), []
    rest = replace(manifest, lfs=tuple(lf for lf in manifest.lfs if lf.name != name))
    votes = np.empty((len(sample.keys), len(rest.lfs)), dtype=np.int8)
    numbers = sorted(set(sample.parts.tolist()))
    parts = [at.dataset.parts[number] for number in numbers]
    for number, part in zip(numbers, votes_by_part(at, rest, parts), strict=True):
        lines = sample.parts == number
        votes[lines] = part[sample.inside[lines]]
    return votes, rest.names


def _estimates(at: At) -> tuple[float | None, ...]:
    """The label model's weights, if it was fitted to the votes that are there."""
    return at.model.weights if at.model is not None and at.model.votes == at.votes_id else ()
