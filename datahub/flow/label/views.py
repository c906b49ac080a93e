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
from datahub.core.layout import label_model_file, lfs_file
from datahub.core.lf_sight import Disagreement, Disputes, Sight, Votes, sight
from datahub.core.manifest import ModelManifest, VotesManifest
from datahub.flow.dataset.parts import GOLD_LABEL
from datahub.flow.dataset.samples import Sample, drawn, labels_of
from datahub.flow.dataset.tables import check_gold_at, dataset_at, part_reader, table_paths
from datahub.flow.dataset.votes import class_numbers, manifest_at, read_votes, voted, votes_by_part
from datahub.flow.label.report import LFReport, in_python, report_of, with_classes
from datahub.flow.steps import Progress, quiet
from datahub.ports import FoundLF, LFWorkers, Rows, VersionStore

_STEP, _STEPS = 100, 50  # rows of a sample between two words of progress, and steps at the most


def try_lfs(
    dataset: str,
    workers: LFWorkers,
    *,
    ref: str,
    sample: int,
    seed: int,
    root: Path,
    store: VersionStore,
    rows: Rows,
    progress: Progress = quiet,
    leave_out: Collection[str] = (),
) -> LFReport:
    """Let LFs vote on a random sample of rows. Faults inside `root` are told from there."""
    known = with_classes(dataset_at(store, ref, dataset))
    lfs = [one.voting(known.classes) for one in workers.found if one.name not in leave_out]
    found = drawn(store, rows, ref, known, size=sample, seed=seed, progress=progress)
    applied = _applied(found.frame, lfs, workers, known, progress)
    tally = Tally(len(lfs))
    tally.add(applied.votes)
    names = [one.name for one in lfs]
    faults = [fault.told_from(str(root)) for fault in applied.faults]
    made = report_of(known, tally, names, applied.fault_counts, faults)
    return replace(made, in_python=in_python(lfs), kinds=tuple(one.kind for one in lfs))


def see_lf(
    dataset: str,
    name: str,
    workers: LFWorkers,
    *,
    ref: str,
    sample: int,
    show: int,
    seed: int,
    root: Path,
    store: VersionStore,
    rows: Rows,
    progress: Progress = quiet,
) -> Sight:
    """One LF on a random sample: what it hits, what it misses, what contradicts it.

    Its votes are held against gold, else against the labels of the commit, and against the
    committed votes of the other LFs; against what of these there is. Raises NotFound: no LF of
    that name.
    """
    known = with_classes(dataset_at(store, ref, dataset))
    tested = _named(name, workers.found).voting(known.classes)
    found = drawn(store, rows, ref, known, size=sample, seed=seed, progress=progress)
    applied = _applied(found.frame, [tested], workers, known, progress)
    faults = tuple(fault.told_from(str(root)) for fault in applied.faults)
    others, names = _other_votes(store, ref, found, name)
    labels, judge = labels_of(store, rows, ref, known, found.keys)
    return sight(
        found.frame,
        replace(applied, faults=faults),
        lf=tested.name,
        label=tested.label,
        dataset=known,
        other_votes=others,
        other_names=names,
        labels=labels,
        judge=judge,
        show=show,
        seed=seed,
        in_python=bool(in_python([tested])),
        safe=tested.safe,
    )


def lf_stats(dataset: str, *, ref: str, gold: bool, store: VersionStore, rows: Rows) -> LFReport:
    """The LF table of the votes that a commit holds.

    Beside it what the label model takes for each LF's accuracy, and, with gold, the true one.
    """
    known, manifest = voted(store, ref, dataset)
    tally = Tally(len(manifest.lfs))
    if gold:
        check_gold_at(store, ref, known)
    golds = part_reader(store, rows, ref, known, "gold")
    matrices = votes_by_part(store, ref, known, manifest)
    for part, votes in zip(known.parts, matrices, strict=True):
        names = golds(part, [GOLD_LABEL]) if gold else None
        tally.add(votes, None if names is None else class_numbers(names[GOLD_LABEL], known))
    counts = [entry.fault_total for entry in manifest.lfs]
    made = report_of(known, tally, manifest.names, counts, manifest.all_faults)
    kinds = tuple(entry.kind for entry in manifest.lfs)
    return replace(made, estimated=_estimated(store, ref, dataset), kinds=kinds)


def conflicts(
    dataset: str,
    first: str,
    second: str,
    *,
    ref: str,
    show: int,
    seed: int,
    store: VersionStore,
    rows: Rows,
) -> Disagreement:
    """The rows on which two LFs voted for different classes, `show` of them drawn at random.

    Raises NotFound (an LF that did not vote), InputError (one LF named twice).
    """
    known, manifest = voted(store, ref, dataset)
    columns = [_column(manifest, name) for name in (first, second)]
    if first == second:
        raise InputError(
            f"{first!r} is named twice.", hint="Name two LFs: `datahub lf conflicts A B`."
        )
    found = Disputes((first, second), known, show=show, seed=seed)
    pair = replace(manifest, lfs=tuple(manifest.lfs[j] for j in columns))
    for votes in votes_by_part(store, ref, known, pair):
        found.add(votes)
    places = found.places()
    chosen = Sample.at(store, rows, ref, known, places)
    labels, judge = labels_of(store, rows, ref, known, chosen.keys)
    return found.told(chosen.frame, labels, judge)


def all_votes(dataset: str, *, ref: str, store: VersionStore, rows: Rows) -> Votes:
    """The whole label matrix in memory, with its keys and names."""
    known, manifest = voted(store, ref, dataset)
    paths = table_paths(store, ref, dataset, "rows")
    keys = pl.concat(batch[known.key] for batch in rows.batches(paths, columns=[known.key]))
    matrix = read_votes(store, ref, known, manifest)
    return Votes(keys.to_numpy(), matrix, tuple(manifest.names), known.classes)


def _applied(
    frame: pl.DataFrame,
    lfs: Sequence[FoundLF],
    workers: LFWorkers,
    known: Dataset,
    progress: Progress,
) -> LFOutput:
    """What LFs say of a sample, a few rows at a time: who waits for a slow one sees it go on."""
    size = max(_STEP, frame.height // _STEPS)
    work = ((frame[at : at + size], lfs) for at in range(0, max(frame.height, 1), size))
    made, k, classes = list[LFOutput](), len(known.classes), known.classes
    for applied in workers.apply(work, key=known.key, cardinality=k, classes=classes):
        made.append(applied)
        progress("label", sum(len(part.votes) for part in made), frame.height)
    kept = list[Fault]()
    for lf in lfs:
        kept += [one for part in made for one in part.faults if one.lf == lf.name][:FAULTS_KEPT]
    counts = np.array([part.fault_counts for part in made]).sum(axis=0)
    votes = np.concatenate([part.votes for part in made])
    return LFOutput(votes, tuple(kept), tuple(map(int, counts)))


def _named(name: str, lfs: Sequence[FoundLF]) -> FoundLF:
    for found in lfs:
        if found.name == name:
            return found
    there = ", ".join(found.name for found in lfs)
    raise NotFound(f"There is no labeling function {name!r}.", hint=f"There are: {there}.")


def _column(manifest: VotesManifest, name: str) -> int:
    if name in manifest.names:
        return manifest.names.index(name)
    raise NotFound(
        f"No LF named {name!r} has voted.", hint=f"Voted have: {', '.join(manifest.names)}."
    )


def _other_votes(
    store: VersionStore, ref: str, found: Sample, name: str
) -> tuple[LabelMatrix, list[str]]:
    """Committed votes of all other LFs on the sample; of none where votes are of earlier rows."""
    dataset = found.dataset
    manifest = manifest_at(store, ref, dataset.name)
    current = manifest is not None and manifest.parts == tuple(p.sha256 for p in dataset.parts)
    if manifest is None or not current:
        return np.empty((len(found.keys), 0), dtype=np.int8), []
    rest = replace(manifest, lfs=tuple(lf for lf in manifest.lfs if lf.name != name))
    votes = np.empty((len(found.keys), len(rest.lfs)), dtype=np.int8)
    numbers = sorted(set(found.parts.tolist()))
    parts = [dataset.parts[number] for number in numbers]
    for number, part in zip(numbers, votes_by_part(store, ref, dataset, rest, parts), strict=True):
        here = found.parts == number
        votes[here] = part[found.inside[here]]
    return votes, rest.names


def _estimated(store: VersionStore, ref: str, dataset: str) -> tuple[float | None, ...]:
    """The label model's weights, if it was fitted to the votes that are there."""
    model, votes = label_model_file(dataset), lfs_file(dataset)
    held = {**store.objects(ref, model), **store.objects(ref, votes)}
    if model not in held:
        return ()
    fitted = ModelManifest.from_json(store.read(held[model]))
    return fitted.weights if fitted.votes == held[votes] else ()
