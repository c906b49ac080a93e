"""Act one's second half: votes (label matrix) -> label model -> soft labels -> labels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl

from datahub.core.dataset import Dataset, Part
from datahub.core.dependence import Dependence, correlated
from datahub.core.errors import InputError, NotFound
from datahub.core.labels import (
    ABSTAIN,
    Gold,
    LabelMatrix,
    SoftLabels,
    combine,
    estimated_balance,
)
from datahub.core.layout import (
    label_model_file,
    lfs_file,
    pair_counts_file,
    table_prefix,
    votes_file,
)
from datahub.core.manifest import ModelManifest, VotesManifest
from datahub.core.paircounts import PairCounts
from datahub.core.relabel import final_labels
from datahub.core.triage import score
from datahub.core.versions import Commit, ObjectId
from datahub.flow.annotations import decisions_at
from datahub.flow.pairs import columns_of, counts_changes, earlier_counts
from datahub.flow.parts import GOLD_LABEL
from datahub.flow.source import gold_at
from datahub.flow.steps import Progress, Step, begin, end, quiet
from datahub.flow.tables import dataset_at, table_paths, without_old_parts, write_table
from datahub.ports import EndModel, LabelModel, LabelModelFit, Rows, VersionStore

ESTIMATED = "estimated"  # a class balance taken from the majority vote

Balance = Sequence[float] | Literal["estimated"] | None


@dataclass(frozen=True)
class Alike:
    """LFs that repeat one another, and how much a vote of each counts for it."""

    lfs: tuple[str, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True)
class Fitted:
    """What fitting came to, by the names of models, LFs and classes.

    `covered` rows have a vote, `uncovered` have none and no label. `agreement` is of the labels
    with the majority vote, `changed_by_end_model` counts the labels that are not the label
    model's: both on covered rows. `correlated` LFs are counted as fewer where the label model can.
    """

    dataset: str
    rows: int
    covered: int
    uncovered: int
    model: str
    end_model: str
    statuses: dict[str, int]
    classes: dict[str, int]
    agreement: float | None
    changed_by_end_model: int
    weights: dict[str, float | None]
    correlated: tuple[Alike, ...]
    class_balance: dict[str, float]
    balance_from: str
    commit: Commit
    changed: bool  # whether a commit was made: the same labels again make none


@dataclass(frozen=True)
class Opinions:
    """What models say of rows [n, k]: label model, end model (NaN where silent), both as one."""

    fit: LabelModelFit
    soft: SoftLabels
    end: SoftLabels
    final: SoftLabels


def label_fit(
    dataset: str,
    *,
    model: LabelModel,
    majority: LabelModel,
    end_model: EndModel | None,
    seed: int,
    store: VersionStore,
    rows: Rows,
    step: Step,
    class_balance: Balance = None,
) -> Fitted:
    """Fit a label model to the votes, put an end model's word to it, and commit labels.

    A row that no LF voted on gets no label. Raises InputError when the votes are not of these
    rows, NotFound when there are none.
    """
    head = begin(store, step)
    known, manifest = voted(store, head.id, dataset)
    votes = read_votes(store, head.id, known, manifest)
    keys, texts = keys_and_texts(store, rows, head.id, known)
    columns = columns_of(store, head.id, known, manifest)
    counts = earlier_counts(store, head.id, known, votes, columns)
    alike = correlated(votes, len(known.classes), seed=seed)
    plain = predicted(majority, votes, len(known.classes), seed=seed)
    balance, balance_from = asked_balance(class_balance, plain)
    found = opinions(
        votes,
        texts,
        model=model,
        end_model=end_model,
        cardinality=len(known.classes),
        seed=seed,
        shares=alike.shares.tolist(),
        class_balance=balance,
        counts=counts,
        progress=step.progress,
    )
    if balance_from:
        found = replace(found, fit=replace(found.fit, balance_from=balance_from))
    changes = counts_changes(store, head.id, known, found.fit.counts, columns)
    saved = _model_manifest(
        found.fit,
        manifest,
        alike,
        votes_id=store.objects(head.id, lfs_file(dataset))[lfs_file(dataset)],
        end_model="none" if end_model is None or texts is None else end_model.name,
        pair_counts=changes.get(pair_counts_file(dataset)),
    )
    scores = score(
        keys,
        votes,
        found.soft,
        found.end,
        lfs=manifest.names,
        classes=known.classes,
        final=found.final,
    )
    labels = final_labels(
        scores, decisions_at(store, rows, head.id, known), key=known.key, model=_made_by(saved)
    )
    changes |= write_tables(store, rows, head.id, known, scores=scores, labels=labels)
    changes[label_model_file(dataset)] = store.put_bytes(saved.to_json().encode())
    commit = end(
        store,
        step,
        head,
        changes,
        message=f"Fit {saved.name} to the votes on {dataset}",
        metadata={"step": "label fit", "dataset": dataset, "model": saved.name, "seed": str(seed)}
        | {f"rows {status}": str(n) for status, n in counts_of(labels["status"]).items()},
    )
    agreed = _agreement(found.final, plain)
    return _fitted(known, manifest, saved, alike, scores, labels, agreed, commit, head)


def opinions(
    votes: LabelMatrix,
    texts: Sequence[str] | None,
    *,
    model: LabelModel,
    end_model: EndModel | None,
    cardinality: int,
    seed: int,
    shares: Sequence[float],
    class_balance: Sequence[float] | None = None,
    counts: PairCounts | None = None,
    progress: Progress = quiet,
) -> Opinions:
    """Fit a label model, and an end model to what it says where there are texts."""
    n = len(votes)
    fit = model.fit(
        votes,
        cardinality=cardinality,
        seed=seed,
        class_balance=class_balance,
        counts=counts,
        shares=shares,
    )
    soft = model.predict(fit, votes)
    progress("label model", n, n)
    second = np.full(soft.shape, np.nan)
    if texts is not None and end_model is not None:
        second = end_model.out_of_fold(texts, soft, seed=seed)
    progress("end model", n, n)
    return Opinions(fit, soft, second, combine(soft, second))


def read_votes(
    store: VersionStore, ref: str, dataset: Dataset, manifest: VotesManifest
) -> LabelMatrix:
    """The label matrix [n, m] of a commit, in the order of the rows."""
    votes = np.empty((dataset.rows, len(manifest.lfs)), dtype=np.int8, order="F")  # by LF
    start = 0
    for part in votes_by_part(store, ref, dataset, manifest):
        votes[start : start + len(part)] = part
        start += len(part)
    return votes


def votes_by_part(
    store: VersionStore,
    ref: str,
    dataset: Dataset,
    manifest: VotesManifest,
    parts: Sequence[Part] | None = None,
) -> Iterator[LabelMatrix]:
    """The label matrix a part at a time: of all parts, or of these."""
    held = store.objects(ref, table_prefix(dataset.name, "votes"))
    for part in dataset.parts if parts is None else parts:
        votes = np.empty((part.rows, len(manifest.lfs)), dtype=np.int8, order="F")
        for j, entry in enumerate(manifest.lfs):
            content = store.read(held[votes_file(dataset.name, entry.fingerprint, part.sha256)])
            votes[:, j] = np.frombuffer(content, dtype=np.int8)
        yield votes


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
    """Names and votes of the models that made a commit's soft labels: `snorkel@1a2b3c...`."""
    path = label_model_file(dataset.name)
    return _made_by(ModelManifest.from_json(store.read(store.objects(ref, path)[path])))


def gold_numbers(store: VersionStore, rows: Rows, ref: str, dataset: Dataset) -> Gold:
    """Gold as class numbers [n], ABSTAIN where not known, in the order of the rows."""
    return class_numbers(gold_at(store, rows, ref, dataset)[GOLD_LABEL], dataset)


def class_numbers(names: pl.Series, dataset: Dataset) -> Gold:
    """Class names as numbers, ABSTAIN for null and for what is no class."""
    numbers = list(range(len(dataset.classes)))
    found = names.replace_strict(
        list(dataset.classes), numbers, default=ABSTAIN, return_dtype=pl.Int8
    )
    return found.to_numpy()


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
    changes: dict[str, ObjectId | None] = {}
    for table, frame in (("soft_labels", scores), ("labels", labels)):
        if frame is not None:
            written = write_table(store, rows, frame, dataset=dataset, table=table)
            changes |= without_old_parts(store, ref, dataset.name, table, written)
    return changes


def counts_of(values: pl.Series) -> dict[str, int]:
    """How often each value stands there, by name."""
    counted = values.value_counts().sort(values.name)
    return dict(counted.iter_rows())


def keys_and_texts(
    store: VersionStore, rows: Rows, ref: str, dataset: Dataset
) -> tuple[pl.Series, list[str] | None]:
    """Key and text of every row, in the order of the rows; None where there is no text column."""
    columns = [dataset.key] + ([dataset.text] if dataset.text else [])
    paths = table_paths(store, ref, dataset.name, "rows")
    frame = pl.concat(list(rows.batches(paths, columns=columns)))
    texts = frame[dataset.text].fill_null("").to_list() if dataset.text else None
    return frame[dataset.key], texts


def asked_balance(asked: Balance, plain: SoftLabels) -> tuple[Sequence[float] | None, str]:
    """The class balance to give to a model, and "estimated" where it was (from `plain`)."""
    return (estimated_balance(plain), ESTIMATED) if isinstance(asked, str) else (asked, "")


def predicted(
    model: LabelModel,
    votes: LabelMatrix,
    cardinality: int,
    *,
    seed: int,
    class_balance: Sequence[float] | None = None,
    shares: Sequence[float] | None = None,
) -> SoftLabels:
    """What a model says of the votes that it is fitted to."""
    fit = model.fit(
        votes, cardinality=cardinality, seed=seed, class_balance=class_balance, shares=shares
    )
    return model.predict(fit, votes)


def named_groups(alike: Dependence, names: Sequence[str]) -> tuple[Alike, ...]:
    """LFs that repeat one another, by name."""
    return tuple(
        Alike(tuple(names[lf] for lf in group), tuple(float(alike.shares[lf]) for lf in group))
        for group in alike.groups
    )


def _model_manifest(
    fit: LabelModelFit,
    manifest: VotesManifest,
    alike: Dependence,
    *,
    votes_id: str,
    end_model: str,
    pair_counts: str | None,
) -> ModelManifest:
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
        shares=tuple(map(float, alike.shares)),
        correlated=tuple(tuple(manifest.names[lf] for lf in group) for group in alike.groups),
        pair_counts=pair_counts,
    )


def _made_by(made: ModelManifest) -> str:
    return f"{made.name}@{made.votes[:12]}"


def _fitted(
    known: Dataset,
    manifest: VotesManifest,
    saved: ModelManifest,
    alike: Dependence,
    scores: pl.DataFrame,
    labels: pl.DataFrame,
    agreement: float | None,
    commit: Commit,
    head: Commit,
) -> Fitted:
    covered = int(scores["confidence"].count())
    return Fitted(
        dataset=known.name,
        rows=known.rows,
        covered=covered,
        uncovered=known.rows - covered,
        model=saved.model,
        end_model=saved.end_model,
        statuses=counts_of(labels["status"]),
        classes=counts_of(labels["label"].drop_nulls()),
        agreement=agreement,
        changed_by_end_model=int(scores["label"].ne_missing(scores["model_label"]).sum()),
        weights=dict(zip(manifest.names, saved.weights, strict=True)),
        correlated=named_groups(alike, manifest.names),
        class_balance=dict(zip(known.classes, saved.class_balance, strict=True)),
        balance_from=saved.balance_from,
        commit=commit,
        changed=commit != head,
    )


def _agreement(soft: SoftLabels, plain: SoftLabels) -> float | None:
    voted = ~np.isnan(soft).any(axis=1)
    if not voted.any():
        return None
    return float((soft[voted].argmax(axis=1) == plain[voted].argmax(axis=1)).mean())
