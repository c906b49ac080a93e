"""Act one's second half: votes (label matrix) -> label model -> soft labels -> labels."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import polars as pl

from datahub.core.dataset import Dataset
from datahub.core.dependence import Dependence, measure_dependence
from datahub.core.labels import LabelMatrix, SoftLabels, estimated_balance
from datahub.core.layout import label_model_file, lfs_file, pair_counts_file, triage_file
from datahub.core.manifest import ModelManifest, VotesManifest
from datahub.core.outcome import Policy, Triage
from datahub.core.versions import Commit, ObjectId
from datahub.flow.dataset.annotations import decisions_at
from datahub.flow.dataset.features import features_at
from datahub.flow.dataset.tables import without_old_parts, write_part
from datahub.flow.dataset.votes import VotesAt, voted
from datahub.flow.label.judging import JudgedPart, drawn_at, judged, lines_of
from datahub.flow.label.judging_again import made_by
from datahub.flow.label.pairs import columns_of, counts_changes, earlier_counts
from datahub.flow.steps import Step, begin, end
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
    model's: both on covered rows. `correlated` LFs are counted as fewer where the label model can;
    where it cannot, their shares are 1.
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


@dataclass
class _Tally:
    """What `Fitted` counts, of parts that come one at a time."""

    covered: int = 0
    agreed: int = 0
    changed: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)

    @property
    def agreement(self) -> float | None:
        """Share of covered rows whose likeliest class is that of the majority vote."""
        return self.agreed / self.covered if self.covered else None

    def add(self, made: JudgedPart, plain: SoftLabels) -> None:
        """Count one part, of which majority vote says `plain`."""
        voted = ~np.isnan(made.final).any(axis=1)
        same = made.final[voted].argmax(axis=1) == plain[voted].argmax(axis=1)
        self.covered += int(voted.sum())
        self.agreed += int(same.sum())
        self.changed += int(made.scores["label"].ne_missing(made.scores["model_label"]).sum())
        self.statuses.update(counts_of(made.labels["status"]))
        self.classes.update(counts_of(made.labels["label"].drop_nulls()))
        self.outcomes.update(counts_of(made.labels["outcome"]))


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
    options: Mapping[str, float] | None = None,
) -> Fitted:
    """Fit a label model to the votes, put an end model's word to it, and commit labels.

    A row that no LF voted on gets no label. `options` are those that `model` was made with, for
    the manifest. Raises InputError when the votes are not of these
    rows, NotFound when there are none.
    """
    head = begin(store, step)
    known, manifest = voted(store, head.id, dataset)
    votes, k = VotesAt(store, head.id, known, manifest), len(known.classes)
    looked = features_at(
        store,
        rows,
        head.id,
        known,
        columns=columns,
        embedding=embedding,
    )
    hashes = columns_of(store, head.id, known, manifest)
    counts = earlier_counts(store, head.id, known, votes, hashes)
    alike = measure_dependence(votes, k, seed=seed)
    untaught = majority.fit(votes[:0], cardinality=k, seed=seed)  # it learns nothing of votes

    def plain(lines: slice) -> SoftLabels:
        return majority.predict(untaught, votes[lines])

    balance, balance_from = asked_balance(class_balance, (plain(at) for _, at in lines_of(known)))
    fit = model.fit(
        votes,
        cardinality=k,
        seed=seed,
        class_balance=balance,
        counts=counts,
        shares=alike.shares.tolist(),
    )
    fit = replace(fit, balance_from=balance_from) if balance_from else fit
    alike = replace(alike, shares=fit.arrays.get("shares", np.ones(votes.shape[1])))
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
        options=options or {},
    )
    found = judged(
        known,
        votes,
        lambda part, votes: model.predict(fit, votes),
        looked,
        lfs=manifest.names,
        end_model=end_model,
        decisions=decisions_at(store, rows, head.id, known),
        drawn=drawn_at(store, head.id, known),
        policy=policy,
        model=made_by(saved),
        seed=seed,
        progress=step.progress,
    )
    changes[triage_file(dataset)] = store.put_bytes(found.triage.to_json().encode())
    tally = _Tally()
    written: dict[str, dict[str, ObjectId]] = {"soft_labels": {}, "labels": {}}
    for made in found.parts():
        tally.add(made, plain(made.lines))
        step.progress("labels", made.lines.stop, known.rows)
        for table, frame in (("soft_labels", made.scores), ("labels", made.labels)):
            written[table] |= write_part(
                store, rows, frame, dataset=dataset, table=table, part=made.part.sha256
            )
    for table, objects in written.items():
        changes |= without_old_parts(store, head.id, dataset, table, objects)
    changes[label_model_file(dataset)] = store.put_bytes(saved.to_json().encode())
    commit = end(
        store,
        step,
        head,
        changes,
        message=f"Fit {saved.name} to the votes on {dataset}",
        metadata={"step": "label fit", "dataset": dataset, "model": saved.name, "seed": str(seed)}
        | {f"rows {status}": str(n) for status, n in sorted(tally.statuses.items())},
    )
    return _fitted(known, manifest, saved, alike, tally, found.triage, commit, head)


def counts_of(values: pl.Series) -> dict[str, int]:
    """How often each value stands there, by name."""
    counted = values.value_counts().sort(values.name)
    return dict(counted.iter_rows())


def asked_balance(
    asked: Balance, plain: Iterable[SoftLabels]
) -> tuple[Sequence[float] | None, str]:
    """The class balance to give to a model, and "estimated" where it was (from `plain`, parts)."""
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
    options: Mapping[str, float],
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
        options=options,
    )


def _fitted(
    known: Dataset,
    manifest: VotesManifest,
    saved: ModelManifest,
    alike: Dependence,
    tally: _Tally,
    triage: Triage,
    commit: Commit,
    head: Commit,
) -> Fitted:
    return Fitted(
        dataset=known.name,
        rows=known.rows,
        covered=tally.covered,
        uncovered=known.rows - tally.covered,
        model=saved.model,
        end_model=saved.end_model,
        statuses=dict(sorted(tally.statuses.items())),
        classes=dict(sorted(tally.classes.items())),
        agreement=tally.agreement,
        changed_by_end_model=tally.changed,
        weights=dict(zip(manifest.names, saved.weights, strict=True)),
        correlated=named_groups(alike, manifest.names),
        class_balance=dict(zip(known.classes, saved.class_balance, strict=True)),
        balance_from=saved.balance_from,
        features=saved.features,
        outcomes=dict(sorted(tally.outcomes.items())),
        triage=triage,
        commit=commit,
        changed=commit != head,
    )
