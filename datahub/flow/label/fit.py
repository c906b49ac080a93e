"""Act one's second half: votes (label matrix) -> label model -> soft labels -> labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from datahub.core.choosing import adjust
from datahub.core.dataset import Key
from datahub.core.dependence import Dependence, measure_dependence
from datahub.core.features import Looks
from datahub.core.in_html import InHTML
from datahub.core.label_warnings import LabelSample, LabelWarning
from datahub.core.labels import LabelMatrix, SoftLabels, estimated_balance
from datahub.core.layout import label_model_file, pair_counts_file, triage_file
from datahub.core.manifest import ModelManifest, VotesManifest
from datahub.core.outcome import Policy, Triage
from datahub.core.relabel import Decision
from datahub.core.versions import Commit
from datahub.flow.dataset.annotations import decisions_at
from datahub.flow.dataset.at import At
from datahub.flow.dataset.draft import Draft
from datahub.flow.dataset.features import FeatureReader
from datahub.flow.dataset.votes import VotesAt, current_votes
from datahub.flow.label.dev import ByDev, Chosen, Dev, choose_by, dev_rows
from datahub.flow.label.judging import Judgment, judge, lines_of
from datahub.flow.label.judging_again import made_by
from datahub.flow.label.looking import EndModelLooks, Eyes, Sees
from datahub.flow.label.pairs import columns_of, earlier_counts, keep_counts
from datahub.flow.label.tally import Tally
from datahub.flow.steps import Step
from datahub.ports import EndModel, LabelModel, LabelModelFit

DEFAULT = Policy()
ESTIMATE = "estimated"  # a class balance taken from the majority vote

Balance = Sequence[float] | Literal["estimated"] | None
Majority = Callable[[slice], SoftLabels]  # what majority vote says of these lines


@dataclass(frozen=True)
class Alike:
    """LFs that repeat one another, and how much a vote of each counts for it."""

    lfs: tuple[str, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True)
class FitReport(InHTML):
    """What fitting came to, by the names of models, LFs and classes.

    `covered` rows have a vote, `uncovered` have none and no label. `agreement` is of the labels
    with the majority vote, `changed_by_end_model` counts the labels that are not the label
    model's: both on covered rows. `correlated` LFs are counted as fewer where the label model can;
    where it cannot, their shares are 1. `warnings` are reasons to distrust the labels.
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
    warnings: tuple[LabelWarning, ...] = ()
    chosen: ByDev | None = None
    looks: EndModelLooks | None = None


@dataclass(frozen=True)
class Fitting:
    """What labels are made with: models, and how they are set.

    `columns` and `embedding` are what the end model looks at, beside or instead of vectors as
    `looks` says. `options` are those that `model`
    was made with, for the manifest.
    """

    model: LabelModel
    majority: LabelModel
    end_model: EndModel | None
    seed: int
    class_balance: Balance = None
    columns: Sequence[str] = ()
    embedding: str | None = None
    policy: Policy = DEFAULT
    options: Mapping[str, float] = field(default_factory=dict)
    dev: Dev | None = None
    looks: Looks | Literal["auto"] = "auto"

    @property
    def eyes(self) -> Eyes:
        """What the end model may look at."""
        return Eyes(self.end_model, self.columns, self.embedding, self.looks, self.seed)


def label_fit(at: At, fitting: Fitting, step: Step) -> FitReport:
    """Fit a label model to the votes, put an end model's word to it, and commit labels.

    `at` is the head that the step starts from. A row that no LF voted on gets no label. Raises
    InputError when the votes are not of these rows, NotFound when there are none.
    """
    manifest = current_votes(at)
    votes, draft = VotesAt(at, manifest), Draft(at)
    majority = _majority(fitting, votes, len(at.dataset.classes))
    decisions = decisions_at(at)
    if fitting.dev is None:
        choice, (fit, alike) = None, _fit(at, fitting, votes, majority, manifest, draft)
        sees = fitting.eyes.see(at, lambda lines: fitting.model.predict(fit, votes[lines]))
    else:
        choice, alike = _choose(at, fitting, fitting.dev, votes, majority, decisions)
        fit, sees = choice.fit, choice.sees
        fitting = replace(fitting, model=choice.model, options={})
    step.progress("label model", len(votes), len(votes))
    model = _model_manifest(at, fitting, fit, alike, sees.reader, draft, choice)
    draft.put(label_model_file(at.name), model.to_json())
    labels = judge(
        at.dataset,
        votes,
        lambda part, votes: _says(fitting.model, fit, votes, choice),
        sees.reader,
        lfs=manifest.names,
        end_model=fitting.end_model,
        decisions=decisions,
        audit_keys=at.audit_keys,
        spent=() if choice is None else choice.rows.keys,
        policy=fitting.policy,
        model=made_by(model),
        seed=fitting.seed,
        even=model.even_end,
        progress=step.progress,
    )
    draft.put(triage_file(at.name), labels.triage.to_json())
    tally = _write(labels, votes, majority, draft, step)
    warnings = _warnings(at, manifest, model, tally, sees)
    commit = _commit(at, draft, step, model, fitting.seed, tally)
    report = _report(at, manifest, model, alike, tally, warnings, labels.triage, commit)
    columns = sees.reader.features.columns if fitting.end_model else ()
    by_dev = None if choice is None else ByDev.of(choice)
    return replace(report, features=columns, looks=sees.why, chosen=by_dev)


def _warnings(
    at: At, manifest: VotesManifest, model: ModelManifest, tally: Tally, sees: Sees
) -> tuple[LabelWarning, ...]:
    """What is odd about the labels, and vectors that the end model lacks."""
    warnings = tally.sample.warnings(
        manifest.names, at.dataset.classes, model.class_balance, model.balance_from
    )
    missing = sees.why and sees.why.warning(at.dataset.rows)
    return (*warnings, missing) if missing else warnings


def _commit(
    at: At, draft: Draft, step: Step, model: ModelManifest, seed: int, tally: Tally
) -> Commit:
    metadata = {"step": "label fit", "dataset": at.name, "model": model.name, "seed": str(seed)}
    statuses = {f"rows {status}": str(n) for status, n in sorted(tally.statuses.items())}
    message = f"Fit {model.name} to the votes on {at.name}"
    return draft.commit(step, message=message, metadata=metadata | statuses)


def _majority(fitting: Fitting, votes: VotesAt, cardinality: int) -> Majority:
    """What a plain majority says of lines of the votes: it learns nothing of them."""
    untaught = fitting.majority.fit(votes[:0], cardinality=cardinality, seed=fitting.seed)
    return lambda lines: fitting.majority.predict(untaught, votes[lines])


def _fit(
    at: At,
    fitting: Fitting,
    votes: VotesAt,
    majority: Majority,
    manifest: VotesManifest,
    draft: Draft,
) -> tuple[LabelModelFit, Dependence]:
    """The label model, and which LFs repeat one another; counts of pairs are kept for later."""
    k, names = len(at.dataset.classes), columns_of(at, manifest)
    counts = earlier_counts(at, votes, names)
    alike = measure_dependence(votes, k, seed=fitting.seed)
    plain = (majority(lines) for _, lines in lines_of(at.dataset))
    balance, balance_from = resolve_balance(fitting.class_balance, plain)
    fit = fitting.model.fit(
        votes,
        cardinality=k,
        seed=fitting.seed,
        class_balance=balance,
        counts=counts,
        shares=alike.shares.tolist(),
    )
    keep_counts(draft, fit.counts, names)
    fit = replace(fit, balance_from=balance_from) if balance_from else fit
    return fit, replace(alike, shares=fit.arrays.get("shares", np.ones(votes.shape[1])))


def _choose(
    at: At,
    fitting: Fitting,
    dev: Dev,
    votes: VotesAt,
    majority: Majority,
    decisions: Mapping[Key, Decision],
) -> tuple[Chosen, Dependence]:
    """The label model that labeled rows choose, and which LFs repeat one another."""
    rows = dev_rows(at, dev.source, votes, decisions, most=dev.most, seed=fitting.seed)
    alike = measure_dependence(votes, len(at.dataset.classes), seed=fitting.seed)
    chosen = choose_by(
        at,
        rows,
        {fitting.model.name: fitting.model} | dict(dev.models),
        default=fitting.model.name,
        majority=majority,
        votes=votes,
        eyes=fitting.eyes,
        shares=alike.shares.tolist(),
        seed=fitting.seed,
    )
    return chosen, replace(alike, shares=chosen.fit.arrays.get("shares", np.ones(votes.shape[1])))


def _says(
    model: LabelModel, fit: LabelModelFit, votes: LabelMatrix, chosen: Chosen | None
) -> SoftLabels:
    """What the label model says, under the class balance and temperature that were chosen."""
    soft = model.predict(fit, votes)
    if chosen is None:
        return soft
    return adjust(soft, chosen.choice.class_balance, chosen.choice.setting.temperature)


def _write(labels: Judgment, votes: VotesAt, majority: Majority, draft: Draft, step: Step) -> Tally:
    """Write the tables of all parts; what they hold, counted."""
    tally = Tally(LabelSample(draft.at.dataset.rows))
    for part in labels.parts():
        tally.add(part, votes[part.lines], majority(part.lines))
        step.progress("labels", part.lines.stop, draft.at.dataset.rows)
        draft.write("soft_labels", part.part, part.scores)
        draft.write("labels", part.part, part.labels)
    for table in ("soft_labels", "labels"):
        draft.drop_rest(table)
    return tally


def resolve_balance(
    balance: Balance, plain: Iterable[SoftLabels]
) -> tuple[Sequence[float] | None, str]:
    """The class balance to give to a model, and "estimated" where it was (from `plain`, parts)."""
    return (estimated_balance(plain), ESTIMATE) if isinstance(balance, str) else (balance, "")


def predict(
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


def name_groups(alike: Dependence, names: Sequence[str]) -> tuple[Alike, ...]:
    """LFs that repeat one another, by name."""
    return tuple(
        Alike(tuple(names[lf] for lf in group), tuple(float(alike.shares[lf]) for lf in group))
        for group in alike.groups
    )


def _model_manifest(
    at: At,
    fitting: Fitting,
    fit: LabelModelFit,
    alike: Dependence,
    reader: FeatureReader,
    draft: Draft,
    chosen: Chosen | None,
) -> ModelManifest:
    assert at.votes is not None  # LFs voted
    assert at.votes_id is not None
    features, end_model = reader.features.columns, fitting.end_model
    names = at.votes.names
    columns = tuple(name for name in features if name != reader.features.vectors)
    return ModelManifest(
        model=fit.model,
        votes=at.votes_id,
        seed=fit.seed,
        cardinality=fit.cardinality,
        class_balance=tuple(map(float, fit.class_balance))
        if chosen is None
        else chosen.choice.class_balance,
        balance_from=fit.balance_from if chosen is None else chosen.choice.setting.balance,
        weights=tuple(None if math.isnan(w) else float(w) for w in fit.weights),
        arrays={name: array.tolist() for name, array in fit.arrays.items()},
        end_model="none" if end_model is None or not features else end_model.name,
        features=columns if end_model is not None else (),
        shares=tuple(map(float, alike.shares)),
        correlated=tuple(tuple(names[lf] for lf in group) for group in alike.groups),
        pair_counts=draft.changes.get(pair_counts_file(at.name)),
        options=fitting.options,
        even_end=end_model is not None and bool(features),
        chosen_by=None if chosen is None else chosen.to_manifest(),
        vectors=at.vectors.space if end_model and reader.features.vectors and at.vectors else "",
    )


def _report(
    at: At,
    manifest: VotesManifest,
    model: ModelManifest,
    alike: Dependence,
    tally: Tally,
    warnings: tuple[LabelWarning, ...],
    triage: Triage,
    commit: Commit,
) -> FitReport:
    return FitReport(
        dataset=at.name,
        rows=at.dataset.rows,
        covered=tally.rows,
        uncovered=at.dataset.rows - tally.rows,
        model=model.model,
        end_model=model.end_model,
        statuses=dict(sorted(tally.statuses.items())),
        classes=dict(sorted(tally.classes.items())),
        agreement=tally.agreement,
        changed_by_end_model=tally.changes,
        weights=dict(zip(manifest.names, model.weights, strict=True)),
        correlated=name_groups(alike, manifest.names),
        class_balance=dict(zip(at.dataset.classes, model.class_balance, strict=True)),
        balance_from=model.balance_from,
        features=model.features,
        outcomes=dict(sorted(tally.outcomes.items())),
        triage=triage,
        commit=commit,
        changed=commit != at.commit,
        warnings=warnings,
    )
