"""Rows in and out: a file becomes a dataset of keyed parts, a dataset becomes a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from datahub.core.dataset import (
    MADE_KEY,
    RESERVED_KEYS,
    Dataset,
    checked_classes,
    checked_columns,
    checked_name,
    content_keys,
)
from datahub.core.errors import InputError, NotFound, SourceError
from datahub.core.layout import (
    dataset_file,
    label_model_file,
    lfs_file,
    pair_counts_file,
    votes_file,
)
from datahub.core.manifest import VotesManifest
from datahub.core.versions import Commit, ObjectId
from datahub.flow.parts import GOLD, GOLD_LABEL, RowsWriter, changed_rows
from datahub.flow.steps import Step, begin, end
from datahub.flow.tables import dataset_at, read_table, table_paths, whole
from datahub.ports import Rows, VersionStore


@dataclass(frozen=True)
class Imported:
    """What an import made."""

    dataset: Dataset
    commit: Commit


def import_rows(
    path: Path,
    *,
    dataset: str,
    key: str | None,
    gold: str | None,
    classes: Sequence[str],
    text: str | None,
    store: VersionStore,
    rows: Rows,
    step: Step,
) -> Imported:
    """Make a file's rows a dataset, or a dataset's new rows, in one commit.

    What was derived from earlier rows (soft labels, labels) leaves the head with them, and votes
    on parts that are no more; annotations stay, and count for rows that are still the same.

    Raises SourceError (unreadable, empty), InputError (key, classes, a column that changed
    type), Guarded.
    """
    head = begin(store, step)
    name = checked_name(dataset)
    known = _known(store, head.id, name)
    checked_columns(rows.scan([path]).collect_schema().names())
    frame = whole(rows, [path])
    if frame.height == 0:
        raise SourceError(f"{path.name} holds no rows.", hint="Give a file with rows in it.")
    frame, gold_labels = _parted(frame, gold)
    key = key or (known.key if known and not known.key_made else None)
    keyed, key_name = _keyed(frame, key)
    if known is not None:
        _check_same_types(known, keyed, key_name)
    named = _classes(classes, gold_labels, known)
    if gold_labels is not None:
        keyed = keyed.with_columns(_of_classes(gold_labels, named).alias(GOLD))
    writer = RowsWriter(store, rows, dataset=name, key=key_name)
    writer.push(keyed.sort(key_name))
    writer.finish()
    made = Dataset(
        name=name,
        key=key_name,
        columns=writer.columns,
        parts=tuple(writer.parts),
        classes=named,
        text=_text_column(keyed.drop(GOLD, strict=False), key_name, text, known),
        key_made=key is None,
        has_gold=gold_labels is not None,
    )
    step.progress("import", made.rows, made.rows)
    new = _leavings(store, head.id, made) | changed_rows(store, head.id, name, writer)
    new[dataset_file(name)] = store.put_bytes(made.to_json().encode())
    commit = end(
        store,
        step,
        head,
        {p: oid for p, oid in new.items() if oid is not None or p in store.objects(head.id)},
        message=f"Import {made.rows} rows into {name}",
        metadata={"step": "import", "dataset": name, "rows": str(made.rows)},
    )
    return Imported(made, commit)


def export_rows(
    path: Path, *, dataset: str, ref: str, table: str, store: VersionStore, rows: Rows
) -> int:
    """Write a table of a dataset as of a ref to a file; return its number of rows.

    `table` rows, gold, labels or soft_labels; or labeled: every row with its label beside it.
    Raises DatasetNotFound, NotFound (no such table there), SourceError (unknown suffix).
    """
    known = dataset_at(store, ref, dataset)
    if table != "labeled":
        if table not in ("rows", "gold", "labels", "soft_labels"):
            raise InputError(
                f"There is no table {table!r}.",
                hint="Tables are labeled, labels, rows, soft_labels and gold.",
            )
        frame = read_table(store, rows, ref, dataset, table, made_by="label fit")
        return rows.write(_as_text_lists(frame, path), path)
    content = read_table(store, rows, ref, dataset, "rows", made_by="import")
    labels = read_table(store, rows, ref, dataset, "labels", made_by="label fit")
    taken = set(content.columns) - {known.key}
    labels = labels.rename({n: f"{n}_datahub" for n in labels.columns if n in taken})
    joined = content.join(labels, on=known.key, how="left", maintain_order="left")
    return rows.write(_as_text_lists(joined, path), path)


def _as_text_lists(frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    """CSV holds no lists: their items stand in one cell, parted by semicolons."""
    if path.suffix != ".csv":
        return frame
    lists = [name for name, kind in frame.schema.items() if isinstance(kind, pl.List)]
    return frame.with_columns(pl.col(lists).cast(pl.List(pl.String)).list.join(";"))


def gold_at(store: VersionStore, rows: Rows, ref: str, dataset: Dataset) -> pl.DataFrame:
    """Key and gold class name of every row. Only scores and simulated people may ask."""
    paths = table_paths(store, ref, dataset.name, "gold")
    if not paths:
        raise NotFound(
            f"Dataset {dataset.name!r} has no gold labels.",
            hint="Import with --gold COLUMN to keep a given label apart as gold.",
        )
    return whole(rows, paths)


def _known(store: VersionStore, ref: str, name: str) -> Dataset | None:
    if dataset_file(name) not in store.objects(ref, dataset_file(name)):
        return None
    return dataset_at(store, ref, name)


def _parted(frame: pl.DataFrame, gold: str | None) -> tuple[pl.DataFrame, pl.Series | None]:
    if gold is None:
        return frame, None
    if gold not in frame.columns:
        raise InputError(
            f"There is no column {gold!r} to keep as gold.",
            hint=f"Columns are {', '.join(frame.columns)}.",
        )
    return frame.drop(gold), frame[gold].cast(pl.String).alias(GOLD_LABEL)


def _keyed(frame: pl.DataFrame, key: str | None) -> tuple[pl.DataFrame, str]:
    if not frame.columns:
        raise InputError("No column is left to import.", hint="Keep at least one besides gold.")
    if key is None:
        if MADE_KEY in frame.columns:
            raise InputError(
                f"The rows have a column {MADE_KEY!r} already.", hint=f"Use --key {MADE_KEY}."
            )
        made = pl.Series(MADE_KEY, content_keys(frame.iter_rows(named=True)))
        return frame.insert_column(0, made), MADE_KEY
    if key not in frame.columns:
        raise InputError(
            f"There is no column {key!r} to use as key.",
            hint=f"Columns are {', '.join(frame.columns)}; without --key, import makes a key.",
        )
    _check_key(frame[key])
    return frame, key


def _check_key(keys: pl.Series) -> None:
    name = keys.name
    if name in RESERVED_KEYS:
        raise InputError(
            f"The key column cannot be named {name!r}: the tables of labels use that name.",
            hint="Rename the column, for example to id.",
        )
    if not (keys.dtype.is_integer() or keys.dtype == pl.String):
        raise InputError(
            f"Column {name!r} is {keys.dtype}; a key is text or whole numbers.",
            hint="Cast it first, or leave --key away and import makes a key.",
        )
    if keys.null_count():
        first = int(keys.is_null().arg_max() or 0)
        raise InputError(
            f"{keys.null_count()} rows have no {name!r}; the first is row {first + 1}.",
            hint="Every row needs its key. Fill them, or leave --key away.",
        )
    repeated = keys.filter(keys.is_duplicated()).unique(maintain_order=True)
    if repeated.len():
        shown = ", ".join(repr(k) for k in repeated.head(3))
        raise InputError(
            f"{repeated.len()} keys in {name!r} stand on several rows: {shown}.",
            hint="Keys are unique. Drop the doubles, or leave --key away.",
        )


def _check_same_types(known: Dataset, frame: pl.DataFrame, key: str) -> None:
    if key != known.key:
        raise InputError(
            f"Dataset {known.name!r} has the key {known.key!r}, not {key!r}.",
            hint="Import under the same key, or into a dataset of another name.",
        )
    for column, kind in known.columns:
        now = frame.schema.get(column)
        if now is not None and str(now) != kind:
            raise InputError(
                f"Column {column!r} was {kind} and is {now} now.",
                hint=f"Cast it back to {kind}, or import into a dataset of another name.",
            )


def _classes(
    given: Sequence[str], gold: pl.Series | None, known: Dataset | None
) -> tuple[str, ...]:
    found = gold.drop_nulls().unique().sort().to_list() if gold is not None else []
    if given:
        classes = checked_classes(given)
    elif known is not None and known.classes:
        classes = known.classes
    else:
        return checked_classes(found) if found else ()
    strange = [name for name in found if name not in classes]
    if strange:
        raise InputError(
            f"The gold column holds {strange[0]!r}, which is no class.",
            hint=f"Classes are {', '.join(classes)}.",
        )
    return classes


def _text_column(
    frame: pl.DataFrame, key: str, given: str | None, known: Dataset | None
) -> str | None:
    if given is not None:
        if frame.schema.get(given) != pl.String:
            raise InputError(
                f"{given!r} is no text column.", hint=f"Columns are {', '.join(frame.columns)}."
            )
        return given
    if known is not None and known.text in frame.columns:
        return known.text
    texts = [name for name, kind in frame.schema.items() if kind == pl.String and name != key]
    if "text" in texts:
        return "text"
    return texts[0] if len(texts) == 1 else None


def _of_classes(gold: pl.Series, classes: Sequence[str]) -> pl.Series:
    return pl.select(pl.when(gold.is_in(list(classes))).then(gold)).to_series()


def _leavings(store: VersionStore, ref: str, made: Dataset) -> dict[str, ObjectId | None]:
    """What was derived from rows that are no more; votes on parts that are still there stay."""
    name = made.name
    held = store.objects(ref, f"datasets/{name}/")
    prefixes = tuple(f"datasets/{name}/{table}/" for table in ("votes", "soft_labels", "labels"))
    files = (lfs_file(name), label_model_file(name), pair_counts_file(name))
    left: dict[str, ObjectId | None] = {
        path: None for path in held if path.startswith(prefixes) or path in files
    }
    if lfs_file(name) not in held:
        return left
    manifest = VotesManifest.from_json(store.read(held[lfs_file(name)]))
    manifest = manifest.only_parts({part.sha256 for part in made.parts})
    if manifest.parts and manifest.cardinality == len(made.classes):
        left[lfs_file(name)] = store.put_bytes(manifest.to_json().encode())
        for lf in manifest.lfs:
            for part in manifest.parts:
                left.pop(votes_file(name, lf.fingerprint, part), None)
    return left
