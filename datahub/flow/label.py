"""Act one's second half: votes (label matrix) -> label model -> soft labels -> labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from datahub.core.dataset import Dataset
from datahub.core.errors import InputError, NotFound
from datahub.core.labels import ABSTAIN, Gold, LabelMatrix, SoftLabels
from datahub.core.layout import label_model_file, lfs_file, table_prefix, votes_file
from datahub.core.manifest import ModelManifest, VotesManifest
from datahub.core.relabel import final_labels
from datahub.core.triage import score
from datahub.core.versions import Commit, ObjectId
from datahub.flow.annotations import decisions_at
from datahub.flow.source import GOLD_LABEL, gold_at
from datahub.flow.steps import Step, begin, end
from datahub.flow.tables import dataset_at, table_paths, without_old_parts, write_table
from datahub.ports import EndModel, LabelModel, LabelModelFit, Rows, VersionStore


@dataclass(frozen=True)
class Fitted:
    """What fitting came to; `agreement` is with the majority vote, on rows with a vote."""

    dataset: str
    rows: int
    covered: int
    model: str
    statuses: dict[str, int]
    classes: dict[str, int]
    agreement: float | None
    weights: dict[str, float | None]
    class_balance: dict[str, float]
    balance_from: str
    commit: Commit


def label_fit(
    dataset: str,
    *,
    model: LabelModel,
    majority: LabelModel,
    end_model: EndModel,
    seed: int,
    store: VersionStore,
    rows: Rows,
    step: Step,
    class_balance: Sequence[float] | None = None,
) -> Fitted:
    """Fit a label model to the votes, hold it against a second opinion, and commit labels.

    Raises ConfigError when the votes are not of these rows, NotFound when there are none.
    """
    head = begin(store, step)
    known, manifest = voted(store, head.id, dataset)
    votes = read_votes(store, head.id, known, manifest)
    k = len(known.classes)
    fit = model.fit(votes, cardinality=k, seed=seed, class_balance=class_balance)
    soft = model.predict(fit, votes)
    plain = majority.predict(majority.fit(votes, cardinality=k, seed=seed), votes)
    step.progress("label model", known.rows, known.rows)
    keys, texts = _keys_and_texts(store, rows, head.id, known)
    second = np.full(soft.shape, np.nan)
    if texts is not None:
        second = end_model.out_of_fold(texts, soft, seed=seed)
    step.progress("end model", known.rows, known.rows)
    scores = score(keys, votes, soft, second, lfs=manifest.names, classes=known.classes)
    decided = decisions_at(store, rows, head.id, known)
    votes_id = store.objects(head.id, lfs_file(dataset))[lfs_file(dataset)]
    labels = final_labels(scores, decided, key=known.key, model=f"{model.name}@{votes_id[:12]}")
    changes = write_tables(store, rows, head.id, known, scores=scores, labels=labels)
    saved = _model_manifest(fit, votes_id, end_model.name if texts is not None else "none")
    changes[label_model_file(dataset)] = store.put_bytes(saved.to_json().encode())
    statuses = counts_of(labels["status"])
    commit = end(
        store,
        step,
        head,
        changes,
        message=f"Fit {model.name} to the votes on {dataset}",
        metadata={"step": "label fit", "dataset": dataset, "model": model.name, "seed": str(seed)}
        | {f"rows {status}": str(count) for status, count in statuses.items()},
    )
    return Fitted(
        dataset=dataset,
        rows=known.rows,
        covered=int(scores["confidence"].count()),
        model=model.name,
        statuses=statuses,
        classes=counts_of(labels["label"].drop_nulls()),
        agreement=_agreement(soft, plain),
        weights={
            name: None if math.isnan(w) else float(w)
            for name, w in zip(manifest.names, fit.weights, strict=True)
        },
        class_balance=dict(zip(known.classes, map(float, fit.class_balance), strict=True)),
        balance_from=fit.balance_from,
        commit=commit,
    )


def read_votes(
    store: VersionStore, ref: str, dataset: Dataset, manifest: VotesManifest
) -> LabelMatrix:
    """The label matrix [n, m] of a commit, in the order of the rows."""
    held = store.objects(ref, table_prefix(dataset.name, "votes"))
    votes = np.empty((dataset.rows, len(manifest.lfs)), dtype=np.int8)
    start = 0
    for part in dataset.parts:
        for j, entry in enumerate(manifest.lfs):
            content = store.read(held[votes_file(dataset.name, entry.fingerprint, part.sha256)])
            votes[start : start + part.rows, j] = np.frombuffer(content, dtype=np.int8)
        start += part.rows
    return votes


def voted(store: VersionStore, ref: str, dataset: str) -> tuple[Dataset, VotesManifest]:
    """The dataset and the LFs that voted on its rows. Raises NotFound, InputError (old votes)."""
    known = dataset_at(store, ref, dataset)
    manifest = manifest_at(store, ref, dataset)
    if manifest is None:
        raise NotFound(f"No LF has voted on {dataset!r} yet.", hint="Run `datahub lf run`.")
    if manifest.parts != tuple(part.sha256 for part in known.parts):
        raise InputError(
            f"The votes on {dataset!r} are of earlier rows.", hint="Run `datahub lf run` again."
        )
    return known, manifest


def manifest_at(store: VersionStore, ref: str, dataset: str) -> VotesManifest | None:
    """lfs.json of a commit, or None when no LF has voted."""
    path = lfs_file(dataset)
    oid = store.objects(ref, path).get(path)
    return None if oid is None else VotesManifest.from_json(store.read(oid))


def model_at(store: VersionStore, ref: str, dataset: Dataset) -> str:
    """Name and votes of the label model that made a commit's soft labels: `snorkel@1a2b3c...`."""
    path = label_model_file(dataset.name)
    made = ModelManifest.from_json(store.read(store.objects(ref, path)[path]))
    return f"{made.model}@{made.votes[:12]}"


def gold_numbers(store: VersionStore, rows: Rows, ref: str, dataset: Dataset) -> Gold:
    """Gold as class numbers [n], ABSTAIN where not known, in the order of the rows."""
    names = gold_at(store, rows, ref, dataset)[GOLD_LABEL]
    number = {name: i for i, name in enumerate(dataset.classes)}
    return np.array([number.get(name, ABSTAIN) for name in names], dtype=np.int8)


def write_tables(
    store: VersionStore,
    rows: Rows,
    ref: str,
    dataset: Dataset,
    *,
    labels: pl.DataFrame,
    scores: pl.DataFrame | None = None,
) -> dict[str, ObjectId | None]:
    """Store labels (and soft labels) in parts that go with the parts of the rows."""
    lengths = [part.rows for part in dataset.parts]
    changes: dict[str, ObjectId | None] = {}
    for table, frame in (("soft_labels", scores), ("labels", labels)):
        if frame is not None:
            written = write_table(
                store, rows, frame, dataset=dataset.name, table=table, part_rows=lengths
            )
            changes |= without_old_parts(store, ref, dataset.name, table, written)
    return changes


def counts_of(values: pl.Series) -> dict[str, int]:
    """How often each value stands there, by name."""
    counted = values.value_counts().sort(values.name)
    return dict(counted.iter_rows())


def _keys_and_texts(
    store: VersionStore, rows: Rows, ref: str, dataset: Dataset
) -> tuple[pl.Series, list[str] | None]:
    columns = [dataset.key] + ([dataset.text] if dataset.text else [])
    paths = table_paths(store, ref, dataset.name, "rows")
    frame = pl.concat(list(rows.batches(paths, columns=columns)))
    texts = frame[dataset.text].fill_null("").to_list() if dataset.text else None
    return frame[dataset.key], texts


def _model_manifest(fit: LabelModelFit, votes_id: str, end_model: str) -> ModelManifest:
    return ModelManifest(
        model=fit.model,
        votes=votes_id,
        seed=fit.seed,
        cardinality=fit.cardinality,
        class_balance=tuple(map(float, fit.class_balance)),
        balance_from=fit.balance_from,
        weights=tuple(None if math.isnan(w) else float(w) for w in fit.weights),
        arrays={name: array.tolist() for name, array in fit.arrays.items()},
        end_model=end_model,
    )


def _agreement(soft: SoftLabels, plain: SoftLabels) -> float | None:
    voted = ~np.isnan(soft).any(axis=1)
    if not voted.any():
        return None
    return float((soft[voted].argmax(axis=1) == plain[voted].argmax(axis=1)).mean())
