"""Labels without a new fit: what the label model of a commit said, with other answers."""

from __future__ import annotations

import numpy as np
import polars as pl

from datahub.core.dataset import Dataset, Key, Part
from datahub.core.errors import NotFound
from datahub.core.kept import FIT
from datahub.core.labels import LabelMatrix, SoftLabels
from datahub.core.layout import label_model_file, triage_file
from datahub.core.manifest import ModelManifest, VotesManifest
from datahub.core.outcome import NO_THRESHOLDS, Triage
from datahub.core.relabel import Decision
from datahub.core.versions import ObjectId
from datahub.flow.dataset.features import Looked, features_at
from datahub.flow.dataset.patching import MOST_PATCHED, patch_labels
from datahub.flow.dataset.tables import (
    check_table,
    part_reader,
    table_paths,
    without_old_parts,
    write_part,
)
from datahub.flow.dataset.votes import VotesAt
from datahub.flow.label.judging import Ask, Judged, judged
from datahub.flow.steps import Progress, quiet
from datahub.ports import EndModel, Rows, VersionStore


def relabeled(
    store: VersionStore, rows: Rows, ref: str, known: Dataset, found: Judged, *, step_id: str
) -> tuple[dict[str, ObjectId | None], int, int]:
    """What a commit on `ref` changes so that its tables say what was found.

    With it how many lines of labels that changes, and how many labels.
    """
    name = known.name
    check_table(store, ref, name, "labels", made_by="label fit")
    read = part_reader(store, rows, ref, known, "labels")
    lines, scores, rewritten = list[pl.DataFrame](), dict[str, ObjectId](), dict[str, ObjectId]()
    changed, moved, earlier_format = 0, 0, False
    for made in found.parts():
        before, after = read(made.part), made.labels
        assert before is not None  # labels are written for every part
        moved += int(before["label"].ne_missing(after["label"]).sum())
        part, differs = made.part.sha256, _differing(before, after)
        changed += differs.height
        earlier_format |= before.columns != after.columns
        scores |= write_part(store, rows, made.scores, dataset=name, table="soft_labels", part=part)
        if differs.height > MOST_PATCHED * after.height:  # not held until all parts are there
            rewritten |= write_part(store, rows, after, dataset=name, table="labels", part=part)
            differs = differs[:0]
        lines.append(differs)
    changes: dict[str, ObjectId | None]
    if earlier_format:
        changes = without_old_parts(store, ref, name, "labels", rewritten)
    else:
        patch = pl.concat(lines)
        changes = patch_labels(store, rows, ref, known, patch, step_id=step_id, rewritten=rewritten)
    changes |= without_old_parts(store, ref, name, "soft_labels", scores)
    changes[triage_file(name)] = store.put_bytes(found.triage.to_json().encode())
    return changes, changed, moved


def _differing(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """The lines of a part that are not what they were; all, where they had other columns."""
    if before.columns != after.columns:
        return after
    same = pl.all_horizontal(before[c].eq_missing(after[c]) for c in after.columns)
    return after.filter(~pl.select(same).to_series())


def judged_again(
    store: VersionStore,
    rows: Rows,
    ref: str,
    known: Dataset,
    *,
    end_model: EndModel | None,
    decisions: dict[Key, Decision],
    drawn: set[Key],
    progress: Progress = quiet,
) -> Judged:
    """New labels from what the label model said, with other answers of people."""
    saved = model_at(store, ref, known)
    manifest = VotesManifest.from_json(store.read(saved.votes))
    return judged(
        known,
        VotesAt(store, ref, known, manifest),
        _model_soft(store, rows, ref, known),
        features_as_fitted(store, rows, ref, known),
        lfs=manifest.names,
        end_model=None if saved.end_model == "none" else end_model,
        decisions=decisions,
        drawn=drawn,
        policy=triage_at(store, ref, known.name).policy,
        model=made_by(saved),
        seed=saved.seed,
        progress=progress,
    )


def features_as_fitted(store: VersionStore, rows: Rows, ref: str, known: Dataset) -> Looked:
    """What the end model of a commit looked at."""
    saved = model_at(store, ref, known)
    lists = {name for name, kind in known.columns if kind.startswith(("List", "Array"))}
    return features_at(
        store,
        rows,
        ref,
        known,
        columns=[name for name in saved.features if name not in lists],
        embedding=next((name for name in saved.features if name in lists), None),
    )


def triage_at(store: VersionStore, ref: str, dataset: str) -> Triage:
    """The policy of a commit and what was measured under it; the default where there is none."""
    path = triage_file(dataset)
    held = store.objects(ref, path).get(path)
    return NO_THRESHOLDS if held is None else Triage.from_json(store.read(held))


def check_fitted(store: VersionStore, ref: str, dataset: str) -> None:
    """Raise NotFound where a commit has no labels, or no model of the rows that it has."""
    check_table(store, ref, dataset, "labels", made_by="label fit")
    if not store.objects(ref, label_model_file(dataset)):
        raise NotFound(
            f"No label model is fitted to the rows of {dataset!r}: labels are kept from earlier "
            "ones.",
            hint=f"{FIT}. Answers wait until then.",
        )


def model_at(store: VersionStore, ref: str, dataset: Dataset) -> ModelManifest:
    """What the labels of a commit were made by."""
    path = label_model_file(dataset.name)
    return ModelManifest.from_json(store.read(store.objects(ref, path)[path]))


def _model_soft(store: VersionStore, rows: Rows, ref: str, known: Dataset) -> Ask:
    """The label model's own probabilities [n, k]; in tables of an earlier format, the only ones."""
    check_table(store, ref, known.name, "soft_labels", made_by="label fit")
    read = part_reader(store, rows, ref, known, "soft_labels")
    (first,) = table_paths(store, ref, known.name, "soft_labels")[:1]
    own = "model_probabilities" in rows.scan([first]).collect_schema()
    column = "model_probabilities" if own else "probabilities"

    def soft(part: Part, votes: LabelMatrix) -> SoftLabels:
        table = read(part, [column])
        assert table is not None  # soft labels are written for every part
        found = np.full((part.rows, len(known.classes)), np.nan)
        told = table[column].drop_nulls().explode().to_numpy()
        found[table[column].is_not_null().to_numpy()] = told.reshape(-1, len(known.classes))
        return found

    return soft


def made_by(made: ModelManifest) -> str:
    """What a line of labels says of the model that it came from."""
    return f"{made.name}@{made.votes[:12]}"
