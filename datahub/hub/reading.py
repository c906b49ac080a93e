"""Rows as of a ref, in Python: the same calls on every store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from datahub.flow.dataset import reading, tables
from datahub.hub.wiring import Wiring
from datahub.ports import Files

if TYPE_CHECKING:
    import polars as pl


class Reading(Wiring):
    """What the commits hold, where it lies."""

    def scan(
        self,
        dataset: str | None = None,
        *,
        ref: str | None = None,
        table: str = "labeled",
        checked: bool = False,
    ) -> pl.LazyFrame:
        """A table of a dataset as a polars frame that is computed on `collect`.

        `table` rows, gold, labels, soft_labels; or labeled: every row with its label beside it.
        On a server, only what the query needs is read, and no file is copied here: such ranges
        are not held against the SHA-256 of what was stored. With `checked` all parts of the table
        are brought here first, and are. In no promised order: sort by the key, or use `batches`.
        """
        return reading.scan(self.at(dataset, ref=ref), table=table, checked=checked)

    def batches(
        self,
        dataset: str | None = None,
        *,
        ref: str | None = None,
        table: str = "labeled",
        columns: Sequence[str] | None = None,
        size: int = 50_000,
        checked: bool = False,
    ) -> Iterator[pl.DataFrame]:
        """The same table a frame at a time, in order of the key, in bounded memory.

        With `checked`, a part is brought here and checked when its turn comes.
        """
        at = self.at(dataset, ref=ref)
        return reading.batches(at, table=table, columns=columns, size=size, checked=checked)

    def page(
        self,
        dataset: str | None = None,
        *,
        ref: str | None = None,
        table: str = "labeled",
        columns: Sequence[str] | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> pl.DataFrame:
        """At most `limit` rows, by key, from the next key after `after` on."""
        at = self.at(dataset, ref=ref)
        return reading.page(at, table=table, columns=columns, after=after, limit=limit)

    def datasets(self, ref: str | None = None) -> list[str]:
        """Names of the datasets that a commit holds."""
        return tables.datasets_at(self.store, self.commit_id(ref))

    def part_file(self, sha256: str, dataset: str | None = None, *, ref: str | None = None) -> Path:
        """A part's rows as Parquet, as it lies: to be read, not to be written to."""
        return reading.part_file(self.at(dataset, ref=ref), sha256)

    def commit_id(self, ref: str | None = None) -> str:
        """The id of the commit that a ref names now. Raises RefNotFound."""
        return self.store.commit_at(self.ref(ref)).id

    def scan_files(
        self, paths: Sequence[str], *, ref: str | None = None, checked: bool = False
    ) -> pl.LazyFrame:
        """Committed Parquet or ORC files of one table, by their paths in the commit."""
        return self.rows.scan(self._files_at(paths, ref, checked=checked))

    def file_batches(
        self,
        paths: Sequence[str],
        *,
        ref: str | None = None,
        size: int = 50_000,
        checked: bool = False,
    ) -> Iterator[pl.DataFrame]:
        """The same a frame at a time, in file order, in bounded memory."""
        return self.rows.batches(self._files_at(paths, ref, checked=checked), size=size)

    def is_labeled(self, dataset: str | None = None, *, ref: str | None = None) -> bool:
        """Whether a commit holds labels of a dataset. Raises DatasetNotFound."""
        at = self.at(dataset, ref=ref)
        return bool(at.dataset.parts) and at.has("labels")

    def head(
        self,
        dataset: str | None = None,
        *,
        ref: str | None = None,
        table: str = "labeled",
        count: int = 10,
        checked: bool = False,
    ) -> pl.DataFrame:
        """The first lines of a table, by key."""
        import polars as pl

        frames = self.batches(dataset, ref=ref, table=table, size=max(count, 1), checked=checked)
        pieces = [next(frames)]
        while sum(frame.height for frame in pieces) < count:  # a file may have small row groups
            successor = next(frames, None)
            if successor is None:
                break
            pieces.append(successor)
        return pl.concat(pieces).head(count)

    def _files_at(self, paths: Sequence[str], ref: str | None, *, checked: bool) -> Files:
        commit = self.store.commit_at(self.ref(ref))
        return reading.committed_files(self.store, commit.id, paths, checked=checked)
