"""How far labels can be trusted, measured on the random audit slice. Nothing here writes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import polars as pl

from datahub.core.accept import binomial_cdf
from datahub.core.agreement import Agreement
from datahub.core.dataset import Dataset, Key
from datahub.core.outcome import Triage, good_labels
from datahub.core.trust import Estimate
from datahub.flow.dataset.annotations import agreement_at, decisions_at
from datahub.flow.dataset.at import At
from datahub.flow.dataset.features import FeatureReader, out_of_fold, read_rows
from datahub.flow.dataset.tables import read_parts, table_paths
from datahub.flow.label.judging_again import check_fitted, features_as_fitted, fitted_model
from datahub.flow.label.tally import counts_of
from datahub.ports import EndModel, Rows, VersionStore

CHANCE = 0.05


@dataclass(frozen=True)
class Plain:
    """The end model taught by people's answers alone, against the labels, on the audited rows.

    `plain` and `weak` of `audited` rows are right. Plain supervision judges each row without its
    answer but with other audited ones, which the labels never learn from. `p_value`: how likely
    so large a difference is by chance (McNemar's exact test, two-sided).
    """

    answers: int
    audited: int
    plain: int
    weak: int
    p_value: float

    @property
    def better(self) -> bool:
        """Whether plain supervision is better beyond chance."""
        return self.plain > self.weak and self.p_value <= CHANCE

    @property
    def worse(self) -> bool:
        """Whether it is worse beyond chance."""
        return self.plain < self.weak and self.p_value <= CHANCE


@dataclass(frozen=True)
class Trust:
    """Errors of labels that no person gave, estimated from people's blind answers.

    accepted: rows whose label is taken without a person; doubted: the others with a label, also
    where nothing is measured yet;
    uncovered: rows no LF voted on, judged by the end model's label. `outcomes` count all rows,
    `triage` says what the commit's thresholds promise. The label model took `class_balance` for
    true: it was given, estimated or uniform (`balance_from`). `plain` is None where people's
    answers alone teach nothing. `agreement` is that of all people who answered, on all rows.
    """

    dataset: str
    rows: int
    answered: int
    accepted: Estimate
    doubted: Estimate
    uncovered: Estimate
    outcomes: dict[str, int]
    triage: Triage
    plain: Plain | None
    model: str
    class_balance: dict[str, float]
    balance_from: str
    agreement: Agreement


def trust(
    dataset: str, *, ref: str, end_model: EndModel | None, store: VersionStore, rows: Rows
) -> Trust:
    """Measure the models of a commit on its answered audit rows.

    Raises DatasetNotFound, NotFound (no soft labels yet).
    """
    at = At.of(store, rows, ref, dataset)
    data = at.dataset
    check_fitted(at)
    decisions = decisions_at(at)
    answers = {key: d.label for key, d in decisions.items() if d.label is not None}
    test_keys = at.audit_keys - at.spent_keys
    audit_answers = {key: label for key, label in answers.items() if key in test_keys}
    triage, model = at.triage, fitted_model(at)
    groups, scores = _measure(store, rows, ref, data, audit_answers, triage)
    return Trust(
        dataset=dataset,
        rows=data.rows,
        answered=len(audit_answers),
        accepted=groups["accepted"],
        doubted=groups["doubted"],
        uncovered=groups["uncovered"],
        outcomes=_outcomes(store, rows, ref, data),
        triage=triage,
        plain=_plain(data, scores, answers, end_model, features_as_fitted(at)),
        model=model.name,
        class_balance=dict(zip(data.classes, model.class_balance, strict=True)),
        balance_from=model.balance_from,
        agreement=agreement_at(at),
    )


def _measure(
    store: VersionStore,
    rows: Rows,
    ref: str,
    dataset: Dataset,
    audit_answers: dict[Key, str],
    triage: Triage,
) -> tuple[dict[str, Estimate], pl.DataFrame]:
    """The error of each group of rows, and the scores of audited rows with what people `said`."""
    good, has_label = good_labels(triage)[0], pl.col("label").is_not_null()
    groups = {
        "accepted": (good, "label"),
        "doubted": (has_label & ~good, "label"),
        "uncovered": (~has_label, "end_label"),
    }
    estimates = dict.fromkeys(groups, Estimate(0, 0, 0))
    frames = []
    columns = [dataset.key, "label", "confidence", "end_label", "trust", "doubt"]
    for _, scores in read_parts(store, rows, ref, dataset, "soft_labels", columns=columns):
        lines = scores.join(
            _answer_frame(audit_answers, dataset, scores), on=dataset.key, how="left"
        )
        frames.append(lines.drop_nulls("said"))
        for name, (group, guess) in groups.items():
            estimates[name] += _estimate(lines.filter(group), guess)
    return estimates, pl.concat(frames)


def _outcomes(store: VersionStore, rows: Rows, ref: str, dataset: Dataset) -> dict[str, int]:
    """How many rows have each outcome; none in labels of an earlier format."""
    paths = table_paths(store, ref, dataset.name, "labels")
    if "outcome" not in rows.scan(paths[:1]).collect_schema():
        return {}
    counts: Counter[str] = Counter()
    for _, frame in read_parts(store, rows, ref, dataset, "labels", columns=["outcome"]):
        counts.update(counts_of(frame["outcome"]))
    return dict(sorted(counts.items()))


def _plain(
    dataset: Dataset,
    scores: pl.DataFrame,
    answers: dict[Key, str],
    end_model: EndModel | None,
    reader: FeatureReader,
) -> Plain | None:
    """Teach the end model by answers alone; each answered row is judged without its own."""
    answered_rows = read_rows(reader, dataset, answers)
    number = {name: i for i, name in enumerate(dataset.classes)}
    class_numbers = [number[answers[key]] for key in answered_rows.keys]
    soft = np.eye(len(dataset.classes))[np.array(class_numbers, dtype=np.int64)]
    probabilities = out_of_fold(end_model, answered_rows.keys, answered_rows.features, soft, seed=0)
    if len(probabilities) == 0 or np.isnan(probabilities).any():
        return None
    guesses = [dataset.classes[i] for i in probabilities.argmax(axis=1)]
    table = pl.DataFrame({dataset.key: answered_rows.keys, "plain": guesses})
    pairs = scores.join(table, on=dataset.key, how="inner")
    guess = pl.coalesce("label", "end_label")
    plain, weak = (
        pairs.select(e.eq_missing(pl.col("said"))).to_series() for e in (pl.col("plain"), guess)
    )
    only_plain, only_weak = int((plain & ~weak).sum()), int((weak & ~plain).sum())
    return Plain(
        len(class_numbers),
        pairs.height,
        int(plain.sum()),
        int(weak.sum()),
        _mcnemar(only_plain, only_weak),
    )


def _mcnemar(plain_only: int, weak_only: int) -> float:
    n = plain_only + weak_only
    return min(1.0, 2 * binomial_cdf(min(plain_only, weak_only), n, 0.5)) if n else 1.0


def _answer_frame(answers: dict[Key, str], dataset: Dataset, scores: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame(
        {dataset.key: list(answers), "said": list(answers.values())},
        schema={dataset.key: scores.schema[dataset.key], "said": pl.String},
    )


def _estimate(lines: pl.DataFrame, guess: str) -> Estimate:
    answers = lines.drop_nulls("said")
    wrong = answers.filter(pl.col(guess).ne_missing(pl.col("said"))).height
    return Estimate(lines.height, answers.height, wrong)
