"""Files that are one table: which columns it has, of which types, and its rows file by file.

Columns that stand in the names of folders are added, an index of pandas that has no name is left
out, and a column that is null throughout takes the type that another file or the dataset has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import polars as pl

from datahub.core.dataset import Dataset
from datahub.core.nulltypes import cast_frame, common_type
from datahub.core.partitions import Partitions
from datahub.ports import Listing, PandasIndex, Rows, VersionStore

_INDEX = re.compile(r"__index_level_\d+__")  # how pandas calls an index without a name

Types = Callable[[], Mapping[str, pl.DataType]]


@dataclass(frozen=True)
class FileTable:
    """A table in files; `schema` is that of its rows, with the columns of folders last.

    `own` are the columns that are read of each file; `index` are all of pandas' index, also where
    they are not read.
    """

    listing: Listing
    schema: pl.Schema
    own: tuple[str, ...]
    index: PandasIndex
    partitions: Partitions

    @classmethod
    def at(
        cls,
        path: Path,
        rows: Rows,
        *,
        keep: Collection[str] = (),
        types: Types = dict,
        partitions: bool = True,
    ) -> FileTable:
        """The table in a file or in a folder's files; without `partitions` of their content alone.

        `keep` are columns that stay though they are an index; `types` gives those that columns of
        the dataset have. Raises SourceError (unreadable, files of other columns), InputError
        (folders of other columns).
        """
        listing = rows.listing(path)
        index = rows.pandas_index(listing.files[0])
        index_columns: dict[str, None] = {}

        def is_unnamed(column: str) -> bool:
            is_index = _INDEX.fullmatch(column) is not None and column not in keep
            index_columns.update({column: None} if is_index else {})
            return is_index

        own = rows.schema(listing.files, leave_out=is_unnamed)
        below = [file.relative_to(listing.folder) for file in listing.files]
        folders = Partitions.of(below, types) if partitions else Partitions()
        folder_columns = {name: kind for name, kind in folders.schema.items() if name not in own}
        columns = tuple(dict.fromkeys([*index.columns, *index_columns]))
        return cls(
            listing,
            schema=pl.Schema({**own, **folder_columns}),
            own=tuple(own),
            index=PandasIndex(columns, index.ranges),
            partitions=folders,
        )

    @property
    def files(self) -> tuple[Path, ...]:
        """By path."""
        return self.listing.files

    @property
    def folder_columns(self) -> tuple[str, ...]:
        """Columns that stand in no file, but in the names of folders."""
        return tuple(name for name in self.schema if name not in self.own)

    @property
    def folders_above(self) -> set[str]:
        """Columns in the names of folders that were not asked for: the one named, or above it."""
        names = (folder.partition("=") for folder in self.listing.above)
        return {name for name, sign, _ in names if sign}

    def frames(self, file: Path, rows: Rows) -> Iterator[pl.DataFrame]:
        """Rows of one of the files. Raises SourceError, InputError: its folders say otherwise."""
        for frame in rows.batches([file], columns=self.own):
            yield cast_frame(self.with_folders(frame, file), self.schema)

    def with_folders(self, frame: pl.DataFrame, file: Path) -> pl.DataFrame:
        """Rows of a file with the columns of its folders. Raises InputError: they say otherwise."""
        if not self.partitions.schema:
            return frame
        return self.partitions.put_to(frame, file.relative_to(self.listing.folder))


def types_at(store: VersionStore, rows: Rows, dataset: Dataset | None) -> Types:
    """The types of a dataset's columns as they are stored, read when they are first asked for."""

    @cache
    def types() -> Mapping[str, pl.DataType]:
        if dataset is None or not dataset.parts:
            return {}
        return rows.schema([store.fetch(dataset.parts[0].sha256)])

    return types


def fill_types(dataset: Dataset, schema: pl.Schema, types: Types) -> pl.Schema:
    """The schema in which a column without a type has that of the dataset."""
    kinds = dict(schema)
    for name, kind in dataset.columns:
        if name in kinds and str(kinds[name]) != kind and name in types():
            kinds[name] = common_type(types()[name], kinds[name]) or kinds[name]
    return pl.Schema(kinds)
