"""Rows into parts: written for the first time, or again where they changed.

Frames here carry the gold label of a row, where there is one, as the column `_gold` beside its
content: parted again when written, for labeling does not read it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import polars as pl

from datahub.core.dataset import ROWS_PER_PART, Dataset, Key, Part
from datahub.core.layout import table_part
from datahub.core.parts import Cutter, ends_by_key
from datahub.core.versions import ObjectId, Objects
from datahub.flow.dataset.at import At
from datahub.flow.dataset.tables import write_part
from datahub.ports import Rows, VersionStore

GOLD = "_gold"  # gold beside the rows, on their way
GOLD_LABEL = "label"  # the column of the gold table that holds the class name


@dataclass(frozen=True)
class Rewritten:
    """A part with some columns new, its keys as they were.

    `file` has its rows that nobody has stored yet, None where they are what they were;
    `gold` is None where that is.
    """

    part: Part
    file: Path | None
    nulls: Mapping[str, int]
    gold: pl.Series | None


Edit = tuple[Sequence[Part], pl.DataFrame | Rewritten]


class RowsWriter:
    """Cuts rows that come in order of their key into parts, and stores them."""

    def __init__(self, store: VersionStore, rows: Rows, *, dataset: str, key: str) -> None:
        self._store = store
        self._rows = rows
        self._dataset = dataset
        self._key = key
        self._cutter = Cutter(key, ROWS_PER_PART)
        self.parts: list[Part] = []
        self.objects: dict[str, ObjectId] = {}
        self.columns: tuple[tuple[str, str], ...] = ()

    @property
    def is_at_cut(self) -> bool:
        """Whether the next row begins a part."""
        return self._cutter.is_at_cut

    def push(self, frame: pl.DataFrame) -> None:
        """Take more rows."""
        for part in self._cutter.push(frame):
            self._write(part)

    def keep(self, part: Part, objects: Objects) -> None:
        """Take a part as it is; `objects` are those of the commit that has it."""
        self.parts.append(part)
        for table in ("rows", "gold"):
            path = table_part(self._dataset, table, part.sha256)
            if path in objects:
                self.objects[path] = objects[path]

    def take(self, part: Part) -> None:
        """Take a part that lies in the store already."""
        self.parts.append(part)
        self.objects[table_part(self._dataset, "rows", part.sha256)] = part.sha256

    def finish(self) -> None:
        """End the part that is open: no row follows, or none that belongs to it."""
        for part in self._cutter.rest():
            self._write(part)

    def replace(self, new: Rewritten, objects: Objects) -> None:
        """Take a part that was written already; `objects` has its gold, where that is not new."""
        part, gold = new.part, objects.get(table_part(self._dataset, "gold", new.part.sha256))
        keys = None
        if new.gold is not None:
            path = new.file or self._store.fetch(part.sha256)
            keys = self._rows.read([path], columns=[self._key])
        if new.file is not None:
            oid, size = self._put(new.file)
            part = replace(part, sha256=oid, size=size, nulls=new.nulls)
        self.take(part)
        if new.gold is not None and keys is not None:
            self._write_gold(part.sha256, keys.with_columns(new.gold))
        elif gold is not None:
            self.objects[table_part(self._dataset, "gold", part.sha256)] = gold

    def _write(self, frame: pl.DataFrame) -> None:
        content = frame.drop(GOLD, strict=False)
        path = self._store.stage(".parquet")
        self._rows.write(content, path)
        oid, size = self._put(path)
        keys = content[self._key]
        self.columns = tuple((name, str(kind)) for name, kind in content.schema.items())
        self.take(Part(oid, content.height, keys[0], keys[-1], size, _nulls(content)))
        if GOLD in frame.columns:
            self._write_gold(oid, frame)

    def _put(self, path: Path) -> tuple[ObjectId, int]:
        oid = self._store.put(path)
        return oid, self._store.size(oid)

    def _write_gold(self, part: str, frame: pl.DataFrame) -> None:
        gold = frame.select(self._key, pl.col(GOLD).alias(GOLD_LABEL))
        self.objects |= write_part(
            self._store, self._rows, gold, dataset=self._dataset, table="gold", part=part
        )


def rewrite_part(store: VersionStore, rows: Rows, part: Part, columns: pl.DataFrame) -> Rewritten:
    """Write a part again with these columns, gold among them, in the place of its own."""
    content = columns.drop(GOLD, strict=False)
    gold = columns[GOLD] if GOLD in columns.columns else None
    if not content.width:
        return Rewritten(part, None, part.nulls, gold)
    path = store.stage(".parquet")
    rows.rewrite(store.fetch(part.sha256), content, path)
    nulls = {name: n for name, n in part.nulls.items() if name not in content.columns}
    return Rewritten(part, path, nulls | _nulls(content), gold)


def _nulls(content: pl.DataFrame) -> dict[str, int]:
    counts = content.null_count().row(0, named=True)
    return {name: count for name, count in counts.items() if count}


def gold_reader(at: At, dataset: Dataset | None = None) -> Callable[..., pl.DataFrame]:
    """A function (part, columns=None) -> its rows, gold as the column `_gold` where there is any.

    Columns, where given, are what is read and returned, gold among them where it is named.
    `dataset` says whether there is gold, where that is not as the commit says.
    """
    reads_gold = (dataset or at.dataset).has_gold

    def gold_of(part: Part) -> pl.Series:
        gold = at.part("gold", part, [GOLD_LABEL])
        if gold is None:
            return pl.Series(GOLD, [None], dtype=pl.String).new_from_index(0, part.rows)
        return gold[GOLD_LABEL].alias(GOLD)

    def read(part: Part, columns: Sequence[str] | None = None) -> pl.DataFrame:
        names = None if columns is None else [name for name in columns if name != GOLD]
        frame = pl.DataFrame() if names == [] else at.part("rows", part, names)
        assert frame is not None  # dataset.json names no part that is not there
        if not (reads_gold if columns is None else GOLD in columns):
            return frame
        return pl.DataFrame({c.name: c for c in [*frame.get_columns(), gold_of(part)]})

    return read


def rewrite_rows(at: At, edits: Iterable[Edit], dataset: Dataset | None = None) -> RowsWriter:
    """Put frames of rows in the places of groups of a dataset's parts; all other parts stay.

    Edits come in order of key; a group is some neighbouring parts, or none where rows come
    between two. Frames are sorted by key, and have the columns of `gold_reader`; a group of one
    part may be `Rewritten`. Parts behind a group are cut again until a cut falls where one was, so
    that the outcome is that of writing all rows afresh. Only where a part was a file that ended by
    itself, it still ends there. `changed_rows` makes a commit's changes of what is returned.
    """
    dataset = dataset or at.dataset
    writer = _Rewriting(at, dataset)
    for group, new in edits:
        if group:
            first = group[0].first_key
        elif isinstance(new, pl.DataFrame) and new.height:
            first = new[dataset.key][0]
        else:
            continue  # nothing comes between two parts
        writer.put(group, new, first)
    return writer.finish()


class _Rewriting:
    """A dataset's rows written again: parts that have not been reached yet, and the writer."""

    def __init__(self, at: At, dataset: Dataset) -> None:
        self._rows = at.rows
        self._read = gold_reader(at, dataset)
        self._objects = {**at.objects("rows"), **at.objects("gold")}
        self._writer = RowsWriter(at.store, at.rows, dataset=dataset.name, key=dataset.key)
        self._ahead = list(reversed(dataset.parts))
        self._own_ends = {
            after.sha256
            for part, after in pairwise(dataset.parts)
            if not ends_by_key(part, ROWS_PER_PART)
        }

    def put(self, group: Sequence[Part], new: pl.DataFrame | Rewritten, first: Key) -> None:
        """Take an edit: parts before its `first` key stay as they are, if their cuts do."""
        ids = {part.sha256 for part in group}
        ahead = self._ahead
        while ahead and _is_before(ahead[-1], first) and ahead[-1].sha256 not in ids:
            self._pass_over(ahead.pop())
        while ahead and ahead[-1].sha256 in ids:
            ahead.pop()
        if group and group[0].sha256 in self._own_ends:
            self._writer.finish()
        if isinstance(new, pl.DataFrame):
            if new.height:
                self._writer.push(new)
        elif self._writer.is_at_cut:
            self._writer.replace(new, self._objects)
        else:
            self._writer.push(_rows_of(new, self._read(new.part), self._rows))

    def finish(self) -> RowsWriter:
        """The writer, when all parts that follow are passed over."""
        while self._ahead:
            self._pass_over(self._ahead.pop())
        self._writer.finish()
        return self._writer

    def _pass_over(self, part: Part) -> None:
        if part.sha256 in self._own_ends:
            self._writer.finish()
        if self._writer.is_at_cut:
            self._writer.keep(part, self._objects)
        else:
            self._writer.push(self._read(part))


def _rows_of(new: Rewritten, old: pl.DataFrame, rows: Rows) -> pl.DataFrame:
    """The rows of a part that was written, where they come to lie in other parts."""
    if new.file is not None:
        old = old.with_columns(rows.read([new.file]).get_columns())
    return old if new.gold is None else old.with_columns(new.gold)


def changed_rows(at: At, writer: RowsWriter) -> dict[str, ObjectId | None]:
    """The changes of a commit that make a dataset's rows and gold what was written."""
    old = [*at.objects("rows"), *at.objects("gold")]
    return {**dict.fromkeys(old, None), **writer.objects}


def _is_before(part: Part, key: Key) -> bool:
    return part.last_key < key  # type: ignore[operator]  # keys of one type
