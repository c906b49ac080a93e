"""EndModel on scikit-learn: logistic regression. The only file that imports `sklearn`.

Texts become TF-IDF, numbers are scaled, embeddings centered and of length 1: blocks of like
weight. Learns from soft labels by one weighted copy of a row for each class it may be of; where
it looks at the dataset's vectors, without copies (soft_logistic).
Whatever is learned, which words count and how much included, is learned from the
other folds alone; equal rows share a fold, so that no row is judged by its double.
Memory follows the rows learned from; others are scored a chunk at a time.
scikit-learn is imported by what learns: a merge has an end model at hand, and seldom asks it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from datahub.adapters.endmodel_sklearn.soft_logistic import SoftLogistic
from datahub.core.errors import InputError
from datahub.core.features import Features
from datahub.core.labels import SoftLabels
from datahub.machine.quiet import SharedState, quiet

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.linear_model import LogisticRegression

_SMALLEST_SHARE = 0.01  # a class less likely than this adds cost and no knowledge

Ints = npt.NDArray[np.int64]
Raw = Sequence[Any]  # of each block [rows, columns]: counts of words, sparse; or numbers


def _one_thread() -> Callable[[], object]:
    """Bind the libraries of numbers to one thread: with more, sums differ in their last digits."""
    from threadpoolctl import threadpool_limits

    limit = threadpool_limits(1)
    return limit.unregister  # type: ignore[no-any-return]  # it has no types


_ONE_THREAD = SharedState(_one_thread)


class LogisticEndModel:
    """The second opinion."""

    name = "sklearn"

    def __init__(
        self,
        *,
        max_features: int = 20_000,
        regularization: float = 1.0,
        max_iter: int = 100,
        most_rows: int = 100_000,
        chunk: int = 20_000,
    ) -> None:
        """`regularization` is scikit-learn's C: larger fits the soft labels more closely.

        `max_features` are words of each text column.
        """
        self.most_rows = most_rows
        self._max_features = max_features
        self._regularization = regularization
        self._max_iter = max_iter
        self._chunk = chunk

    def learn(
        self, features: Features, soft: SoftLabels, *, seed: int, folds: int = 5
    ) -> _Opinion | _Silence:
        """Knows nothing where the rows have no words and no numbers, or a fold too few classes.

        Raises InputError for fewer than 2 folds or unequal lengths.
        """
        if features.rows != len(soft) or folds < 2:
            raise InputError(
                f"{features.rows} rows, {len(soft)} rows of soft labels and {folds} folds.",
                hint="Give one row of soft labels a row, and 2 folds or more.",
            )
        silence = _Silence(soft.shape[1])
        if features.rows == 0 or not features.columns:
            return silence
        hashes = _hashes(features)
        fold = _folds(hashes, soft, folds, seed)
        blocks = _Blocks(features)
        raw = blocks.of(features)
        models = []
        for number in range(folds):
            train = np.flatnonzero(fold != number)
            model = self._fit([block[train] for block in raw], soft[train])
            if model is None:
                return silence
            models.append(model)
        distinct, first = np.unique(hashes, return_index=True)
        return _Opinion(blocks, models, distinct, fold[first], soft.shape[1], self._chunk)

    def _fit(self, raw: Raw, soft: SoftLabels) -> _FoldModel | None:
        """A model of these rows, if they teach anything."""
        from sklearn.linear_model import LogisticRegression

        if len(np.unique(soft.argmax(axis=1))) < 2:
            return None
        scales = [_Scale.of(block, self._max_features) for block in raw]
        if not any(len(scale.columns) for scale in scales):
            return None
        if any(map(_are_vectors, raw)):
            blocks = [scale.transform(block) for scale, block in zip(scales, raw, strict=True)]
            with _ONE_THREAD.enter():
                fit = SoftLogistic.fit(
                    blocks, soft, regularization=self._regularization, max_iter=self._max_iter
                )
            return _FoldModel(scales, fit)
        rows, classes = np.nonzero(soft >= _SMALLEST_SHARE)
        model = LogisticRegression(C=self._regularization, max_iter=self._max_iter)
        with _ONE_THREAD.enter(), quiet():  # one that did not converge is near enough
            model.fit(_join(scales, raw)[rows], classes, sample_weight=soft[rows, classes])
        return _FoldModel(scales, model)


@dataclass(frozen=True)
class _Silence:
    """What nothing was learned from says."""

    cardinality: int

    def of(self, features: Features) -> SoftLabels:
        return np.full((features.rows, self.cardinality), np.nan)


@dataclass(frozen=True)
class _Opinion:
    """A model of each fold's rows, and in which fold a row that they know is."""

    blocks: _Blocks
    models: Sequence[_FoldModel]
    hashes: npt.NDArray[np.uint64]  # hashes of rows, in order
    fold: Ints
    cardinality: int
    chunk: int

    def of(self, features: Features) -> SoftLabels:
        """What the model of the others says; of a row that none has seen, the mean of all."""
        soft = np.zeros((features.rows, self.cardinality))
        for start in range(0, features.rows, self.chunk):
            part = replace(features, frame=features.frame[start : start + self.chunk])
            self._score(part, soft[start : start + self.chunk])
        return soft

    def _score(self, features: Features, into: SoftLabels) -> None:
        raw, fold = self.blocks.of(features), self._folds_of(features)
        for number, model in enumerate(self.models):
            for of_fold, weight in ((number, 1.0), (-1, 1 / len(self.models))):
                rows = np.flatnonzero(fold == of_fold)
                if len(rows):
                    probabilities = model.probabilities([b[rows] for b in raw], self.cardinality)
                    into[rows] += weight * probabilities

    def _folds_of(self, features: Features) -> Ints:
        """Fold of each row; -1 where no model has seen it."""
        hashes = _hashes(features)
        place = np.searchsorted(self.hashes, hashes).clip(max=len(self.hashes) - 1)
        return np.where(self.hashes[place] == hashes, self.fold[place], -1)


@dataclass(frozen=True)
class _Scale:
    """How a block becomes features: by the weights of its words, or by mean and spread."""

    columns: Ints
    weighing: TfidfTransformer | None = None
    mean: npt.NDArray[np.float64] | None = None
    spread: npt.NDArray[np.float64] | None = None

    @classmethod
    def of(cls, block: Any, most: int) -> _Scale:
        if _are_vectors(block):
            mean = block.mean(axis=0, dtype=np.float64)
            return cls(np.arange(block.shape[1]), mean=mean, spread=np.ones(block.shape[1]))
        if isinstance(block, np.ndarray):
            columns = np.flatnonzero(~np.isnan(block).all(axis=0))
            numbers = block[:, columns]
            mean, spread = np.nanmean(numbers, axis=0), np.nanstd(numbers, axis=0)
            return cls(columns, mean=mean, spread=np.where(spread > 0, spread, 1.0))
        from sklearn.feature_extraction.text import TfidfTransformer

        row_counts = np.asarray((block > 0).sum(axis=0)).ravel()  # rows that hold each word
        words = np.flatnonzero(row_counts)
        words = np.sort(words[np.argsort(-row_counts[words], kind="stable")[:most]])
        tfidf = TfidfTransformer(sublinear_tf=True).fit(block[:, words]) if len(words) else None
        return cls(words, tfidf)

    def transform(self, block: Any) -> Any:
        if self.weighing is not None:
            return self.weighing.transform(block[:, self.columns])
        if self.mean is None or self.spread is None:  # no words
            return _sparse(np.empty((block.shape[0], 0)))
        if _are_vectors(block):  # zeros are no text, and tell of no class
            has_text = block.any(axis=1, keepdims=True)
            return np.where(has_text, block - self.mean.astype(np.float32), np.float32(0))
        scores = (np.asarray(block)[:, self.columns] - self.mean) / self.spread
        return _sparse(np.nan_to_num(scores) / np.sqrt(max(1, len(self.columns))))


@dataclass(frozen=True)
class _FoldModel:
    scales: Sequence[_Scale]
    model: LogisticRegression | SoftLogistic

    def probabilities(self, raw: Raw, cardinality: int) -> SoftLabels:
        if isinstance(self.model, SoftLogistic):
            pairs = zip(self.scales, raw, strict=True)
            with _ONE_THREAD.enter():
                return self.model.predict_proba([scale.transform(block) for scale, block in pairs])
        soft = np.zeros((raw[0].shape[0], cardinality))
        soft[:, self.model.classes_] = self.model.predict_proba(_join(self.scales, raw))
        return soft


def _join(scales: Sequence[_Scale], raw: Raw) -> Any:
    from scipy.sparse import hstack

    blocks = [scale.transform(block) for scale, block in zip(scales, raw, strict=True)]
    return blocks[0] if len(blocks) == 1 else hstack(blocks, format="csr")


def _sparse(values: npt.NDArray[np.float64]) -> Any:
    from scipy.sparse import csr_matrix

    return csr_matrix(values)


class _Blocks:
    """Columns of rows as blocks; which words there are is told by the rows learned from."""

    def __init__(self, features: Features) -> None:
        from sklearn.feature_extraction.text import CountVectorizer

        self._words = {}
        for name in features.texts:
            try:
                vectorizer = CountVectorizer(dtype=np.float64).fit(_texts(features, name))
            except ValueError:  # its only one on text: empty vocabulary
                continue
            self._words[name] = vectorizer

    def of(self, features: Features) -> list[Any]:
        blocks: list[Any] = [
            self._words[name].transform(_texts(features, name))
            if name in self._words
            else _sparse(np.empty((features.rows, 0)))
            for name in features.texts
        ]
        frame = features.frame
        if features.numbers:
            numbers = frame.select(pl.col(features.numbers).cast(pl.Float64)).to_numpy()
            blocks.append(np.where(np.isfinite(numbers), numbers, np.nan))
        if features.embedding:
            lists = frame[features.embedding].cast(pl.List(pl.Float64))
            blocks.append(_unit(np.array(lists.to_list(), dtype=np.float64)))
        if features.vectors:
            blocks.append(frame[features.vectors].to_numpy())
        return blocks


def _are_vectors(block: Any) -> bool:
    """Whether a block is the dataset's vectors: they alone are of single precision."""
    return isinstance(block, np.ndarray) and block.dtype == np.float32


def _texts(features: Features, name: str) -> list[str]:
    return features.frame[name].cast(pl.String).fill_null("").to_list()


def _unit(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    values = np.nan_to_num(vectors, posinf=0, neginf=0)
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(values / np.where(length > 0, length, 1))


def _hashes(features: Features) -> npt.NDArray[np.uint64]:
    """Equal for rows that look the same, whichever part they came in."""
    texts = (pl.col(name).cast(pl.String) for name in features.texts)
    return features.frame.select(features.columns).with_columns(texts).hash_rows().to_numpy()


def _folds(hashes: npt.NDArray[np.uint64], soft: SoftLabels, folds: int, seed: int) -> Ints:
    """Fold of each row: dealt out by class over distinct rows."""
    _, first, group = np.unique(hashes, return_index=True, return_inverse=True)
    by_row = np.argsort(first)
    rows = first[by_row]
    deal = np.random.default_rng(seed).permutation(len(rows))
    by_class = deal[np.argsort(soft[rows[deal]].argmax(axis=1), kind="stable")]
    fold_of = np.empty(len(rows), dtype=np.int64)
    fold_of[by_row[by_class]] = np.arange(len(rows)) % folds
    return np.asarray(fold_of[group])
