"""Whether a dataset's derived tables are of its rows and of its votes.

A merge works object by object: rows can come from one side and labels from the other
without a conflict. What does not belong together is told here, before a gate judges.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl

from datahub.core.dataset import Dataset, Key
from datahub.core.kept import NEW
from datahub.core.layout import (
    label_model_file,
    lfs_file,
    patches_prefix,
    table_part,
    table_prefix,
)
from datahub.core.manifest import ModelManifest, VotesManifest
from datahub.flow.dataset.annotations import decisions_at
from datahub.flow.dataset.at import At
from datahub.flow.dataset.tables import dataset_at, has_table, part_reader, read_parts
from datahub.flow.rows.keeping import rows_without_label
from datahub.ports import Rows, VersionStore


def mismatches(store: VersionStore, ref: str, name: str) -> list[str]:
    """What is of earlier rows or earlier votes, by the manifests alone: no row is read."""
    known = dataset_at(store, ref, name)
    held = store.objects(ref, f"datasets/{name}/")
    parts = [part.sha256 for part in known.parts]
    found = []
    rows = {path: oid for path, oid in held.items() if path.startswith(table_prefix(name, "rows"))}
    if rows != {table_part(name, "rows", part): part for part in parts}:
        found.append(f"The rows of {name} are not those that its dataset.json names")
    for table in ("soft_labels", "labels"):
        there = {path for path in held if path.startswith(table_prefix(name, table))}
        there = {path for path in there if not path.startswith(patches_prefix(name))}
        if there and there != {table_part(name, table, part) for part in parts}:
            found.append(f"The {table.replace('_', ' ')} of {name} are of other rows")
    votes, model = held.get(lfs_file(name)), held.get(label_model_file(name))
    if model is not None and ModelManifest.from_json(store.read(model)).votes != votes:
        found.append(f"The labels of {name} are of earlier votes")
    return found


def unfinished(store: VersionStore, rows: Rows, ref: str, name: str) -> list[str]:
    """What is not of all rows yet, since some came or changed: votes, and labels that were kept."""
    known = dataset_at(store, ref, name)
    votes = store.objects(ref, lfs_file(name)).get(lfs_file(name))
    parts = [part.sha256 for part in known.parts]
    found = []
    if votes is not None and list(VotesManifest.from_json(store.read(votes)).parts) != parts:
        found.append(f"The votes on {name} are of earlier rows")
    left = rows_without_label(store, rows, ref, known)
    if left is not None:
        found.append(
            f"{left} of {known.rows} rows of {name} have no label yet"
            if left
            else f"The labels of {name} are kept from a fit that had other rows, too"
        )
    return found


def misplaced(store: VersionStore, rows: Rows, ref: str, name: str) -> list[str]:
    """Tables whose keys are not those of the rows, in their order."""
    known = dataset_at(store, ref, name)
    return [
        f"The {table.replace('_', ' ')} of {name} are of other rows"
        for table in ("soft_labels", "labels")
        if has_table(store, ref, name, table) and not _same_keys(store, rows, ref, known, table)
    ]


def disowned(store: VersionStore, rows: Rows, ref: str, name: str) -> list[str]:
    """Labels that are not what the annotation log decides, or not what the models said."""
    if not has_table(store, ref, name, "labels"):
        return []
    known = dataset_at(store, ref, name)
    decisions = decisions_at(At.of(store, rows, ref, name))
    said = {key: one.label for key, one in decisions.items() if one.outcome == "label"}
    scores = part_reader(store, rows, ref, known, "soft_labels")
    people, models = 0, 0
    for part, labels in read_parts(store, rows, ref, known, "labels"):
        if not {"source", "annotations"} <= set(labels.columns):
            return []  # of a format that did not say so
        people += _not_said(labels, said, known.key)
        models += _not_scored(labels, scores(part), known)
    found = []
    if people:
        found.append(f"{people} labels of {name} are not what people's answers say")
    if models:
        found.append(f"{models} labels of {name} are not what its soft labels say")
    return found


def _not_said(labels: pl.DataFrame, said: Mapping[Key, str | None], key: str) -> int:
    """How many labels name people who said otherwise, or are otherwise where people said so.

    Rows that have no label yet are left out: answers can count again since one changed back.
    """
    if "status" in labels.columns:
        labels = labels.filter(pl.col("status").ne_missing(NEW) | pl.col("label").is_not_null())
    answered = pl.Series(list(said), dtype=labels.schema[key])
    by_people = pl.col("source").eq_missing("annotation")
    asked = labels.filter(by_people | pl.col(key).is_in(answered.implode()))
    lines = asked.select(key, "label", by_people.alias("by_people")).iter_rows()
    return sum(not by_people or said.get(row, "") != label for row, label, by_people in lines)


def _not_scored(labels: pl.DataFrame, scores: pl.DataFrame | None, known: Dataset) -> int:
    """How many labels of models are of a class that the model does not give the row."""
    if scores is None or not {"label", "end_label"} <= set(scores.columns):
        return 0
    models = labels.filter(pl.col("source").is_in(["label_model", "end_model"]))
    both = models.select(known.key, "source", "label").join(
        scores.select(known.key, model="label", end="end_label"), on=known.key
    )
    names = [str(c) for c in known.classes]
    own = pl.when(pl.col("source") == "end_model").then("end").otherwise("model")
    if both.schema["model"] != both.schema["label"]:
        both = both.with_columns(pl.col("model", "end").cast(pl.Enum(names)).cast(pl.String))
    return both.filter(pl.col("label").ne_missing(own)).height


def _same_keys(store: VersionStore, rows: Rows, ref: str, known: Dataset, table: str) -> bool:
    ours, theirs = _keys(store, rows, ref, known, "rows"), _keys(store, rows, ref, known, table)
    end = object()
    return all(next(ours, end) == key for key in theirs) and next(ours, end) is end


def _keys(store: VersionStore, rows: Rows, ref: str, known: Dataset, table: str) -> Iterator[Key]:
    for _, frame in read_parts(store, rows, ref, known, table, columns=[known.key]):
        yield from frame[known.key]
