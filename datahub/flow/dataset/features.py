"""The columns that an end model looks at, as they lie in a commit: a part at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from datahub.core.dataset import Dataset, Key, Part
from datahub.core.errors import InputError
from datahub.core.features import VECTORS, Features, Looks, feature_columns
from datahub.core.labels import SoftLabels
from datahub.core.lessons import Lessons
from datahub.core.parts import places
from datahub.flow.dataset.at import At
from datahub.ports import EndModel

MOST_EMBEDDED = 20_000  # rows with vectors that an end model learns from


@dataclass(frozen=True)
class FeatureRows:
    """Some rows by key, and what there is to look at; nothing where no column is."""

    keys: pl.Series
    features: Features
    letters: npt.NDArray[np.uint32]  # of each row's texts, also of those that became vectors

    def only(self, lines: npt.NDArray[np.integer]) -> FeatureRows:
        """These rows alone, by number."""
        frame = self.features.frame
        frame = frame[lines] if frame.width else frame  # without a column it has no row
        features = replace(self.features, frame=frame)
        return FeatureRows(self.keys[lines], features, self.letters[lines])

    def thin(self, fewest: int) -> npt.NDArray[np.bool_]:
        """Rows whose texts together have fewer characters, where texts are all there is to see."""
        features = self.features
        if not (features.texts or features.vectors) or features.numbers or features.embedding:
            return np.zeros(len(self.keys), dtype=np.bool_)
        return np.asarray(self.letters < fewest, dtype=np.bool_)

    def looking_at(self, looks: Looks) -> FeatureRows:
        """The same rows with fewer columns."""
        return replace(self, features=self.features.looking_at(looks))


@dataclass(frozen=True)
class FeatureReader:
    """Which columns are looked at, without rows, and what reads the rows of a part."""

    features: Features
    of: Callable[[Part], FeatureRows]

    def looking_at(self, looks: Looks) -> FeatureReader:
        """The same of fewer columns."""
        return FeatureReader(
            self.features.looking_at(looks), lambda part: self.of(part).looking_at(looks)
        )


def features_at(
    at: At,
    *,
    columns: Sequence[str] = (),
    embedding: str | None = None,
    looks: Looks = "words",
) -> FeatureReader:
    """The columns asked for (default: see `feature_columns`), in the order of the rows.

    Vectors of the dataset are among them if `looks` says so. Raises ConfigError, NotFound and
    InputError (rows without vectors); reading raises InputError (embeddings that are missing or of
    unequal lengths).
    """
    schema = at.rows.scan(at.files("rows")).collect_schema()
    words = feature_columns(at.dataset, schema, columns, embedding)
    vector_column = at.current_vectors.column if looks != "words" else None
    vectors = f"{VECTORS}{vector_column}" if vector_column else None
    selection = replace(words, vectors=vectors).looking_at(looks)
    texts = [*words.texts, *([vector_column] if vector_column else [])]
    projection = list(dict.fromkeys([at.key, *words.columns, *texts]))
    lengths: set[int | None] = set()

    def of(part: Part) -> FeatureRows:
        frame = at.part("rows", part, projection)
        assert frame is not None  # dataset.json names no part that is not there
        if embedding:
            lengths.update(frame[embedding].cast(pl.List(pl.Float32)).list.len().unique())
            _check_lengths(lengths, embedding)
        letters = _letters(frame, list(dict.fromkeys(texts)))
        keys = frame[at.key]
        if vectors:
            frame = frame.with_columns(pl.Series(vectors, at.part_vectors(part)))
        features = replace(selection, frame=frame.select(selection.columns))
        return FeatureRows(keys, features, letters)

    return FeatureReader(selection, of)


def read_rows(reader: FeatureReader, dataset: Dataset, keys: Collection[Key]) -> FeatureRows:
    """The rows that have one of these keys, in their order; only parts that may are read."""
    series = pl.Series(list(keys), dtype=pl.Null if not keys else None)
    pieces = []
    for number in places(dataset.parts, series).unique().sort() if len(series) else [0]:
        rows = reader.of(dataset.parts[number])
        lines = rows.keys.is_in(series.cast(rows.keys.dtype).implode()).arg_true()
        pieces.append(rows.only(lines.to_numpy().astype(np.int64)))
    frame = pl.concat([piece.features.frame for piece in pieces])
    return FeatureRows(
        pl.concat([piece.keys for piece in pieces]),
        replace(reader.features, frame=frame),
        np.concatenate([piece.letters for piece in pieces]),
    )


def lessons_for(end_model: EndModel, features: Features, cardinality: int, *, seed: int) -> Lessons:
    """A place for what an end model learns from: fewer rows, where each has a vector."""
    most = end_model.most_rows
    return Lessons(
        features,
        cardinality,
        most=min(most, MOST_EMBEDDED) if features.vectors else most,
        seed=seed,
    )


def out_of_fold(
    end_model: EndModel | None, keys: pl.Series, features: Features, soft: SoftLabels, *, seed: int
) -> SoftLabels:
    """What an end model that learns from these rows says of each; NaN where there is none."""
    if end_model is None or not features.columns:
        return np.full(soft.shape, np.nan)
    lessons = lessons_for(end_model, features, soft.shape[1], seed=seed)
    lessons.add(keys, features, soft)
    return end_model.learn(*lessons.contents(), seed=seed).of(features)


def _check_lengths(lengths: set[int | None], embedding: str) -> None:
    if None in lengths or 0 in lengths or len(lengths) > 1:
        raise InputError(
            f"The embeddings in {embedding!r} are missing or of unequal lengths.",
            hint="Every row needs a list of as many floats.",
        )


def _letters(frame: pl.DataFrame, texts: Sequence[str]) -> npt.NDArray[np.uint32]:
    """How many characters each row's texts have together."""
    if not texts:
        return np.zeros(frame.height, dtype=np.uint32)
    counts = pl.sum_horizontal(
        pl.col(name).cast(pl.String).str.strip_chars().str.len_chars().fill_null(0)
        for name in texts
    )
    return frame.select(counts.cast(pl.UInt32)).to_series().to_numpy()
