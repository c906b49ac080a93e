"""Rows of any number into the order of their key, in bounded memory.

Runs of about RUN_BYTES are sorted in memory and laid aside in the store's scratch folder; then
all runs are read at once, a batch of each at a time. Rows that fit into one run never touch
the disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

import polars as pl

from datahub.ports import Rows, VersionStore

RUN_BYTES = 32 * 2**20  # of a run in memory, and half of it for the batches of all runs
BATCH = 50_000  # rows of one run in memory, at most
SLAB = 5_000  # rows that a reader of a run holds besides: there may be a hundred runs


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
        self._runs: list[Path] = []
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
        for path in self._runs:
            path.unlink(missing_ok=True)

    def add(self, frame: pl.DataFrame) -> None:
        """Take more rows."""
        self._open.append(frame)
        size = int(frame.estimated_size())
        self._size += size
        self._bytes += size
        self.count += frame.height
        if self._size >= RUN_BYTES:
            self._runs.append(self._store.stage(".parquet"))
            self._rows.write(self._sorted_run(), self._runs[-1], slab=SLAB)

    def frames(self) -> Iterator[pl.DataFrame]:
        """All rows in their order; rows of one key may lie in two frames."""
        last = self._sorted_run() if self._open else None
        if not self._runs:
            yield from () if last is None else (last,)
            return
        fitting = RUN_BYTES * self.count // (2 * self._bytes * (len(self._runs) + 1))
        batch = max(1, min(BATCH, fitting))
        runs = [self._rows.batches([path], size=batch) for path in self._runs]
        if last is not None:
            runs.append(last.iter_slices(batch))
        yield from _merged(runs, self._by)

    def _sorted_run(self) -> pl.DataFrame:
        run = pl.concat(self._open)
        self._open, self._size = [], 0
        return run.sort(self._by)


def _merged(runs: Sequence[Iterator[pl.DataFrame]], by: list[str]) -> Iterator[pl.DataFrame]:
    """Sorted runs as one: all rows up to the least key at which a batch ends, again and again."""
    key = by[0]
    heads = {
        number: frame for number, run in enumerate(runs) if (frame := next(run, None)) is not None
    }
    while heads:
        bound = min(frame[key][-1] for frame in heads.values())
        taken = []
        for number, frame in list(heads.items()):
            count = int(frame[key].search_sorted(bound, side="right"))
            if count:
                taken.append(frame[:count])
            if count < frame.height:
                heads[number] = frame[count:]
            elif (following := next(runs[number], None)) is not None:
                heads[number] = following
            else:
                del heads[number]
        yield pl.concat(taken).sort(by)
