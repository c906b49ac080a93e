"""How far labels can be trusted, measured on the random audit slice. Nothing here writes."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from datahub.core.dataset import Dataset, Key
from datahub.core.layout import review_prefix
from datahub.core.triage import Batch
from datahub.core.trust import Estimate
from datahub.flow.annotations import decisions_at
from datahub.flow.tables import dataset_at, read_table
from datahub.ports import Rows, VersionStore


@dataclass(frozen=True)
class Trust:
    """Errors of labels that no person gave, estimated from people's blind answers.

    accepted: rows the models do not doubt; doubted: rows they do; uncovered: rows no LF voted
    on, judged by the end model's label, which is not taken for a label.
    """

    dataset: str
    answered: int
    accepted: Estimate
    doubted: Estimate
    uncovered: Estimate


def trust(dataset: str, *, ref: str, store: VersionStore, rows: Rows) -> Trust:
    """Measure the models of a commit on its answered audit rows.

    Raises DatasetNotFound, NotFound (no soft labels yet).
    """
    known = dataset_at(store, ref, dataset)
    scores = read_table(store, rows, ref, dataset, "soft_labels", made_by="label fit")
    answers = _audited(store, rows, ref, known)
    said = pl.DataFrame(
        {known.key: list(answers), "said": list(answers.values())},
        schema={known.key: scores.schema[known.key], "said": pl.String},
    )
    judged = scores.join(said, on=known.key, how="left")
    covered = pl.col("label").is_not_null()
    return Trust(
        dataset=dataset,
        answered=len(answers),
        accepted=_estimate(judged.filter(covered & pl.col("doubt").is_null()), "label"),
        doubted=_estimate(judged.filter(covered & pl.col("doubt").is_not_null()), "label"),
        uncovered=_estimate(judged.filter(~covered), "end_label"),
    )


def _audited(store: VersionStore, rows: Rows, ref: str, dataset: Dataset) -> dict[Key, str]:
    """What people said of rows that were drawn at random, where they could say."""
    files = store.objects(ref, review_prefix(dataset.name))
    drawn = {
        task.key
        for path in files
        for task in Batch.from_json(store.read(files[path])).tasks
        if task.slice == "audit"
    }
    decided = decisions_at(store, rows, ref, dataset)
    return {
        key: decision.label
        for key, decision in decided.items()
        if key in drawn and decision.label is not None
    }


def _estimate(judged: pl.DataFrame, guess: str) -> Estimate:
    audited = judged.drop_nulls("said")
    wrong = audited.filter(pl.col(guess).ne_missing(pl.col("said"))).height
    return Estimate(judged.height, audited.height, wrong)
