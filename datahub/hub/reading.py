"""Rows as of a ref, in Python: the same calls on every store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from datahub.flow import reading
from datahub.hub.wiring import Wiring

if TYPE_CHECKING:
    import polars as pl


class Reading(Wiring):
    """What the commits hold, where it lies."""

    def scan(
        self, dataset: str | None = None, *, ref: str | None = None, table: str = "labeled"
    ) -> pl.LazyFrame:
        """A table of a dataset as a polars frame that is computed on `collect`.

        `table` rows, gold, labels, soft_labels; or labeled: every row with its label beside it.
        On a server, only what the query needs is read, and no file is copied here. In no
        promised order: sort by the key, or use `batches`.
        """
        return reading.scan(
            self.dataset_name(dataset),
            ref=self.ref(ref),
            table=table,
            store=self.store,
            rows=self.rows,
        )

    def batches(
        self,
        dataset: str | None = None,
        *,
        ref: str | None = None,
        table: str = "labeled",
        columns: Sequence[str] | None = None,
        size: int = 50_000,
    ) -> Iterator[pl.DataFrame]:
        """The same table a frame at a time, in order of the key, in bounded memory."""
        return reading.batches(
            self.dataset_name(dataset),
            ref=self.ref(ref),
            table=table,
            columns=columns,
            size=size,
            store=self.store,
            rows=self.rows,
        )

    def scan_files(self, paths: Sequence[str], *, ref: str | None = None) -> pl.LazyFrame:
        """Committed Parquet or ORC files of one table, by their paths in the commit."""
        return self.rows.scan(reading.committed_files(self.store, self._commit_id(ref), paths))

    def file_batches(
        self, paths: Sequence[str], *, ref: str | None = None, size: int = 50_000
    ) -> Iterator[pl.DataFrame]:
        """The same a frame at a time, in file order, in bounded memory."""
        files = reading.committed_files(self.store, self._commit_id(ref), paths)
        return self.rows.batches(files, size=size)

    def head(
        self,
        dataset: str | None = None,
        *,
        ref: str | None = None,
        table: str = "labeled",
        count: int = 10,
    ) -> pl.DataFrame:
        """The first lines of a table, by key."""
        frames = self.batches(dataset, ref=ref, table=table, size=max(count, 1))
        return next(frames).head(count)

    def _commit_id(self, ref: str | None) -> str:
        return self.store.commit_at(self.ref(ref)).id
