"""Labels anew without a new fit: from what the label model of a commit said, with other answers."""

from __future__ import annotations

import numpy as np
import polars as pl

from datahub.core.dataset import Dataset, Key
from datahub.core.labels import SoftLabels
from datahub.core.layout import label_model_file, triage_file
from datahub.core.manifest import ModelManifest, VotesManifest
from datahub.core.outcome import UNMEASURED, Triage
from datahub.core.relabel import Decision
from datahub.core.versions import ObjectId
from datahub.flow.features import Looked, features_at
from datahub.flow.judging import Judged, judged, lines_of
from datahub.flow.relabel import patch_labels
from datahub.flow.tables import check_table, part_reader, without_old_parts, write_part
from datahub.flow.votes import read_votes
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
    lines, scores = list[pl.DataFrame](), dict[str, ObjectId]()
    moved, earlier_format = 0, False
    for made in found.parts():
        before, after = read(made.part), made.labels
        assert before is not None  # labels are written for every part
        moved += int(before["label"].ne_missing(after["label"]).sum())
        part = made.part.sha256
        scores |= write_part(store, rows, made.scores, dataset=name, table="soft_labels", part=part)
        if before.columns == after.columns:
            same = pl.all_horizontal(before[c].eq_missing(after[c]) for c in after.columns)
            lines.append(after.filter(~pl.select(same).to_series()))
        else:
            earlier_format = True
            lines.append(after)
    changed = pl.concat(lines)
    changes: dict[str, ObjectId | None]
    if earlier_format:
        labels = dict[str, ObjectId]()
        for made in found.parts():
            part = made.part.sha256
            labels |= write_part(store, rows, made.labels, dataset=name, table="labels", part=part)
        changes = without_old_parts(store, ref, name, "labels", labels)
    else:
        changes = patch_labels(store, rows, ref, known, changed, step_id=step_id)
    changes |= without_old_parts(store, ref, name, "soft_labels", scores)
    changes[triage_file(name)] = store.put_bytes(found.triage.to_json().encode())
    return changes, changed.height, moved


def judged_again(
    store: VersionStore,
    rows: Rows,
    ref: str,
    known: Dataset,
    *,
    end_model: EndModel | None,
    decisions: dict[Key, Decision],
    drawn: set[Key],
) -> Judged:
    """Labels anew from what the label model said, with other answers of people."""
    saved = ModelManifest.from_json(_read(store, ref, label_model_file(known.name)))
    manifest = VotesManifest.from_json(store.read(saved.votes))
    soft = _model_soft(store, rows, ref, known)
    return judged(
        known,
        read_votes(store, ref, known, manifest),
        lambda lines: soft[lines],
        features_as_fitted(store, rows, ref, known),
        lfs=manifest.names,
        end_model=None if saved.end_model == "none" else end_model,
        decisions=decisions,
        drawn=drawn,
        policy=triage_at(store, ref, known.name).policy,
        model=made_by(saved),
        seed=saved.seed,
    )


def features_as_fitted(store: VersionStore, rows: Rows, ref: str, known: Dataset) -> Looked:
    """What the end model of a commit looked at."""
    saved = ModelManifest.from_json(_read(store, ref, label_model_file(known.name)))
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
    return UNMEASURED if held is None else Triage.from_json(store.read(held))


def _read(store: VersionStore, ref: str, path: str) -> bytes:
    return store.read(store.objects(ref, path)[path])


def _model_soft(store: VersionStore, rows: Rows, ref: str, known: Dataset) -> SoftLabels:
    """The label model's own probabilities [n, k]; in tables of an earlier format, the only ones."""
    check_table(store, ref, known.name, "soft_labels", made_by="label fit")
    soft = np.full((known.rows, len(known.classes)), np.nan)
    read = part_reader(store, rows, ref, known, "soft_labels")
    for part, lines in lines_of(known):
        table = read(part)
        assert table is not None  # soft labels are written for every part
        own = "model_probabilities" in table.columns
        lists = table["model_probabilities" if own else "probabilities"]
        there = lists.is_not_null().to_numpy()
        told = lists.drop_nulls().explode().to_numpy().reshape(-1, len(known.classes))
        soft[lines][there] = told
    return soft


def made_by(made: ModelManifest) -> str:
    """What a line of labels says of the model that it came from."""
    return f"{made.name}@{made.votes[:12]}"
