"""Rows on their way in: checked, keyed, and in the order of their key.

What comes out of `incoming` are frames of content with the key, and with gold (if any) as the
column `_gold`; every key once. Bounded memory, but for rows that are all the same where the key
is made from content.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from datahub.core.dataset import (
    MADE_KEY,
    MAX_CLASSES,
    RESERVED_KEYS,
    Dataset,
    Key,
    checked_columns,
    content_digest,
)
from datahub.core.errors import InputError, SourceError
from datahub.core.nulltypes import common_type
from datahub.core.outside import check_shown
from datahub.flow.dataset.parts import GOLD
from datahub.flow.rows.filetable import FileTable, Types, fill_types
from datahub.flow.rows.gold import GoldNames, check_gold, with_gold
from datahub.flow.rows.sorting import Sorter
from datahub.flow.steps import Progress
from datahub.ports import Rows, VersionStore


@dataclass
class Incoming:
    """What is known of rows when all were seen once: `schema` has the key, and not gold.

    `above` are columns in the names of folders that were not asked for.
    """

    schema: pl.Schema
    key: str
    key_made: bool
    has_gold: bool
    count: int
    golds: set[str]  # gold names, at least MAX_CLASSES + 1 of them where there are more
    frames: Iterator[pl.DataFrame] = field(repr=False)
    above: Collection[str] = ()


@contextmanager
def incoming(
    table: FileTable,
    *,
    key: str | None,
    gold: str | None,
    store: VersionStore,
    rows: Rows,
    sources: Rows,
    gold_names: GoldNames,
    progress: Progress,
) -> Iterator[Incoming]:
    """Read the files of a table once, sorting what they hold; it can then be taken once.

    `sources` reads the files, `rows` what is sorted. `gold_names` says what values of gold mean.
    Without a key, one is made. Raises SourceError (unreadable, no rows), InputError (names and
    types of columns, rows without a key); taking the frames raises InputError for repeated keys.
    """
    schema, files = table.schema, table.files
    checked_columns(schema.names())
    check_gold(schema, gold)
    content = pl.Schema({name: kind for name, kind in schema.items() if name != gold})
    check_key(content, key)
    name = MADE_KEY if key is None else key
    by = [name] if gold is None or key is not None else [name, GOLD]
    with Sorter(store, rows, by=by) as sorter:
        golds: set[str] = set()
        nulls = _Nulls(name)
        for path in files:
            offset = 0
            for frame in table.frames(path, sources):
                check_shown(frame, path, offset)
                offset += frame.height
                batch = _with_key(with_gold(frame, gold, gold_names), key)
                nulls.see(batch[name], path)
                if gold is not None and len(golds) <= MAX_CLASSES:
                    golds.update(batch[GOLD].drop_nulls().unique())
                sorter.add(batch)
                progress("read", sorter.count, sorter.count)
        nulls.check(many=len(files) > 1)
        if not sorter.count:
            where = files[0].name if len(files) == 1 else f"{len(files)} files"
            raise SourceError(f"{where} holds no rows.", hint="Give a file with rows in it.")
        frames = sorter.frames()
        yield Incoming(
            schema=content if key is not None else pl.Schema({MADE_KEY: pl.String(), **content}),
            key=name,
            key_made=key is None,
            has_gold=gold is not None,
            count=sorter.count,
            golds=golds,
            frames=_unique(frames, name) if key is not None else _number(frames),
            above=table.folders_above,
        )


def check_types(dataset: Dataset, key: str, schema: pl.Schema, types: Types) -> pl.Schema:
    """The schema in the dataset's types, where a null throughout takes the other type.

    Raises InputError: the key is another, or a column changed its type.
    """
    if key != dataset.key:
        raise InputError(
            f"Dataset {dataset.name!r} has the key {dataset.key!r}, not {key!r}.",
            hint="Import under the same key, or into a dataset of another name.",
        )
    schema = fill_types(dataset, schema, types)
    for column, kind in dataset.columns:
        now = schema.get(column)
        if now is not None and str(now) != kind and now != common_type(types()[column], now):
            raise InputError(
                f"Column {column!r} was {kind} and is {now} now.",
                hint=f"Cast it back to {kind}, or import into a dataset of another name.",
            )
    return schema


class _Nulls:
    """Rows without a key: how many, and where the first is."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._count = self._seen = 0
        self._path: Path | None = None
        self._first: tuple[Path, int] | None = None

    def see(self, keys: pl.Series, path: Path) -> None:
        """Look at the keys of the next rows of a file."""
        if path != self._path:
            self._path, self._seen = path, 0
        if keys.null_count():
            self._count += keys.null_count()
            row = self._seen + int(keys.is_null().arg_max() or 0) + 1
            self._first = self._first or (path, row)
        self._seen += keys.len()

    def check(self, *, many: bool) -> None:
        """Raise InputError if there was one."""
        if self._first is not None:
            path, row = self._first
            raise InputError(
                f"{self._count} rows have no {self._key!r}; the first is row {row}"
                + (f" of {path.name}." if many else "."),
                hint="Every row needs its key. Fill them in, or omit --key.",
            )


def check_key(schema: pl.Schema, key: str | None) -> None:
    """Raise InputError where this column cannot be the key; None: one is made."""
    if not schema:
        raise InputError("There is no column to import.", hint="Keep at least one besides gold.")
    if key is None:
        if MADE_KEY in schema:
            raise InputError(
                f"The rows have a column {MADE_KEY!r} already.", hint=f"Use --key {MADE_KEY}."
            )
        return
    if key not in schema and key.startswith("__index_level_"):
        raise InputError(
            f"There is no column {key!r}: pandas keeps an index that only counts rows as a range.",
            hint="Write the file after reset_index(), or omit --key: import then makes a key.",
        )
    if key not in schema:
        raise InputError(
            f"There is no column {key!r} to use as key.",
            hint=f"Columns are {', '.join(schema.names())}; without --key, import makes a key.",
        )
    if key in RESERVED_KEYS:
        raise InputError(
            f"The key column cannot be named {key!r}: the tables of labels use that name.",
            hint="Rename the column, for example to id.",
        )
    if not (schema[key].is_integer() or schema[key] == pl.String):
        raise InputError(
            f"Column {key!r} is {schema[key]}; a key is text or whole numbers.",
            hint="Cast it first, or omit --key: import then makes a key.",
        )


def _with_key(frame: pl.DataFrame, key: str | None) -> pl.DataFrame:
    """Where no key is named, the digest of the content stands for it, until rows are numbered."""
    if key is not None:
        return frame
    content = frame.drop(GOLD, strict=False).iter_rows(named=True)
    return frame.insert_column(0, pl.Series(MADE_KEY, map(content_digest, content), pl.String))


def _number(frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Digests and ordinals as keys: a digest's rows are numbered when all of them are there."""
    rest: pl.DataFrame | None = None
    for frame in frames:
        block = frame if rest is None else pl.concat([rest, frame])
        count = int(block[MADE_KEY].search_sorted(block[MADE_KEY][-1], side="left"))
        if count:
            yield _with_ordinals(block[:count])
        rest = block[count:]
    if rest is not None:
        yield _with_ordinals(rest)


def _with_ordinals(frame: pl.DataFrame) -> pl.DataFrame:
    ordinal = pl.int_range(pl.len()).over(MADE_KEY)
    return frame.with_columns(pl.format("{}-{}", MADE_KEY, ordinal).alias(MADE_KEY)).sort(MADE_KEY)


def _unique(frames: Iterator[pl.DataFrame], key: str) -> Iterator[pl.DataFrame]:
    """The same frames; where a key stands twice, none any more, and InputError at the end."""
    before: Key | None = None
    latest: Key | None = None
    repeats = 0
    examples: list[Key] = []
    for frame in frames:
        keys = frame[key]
        twice = keys.filter(keys == keys.shift(1, fill_value=before)).unique(maintain_order=True)
        if twice.len() and twice[0] == latest:
            twice = twice[1:]
        if twice.len():
            latest = twice[-1]
        repeats += twice.len()
        examples += twice.head(3 - len(examples)).to_list()
        before = keys[-1]
        if not repeats:
            yield frame
    if repeats:
        raise InputError(
            f"{repeats} keys in {key!r} are on several rows: {', '.join(map(repr, examples))}.",
            hint="Keys must be unique. Remove the duplicates, or omit --key.",
        )
