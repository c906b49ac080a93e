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
from datahub.flow.label.fit import counts_of
from datahub.flow.label.judging_again import check_fitted, features_as_fitted, fitted_model
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

    accepted: rows whose label is taken without a person; doubted: the others with a label;
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
    known = at.dataset
    check_fitted(at)
    decided = decisions_at(at)
    answers = {key: d.label for key, d in decided.items() if d.label is not None}
    audited = {key: label for key, label in answers.items() if key in at.audit_keys}
    triage, saved = at.triage, fitted_model(at)
    groups, asked = _measured(store, rows, ref, known, audited, triage)
    return Trust(
        dataset=dataset,
        rows=known.rows,
        answered=len(audited),
        accepted=groups["accepted"],
        doubted=groups["doubted"],
        uncovered=groups["uncovered"],
        outcomes=_outcomes(store, rows, ref, known),
        triage=triage,
        plain=_plain(known, asked, answers, end_model, features_as_fitted(at)),
        model=saved.name,
        class_balance=dict(zip(known.classes, saved.class_balance, strict=True)),
        balance_from=saved.balance_from,
        agreement=agreement_at(at),
    )


def _measured(
    store: VersionStore,
    rows: Rows,
    ref: str,
    known: Dataset,
    audited: dict[Key, str],
    triage: Triage,
) -> tuple[dict[str, Estimate], pl.DataFrame]:
    """The error of each group of rows, and the scores of audited rows with what people `said`."""
    good, covered = good_labels(triage)[0], pl.col("label").is_not_null()
    groups = {
        "accepted": (good, "label"),
        "doubted": (covered & ~good, "label"),
        "uncovered": (~covered, "end_label"),
    }
    found = dict.fromkeys(groups, Estimate(0, 0, 0))
    asked = []
    columns = [known.key, "label", "confidence", "end_label", "trust", "doubt"]
    for _, scores in read_parts(store, rows, ref, known, "soft_labels", columns=columns):
        judged = scores.join(_said(audited, known, scores), on=known.key, how="left")
        asked.append(judged.drop_nulls("said"))
        for name, (group, guess) in groups.items():
            found[name] += _estimate(judged.filter(group), guess)
    return found, pl.concat(asked)


def _outcomes(store: VersionStore, rows: Rows, ref: str, known: Dataset) -> dict[str, int]:
    """How many rows have each outcome; none in labels of an earlier format."""
    paths = table_paths(store, ref, known.name, "labels")
    if "outcome" not in rows.scan(paths[:1]).collect_schema():
        return {}
    counts: Counter[str] = Counter()
    for _, frame in read_parts(store, rows, ref, known, "labels", columns=["outcome"]):
        counts.update(counts_of(frame["outcome"]))
    return dict(sorted(counts.items()))


def _plain(
    known: Dataset,
    judged: pl.DataFrame,
    answers: dict[Key, str],
    end_model: EndModel | None,
    looked: FeatureReader,
) -> Plain | None:
    """Teach the end model by answers alone; each answered row is judged without its own."""
    asked = read_rows(looked, known, answers)
    number = {name: i for i, name in enumerate(known.classes)}
    said = [number[answers[key]] for key in asked.keys]
    soft = np.eye(len(known.classes))[np.array(said, dtype=np.int64)]
    found = out_of_fold(end_model, asked.keys, asked.features, soft, seed=0)
    if len(found) == 0 or np.isnan(found).any():
        return None
    guesses = [known.classes[i] for i in found.argmax(axis=1)]
    table = pl.DataFrame({known.key: asked.keys, "plain": guesses})
    both = judged.join(table, on=known.key, how="inner")
    guess = pl.coalesce("label", "end_label")
    plain, weak = (
        both.select(e.eq_missing(pl.col("said"))).to_series() for e in (pl.col("plain"), guess)
    )
    only_plain, only_weak = int((plain & ~weak).sum()), int((weak & ~plain).sum())
    return Plain(
        len(said), both.height, int(plain.sum()), int(weak.sum()), _mcnemar(only_plain, only_weak)
    )


def _mcnemar(one: int, other: int) -> float:
    n = one + other
    return min(1.0, 2 * binomial_cdf(min(one, other), n, 0.5)) if n else 1.0


def _said(audited: dict[Key, str], known: Dataset, scores: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame(
        {known.key: list(audited), "said": list(audited.values())},
        schema={known.key: scores.schema[known.key], "said": pl.String},
    )


def _estimate(judged: pl.DataFrame, guess: str) -> Estimate:
    audited = judged.drop_nulls("said")
    wrong = audited.filter(pl.col(guess).ne_missing(pl.col("said"))).height
    return Estimate(judged.height, audited.height, wrong)
