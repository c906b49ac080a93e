"""Rows to be read as of a ref, where they lie: as a lazy frame, or a batch at a time.

Objects that lie here are read here. Of those on a server only the ranges that a query needs
come over, and none is kept: so a dataset may be larger than memory and disk. Ranges cannot be held
against the SHA-256 of an object: who asks for `checked` has each part brought here and read here.
What is returned stays that commit's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import polars as pl

from datahub.core.dataset import Dataset, Key, Part
from datahub.core.errors import InputError, NotFound, SourceError, StorageError
from datahub.core.kept import FIT
from datahub.core.layout import table_part
from datahub.core.versions import Objects
from datahub.flow.dataset.at import At
from datahub.flow.dataset.patches import Patches
from datahub.ports import Files, Ranged, VersionStore

TABLES = ("labeled", "labels", "rows", "soft_labels", "gold")
_ROWS_ALONE = f"{FIT} makes them. --table rows takes the rows alone."


def check_readable(at: At, table: str) -> None:
    """Raise InputError where there is no such table, NotFound where this commit has none."""
    if table not in TABLES:
        raise InputError(f"There is no table {table!r}.", hint=f"Tables are {', '.join(TABLES)}.")
    for name in ("rows", "labels") if table == "labeled" else (table,):
        made_by = {"rows": "import", "gold": "import --gold COLUMN"}.get(name, "label fit")
        hint = "" if name in ("rows", "gold") else _ROWS_ALONE
        at.check(name, made_by=made_by, hint=hint)


def beside(labels: Iterable[str], dataset: Dataset) -> dict[str, str]:
    """How columns of labels are called beside rows that have a column of that name."""
    columns = {name for name, _ in dataset.columns} - {dataset.key}
    return {name: f"{name}_datahub" for name in labels if name in columns}


def scan(at: At, *, table: str, checked: bool) -> pl.LazyFrame:
    """A table of a dataset, computed as far as a query needs it; in no promised order.

    Raises DatasetNotFound, NotFound (no such table there), InputError, StorageError.
    """
    return _Table(at, table=table, checked=checked).scan()


def batches(
    at: At,
    *,
    table: str,
    columns: Sequence[str] | None,
    size: int,
    checked: bool,
    after: Key | None = None,
) -> Iterator[pl.DataFrame]:
    """The same table in order of the key, in frames of at most `size` rows.

    With `after`, rows from the next key on: parts before it are not read.
    """
    return _Table(at, table=table, checked=checked, after=after).batches(columns, size)


def page(
    at: At, *, table: str, columns: Sequence[str] | None, after: str | None, limit: int
) -> pl.DataFrame:
    """At most `limit` rows after a key, by key, with the key. Raises InputError (no such key)."""
    check_readable(at, table)
    key = None if after is None else at.parse_key(after)
    parts = at.dataset.parts
    if key is not None and parts and type(key) is not type(parts[0].first_key):
        raise InputError(
            f"{after!r} is no key of {at.name}.", hint="Its keys are whole numbers, not text."
        )
    if columns is not None:
        columns = list(dict.fromkeys([at.key, *columns]))
    pieces: list[pl.DataFrame] = []
    rows = 0
    frames = batches(at, table=table, columns=columns, size=limit, checked=False, after=key)
    for frame in frames:
        pieces.append(frame)
        rows += frame.height
        if rows >= limit:
            break
    return pl.concat(pieces).head(limit) if pieces else pl.DataFrame()


def part_file(at: At, sha256: str) -> Path:
    """The Parquet file of a part's rows, as it lies. Raises NotFound."""
    part = next((part for part in at.dataset.parts if part.sha256 == sha256), None)
    oid = None if part is None else at.oid("rows", part)
    if oid is None:
        raise NotFound(
            f"{at.name} has no part {sha256!r} at that commit.", hint="The dataset lists its parts."
        )
    return at.store.fetch(oid)


def committed_files(store: VersionStore, ref: str, paths: Sequence[str], *, checked: bool) -> Files:
    """What opens files of a commit, here or where they lie. Raises NotFound."""
    objects = store.objects(ref)
    for path in paths:
        if path not in objects:
            raise NotFound(f"There is no {path} at {ref!r}.", hint="`datahub show REF` lists all.")
    return _open(store, ref, {path: objects[path] for path in paths}, checked=checked)


def _open(
    store: VersionStore, ref: str, objects: Objects, *, checked: bool, are_parts: bool = False
) -> Files:
    if not checked and isinstance(store, Ranged):
        remote = store.remote(ref, list(objects))
        if remote is not None:
            return replace(remote, are_parts=are_parts)
    return [store.fetch(oid) for oid in objects.values()]


class _Table:
    """One table as of one commit."""

    def __init__(self, at: At, *, table: str, checked: bool, after: Key | None = None) -> None:
        self._at = at
        self._after = after
        self._table = table
        self._checked = checked
        self._dataset: Dataset = at.dataset
        check_readable(at, table)
        has_labels = table in ("labeled", "labels")
        self._patches = at.patches if has_labels else Patches(None, at.key)

    def scan(self) -> pl.LazyFrame:
        if self._table == "labeled":
            return pl.concat([self._scan_labeled(part) for part in self._labeled_parts()])
        parts = self._parts(self._table)
        if not any(self._patches.touch(part) for part in parts):
            return self._at.rows.scan(self._files(self._table, parts))
        return pl.concat([self._scan_labels(part) for part in parts])

    def batches(self, columns: Sequence[str] | None, size: int) -> Iterator[pl.DataFrame]:
        if columns is not None:
            self._check(columns)
        if self._table == "labeled":
            frames = self._labeled_batches(size)
        elif self._table == "labels":
            frames = (self._labels(part) for part in self._from(self._parts("labels")))
        else:
            for part in self._from(self._parts(self._table)):
                files = self._files(self._table, [part])
                for frame in self._at.rows.batches(files, columns=columns, size=size):
                    yield self._later(frame)
            return
        for frame in frames:
            later = self._later(frame)
            yield from (later if columns is None else later.select(columns)).iter_slices(size)

    def _from(self, parts: Sequence[Part]) -> list[Part]:
        """Parts that may hold a key after the one that is asked for."""
        after: Any = self._after
        return [part for part in parts if after is None or cast(Any, part.last_key) > after]

    def _later(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Rows after the key that is asked for."""
        return frame if self._after is None else frame.filter(pl.col(self._at.key) > self._after)

    def _check(self, columns: Sequence[str]) -> None:
        names = self.scan().collect_schema().names()
        for name in columns:
            if name not in names:
                raise SourceError(
                    f"{self._dataset.name} ({self._table}) has no column {name!r}.",
                    hint=f"It has {', '.join(names)}.",
                )

    def _labeled_batches(self, size: int) -> Iterator[pl.DataFrame]:
        key = self._dataset.key
        for part in self._from(self._labeled_parts()):
            labels = self._labels(part)
            labels = labels.rename(beside(labels.columns, self._dataset))
            for frame in self._at.rows.batches(self._files("rows", [part]), size=size):
                yield frame.join(labels, on=key, how="left", maintain_order="left")

    def _scan_labeled(self, part: Part) -> pl.LazyFrame:
        rows, labels = self._at.rows.scan(self._files("rows", [part])), self._scan_labels(part)
        names = beside(labels.collect_schema().names(), self._dataset)
        return rows.join(labels.rename(names), on=self._dataset.key, how="left")

    def _scan_labels(self, part: Part) -> pl.LazyFrame:
        labels = self._at.rows.scan(self._files("labels", [part]))
        return self._patches.over_lazily(part, labels)

    def _labels(self, part: Part) -> pl.DataFrame:
        frames = list(self._at.rows.batches(self._files("labels", [part])))
        return self._patches.over(part, pl.concat(frames))

    def _parts(self, table: str) -> list[Part]:
        return [part for part in self._dataset.parts if self._at.oid(table, part) is not None]

    def _labeled_parts(self) -> list[Part]:
        """Parts with labels; rows that came since are read when they are labeled."""
        return [p for p in self._parts("rows") if self._at.oid("labels", p) is not None]

    def _files(self, table: str, parts: Sequence[Part]) -> Files:
        objects = {}
        for part in parts:
            path = table_part(self._dataset.name, table, part.sha256)
            objects[path] = self._at.objects(table)[path]
            if table == "rows" and objects[path] != part.sha256:
                raise StorageError(
                    f"{path} holds other rows than {self._dataset.name} says.",
                    hint="Somebody put them there without datahub. `datahub fsck` names all of "
                    "these; an earlier commit has the rows as they were.",
                )
        at, checked = self._at, self._checked
        return _open(at.store, at.id, objects, checked=checked, are_parts=True)
