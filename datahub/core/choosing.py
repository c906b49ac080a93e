"""Which label model, class balance and temperature fit a small labeled set best.

A candidate is what a label model says of the labeled rows under uniform classes; a class balance
and a temperature are put to it afterwards. Model and balance are chosen by how many rows they label
right, and the default stays unless another is surely better: by likelihood, models that are sure of
themselves win and are wrong more often. The temperature is chosen by likelihood, as it is to make
probabilities true.
What the choice is worth is told by rows that had no part in it: each fold is labeled by what the
other folds choose.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from datahub.core.labels import SoftLabels, combine
from datahub.core.trust import interval

LEAST = 30  # labeled rows; fewer tell no candidate from another
FOLDS = 5
TEMPERATURES = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
BALANCES = ("uniform", "estimated", "dev")
_SURE = 1.64  # standard errors: one-sided 95%
_DOUBT = 0.01  # of each opinion is given to all classes alike: no single row decides

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Setting:
    """A label model, where its class balance is from, and its temperature."""

    model: str
    balance: str = "uniform"
    temperature: float = 1.0


@dataclass(frozen=True)
class Opinions:
    """What models say of labeled rows: the label model under uniform classes, the end model."""

    soft: SoftLabels
    end: SoftLabels


@dataclass(frozen=True)
class Choice:
    """What was chosen, and how sure that is.

    `right` is how often the choice labels rows right that had no part in it, with its 95%
    `interval`; `default_right` that of the default on the same rows. `gain` is the 95% interval of
    the difference. `folds` of FOLDS choose the same model and balance as all rows do.
    """

    setting: Setting
    class_balance: tuple[float, ...]
    rows: int
    right: float
    interval: tuple[float, float]
    default_right: float
    gain: tuple[float, float]
    folds: int


def adjust(soft: SoftLabels, balance: Sequence[float] | Floats, temperature: float) -> SoftLabels:
    """Soft labels that took classes for equal, under a class balance and a temperature.

    A temperature above 1 makes them less sure. NaN stays NaN.

    >>> adjust(np.array([[0.5, 0.5], [np.nan, np.nan]]), [0.9, 0.1], 1.0).round(2).tolist()
    [[0.9, 0.1], [nan, nan]]
    >>> adjust(np.array([[0.8, 0.2]]), [0.5, 0.5], 2.0).round(2).tolist()
    [[0.67, 0.33]]
    """
    scores = soft ** (1 / temperature) * np.asarray(balance, dtype=np.float64)
    return np.asarray(scores / scores.sum(axis=1, keepdims=True))


def choose(
    candidates: Mapping[str, Opinions],
    labels: Ints,
    estimated: Sequence[float],
    *,
    default: str,
) -> Choice:
    """The setting that fits labeled rows best; `labels` [n] are their classes, in random order.

    `candidates` are by name of the label model, and have the default; `estimated` is the class
    balance by majority vote. The same input gives the same choice.
    """
    search = _Choosing(candidates, labels, np.asarray(estimated, dtype=np.float64), default)
    n = len(labels)
    setting = search.best(np.arange(n))
    fold = np.arange(n) % FOLDS
    right, before, agreements = np.zeros(n), np.zeros(n), Counter[bool]()
    for number in range(FOLDS):
        fold_rows, rest = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        found = search.best(rest)
        agreements[(found.model, found.balance) == (setting.model, setting.balance)] += 1
        right[fold_rows] = search.right(found, rest, fold_rows)
        before[fold_rows] = search.right(Setting(default), rest, fold_rows)
    count = round(float(right.sum()))
    difference = right - before
    margin = 1.96 * _error(difference)
    return Choice(
        setting=setting,
        class_balance=tuple(search.balance(setting.balance, np.arange(n)).tolist()),
        rows=n,
        right=float(right.mean()),
        interval=interval(count, n),
        default_right=float(before.mean()),
        gain=(float(difference.mean()) - margin, float(difference.mean()) + margin),
        folds=agreements[True],
    )


@dataclass(frozen=True)
class _Choosing:
    candidates: Mapping[str, Opinions]
    labels: Ints
    estimated: Floats
    default: str

    def best(self, rows: Ints) -> Setting:
        """The best by these rows; the default where none is surely better."""
        found, most = Setting(self.default), 0.0
        base = self.right(found, rows, rows)
        for setting in (Setting(m, b) for m in self.candidates for b in BALANCES):
            gain = self.right(setting, rows, rows) - base
            if gain.mean() > max(most, _SURE * _error(gain)):
                found, most = setting, float(gain.mean())
        tempered_setting = self._at_best_temperature(found, rows)
        gain = self._likelihoods(tempered_setting, rows) - self._likelihoods(found, rows)
        return tempered_setting if gain.mean() > _SURE * _error(gain) else found

    def balance(self, source: str, rows: Ints) -> Floats:
        """The class balance of that source, these rows being the labeled ones."""
        k = len(self.estimated)
        if source == "estimated":
            return self.estimated
        if source == "uniform":
            return np.full(k, 1 / k)
        counts = np.bincount(self.labels[rows], minlength=k) + 1.0
        return np.asarray(counts / counts.sum())

    def right(self, setting: Setting, training_rows: Ints, fold_rows: Ints) -> Floats:
        """How right each held row is; a tie of t classes is 1/t right."""
        soft = self._says(setting, training_rows, fold_rows)
        top = soft >= soft.max(axis=1, keepdims=True) - 1e-9
        return np.asarray(top[np.arange(len(fold_rows)), self.labels[fold_rows]] / top.sum(axis=1))

    def _at_best_temperature(self, setting: Setting, rows: Ints) -> Setting:
        options = [Setting(setting.model, setting.balance, t) for t in TEMPERATURES]
        return max(options, key=lambda option: float(self._likelihoods(option, rows).mean()))

    def _likelihoods(self, setting: Setting, rows: Ints) -> Floats:
        """Log likelihood of each row's label."""
        soft = self._says(setting, rows, rows)
        own = soft[np.arange(len(rows)), self.labels[rows]]
        return np.asarray(np.log((1 - _DOUBT) * own + _DOUBT / soft.shape[1]))

    def _says(self, setting: Setting, training_rows: Ints, rows: Ints) -> SoftLabels:
        opinions = self.candidates[setting.model]
        balance = self.balance(setting.balance, training_rows)
        return combine(
            adjust(opinions.soft[rows], balance, setting.temperature), opinions.end[rows]
        )


def _error(values: Floats) -> float:
    """Standard error of a mean."""
    return float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.inf
