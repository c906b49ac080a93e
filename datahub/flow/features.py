"""The columns that an end model looks at, as they lie in a commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from datahub.core.dataset import Dataset
from datahub.core.errors import InputError
from datahub.core.features import Features, feature_columns
from datahub.core.labels import SoftLabels
from datahub.flow.tables import table_paths
from datahub.ports import EndModel, Rows, VersionStore


@dataclass(frozen=True)
class Looked:
    """Rows of a dataset by key, and what there is to look at; nothing where no column is."""

    keys: pl.Series
    features: Features
    letters: npt.NDArray[np.uint32]  # of each row's texts

    def out_of_fold(self, end_model: EndModel | None, soft: SoftLabels, *, seed: int) -> SoftLabels:
        """What an end model says of each row without having seen it; NaN where there is none."""
        if end_model is None or not self.features.columns:
            return np.full(soft.shape, np.nan)
        return end_model.out_of_fold(self.features, soft, seed=seed)

    def only(self, lines: pl.Series) -> Looked:
        """These rows alone, by number."""
        features = replace(self.features, frame=self.features.frame[lines])
        return Looked(self.keys[lines], features, self.letters[lines.to_numpy()])

    def thin(self, fewest: int) -> npt.NDArray[np.bool_]:
        """Rows whose texts together have fewer characters, where texts are all there is to see."""
        texts = self.features.texts
        if not texts or self.features.columns != texts:
            return np.zeros(len(self.keys), dtype=np.bool_)
        return np.asarray(self.letters < fewest, dtype=np.bool_)


def features_at(
    store: VersionStore,
    rows: Rows,
    ref: str,
    dataset: Dataset,
    *,
    columns: Sequence[str] = (),
    embedding: str | None = None,
    kept: bool = True,
) -> Looked:
    """Read the columns asked for (default: see `feature_columns`), in the order of the rows.

    Where no end model will look at them, they need not be `kept`.

    Raises ConfigError, InputError (embeddings that are missing or of unequal lengths).
    """
    paths = table_paths(store, ref, dataset.name, "rows")
    chosen = feature_columns(dataset, rows.scan(paths).collect_schema(), columns, embedding)
    wanted = list(dict.fromkeys([dataset.key, *chosen.columns]))
    keys, frames = list[pl.Series](), list[pl.DataFrame]()
    letters = list[npt.NDArray[np.uint32]]()
    for batch in rows.batches(paths, columns=wanted):
        keys.append(batch[dataset.key])
        letters.append(_letters(batch, chosen.texts))
        frames.append(batch.select(chosen.columns) if kept else batch[:0].select(chosen.columns))
    frame = pl.concat(frames)
    if embedding and kept:
        lengths = frame[embedding].cast(pl.List(pl.Float32)).list.len()
        if lengths.null_count() or lengths.n_unique() != 1 or lengths[0] == 0:
            raise InputError(
                f"The embeddings in {embedding!r} are missing or of unequal lengths.",
                hint="Every row needs a list of as many floats.",
            )
    return Looked(pl.concat(keys), replace(chosen, frame=frame), np.concatenate(letters))


def _letters(frame: pl.DataFrame, texts: Sequence[str]) -> npt.NDArray[np.uint32]:
    """How many characters each row's texts have together."""
    if not texts:
        return np.zeros(frame.height, dtype=np.uint32)
    counted = pl.sum_horizontal(
        pl.col(name).cast(pl.String).str.strip_chars().str.len_chars().fill_null(0)
        for name in texts
    )
    return frame.select(counted.cast(pl.UInt32)).to_series().to_numpy()
