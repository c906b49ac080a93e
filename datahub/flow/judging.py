"""From what a label model says to labels: end model, people's answers, policy. Nothing is written.

Both `label fit` and `review pull` end here, so that the same votes and the same answers give the
same labels whichever came last.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from datahub.core.dataset import Dataset, Key
from datahub.core.informing import cells, informed, taught
from datahub.core.labels import LabelMatrix, SoftLabels, combine
from datahub.core.layout import review_prefix
from datahub.core.outcome import Policy, Triage, measured
from datahub.core.relabel import Decision, final_labels
from datahub.core.triage import Batch, score, vote_patterns
from datahub.flow.features import Looked
from datahub.ports import EndModel, VersionStore


@dataclass(frozen=True)
class Judged:
    """Tables of a dataset, and what they were made under."""

    scores: pl.DataFrame
    labels: pl.DataFrame
    final: SoftLabels
    triage: Triage


def judged(
    known: Dataset,
    votes: LabelMatrix,
    soft: SoftLabels,
    features: Looked,
    *,
    lfs: list[str],
    end_model: EndModel | None,
    decisions: dict[Key, Decision],
    drawn: set[Key],
    policy: Policy,
    model: str,
    seed: int,
) -> Judged:
    """Put an end model's word and people's to the label model's `soft`, and apply the policy.

    Answers to rows of the audit slice (`drawn`) have no part in any other row's label: they
    measure, and what measures may not teach.
    """
    decided = {key: d.label for key, d in decisions.items() if d.label is not None}
    answers = _row_numbers(known, features.keys, decided, drawn)
    end = features.out_of_fold(end_model, taught(soft, answers), seed=seed)
    cell = cells(vote_patterns(votes)[1], end)
    final, heard = informed(combine(soft, end), cell, answers)
    scores = score(
        features.keys,
        votes,
        soft,
        end,
        lfs=lfs,
        classes=known.classes,
        final=final,
        answers=heard,
        thin=features.thin(policy.min_text),
    )
    audited = {key: label for key, label in decided.items() if key in drawn}
    triage = measured(scores, audited, key=known.key, policy=policy)
    labels = final_labels(scores, decisions, key=known.key, model=model, triage=triage)
    return Judged(scores, labels, final, triage)


def drawn_at(store: VersionStore, ref: str, dataset: Dataset) -> set[Key]:
    """Keys of all rows that were ever asked because chance drew them."""
    files = store.objects(ref, review_prefix(dataset.name))
    return {
        task.key
        for path in files
        for task in Batch.from_json(store.read(files[path])).tasks
        if task.slice == "audit"
    }


def _row_numbers(
    known: Dataset, keys: pl.Series, decided: dict[Key, str], drawn: set[Key]
) -> dict[int, int]:
    number = {name: i for i, name in enumerate(known.classes)}
    teaching = {key: number[label] for key, label in decided.items() if key not in drawn}
    asked = keys.is_in(pl.Series(list(teaching), dtype=keys.dtype).implode())
    return {int(row): teaching[keys[int(row)]] for row in asked.arg_true()}
