"""Rows in and out: a file becomes a dataset of keyed parts, a dataset becomes a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import polars as pl

from datahub.core.dataset import (
    MADE_KEY,
    Dataset,
    check_classes,
    checked_name,
)
from datahub.core.errors import InputError
from datahub.core.layout import (
    dataset_file,
    label_model_file,
    lfs_file,
    pair_counts_file,
    table_prefix,
    triage_file,
    votes_file,
)
from datahub.core.manifest import VotesManifest
from datahub.core.setaside import SetAside
from datahub.core.versions import Commit, ObjectId
from datahub.flow.dataset.parts import RowsWriter, changed_rows
from datahub.flow.dataset.tables import known_at
from datahub.flow.rows.filetable import FileTable, Types, types_at
from datahub.flow.rows.incoming import checked_types, incoming
from datahub.flow.rows.keeping import Kept, kept_labels, told_of
from datahub.flow.rows.setaside import CAREFUL, Caution
from datahub.flow.rows.upsert import upserted
from datahub.flow.steps import Step, begin, end
from datahub.ports import PandasIndex, Rows, VersionStore

Mode = Literal["replace", "append", "upsert"]
MOST_NAMED = 50  # of what was left out
_DONE = {"replace": "Import", "append": "Append", "upsert": "Upsert"}


@dataclass(frozen=True)
class Imported:
    """What an import made. Labels of `kept` rows stay, `unlabeled` have none yet.

    `set_aside` is what it took from people's work, where that was agreed to. `left_out` names
    what else lay in the folder, its first `MOST_NAMED` of `left_out_count`. `index` is what
    pandas says of its index; columns of it that are not the dataset's were left out.
    """

    dataset: Dataset
    commit: Commit
    kept: int = 0
    unlabeled: int = 0
    set_aside: tuple[SetAside, ...] = ()
    left_out: tuple[str, ...] = ()
    left_out_count: int = 0
    index: PandasIndex = field(default_factory=PandasIndex)


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
    mode: Mode = "replace",
    caution: Caution = CAREFUL,
    partitions: bool = True,
) -> Imported:
    """Make the rows of a file, or of a folder's files, a dataset's rows, in one commit.

    `mode` replace: they are all its rows from now on; append: they are new rows beside the old;
    upsert: they take the places of rows with their keys, or are new. Parts whose rows stay keep
    their objects. Rows that are as they were keep their labels, others have none yet; what labels
    came from (soft labels, label model) leaves the head, and votes on parts that are no more.
    Annotations stay, and count for rows of which what was shown is still the same; where answers
    or open tasks would be set aside, `caution` decides. The same rows again change nothing.

    With `partitions` the names of folders (`klass=spam/`) are columns too. An index of pandas that
    has no name is no content, unless it is named here or the dataset has it.

    Raises SourceError (unreadable, empty), InputError (key, classes, a column that changed type,
    a key that is there already), Guarded, AnswersSetAside.
    """
    head = begin(store, step)
    name = checked_name(dataset)
    known = known_at(store, head.id, name)
    if key is None and known and not known.key_made:
        key = known.key
    types = types_at(store, rows, known)
    keep = columns_to_keep(key, gold, known)
    table = FileTable.at(path, rows, keep=keep, types=types, partitions=partitions)
    if known is not None:
        table = fitted_to(
            known, table, key=MADE_KEY if key is None else key, gold=gold, types=types
        )
    with incoming(
        table, key=key, gold=gold, store=store, rows=rows, progress=step.progress
    ) as came:
        named = named_classes(classes, sorted(came.golds), known)
        text = text_column(came.schema, came.key, text, known)
        came.frames = _watched(came.frames, came.count, step)
        if known is None or mode == "replace":
            writer = RowsWriter(store, rows, dataset=name, key=came.key)
            for frame in came.frames:
                writer.push(frame)
            writer.finish()
        else:
            writer = upserted(store, rows, head.id, known, came, only_new=mode == "append")
    made = Dataset(
        name=name,
        key=came.key,
        columns=writer.columns or (known.columns if known else ()),
        parts=tuple(writer.parts),
        classes=named,
        text=text,
        key_made=came.key_made,
        has_gold=came.has_gold or (mode != "replace" and known is not None and known.has_gold),
    )
    done = committed(
        store,
        rows,
        step,
        head,
        known,
        made,
        writer,
        count=came.count,
        mode=mode,
        caution=caution,
    )
    return said_of(table, done)


def columns_to_keep(key: str | None, gold: str | None, known: Dataset | None) -> set[str]:
    """Columns that are content though they may be an index: those that somebody named before."""
    columns = {name for name, _ in known.columns} if known is not None else set()
    return columns | {name for name in (key, gold) if name is not None}


def fitted_to(
    known: Dataset, table: FileTable, *, key: str, gold: str | None, types: Types
) -> FileTable:
    """The table in the types of a dataset that it comes to. Raises InputError."""
    content = pl.Schema({name: kind for name, kind in table.schema.items() if name != gold})
    fitted = checked_types(known, key, content, types)
    schema = {name: fitted.get(name, kind) for name, kind in table.schema.items()}
    return replace(table, schema=pl.Schema(schema))


def said_of(table: FileTable, made: Imported) -> Imported:
    """The same, with what of the files was left out."""
    left_out = table.listing.left_out
    return replace(
        made, left_out=left_out[:MOST_NAMED], left_out_count=len(left_out), index=table.index
    )


def committed(
    store: VersionStore,
    rows: Rows,
    step: Step,
    head: Commit,
    known: Dataset | None,
    made: Dataset,
    writer: RowsWriter,
    *,
    count: int,
    mode: Mode,
    caution: Caution,
) -> Imported:
    """Commit what was written as the dataset that was made, in the place of the known one.

    Raises AnswersSetAside.
    """
    name = made.name
    changes = changed_rows(store, head.id, name, writer)
    metadata = {"step": "import", "dataset": name, "rows": str(count), "mode": mode}
    kept = Kept()
    if known is not None and made.parts != known.parts:
        only_new = mode == "append"
        kept = kept_labels(store, rows, head.id, known, made, step_id=step.id, only_new=only_new)
        metadata |= told_of(kept)
    if known is None or (made.parts, made.classes) != (known.parts, known.classes):
        changes |= _leavings(store, head.id, made, labels=kept.rows == 0) | kept.changes
    changes[dataset_file(name)] = store.put_bytes(made.to_json().encode())
    set_aside = caution.check(store, rows, head, changes, branch=step.branch) if known else ()
    if set_aside:
        metadata["set aside"] = str(set_aside[0])
    held = store.objects(head.id, f"datasets/{name}/")
    left = f" ({kept.fresh} of {made.rows} rows have no label yet)" if kept.fresh else ""
    lost = not kept.rows and any(path in held for path in changes if _is_label(name, path))
    commit = end(
        store,
        step,
        head,
        {path: oid for path, oid in changes.items() if oid is not None or path in held},
        message=f"{_DONE[mode]} {count} rows into {name}{left}",
        metadata=metadata,
    )
    return Imported(made, commit, kept.rows, made.rows if lost else kept.fresh, set_aside)


def _is_label(dataset: str, path: str) -> bool:
    return path.startswith(table_prefix(dataset, "labels"))


def _watched(frames: Iterator[pl.DataFrame], count: int, step: Step) -> Iterator[pl.DataFrame]:
    done = 0
    for frame in frames:
        yield frame
        done += frame.height
        step.progress("import", done, count)


def named_classes(
    given: Sequence[str], found: Sequence[str], known: Dataset | None
) -> tuple[str, ...]:
    """Given classes, else those the dataset has, else those found as gold. Raises InputError."""
    if given:
        classes = check_classes(given)
    elif known is not None and known.classes:
        classes = known.classes
    else:
        classes = check_classes(found) if found else ()
    strange = [name for name in found if name not in classes]
    if strange:
        raise InputError(
            f"The gold column holds {strange[0]!r}, which is not a class.",
            hint=f"Classes are {', '.join(classes)}.",
        )
    return classes


def text_column(
    schema: pl.Schema, key: str, given: str | None, known: Dataset | None
) -> str | None:
    """The column that people read: as given, as before, or the only one it can be."""
    if given is not None:
        if schema.get(given) != pl.String:
            raise InputError(
                f"{given!r} is no text column.", hint=f"Columns are {', '.join(schema)}."
            )
        return given
    if known is not None and known.text in schema:
        return known.text
    texts = [name for name, kind in schema.items() if kind == pl.String and name != key]
    if "text" in texts:
        return "text"
    return texts[0] if len(texts) == 1 else None


def _leavings(
    store: VersionStore, ref: str, made: Dataset, *, labels: bool
) -> dict[str, ObjectId | None]:
    """What was derived from rows that are no more; votes on parts that are still there stay.

    Final `labels` are among it, or some of them are kept.
    """
    name = made.name
    held = store.objects(ref, f"datasets/{name}/")
    tables = ("votes", "soft_labels", *(("labels",) if labels else ()))
    prefixes = tuple(table_prefix(name, table) for table in tables)
    files = (lfs_file(name), label_model_file(name), pair_counts_file(name), triage_file(name))
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
