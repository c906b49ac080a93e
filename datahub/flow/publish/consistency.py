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
from datahub.flow.dataset.patches import OF_PART
from datahub.flow.rows.keeping import rows_without_label

MODELS = ("label_model", "end_model")
SOURCES = (*MODELS, "annotation")

_TEXT = (pl.String, pl.Enum, pl.Categorical)
_KEYS = (pl.String, pl.datatypes.IntegerType)
# What every datahub has written there, from the first one on; later ones wrote more.
_COLUMNS: Mapping[str, Mapping[str, tuple[type, ...]]] = {
    "soft_labels": {"label": _TEXT, "end_label": _TEXT},
    "labels": {"label": _TEXT, "status": _TEXT, "source": _TEXT, "annotations": (pl.List,)},
}


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
    return shape_mismatches(at) or [
        f"The {table.replace('_', ' ')} of {at.name} are of other rows"
        for table in ("soft_labels", "labels")
        if at.has(table) and not _same_keys(at, table)
    ]


def label_mismatches(at: At) -> list[str]:
    """Labels that are not what the annotation log decides, or not what the models said.

    Labels of models without soft labels were kept from earlier rows. What that says of them only
    history can tell (flow.publish.keptlabels); while the fit is still there, it is a fault.
    """
    if not at.has("labels"):
        return []
    faults = shape_mismatches(at)
    if faults:
        return faults
    decisions = decisions_at(at)
    answers = {
        key: decision.label for key, decision in decisions.items() if decision.outcome == "label"
    }
    is_kept = not at.has("soft_labels") and at.model is None
    people, models, nameless = 0, 0, 0
    for part, labels in at.parts("labels"):
        people += _not_answered(labels, answers, at.key)
        models += 0 if is_kept else _not_scored(labels, at.part("soft_labels", part), at.dataset)
        nameless += _by_nobody(labels, at.key)
    counts = {
        "what people's answers say": people,
        "what its soft labels say": models,
        "from a person or a model": nameless,
    }
    return [f"{n} labels of {at.name} are not {state}" for state, n in counts.items() if n]


def shape_mismatches(at: At) -> list[str]:
    """Labels and soft labels without the columns that every datahub has written.

    Who they are from cannot be told, and so nothing of them can be believed.
    """
    return [
        f"The {table.replace('_', ' ')} of {at.name} are in no form that any datahub wrote: each "
        f"has {', '.join([at.key, *columns])}"
        for table, columns in _COLUMNS.items()
        if not _is_in_form(at, table, {at.key: _KEYS, **columns})
    ]


def _is_in_form(at: At, table: str, kinds: Mapping[str, tuple[type, ...]]) -> bool:
    """Whether all files of a table have one set of columns, and these among them."""
    files = at.files(table)
    patches = at.contents.under(patches_prefix(at.name)).values() if table == "labels" else ()
    schemas = [at.rows.scan([file]).collect_schema() for file in files]
    names = {frozenset(schema) for schema in schemas}
    for patch in map(at.store.fetch, patches):
        schemas.append(at.rows.scan([patch]).collect_schema())
        if OF_PART not in schemas[-1]:
            return False
        names.add(frozenset(schemas[-1]) - {OF_PART})
    return len(names) <= 1 and all(_has(schema, kinds) for schema in schemas)


def _has(schema: Mapping[str, pl.DataType], kinds: Mapping[str, tuple[type, ...]]) -> bool:
    """Whether a schema has these columns, in types that they may have."""
    return all(isinstance(schema.get(name), kind) for name, kind in kinds.items())


def _by_nobody(labels: pl.DataFrame, key: str) -> int:
    """How many labels have no source that there is, and how many lines are of a row before."""
    is_known = pl.col("source").is_in(SOURCES).fill_null(value=False)
    has_label = pl.col("label").is_not_null()
    return labels.filter((has_label != is_known) | ~pl.col(key).is_first_distinct()).height


def _not_answered(labels: pl.DataFrame, answers: Mapping[Key, str | None], key: str) -> int:
    """How many labels name people who said otherwise, or are otherwise where people said so.

    Rows that have no label yet are left out: answers can count again since one changed back.
    """
    labels = labels.filter(pl.col("status").ne_missing(NEW) | pl.col("label").is_not_null())
    answer_keys = pl.Series(list(answers), dtype=labels.schema[key])
    by_people = pl.col("source").eq_missing("annotation")
    with_answers = labels.filter(by_people | pl.col(key).is_in(answer_keys.implode()))
    lines = with_answers.select(key, "label", by_people.alias("by_people")).iter_rows()
    return sum(not by_people or answers.get(row, "") != label for row, label, by_people in lines)


def _not_scored(labels: pl.DataFrame, scores: pl.DataFrame | None, dataset: Dataset) -> int:
    """How many labels of models are of a class that the model does not give the row."""
    models = labels.filter(pl.col("source").is_in(MODELS))
    if scores is None:
        return models.height
    pairs = models.select(dataset.key, "source", "label").join(
        scores.select(dataset.key, model="label", end="end_label"), on=dataset.key, how="left"
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
