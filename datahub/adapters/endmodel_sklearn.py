"""EndModel on scikit-learn: TF-IDF and logistic regression. The only file that imports `sklearn`.

Learns from soft labels by one weighted copy of a row for each class it may be of.
Whatever is learned, which words count and how much included, is learned from the
other folds alone; equal texts share a fold, so that no row is judged by its double.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from datahub.core.errors import InputError
from datahub.core.labels import SoftLabels

_SMALLEST_SHARE = 0.01  # a class less likely than this adds cost and no knowledge

Ints = npt.NDArray[np.int64]


class TfidfEndModel:
    """The second opinion on texts."""

    name = "sklearn"

    def __init__(
        self, *, max_features: int = 20_000, regularization: float = 1.0, max_iter: int = 100
    ) -> None:
        """`regularization` is scikit-learn's C: larger fits the soft labels more closely."""
        self._max_features = max_features
        self._regularization = regularization
        self._max_iter = max_iter

    def out_of_fold(
        self, texts: Sequence[str], soft: SoftLabels, *, seed: int, folds: int = 5
    ) -> SoftLabels:
        """Probabilities [n, k]; an unlabeled row gets the mean over all folds' models.

        All NaN where the labeled rows have no words, or any fold would have to be judged from
        rows of one class. Raises InputError for fewer than 2 folds or unequal lengths.
        """
        if len(texts) != len(soft) or folds < 2:
            raise InputError(
                f"{len(texts)} texts, {len(soft)} rows of soft labels and {folds} folds.",
                hint="Give one row of soft labels a text, and 2 folds or more.",
            )
        nothing = np.full(soft.shape, np.nan)
        labeled = np.asarray(~np.isnan(soft).any(axis=1))
        fold = _folds(texts, soft, labeled, folds, seed)
        counts = _counts(texts) if labeled.any() else None
        if counts is None:
            return nothing
        by_fold = []
        for number in range(folds):
            learned = self._learned(counts, soft, labeled & (fold != number))
            if learned is None:
                return nothing
            by_fold.append(learned)
        return _own_fold_or_mean(np.array(by_fold), fold)

    def _learned(
        self, counts: Any, soft: SoftLabels, train: npt.NDArray[np.bool_]
    ) -> SoftLabels | None:
        """Probabilities of all rows by a model of the training rows, if they teach anything."""
        if len(np.unique(soft[train].argmax(axis=1))) < 2:
            return None
        words = self._words(counts[train])
        if len(words) == 0:
            return None
        weighing = TfidfTransformer(sublinear_tf=True).fit(counts[train][:, words])
        features = weighing.transform(counts[:, words])
        rows, classes = np.nonzero((soft >= _SMALLEST_SHARE) & train[:, None])
        model = LogisticRegression(C=self._regularization, max_iter=self._max_iter)
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # near enough for an opinion
            model.fit(features[rows], classes, sample_weight=soft[rows, classes])
        probabilities = np.zeros(soft.shape)
        probabilities[:, model.classes_] = model.predict_proba(features)
        return probabilities

    def _words(self, counts: Any) -> Ints:
        """Columns of the words most rows hold, no more than max_features, in column order."""
        rows = np.asarray((counts > 0).sum(axis=0)).ravel()
        held = np.flatnonzero(rows)
        commonest = held[np.argsort(-rows[held], kind="stable")[: self._max_features]]
        return np.sort(commonest)


def _counts(texts: Sequence[str | None]) -> Any:
    """How often each word is in each text, sparse; None where there is no word at all."""
    try:
        return CountVectorizer(dtype=np.float64).fit_transform([text or "" for text in texts])
    except ValueError:  # its only one on text: empty vocabulary
        return None


def _folds(
    texts: Sequence[str],
    soft: SoftLabels,
    labeled: npt.NDArray[np.bool_],
    folds: int,
    seed: int,
) -> Ints:
    """Fold of each row: dealt out by class over distinct texts; -1 where no label speaks."""
    first: dict[str, int] = {}
    for row in np.flatnonzero(labeled):
        first.setdefault(texts[row], int(row))
    rows = np.random.default_rng(seed).permutation(np.array(list(first.values()), dtype=np.int64))
    rows = rows[np.argsort(soft[rows].argmax(axis=1), kind="stable")] if len(rows) else rows
    dealt = {texts[row]: number % folds for number, row in enumerate(rows)}
    return np.array([dealt.get(text, -1) for text in texts], dtype=np.int64)


def _own_fold_or_mean(by_fold: npt.NDArray[np.float64], fold: Ints) -> SoftLabels:
    found = by_fold.mean(axis=0)
    dealt = np.flatnonzero(fold >= 0)
    found[dealt] = by_fold[fold[dealt], dealt]
    return np.asarray(found)
