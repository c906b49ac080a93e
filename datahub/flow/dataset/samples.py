"""Rows drawn at random, and what else a commit says of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from datahub.core.dataset import Dataset, Key
from datahub.core.labels import ABSTAIN, Gold
from datahub.flow.dataset.at import At
from datahub.flow.dataset.parts import GOLD_LABEL
from datahub.flow.steps import Progress, quiet

PARTS = 32  # from so many parts at most: a sample of a hundred million rows reads no more
_BATCH = 20_000

Places = npt.NDArray[np.int64]  # positions of rows among all rows of a dataset, ascending


@dataclass(frozen=True)
class Sample:
    """Some rows, in order: `parts` are the numbers of the parts they lie in, `inside` where."""

    dataset: Dataset
    frame: pl.DataFrame
    parts: Places
    inside: Places

    @classmethod
    def of(cls, at: At, places: Places, progress: Progress = quiet) -> Sample:
        """The rows at these places; only the parts that they lie in are read."""
        dataset = at.dataset
        ends = np.cumsum([part.rows for part in dataset.parts])
        parts = np.searchsorted(ends, places, side="right")
        starts = np.concatenate([[0], ends])[parts] if len(places) else places
        paths = at.files("rows")
        frames, start, total = [], 0, int(ends[-1]) if len(ends) else 0
        for part in sorted(set(parts.tolist())) or [0]:
            start = int(ends[part]) - dataset.parts[part].rows
            for batch in at.rows.batches([paths[part]], size=_BATCH):
                inside = places[(places >= start) & (places < start + batch.height)] - start
                frames.append(batch[inside])
                start += batch.height
            progress("sample", start, total)
        progress("sample", total, total)
        frame = pl.concat(frames)
        return cls(dataset, frame, parts, places - starts)

    @property
    def keys(self) -> pl.Series:
        """Keys of the rows."""
        return self.frame[self.dataset.key]


def draw_sample(at: At, *, size: int, seed: int, progress: Progress = quiet) -> Sample:
    """At most `size` rows at random; of a dataset of many parts, from some parts at random."""
    rng = np.random.default_rng(seed)
    lengths = np.array([part.rows for part in at.dataset.parts], dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    numbers: Places = np.arange(len(lengths), dtype=np.int64)
    if len(numbers) > PARTS:
        shares = lengths / lengths.sum()
        numbers = np.sort(rng.choice(numbers, size=PARTS, replace=False, p=shares))
    within = int(lengths[numbers].sum())
    picks = np.sort(rng.choice(within, size=min(size, within), replace=False))
    ends = np.cumsum(lengths[numbers])
    of = np.searchsorted(ends, picks, side="right")
    places = picks - (ends - lengths[numbers])[of] + starts[numbers][of]
    return Sample.of(at, places.astype(np.int64), progress)


def labels_of(at: At, keys: pl.Series) -> tuple[Gold, str]:
    """What these rows are as class numbers, ABSTAIN where not known; and who says so.

    Gold where the dataset has it, else the labels of the commit ("labels"), else nobody ("").
    """
    number = {name: i for i, name in enumerate(at.dataset.classes)}
    for table, column, judge in (("gold", GOLD_LABEL, "gold"), ("labels", "label", "labels")):
        if at.has(table):
            columns = [at.key, column]
            lines = at.lines(table, keys.to_list(), columns=columns)
            labels: dict[Key, str] = dict(
                line for frame in lines for line in frame.select(columns).iter_rows()
            )
            numbers = [number.get(labels.get(key, ""), ABSTAIN) for key in keys]
            return np.array(numbers, dtype=np.int8), judge
    return np.full(len(keys), ABSTAIN, dtype=np.int8), ""
