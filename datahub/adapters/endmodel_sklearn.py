"""EndModel on scikit-learn: logistic regression. The only file that imports `sklearn`.

Texts become TF-IDF, numbers are scaled, embeddings centered and of length 1: blocks of like
weight. Learns from soft labels by one weighted copy of a row for each class it may be of.
Whatever is learned, which words count and how much included, is learned from the
other folds alone; equal rows share a fold, so that no row is judged by its double.
Memory is bounded: it learns from a sample of labeled rows, and scores all a chunk at a time.
scikit-learn is imported by what learns: a merge has an end model at hand, and seldom asks it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from datahub.core.errors import InputError
from datahub.core.features import Features
from datahub.core.labels import SoftLabels

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.linear_model import LogisticRegression

_SMALLEST_SHARE = 0.01  # a class less likely than this adds cost and no knowledge

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Raw = Sequence[Any]  # of each block [rows, columns]: counts of words, sparse; or numbers


class LogisticEndModel:
    """The second opinion."""

    name = "sklearn"

    def __init__(
        self,
        *,
        max_features: int = 20_000,
        regularization: float = 1.0,
        max_iter: int = 100,
        max_rows: int = 100_000,
        chunk: int = 20_000,
    ) -> None:
        """`regularization` is scikit-learn's C: larger fits the soft labels more closely.

        `max_features` are words of each text column, `max_rows` are learned from.
        """
        self._max_features = max_features
        self._regularization = regularization
        self._max_iter = max_iter
        self._max_rows = max_rows
        self._chunk = chunk

    def out_of_fold(
        self, features: Features, soft: SoftLabels, *, seed: int, folds: int = 5
    ) -> SoftLabels:
        """Probabilities [n, k]; an unlabeled row gets the mean over all folds' models.

        All NaN where the labeled rows have no words and no numbers, or any fold would have to be
        judged from rows of one class. Raises InputError for fewer than 2 folds or unequal lengths.
        """
        if features.rows != len(soft) or folds < 2:
            raise InputError(
                f"{features.rows} rows, {len(soft)} rows of soft labels and {folds} folds.",
                hint="Give one row of soft labels a row, and 2 folds or more.",
            )
        nothing = np.full(soft.shape, np.nan)
        learned_from = self._sample(np.flatnonzero(~np.isnan(soft).any(axis=1)), seed)
        if len(learned_from) == 0 or not features.columns:
            return nothing
        fold = _folds(features, soft, folds, seed)
        blocks = _Blocks(features, learned_from)
        raw = blocks.of(learned_from)
        models = []
        for number in range(folds):
            train = np.flatnonzero(fold[learned_from] != number)
            learned = self._learned([block[train] for block in raw], soft[learned_from[train]])
            if learned is None:
                return nothing
            models.append(learned)
        return self._scored(blocks, models, fold, nothing)

    def _sample(self, labeled: Ints, seed: int) -> Ints:
        if len(labeled) <= self._max_rows:
            return labeled
        drawn = np.random.default_rng(seed).choice(labeled, size=self._max_rows, replace=False)
        return np.sort(drawn)

    def _learned(self, raw: Raw, soft: SoftLabels) -> _Learned | None:
        """A model of these rows, if they teach anything."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits

        if len(np.unique(soft.argmax(axis=1))) < 2:
            return None
        scales = [_Scale.of(block, self._max_features) for block in raw]
        if not any(len(scale.columns) for scale in scales):
            return None
        rows, classes = np.nonzero(soft >= _SMALLEST_SHARE)
        model = LogisticRegression(C=self._regularization, max_iter=self._max_iter)
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # near enough for an opinion
            model.fit(_joined(scales, raw)[rows], classes, sample_weight=soft[rows, classes])
        return _Learned(scales, model)

    def _scored(
        self, blocks: _Blocks, models: Sequence[_Learned], fold: Ints, into: SoftLabels
    ) -> SoftLabels:
        for start in range(0, len(fold), self._chunk):
            rows = np.arange(start, min(start + self._chunk, len(fold)))
            raw = blocks.of(rows)
            into[rows] = 0
            for number, learned in enumerate(models):
                for of_fold, weight in ((number, 1.0), (-1, 1 / len(models))):
                    mine = np.flatnonzero(fold[rows] == of_fold)
                    if len(mine):
                        said = learned.probabilities([b[mine] for b in raw], into.shape[1])
                        into[rows[mine]] += weight * said
        return into


@dataclass(frozen=True)
class _Scale:
    """How a block becomes features: by the weights of its words, or by mean and spread."""

    columns: Ints
    weighing: TfidfTransformer | None = None
    mean: npt.NDArray[np.float64] | None = None
    spread: npt.NDArray[np.float64] | None = None

    @classmethod
    def of(cls, block: Any, most: int) -> _Scale:
        if isinstance(block, np.ndarray):
            seen = np.flatnonzero(~np.isnan(block).all(axis=0))
            mean, spread = np.nanmean(block[:, seen], axis=0), np.nanstd(block[:, seen], axis=0)
            return cls(seen, mean=mean, spread=np.where(spread > 0, spread, 1.0))
        from sklearn.feature_extraction.text import TfidfTransformer

        held = np.asarray((block > 0).sum(axis=0)).ravel()  # rows that hold each word
        words = np.flatnonzero(held)
        words = np.sort(words[np.argsort(-held[words], kind="stable")[:most]])
        weighing = TfidfTransformer(sublinear_tf=True).fit(block[:, words]) if len(words) else None
        return cls(words, weighing)

    def scaled(self, block: Any) -> Any:
        if self.weighing is not None:
            return self.weighing.transform(block[:, self.columns])
        if self.mean is None or self.spread is None:  # no words
            return _sparse(np.empty((block.shape[0], 0)))
        centered = (np.asarray(block)[:, self.columns] - self.mean) / self.spread
        return _sparse(np.nan_to_num(centered) / np.sqrt(max(1, len(self.columns))))


@dataclass(frozen=True)
class _Learned:
    scales: Sequence[_Scale]
    model: LogisticRegression

    def probabilities(self, raw: Raw, cardinality: int) -> SoftLabels:
        said = np.zeros((raw[0].shape[0], cardinality))
        said[:, self.model.classes_] = self.model.predict_proba(_joined(self.scales, raw))
        return said


def _joined(scales: Sequence[_Scale], raw: Raw) -> Any:
    from scipy.sparse import hstack

    blocks = [scale.scaled(block) for scale, block in zip(scales, raw, strict=True)]
    return blocks[0] if len(blocks) == 1 else hstack(blocks, format="csr")


def _sparse(values: npt.NDArray[np.float64]) -> Any:
    from scipy.sparse import csr_matrix

    return csr_matrix(values)


class _Blocks:
    """Columns of the rows as blocks; which words there are is told by the rows learned from."""

    def __init__(self, features: Features, learned_from: Ints) -> None:
        from sklearn.feature_extraction.text import CountVectorizer

        self._features = features
        self._words = {}
        for name in features.texts:
            try:
                known = CountVectorizer(dtype=np.float64).fit(self._texts(name, learned_from))
            except ValueError:  # its only one on text: empty vocabulary
                continue
            self._words[name] = known

    def of(self, rows: Ints) -> list[Any]:
        found: list[Any] = [
            self._words[name].transform(self._texts(name, rows))
            if name in self._words
            else _sparse(np.empty((len(rows), 0)))
            for name in self._features.texts
        ]
        frame = self._features.frame[rows]
        if self._features.numbers:
            numbers = frame.select(pl.col(self._features.numbers).cast(pl.Float64)).to_numpy()
            found.append(np.where(np.isfinite(numbers), numbers, np.nan))
        if self._features.embedding:
            lists = frame[self._features.embedding].cast(pl.List(pl.Float64))
            found.append(_unit(np.array(lists.to_list(), dtype=np.float64)))
        return found

    def _texts(self, name: str, rows: Ints) -> list[str]:
        return self._features.frame[name][rows].cast(pl.String).fill_null("").to_list()


def _unit(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    filled = np.nan_to_num(vectors, posinf=0, neginf=0)
    length = np.linalg.norm(filled, axis=1, keepdims=True)
    return np.asarray(filled / np.where(length > 0, length, 1))


def _folds(features: Features, soft: SoftLabels, folds: int, seed: int) -> Ints:
    """Fold of each row: dealt out by class over distinct rows; -1 where no label speaks."""
    same = features.frame.select(features.columns).hash_rows().to_numpy()
    labeled = np.flatnonzero(~np.isnan(soft).any(axis=1))
    group = np.unique(same, return_inverse=True)[1]
    found, first = np.unique(group[labeled], return_index=True)
    by_row = np.argsort(first)
    groups, rows = found[by_row], labeled[first[by_row]]
    dealt = np.random.default_rng(seed).permutation(len(rows))
    by_class = dealt[np.argsort(soft[rows[dealt]].argmax(axis=1), kind="stable")]
    fold_of = np.full(group.max() + 1, -1, dtype=np.int64)
    fold_of[groups[by_class]] = np.arange(len(rows)) % folds
    return np.asarray(fold_of[group])
