"""Tables in files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import polars as pl


@dataclass(frozen=True)
class Remote:
    """Files of one table in a store that speaks S3, and what opens them: bucket/key each.

    `are_parts`: datahub wrote all of them, so the first tells how all are read.
    """

    endpoint: str
    addresses: tuple[str, ...]
    access_key_id: str
    secret_access_key: str = field(repr=False)
    are_parts: bool = False


Files = Sequence[Path] | Remote


@dataclass(frozen=True)
class Listing:
    """Files of one table by path, in a folder; `left_out` is what else lies there, as text.

    A folder that is left out ends in a slash, and nothing in it is named. `above` are the names
    of the folder and of those above it, from the root down.
    """

    folder: Path
    files: tuple[Path, ...]
    left_out: tuple[str, ...] = ()
    above: tuple[str, ...] = ()


@dataclass(frozen=True)
class PandasIndex:
    """What pandas says of its index in a file: columns that hold it, and names of mere ranges.

    Of a range the file holds the bounds alone, so that no other reader sees a column.
    """

    columns: tuple[str, ...] = ()
    ranges: tuple[str, ...] = ()


class Rows(Protocol):
    """Tables in files: Parquet and ORC (and CSV and JSONL on the way in)."""

    def reading_texts(self, *, separator: str, encoding: str) -> Rows:
        """The same, where CSV has this between values, and CSV and JSONL this encoding.

        Empty: a comma (in .tsv a tab), and UTF-8. A file of an unknown name is then CSV, if there
        is a separator. Raises InputError: no such encoding, no sign that CSV can have.
        """
        ...

    def files(self, path: Path) -> list[Path]:
        """The files of `listing`."""
        ...

    def listing(self, path: Path) -> Listing:
        """The files of one table: `path` itself, or those of a folder and its folders, by path.

        Told by their first bytes; CSV and JSONL, which have none, by their suffix. Left out are
        names that begin with . or _ (but for folders like _day=1), what is no table, and links to
        files that are listed anyway. Raises SourceError: not there, not to be read, a folder
        without such a file, links in a circle, or a file that is no table and has the name of one.
        """
        ...

    def pandas_index(self, path: Path) -> PandasIndex:
        """The index that pandas wrote into a file; empty where it did not. Raises SourceError."""
        ...

    def schema(
        self, paths: Sequence[Path], *, leave_out: Callable[[str], bool] | None = None
    ) -> pl.Schema:
        """The schema of these files as one table, without columns of such names.

        Raises SourceError: not to be read, or of unequal schemas in what is not left out; where
        a column has no value in a file, it is of the type that it has in the others.
        """
        ...

    def scan(self, paths: Files) -> pl.LazyFrame:
        """All rows of these files, one table; the format is read off each file's bytes.

        Files that are elsewhere are read a range at a time, and never lie here as a whole.
        Raises SourceError: not there, corrupt, of no known format, or of unequal schemas. What
        is corrupt in the middle shows only when the frame is computed: use `collect`.
        """
        ...

    def collect(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """Compute a frame that comes from `scan`. Raises SourceError, and no error of polars."""
        ...

    def read(self, paths: Sequence[Path], *, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The same rows in file order, all in memory. Raises SourceError."""
        ...

    def batches(
        self, paths: Files, *, columns: Sequence[str] | None = None, size: int = 50_000
    ) -> Iterator[pl.DataFrame]:
        """The same rows in file order, in bounded memory, a frame of at most `size` at a time."""
        ...

    def conversions(self, paths: Sequence[Path]) -> dict[str, str]:
        """Columns of these files that come in as another type than they lie there as: the latter.

        Instants in INT96, say, or UUIDs, which become text. Raises SourceError.
        """
        ...

    def write(
        self,
        frame: pl.DataFrame | pl.LazyFrame | Iterable[pl.DataFrame],
        path: Path,
        *,
        slab: int = 50_000,
    ) -> int:
        """Write all rows in their order; the suffix (.parquet, .orc, .csv) says how.

        Frames of one schema are one table, and only some of them are in memory at a time. Who
        reads the file holds `slab` of its rows at least.

        Returns the number of rows. The same rows give the same bytes. Written beside and
        renamed: a file is whole or absent. Raises StorageError, SourceError (unknown suffix,
        or a type the format cannot hold).
        """
        ...

    def write_folder(
        self, frames: Iterable[pl.DataFrame], folder: Path, *, suffix: str
    ) -> list[int]:
        """Write each frame as a file part-00000, part-00001, ... of a folder.

        Returns the numbers of rows. The folder is whole or absent, whatever ends the process;
        what such an end leaves beside it, under a hidden name, goes with the next. Raises
        InputError (there is something in the folder), StorageError, SourceError.
        """
        ...

    def alike(self, paths: Sequence[Path]) -> dict[str, tuple[int, ...]] | None:
        """Column -> for each file a number: files of one number hold the same of that column.

        Told by bytes, without reading rows: files of two numbers may yet hold the same. None
        where that cannot be told: other columns or types, other numbers of rows, another format.
        Raises SourceError.
        """
        ...

    def rewrite(self, old: Path, columns: pl.DataFrame, path: Path) -> None:
        """Write the rows of a file again, with these columns in the place of its own.

        Comes to the bytes that `write` gives, and costs little more than those columns. Raises
        as `write` does.
        """
        ...
