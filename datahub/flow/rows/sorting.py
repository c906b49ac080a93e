"""Rows of any number into the order of their key, in bounded memory.

Runs of about RUN_BYTES are sorted in memory and laid aside in the store's scratch folder. Whenever
MOST_RUNS lie there of one length they are merged into one; in the end what is left is read at
once, a batch of each at a time. So few files are open however many rows there are, and each row
is written once for every power of MOST_RUNS. Rows that fit into one run never touch the disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

import polars as pl

from datahub.ports import Rows, VersionStore

RUN_BYTES = 24 * 2**20  # of a run in memory, and half of it for the batches of all runs
MOST_RUNS = 20  # of one length: a reader holds some memory besides its batch
BATCH = 50_000  # rows of one run in memory, at most
SLAB = 5_000  # rows that a reader of a run holds besides
LONG_SLAB = 20_000  # of a merged run: its footer names every slab, and would be large


class Sorter:
    """Takes frames, gives them back sorted. Use it with `with`: it cleans up behind itself.

    `by` begins with the key; what follows orders rows of one key.
    """

    def __init__(self, store: VersionStore, rows: Rows, *, by: Sequence[str]) -> None:
        self._store = store
        self._rows = rows
        self._by = list(by)
        self._open: list[pl.DataFrame] = []
        self._size = 0
        self._runs: list[list[Path]] = []  # by how often their rows were merged
        self._bytes = 0
        self.count = 0

    def __enter__(self) -> Sorter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for path in self._laid_aside():
            self._store.unstage(path)

    def add(self, frame: pl.DataFrame) -> None:
        """Take more rows."""
        self._open.append(frame)
        size = int(frame.estimated_size())
        self._size += size
        self._bytes += size
        self.count += frame.height
        if self._size >= RUN_BYTES:
            self._lay_aside(self._write(self._sorted_run(), SLAB))

    def frames(self) -> Iterator[pl.DataFrame]:
        """All rows in their order; rows of one key may lie in two frames."""
        last = [self._sorted_run()] if self._open else []
        runs = self._laid_aside()
        yield from self._merge(runs, last) if runs else last

    def _sorted_run(self) -> pl.DataFrame:
        run = pl.concat(self._open)
        self._open, self._size = [], 0
        return run.sort(self._by)

    def _laid_aside(self) -> list[Path]:
        return [path for level in self._runs for path in level]

    def _write(self, run: pl.DataFrame | Iterator[pl.DataFrame], slab: int) -> Path:
        path = self._store.stage(".parquet")
        self._rows.write(run, path, slab=slab)
        return path

    def _lay_aside(self, run: Path) -> None:
        """Keep a run; where there are enough of its length, make one of them."""
        for level in self._runs:
            level.append(run)
            if len(level) < MOST_RUNS:
                return
            run = self._write(self._merge(level), LONG_SLAB)
            for path in level:
                self._store.unstage(path)
            level.clear()
        self._runs.append([run])

    def _merge(
        self, paths: Sequence[Path], last: Sequence[pl.DataFrame] = ()
    ) -> Iterator[pl.DataFrame]:
        """Runs laid aside, and one in memory, as one."""
        capacity = RUN_BYTES * self.count // (2 * self._bytes * (len(paths) + 1))
        batch = max(1, min(BATCH, capacity))
        runs = [self._rows.batches([path], size=batch) for path in paths]
        return _in_order([*runs, *(run.iter_slices(batch) for run in last)], self._by)


def _in_order(runs: Sequence[Iterator[pl.DataFrame]], by: list[str]) -> Iterator[pl.DataFrame]:
    """Sorted runs as one: all rows up to the least key at which a batch ends, again and again."""
    key = by[0]
    heads = {
        number: frame for number, run in enumerate(runs) if (frame := next(run, None)) is not None
    }
    while heads:
        limit = min(frame[key][-1] for frame in heads.values())
        pieces = []
        for number, frame in list(heads.items()):
            count = int(frame[key].search_sorted(limit, side="right"))
            if count:
                pieces.append(frame[:count])
            if count < frame.height:
                heads[number] = frame[count:]
            elif (successor := next(runs[number], None)) is not None:
                heads[number] = successor
            else:
                del heads[number]
        yield pl.concat(pieces).sort(by)
