"""Rows in and out: a file becomes a dataset of keyed parts, a dataset becomes a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import polars as pl

from datahub.core.class_names import classes_hint
from datahub.core.dataset import (
    MADE_KEY,
    Dataset,
    check_classes,
    checked_name,
)
from datahub.core.errors import InputError
from datahub.core.in_html import InHTML
from datahub.core.layout import (
    dataset_file,
    label_model_file,
    lf_code_file,
    lfs_file,
    pair_counts_file,
    table_prefix,
    triage_file,
    votes_file,
)
from datahub.core.setaside import SetAside
from datahub.core.versions import Commit, ObjectId
from datahub.flow.dataset.at import At
from datahub.flow.dataset.draft import Draft
from datahub.flow.dataset.parts import RowsWriter, changed_rows
from datahub.flow.rows.filetable import FileTable, types_at
from datahub.flow.rows.gold import gold_names
from datahub.flow.rows.incoming import Incoming, check_types, incoming
from datahub.flow.rows.keeping import Carryover, keep_labels, metadata_of
from datahub.flow.rows.setaside import CAREFUL, Caution
from datahub.flow.rows.upsert import upsert_rows
from datahub.flow.steps import Step
from datahub.ports import PandasIndex, Rows, VersionStore

Mode = Literal["replace", "append", "upsert"]
MOST_NAMED = 50  # of what was left out
_VERBS = {"replace": "Import", "append": "Append", "upsert": "Upsert"}


@dataclass(frozen=True)
class ImportReport(InHTML):
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


@dataclass(frozen=True)
class Import:
    """One import about to be made: what becomes of which rows, at the head that it starts from.

    `mode` replace: they are all its rows from now on; append: they are new rows beside the old;
    upsert: they take the places of rows with their keys, or are new. `separator` and `encoding`
    are those of files of text, `sources` reads them so; `gold_map` says what values of the gold
    column mean. With `partitions` the names
    of folders (`klass=spam/`) are columns too. Where answers or open tasks would be set aside,
    `caution` decides.
    """

    at: At
    step: Step
    key: str | None = None
    gold: str | None = None
    classes: Sequence[str] = ()
    text: str | None = None
    mode: Mode = "replace"
    caution: Caution = CAREFUL
    partitions: bool = True
    separator: str = ""
    encoding: str = ""
    gold_map: Mapping[str, str | int | None] = field(default_factory=dict)
    sources: Rows | None = field(default=None, repr=False)

    @classmethod
    def begin(
        cls, store: VersionStore, rows: Rows, step: Step, dataset: str, **options: Any
    ) -> Import:
        """An import into a dataset of the branch's head. Raises Guarded, InputError (its name)."""
        at = At.begin(store, rows, step, dataset)
        checked_name(dataset)
        request = cls(at, step, **options)
        sources = rows.reading_texts(separator=request.separator, encoding=request.encoding)
        request = replace(request, sources=sources)
        if request.gold_map and request.gold is None:
            raise InputError(
                "There is a map of gold, and no column of gold.", hint="Name the column: --gold."
            )
        old = request.dataset
        if request.key is None and old is not None and not old.key_made:
            request = replace(request, key=old.key)
        return request

    @property
    def dataset(self) -> Dataset | None:
        """The dataset as it is, where there is one."""
        return self.at.dataset if self.at.exists else None

    @property
    def name(self) -> str:
        """The dataset's name."""
        return self.at.name

    def table(self, path: Path) -> FileTable:
        """The table in these files, in the types of the dataset that it comes to.

        Raises SourceError, InputError.
        """
        old, rows = self.dataset, self.at.rows
        types = types_at(self.at.store, rows, old)
        names = {name for name in (self.key, self.gold) if name is not None}
        keep = names | ({name for name, _ in old.columns} if old is not None else set())
        table = FileTable.at(
            path, self.sources or rows, keep=keep, types=types, partitions=self.partitions
        )
        if old is None:
            return table
        content = {name: kind for name, kind in table.schema.items() if name != self.gold}
        key = MADE_KEY if self.key is None else self.key
        kinds = check_types(old, key, pl.Schema(content), types)
        schema = {name: kinds.get(name, kind) for name, kind in table.schema.items()}
        return replace(table, schema=pl.Schema(schema))

    @property
    def named_classes(self) -> Sequence[str]:
        """Given classes, else those the dataset has."""
        return self.classes or (self.dataset.classes if self.dataset is not None else ())

    def class_names(self, golds: Sequence[str] = ()) -> tuple[str, ...]:
        """Given classes, else those the dataset has, else those found as gold.

        Raises InputError.
        """
        if self.classes:
            classes = check_classes(self.classes)
        elif self.dataset is not None and self.dataset.classes:
            classes = self.dataset.classes
        else:
            classes = check_classes(golds) if golds else ()
        strange = [name for name in golds if name not in classes]
        if strange:
            raise InputError(
                f"The gold column holds {strange[0]!r}, which is no class.",
                hint=f"{classes_hint(strange[0], classes)} --gold-map {strange[0]}=CLASS says "
                "what it means.",
            )
        return classes

    def text_column(self, schema: pl.Schema, key: str) -> str | None:
        """The column that people read: as given, as before, or the only one it can be."""
        if self.text is not None:
            if schema.get(self.text) != pl.String:
                raise InputError(
                    f"{self.text!r} is no text column.", hint=f"Columns are {', '.join(schema)}."
                )
            return self.text
        if self.dataset is not None and self.dataset.text in schema:
            return self.dataset.text
        texts = [name for name, kind in schema.items() if kind == pl.String and name != key]
        if "text" in texts:
            return "text"
        return texts[0] if len(texts) == 1 else None


def import_rows(path: Path, request: Import) -> ImportReport:
    """Make the rows of a file, or of a folder's files, a dataset's rows, in one commit.

    Parts whose rows stay keep their objects. Rows that are as they were keep their labels, others
    have none yet; what labels came from (soft labels, label model) leaves the head, and votes on
    parts that are no more. Annotations stay, and count for rows of which what was shown is still
    the same. The same rows again change nothing. An index of pandas that has no name is no
    content, unless it is named in the request or the dataset has it.

    Raises SourceError (unreadable, empty), InputError (key, classes, a column that changed type,
    a key that is there already), AnswersSetAside.
    """
    table, old = request.table(path), request.dataset
    with incoming(
        table,
        key=request.key,
        gold=request.gold,
        store=request.at.store,
        rows=request.at.rows,
        sources=request.sources or request.at.rows,
        gold_names=gold_names(request.gold_map, request.named_classes),
        progress=request.step.progress,
    ) as came:
        classes = request.class_names(sorted(came.golds))
        text = request.text_column(came.schema, came.key)
        came.frames = _watch(came.frames, came.count, request.step)
        writer = _write(request, came)
    replaces = old is None or request.mode == "replace"
    dataset = Dataset(
        name=request.name,
        key=came.key,
        columns=writer.columns or (old.columns if old else ()),
        parts=tuple(writer.parts),
        classes=classes,
        text=text,
        key_made=came.key_made,
        has_gold=came.has_gold or (not replaces and old is not None and old.has_gold),
    )
    return commit_rows(request, table, dataset, writer, count=came.count)


def _write(request: Import, came: Incoming) -> RowsWriter:
    """The dataset's rows from now on, as parts."""
    at = request.at
    if request.dataset is not None and request.mode != "replace":
        return upsert_rows(at, came, only_new=request.mode == "append")
    writer = RowsWriter(at.store, at.rows, dataset=at.name, key=came.key)
    for frame in came.frames:
        writer.push(frame)
    writer.finish()
    return writer


def commit_rows(
    request: Import, table: FileTable, dataset: Dataset, writer: RowsWriter, *, count: int
) -> ImportReport:
    """Commit what was written as the dataset that is to be. Raises AnswersSetAside."""
    at, old, name = request.at, request.dataset, request.name
    draft = Draft(at, changed_rows(at, writer))
    only_new = request.mode == "append"
    carryover = Carryover()
    if old is not None and dataset.parts != old.parts:
        carryover = keep_labels(at, dataset, step_id=request.step.id, only_new=only_new)
    if old is None or (dataset.parts, dataset.classes) != (old.parts, old.classes):
        draft.changes |= _leavings(at, dataset, labels=carryover.rows == 0) | carryover.changes
    draft.put(dataset_file(name), dataset.to_json())
    losses = _set_aside(request, draft)
    labels_go = not carryover.rows and any(
        path in at.objects() and path.startswith(table_prefix(name, "labels"))
        for path in draft.changes
    )
    draft.changes = {p: oid for p, oid in draft.changes.items() if oid or p in at.objects()}
    fresh = (
        f" ({carryover.fresh} of {dataset.rows} rows have no label yet)" if carryover.fresh else ""
    )
    commit = draft.commit(
        request.step,
        message=f"{_VERBS[request.mode]} {count} rows into {name}{fresh}",
        metadata={"step": "import", "dataset": name, "rows": str(count), "mode": request.mode}
        | metadata_of(carryover)
        | ({"set aside": str(losses[0])} if losses else {}),
    )
    omissions = table.listing.left_out
    return ImportReport(
        dataset,
        commit,
        carryover.rows,
        dataset.rows if labels_go else carryover.fresh,
        losses,
        left_out=omissions[:MOST_NAMED],
        left_out_count=len(omissions),
        index=table.index,
    )


def _set_aside(request: Import, draft: Draft) -> tuple[SetAside, ...]:
    """What of people's work no longer counts, if that is agreed to. Raises AnswersSetAside."""
    at = request.at
    if request.dataset is None:
        return ()
    return request.caution.check(
        at.store, at.rows, at.commit, draft.changes, branch=request.step.branch
    )


def _watch(frames: Iterator[pl.DataFrame], count: int, step: Step) -> Iterator[pl.DataFrame]:
    rows = 0
    for frame in frames:
        yield frame
        rows += frame.height
        step.progress("import", rows, count)


def _vectors_of_others(at: At, dataset: Dataset) -> list[str]:
    """Vectors of parts that are no more; the others' stay, since they are named by their part."""
    parts = {part.sha256 for part in dataset.parts}
    paths = at.objects("vectors")
    return [path for path in paths if path.rpartition("/")[2].removesuffix(".f16") not in parts]


def _leavings(at: At, dataset: Dataset, *, labels: bool) -> dict[str, ObjectId | None]:
    """What was derived from rows that are no more; votes on parts that are still there stay.

    Final `labels` are among it, or some of them are kept.
    """
    name = at.name
    tables = ("votes", "soft_labels", *(("labels",) if labels else ()))
    prefixes = tuple(table_prefix(name, table) for table in tables)
    files: tuple[str, ...] = (lfs_file(name), lf_code_file(name), label_model_file(name))
    files += (pair_counts_file(name), triage_file(name))
    changes: dict[str, ObjectId | None] = {
        path: None for path in at.objects() if path.startswith(prefixes) or path in files
    }
    changes |= dict.fromkeys(_vectors_of_others(at, dataset))
    if at.votes is None:
        return changes
    manifest = at.votes.only_parts({part.sha256 for part in dataset.parts})
    if manifest.parts and manifest.cardinality == len(dataset.classes):
        changes[lfs_file(name)] = at.store.put(manifest.to_json().encode())
        changes.pop(lf_code_file(name), None)
        for lf in manifest.lfs:
            for part in manifest.parts:
                changes.pop(votes_file(name, lf.fingerprint, part), None)
    return changes
