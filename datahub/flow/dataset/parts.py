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
from datahub.core.layout import table_part, table_prefix
from datahub.core.parts import Cutter, ends_by_key
from datahub.core.versions import ObjectId, Objects
from datahub.flow.dataset.tables import part_reader, write_part
from datahub.ports import Rows, VersionStore

GOLD = "_gold"  # gold beside the rows, on their way
GOLD_LABEL = "label"  # the column of the gold table that holds the class name


@dataclass(frozen=True)
class Rewritten:
    """A part with some columns new, its keys as they were.

    `staged` is the file of its rows that nobody has stored yet, None where they are what they were;
    `gold` is None where that is.
    """

    part: Part
    staged: Path | None
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

    def keep(self, part: Part, held: Objects) -> None:
        """Take a part as it is; `held` are the objects of the commit that has it."""
        self.parts.append(part)
        for table in ("rows", "gold"):
            path = table_part(self._dataset, table, part.sha256)
            if path in held:
                self.objects[path] = held[path]

    def take(self, part: Part) -> None:
        """Take a part that lies in the store already."""
        self.parts.append(part)
        self.objects[table_part(self._dataset, "rows", part.sha256)] = part.sha256

    def finish(self) -> None:
        """End the part that is open: no row follows, or none that belongs to it."""
        for part in self._cutter.rest():
            self._write(part)

    def replace(self, new: Rewritten, held: Objects) -> None:
        """Take a part that was written already; `held` has its gold, where that is not new."""
        part, gold = new.part, held.get(table_part(self._dataset, "gold", new.part.sha256))
        keys = None
        if new.gold is not None:
            path = new.staged or self._store.fetch(part.sha256)
            keys = self._rows.read([path], columns=[self._key])
        if new.staged is not None:
            oid, size = self._stored(new.staged)
            part = replace(part, sha256=oid, size=size, nulls=new.nulls)
        self.take(part)
        if new.gold is not None and keys is not None:
            self._write_gold(part.sha256, keys.with_columns(new.gold))
        elif gold is not None:
            self.objects[table_part(self._dataset, "gold", part.sha256)] = gold

    def _write(self, frame: pl.DataFrame) -> None:
        content = frame.drop(GOLD, strict=False)
        staged = self._store.stage(".parquet")
        self._rows.write(content, staged)
        oid, size = self._stored(staged)
        keys = content[self._key]
        self.columns = tuple((name, str(kind)) for name, kind in content.schema.items())
        self.take(Part(oid, content.height, keys[0], keys[-1], size, _nulls(content)))
        if GOLD in frame.columns:
            self._write_gold(oid, frame)

    def _stored(self, staged: Path) -> tuple[ObjectId, int]:
        size = staged.stat().st_size
        return self._store.put(staged), size

    def _write_gold(self, part: str, frame: pl.DataFrame) -> None:
        gold = frame.select(self._key, pl.col(GOLD).alias(GOLD_LABEL))
        self.objects |= write_part(
            self._store, self._rows, gold, dataset=self._dataset, table="gold", part=part
        )


def rewritten(store: VersionStore, rows: Rows, part: Part, columns: pl.DataFrame) -> Rewritten:
    """Write a part again with these columns, gold among them, in the place of its own."""
    content = columns.drop(GOLD, strict=False)
    gold = columns[GOLD] if GOLD in columns.columns else None
    if not content.width:
        return Rewritten(part, None, part.nulls, gold)
    staged = store.stage(".parquet")
    rows.rewrite(store.fetch(part.sha256), content, staged)
    others = {name: n for name, n in part.nulls.items() if name not in content.columns}
    return Rewritten(part, staged, others | _nulls(content), gold)


def _nulls(content: pl.DataFrame) -> dict[str, int]:
    counts = content.null_count().row(0, named=True)
    return {name: count for name, count in counts.items() if count}


def gold_reader(
    store: VersionStore, rows: Rows, ref: str, dataset: Dataset
) -> Callable[..., pl.DataFrame]:
    """A function (part, columns=None) -> its rows, gold as the column `_gold` where there is any.

    Columns, where given, are what is read and returned, gold among them where it is named.
    """
    content = part_reader(store, rows, ref, dataset, "rows")
    golds = part_reader(store, rows, ref, dataset, "gold")

    def gold_of(part: Part) -> pl.Series:
        gold = golds(part, [GOLD_LABEL])
        if gold is None:
            return pl.Series(GOLD, [None], dtype=pl.String).new_from_index(0, part.rows)
        return gold[GOLD_LABEL].alias(GOLD)

    def read(part: Part, columns: Sequence[str] | None = None) -> pl.DataFrame:
        names = None if columns is None else [name for name in columns if name != GOLD]
        frame = pl.DataFrame() if names == [] else content(part, names)
        assert frame is not None  # dataset.json names no part that is not there
        has_gold = dataset.has_gold if columns is None else GOLD in columns
        if not has_gold:
            return frame
        return pl.DataFrame({c.name: c for c in [*frame.get_columns(), gold_of(part)]})

    return read


def rewrite_rows(
    store: VersionStore, rows: Rows, ref: str, dataset: Dataset, edits: Iterable[Edit]
) -> RowsWriter:
    """Put frames of rows in the places of groups of a dataset's parts; all other parts stay.

    Edits come in order of key; a group is some neighbouring parts, or none where rows come
    between two. Frames are sorted by key, and have the columns of `gold_reader`; a group of one
    part may be `Rewritten`. Parts behind a group are cut again until a cut falls where one was, so
    that the outcome is that of writing all rows afresh. Only where a part was a file that ended by
    itself, it still ends there. `changed_rows` makes a commit's changes of what is returned.
    """
    held = store.objects(ref, table_prefix(dataset.name, "rows"))
    held |= store.objects(ref, table_prefix(dataset.name, "gold"))
    read = gold_reader(store, rows, ref, dataset)
    writer = RowsWriter(store, rows, dataset=dataset.name, key=dataset.key)
    left = list(reversed(dataset.parts))
    own_ends = {
        after.sha256
        for part, after in pairwise(dataset.parts)
        if not ends_by_key(part, ROWS_PER_PART)
    }

    def pass_over(part: Part) -> None:
        if part.sha256 in own_ends:
            writer.finish()
        if writer.is_at_cut:
            writer.keep(part, held)
        else:
            writer.push(read(part))

    def put(new: pl.DataFrame | Rewritten) -> None:
        if isinstance(new, pl.DataFrame):
            if new.height:
                writer.push(new)
        elif writer.is_at_cut:
            writer.replace(new, held)
        else:
            writer.push(_rows_of(new, read(new.part), rows))

    for group, new in edits:
        if group:
            first = group[0].first_key
        elif isinstance(new, pl.DataFrame) and new.height:
            first = new[dataset.key][0]
        else:
            continue  # nothing comes between two parts
        replaced = {part.sha256 for part in group}
        while left and _is_before(left[-1], first) and left[-1].sha256 not in replaced:
            pass_over(left.pop())
        while left and left[-1].sha256 in replaced:
            left.pop()
        if group and group[0].sha256 in own_ends:
            writer.finish()
        put(new)
    while left:
        pass_over(left.pop())
    writer.finish()
    return writer


def _rows_of(new: Rewritten, old: pl.DataFrame, rows: Rows) -> pl.DataFrame:
    """The rows of a part that was written, where they come to lie in other parts."""
    if new.staged is not None:
        old = old.with_columns(rows.read([new.staged]).get_columns())
    return old if new.gold is None else old.with_columns(new.gold)


def changed_rows(
    store: VersionStore, ref: str, dataset: str, writer: RowsWriter
) -> dict[str, ObjectId | None]:
    """The changes of a commit that make a dataset's rows and gold what was written."""
    changes: dict[str, ObjectId | None] = {}
    for table in ("rows", "gold"):
        changes |= dict.fromkeys(store.objects(ref, table_prefix(dataset, table)), None)
    return changes | writer.objects


def _is_before(part: Part, key: Key) -> bool:
    return part.last_key < key  # type: ignore[operator]  # keys of one type
