"""Whether a dataset's derived tables are of its rows and of its votes.

A merge works object by object: rows can come from one side and labels from the other
without a conflict. What does not belong together is told here, before a gate judges.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl

from datahub.core.dataset import Dataset, Key
from datahub.core.kept import NEW
from datahub.core.layout import patches_prefix, table_part
from datahub.flow.dataset.annotations import decisions_at
from datahub.flow.dataset.at import At
from datahub.flow.rows.keeping import rows_without_label


def mismatches(at: At) -> list[str]:
    """What is of earlier rows or earlier votes, by the manifests alone: no row is read."""
    name = at.name
    faults = []
    if at.objects("rows") != {path: part for part, path in _paths(at, "rows").items()}:
        faults.append(f"The rows of {name} are not those that its dataset.json names")
    for table in ("soft_labels", "labels"):
        paths = {path for path in at.objects(table) if not path.startswith(patches_prefix(name))}
        if paths and paths != set(_paths(at, table).values()):
            faults.append(f"The {table.replace('_', ' ')} of {name} are of other rows")
    if at.model is not None and at.model.votes != at.votes_id:
        faults.append(f"The labels of {name} are of earlier votes")
    return faults


def _paths(at: At, table: str) -> dict[str, str]:
    """Part -> path of a table that has just the parts that dataset.json names."""
    parts = (part.sha256 for part in at.dataset.parts)
    return {part: table_part(at.name, table, part) for part in parts}


def label_gaps(at: At) -> list[str]:
    """What is not of all rows yet, since some came or changed: votes, and labels that were kept."""
    name, dataset = at.name, at.dataset
    faults = []
    if at.votes is not None and not at.votes_are_current:
        faults.append(f"The votes on {name} are of earlier rows")
    count = rows_without_label(at)
    if count is not None:
        faults.append(
            f"{count} of {dataset.rows} rows of {name} have no label yet"
            if count
            else f"The labels of {name} are kept from a fit that had other rows, too"
        )
    return faults


def key_mismatches(at: At) -> list[str]:
    """Tables whose keys are not those of the rows, in their order."""
    return [
        f"The {table.replace('_', ' ')} of {at.name} are of other rows"
        for table in ("soft_labels", "labels")
        if at.has(table) and not _same_keys(at, table)
    ]


def label_mismatches(at: At) -> list[str]:
    """Labels that are not what the annotation log decides, or not what the models said."""
    if not at.has("labels"):
        return []
    decisions = decisions_at(at)
    answers = {
        key: decision.label for key, decision in decisions.items() if decision.outcome == "label"
    }
    people, models = 0, 0
    for part, labels in at.parts("labels"):
        if not {"source", "annotations"} <= set(labels.columns):
            return []  # of a format that did not say so
        people += _not_answered(labels, answers, at.key)
        models += _not_scored(labels, at.part("soft_labels", part), at.dataset)
    faults = []
    if people:
        faults.append(f"{people} labels of {at.name} are not what people's answers say")
    if models:
        faults.append(f"{models} labels of {at.name} are not what its soft labels say")
    return faults


def _not_answered(labels: pl.DataFrame, answers: Mapping[Key, str | None], key: str) -> int:
    """How many labels name people who said otherwise, or are otherwise where people said so.

    Rows that have no label yet are left out: answers can count again since one changed back.
    """
    if "status" in labels.columns:
        labels = labels.filter(pl.col("status").ne_missing(NEW) | pl.col("label").is_not_null())
    answer_keys = pl.Series(list(answers), dtype=labels.schema[key])
    by_people = pl.col("source").eq_missing("annotation")
    with_answers = labels.filter(by_people | pl.col(key).is_in(answer_keys.implode()))
    lines = with_answers.select(key, "label", by_people.alias("by_people")).iter_rows()
    return sum(not by_people or answers.get(row, "") != label for row, label, by_people in lines)


def _not_scored(labels: pl.DataFrame, scores: pl.DataFrame | None, dataset: Dataset) -> int:
    """How many labels of models are of a class that the model does not give the row."""
    if scores is None or not {"label", "end_label"} <= set(scores.columns):
        return 0
    models = labels.filter(pl.col("source").is_in(["label_model", "end_model"]))
    pairs = models.select(dataset.key, "source", "label").join(
        scores.select(dataset.key, model="label", end="end_label"), on=dataset.key
    )
    names = [str(c) for c in dataset.classes]
    own = pl.when(pl.col("source") == "end_model").then("end").otherwise("model")
    if pairs.schema["model"] != pairs.schema["label"]:
        pairs = pairs.with_columns(pl.col("model", "end").cast(pl.Enum(names)).cast(pl.String))
    return pairs.filter(pl.col("label").ne_missing(own)).height


def _same_keys(at: At, table: str) -> bool:
    rows, lines, end = _keys(at, "rows"), _keys(at, table), object()
    return all(next(rows, end) == key for key in lines) and next(rows, end) is end


def _keys(at: At, table: str) -> Iterator[Key]:
    for _, frame in at.parts(table, columns=[at.key]):
        yield from frame[at.key]
