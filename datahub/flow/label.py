"""Act one's second half: votes (label matrix) -> label model -> soft labels -> labels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl

from datahub.core.dataset import Dataset, Key, Part
from datahub.core.dependence import Dependence, correlated
from datahub.core.errors import InputError, NotFound
from datahub.core.labels import (
    ABSTAIN,
    Gold,
    LabelMatrix,
    SoftLabels,
    estimated_balance,
)
from datahub.core.layout import (
    label_model_file,
    lfs_file,
    pair_counts_file,
    table_prefix,
    triage_file,
    votes_file,
)
from datahub.core.manifest import ModelManifest, VotesManifest
from datahub.core.outcome import UNMEASURED, Policy, Triage
from datahub.core.relabel import Decision
from datahub.core.versions import Commit, ObjectId
from datahub.flow.annotations import decisions_at
from datahub.flow.features import Looked, features_at
from datahub.flow.judging import Judged, drawn_at, judged
from datahub.flow.pairs import columns_of, counts_changes, earlier_counts
from datahub.flow.parts import GOLD_LABEL
from datahub.flow.relabel import patch_labels
from datahub.flow.source import gold_at
from datahub.flow.steps import Step, begin, end
from datahub.flow.tables import dataset_at, read_table, without_old_parts, write_table
from datahub.ports import EndModel, LabelModel, LabelModelFit, Rows, VersionStore

DEFAULT = Policy()
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
    features: tuple[str, ...]
    outcomes: dict[str, int]
    triage: Triage
    commit: Commit
    changed: bool  # whether a commit was made: the same labels again make none


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
    columns: Sequence[str] = (),
    embedding: str | None = None,
    policy: Policy = DEFAULT,
) -> Fitted:
    """Fit a label model to the votes, put an end model's word to it, and commit labels.

    A row that no LF voted on gets no label. Raises InputError when the votes are not of these
    rows, NotFound when there are none.
    """
    head = begin(store, step)
    known, manifest = voted(store, head.id, dataset)
    votes = read_votes(store, head.id, known, manifest)
    looked = features_at(store, rows, head.id, known, columns=columns, embedding=embedding)
    hashes = columns_of(store, head.id, known, manifest)
    counts = earlier_counts(store, head.id, known, votes, hashes)
    alike = correlated(votes, len(known.classes), seed=seed)
    plain = predicted(majority, votes, len(known.classes), seed=seed)
    balance, balance_from = asked_balance(class_balance, plain)
    fit = model.fit(
        votes,
        cardinality=len(known.classes),
        seed=seed,
        class_balance=balance,
        counts=counts,
        shares=alike.shares.tolist(),
    )
    fit = replace(fit, balance_from=balance_from) if balance_from else fit
    soft = model.predict(fit, votes)
    step.progress("label model", len(votes), len(votes))
    changes = counts_changes(store, head.id, known, fit.counts, hashes)
    saved = _model_manifest(
        fit,
        manifest,
        alike,
        votes_id=store.objects(head.id, lfs_file(dataset))[lfs_file(dataset)],
        end_model="none" if end_model is None or not looked.features.columns else end_model.name,
        features=looked.features.columns,
        pair_counts=changes.get(pair_counts_file(dataset)),
    )
    found = judged(
        known,
        votes,
        soft,
        looked,
        lfs=manifest.names,
        end_model=end_model,
        decisions=decisions_at(store, rows, head.id, known),
        drawn=drawn_at(store, head.id, known),
        policy=policy,
        model=_made_by(saved),
        seed=seed,
    )
    step.progress("end model", len(votes), len(votes))
    scores, labels = found.scores, found.labels
    changes[triage_file(dataset)] = store.put_bytes(found.triage.to_json().encode())
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
    return _fitted(known, manifest, saved, alike, found, agreed, commit, head)


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


def relabeled(
    store: VersionStore, rows: Rows, ref: str, known: Dataset, found: Judged, *, step_id: str
) -> tuple[dict[str, ObjectId | None], int, int]:
    """What a commit on `ref` changes so that its tables say what was found.

    With it how many lines of labels that changes, and how many labels.
    """
    changes: dict[str, ObjectId | None]
    before = read_table(store, rows, ref, known.name, "labels", made_by="label fit")
    after = found.labels
    moved = int(before["label"].ne_missing(after["label"]).sum())
    if before.columns == after.columns:
        same = pl.all_horizontal(before[name].eq_missing(after[name]) for name in after.columns)
        lines = after.filter(~pl.select(same).to_series())
        changes = patch_labels(store, rows, ref, known, lines, step_id=step_id)
        scores = write_table(store, rows, found.scores, dataset=known, table="soft_labels")
        changes |= without_old_parts(store, ref, known.name, "soft_labels", scores)
    else:  # tables of an earlier format
        lines = after
        changes = write_tables(store, rows, ref, known, scores=found.scores, labels=after)
    changes[triage_file(known.name)] = store.put_bytes(found.triage.to_json().encode())
    return changes, lines.height, moved


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
    table = read_table(store, rows, ref, known.name, "soft_labels", made_by="label fit")
    return judged(
        known,
        read_votes(store, ref, known, manifest),
        _model_soft(table, len(known.classes)),
        features_as_fitted(store, rows, ref, known),
        lfs=manifest.names,
        end_model=None if saved.end_model == "none" else end_model,
        decisions=decisions,
        drawn=drawn,
        policy=triage_at(store, ref, known.name).policy,
        model=_made_by(saved),
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


def _model_soft(table: pl.DataFrame, cardinality: int) -> SoftLabels:
    """The label model's own probabilities [n, k]; in tables of an earlier format, the only ones."""
    name = "model_probabilities" if "model_probabilities" in table.columns else "probabilities"
    nothing = [float("nan")] * cardinality
    lists = [nothing if row is None else row for row in table[name].to_list()]
    return np.array(lists, dtype=np.float64).reshape(-1, cardinality)


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
    features: tuple[str, ...],
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
        features=features if end_model != "none" else (),
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
    found: Judged,
    agreement: float | None,
    commit: Commit,
    head: Commit,
) -> Fitted:
    scores, labels = found.scores, found.labels
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
        features=saved.features,
        outcomes=counts_of(labels["outcome"]),
        triage=found.triage,
        commit=commit,
        changed=commit != head,
    )


def _agreement(soft: SoftLabels, plain: SoftLabels) -> float | None:
    voted = ~np.isnan(soft).any(axis=1)
    if not voted.any():
        return None
    return float((soft[voted].argmax(axis=1) == plain[voted].argmax(axis=1)).mean())
