"""Votes with a truth to compare them with: published, halves of them, simulated, thresholds.

Each problem has votes [n, m], the truth [n] and, of published sets, the texts. Nothing here is
learned, and nothing looks at how well a model does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

SIX = (
    "wrench_youtube",
    "wrench_sms",
    "wrench_trec",
    "chemprot_half",
    "agnews_3000",
    "hausa",
)
HALVES = 20  # of each set
CLASSES = (2, 3, 5, 10, 20)
LFS = (5, 12, 30, 80, 200)
KINDS = ("one-class", "many-class", "mixed")
ROWS = 2000

Votes = npt.NDArray[np.int8]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """Votes, their truth, and what is special about them."""

    name: str
    votes: Votes
    truth: npt.NDArray[np.int8]
    cardinality: int
    texts: tuple[str, ...] = ()
    features: Floats | None = field(default=None, repr=False)
    source: str = ""  # the set or the kind that it is one of

    @property
    def covered(self) -> npt.NDArray[np.bool_]:
        """Rows with a vote."""
        return np.asarray((self.votes != -1).any(axis=1))

    def of_lfs(self, lfs: npt.NDArray[np.int64], name: str) -> Problem:
        """The same rows under some of the LFs."""
        votes = np.ascontiguousarray(self.votes[:, lfs])
        return Problem(
            name, votes, self.truth, self.cardinality, self.texts, self.features, self.source
        )


def published(folder: Path, name: str) -> Problem:
    """A published set; classes 0 to the largest in its truth."""
    import polars as pl

    frame = pl.read_parquet(folder / f"{name}.parquet")
    votes = np.array(frame["weak_labels"].to_list(), dtype=np.int8)
    truth = frame["label"].to_numpy().astype(np.int8)
    k = int(max(truth.max(), votes.max())) + 1
    return Problem(name, votes, truth, k, tuple(frame["text"].to_list()), source=name)


def halves(whole: Problem, times: int = HALVES, seed: int = 0) -> Iterator[Problem]:
    """Random halves of the LFs, at least two each."""
    m = whole.votes.shape[1]
    for number in range(times):
        rng = np.random.default_rng([seed, number])
        lfs = np.sort(rng.choice(m, max(2, (m + 1) // 2), replace=False))
        yield whole.of_lfs(lfs, f"{whole.name} half {number}")


def grid(seed: int = 0, rows: int = ROWS) -> Iterator[Problem]:
    """Every number of classes with every number of LFs and every kind, other things by chance."""
    number = 0
    for k in CLASSES:
        for m in LFS:
            for kind in KINDS:
                number += 1
                yield simulated(k, m, kind, seed=[seed, number], rows=rows)


def simulated(k: int, m: int, kind: str, *, seed: list[int], rows: int = ROWS) -> Problem:
    """Rows of k classes under m LFs: balance, accuracies, copies and groups are drawn.

    A row has a difficulty, which all LFs share in part of the problems, so that independence
    given the class does not hold. LFs of a group say what one hidden LF says, most of the time.
    """
    rng = np.random.default_rng(seed)
    balance = _balance(rng, k)
    truth = rng.choice(k, rows, p=balance).astype(np.int8)
    best = rng.choice([0.5, 0.7, 0.85, 0.95])  # of the accuracies above chance
    coverage = rng.choice([0.03, 0.1, 0.3])
    hard = rng.beta(0.7, 0.7, rows) if rng.random() < 0.4 else np.full(rows, 0.5)
    draw = _Draw(rng, truth, balance, hard)
    leaders = [_column(draw, kind, best, coverage) for _ in range(m)]
    extra = rng.choice(["none", "copies", "groups"])
    share = rng.uniform(0.2, 0.5)
    votes = np.stack(leaders, axis=1)
    repeated = int(share * m) if extra != "none" else 0
    leader = int(rng.integers(m))
    same = 1.0 if extra == "copies" else rng.uniform(0.6, 0.95)
    for j in rng.choice(m, repeated, replace=False):
        takes = rng.random(rows) < same
        votes[takes, j] = votes[takes, leader]
    name = f"{k} classes, {m} LFs, {kind}, best {best}, {extra}"
    return Problem(name, votes, truth, k, source=kind)


@dataclass(frozen=True)
class _Draw:
    rng: np.random.Generator
    truth: npt.NDArray[np.int8]
    balance: Floats
    hard: Floats


def _balance(rng: np.random.Generator, k: int) -> Floats:
    """Even, uneven, or one class of a few percent; none below 1% (or half of what is even)."""
    kind = rng.integers(3)
    if kind == 0:
        return np.full(k, 1 / k)
    if kind == 1:
        shares = rng.dirichlet(np.full(k, 1.5))
    else:
        shares = np.full(k, 1.0)
        shares[rng.integers(k)] = rng.uniform(0.02, 0.3)
        shares[rng.integers(k)] *= rng.uniform(1, 3)
    shares = np.maximum(shares / shares.sum(), min(0.01, 0.5 / k))
    if k > 2:
        shares = np.minimum(shares, 0.5)
    return np.asarray(shares / shares.sum())


def _column(draw: _Draw, kind: str, best: float, coverage: float) -> Votes:
    """One LF: of one class, or of all."""
    rng, truth, k = draw.rng, draw.truth, len(draw.balance)
    n = len(truth)
    strength = rng.uniform(0, best)  # 0 is chance
    covers = min(coverage * np.exp(rng.normal(0, 0.8)), 0.8)
    ease = np.clip(2 * (1 - draw.hard), 0, 1.6)
    if kind == "one-class" or (kind == "mixed" and rng.random() < 0.5):
        y = int(rng.choice(k, p=0.5 / k + 0.5 * draw.balance))
        right = draw.balance[y] + strength * (1 - draw.balance[y])  # its precision
        size = min(covers, 0.9 * draw.balance[y] / right)  # recall stays below 1
        inside, outside = size * right / draw.balance[y], size * (1 - right) / (1 - draw.balance[y])
        votes_at = np.where(truth == y, np.minimum(inside * ease, 1), outside)
        return np.where(rng.random(n) < votes_at, y, -1).astype(np.int8)
    right = np.clip(1 / k + strength * (1 - 1 / k) * ease, 0, 0.97)
    habit = rng.dirichlet(np.full(k, 2.0))  # which class it errs to
    votes = np.where(rng.random(n) < right, truth, rng.choice(k, n, p=habit))
    return np.where(rng.random(n) < covers, votes, -1).astype(np.int8)


def thresholds(seeds: int = 12) -> Iterator[Problem]:
    """LFs that compare one feature of scikit-learn's data sets with a bound."""
    from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine

    loads = {
        "digits": load_digits,
        "cancer": load_breast_cancer,
        "wine": load_wine,
        "iris": load_iris,
    }
    for name, load in loads.items():
        features, truth = load(return_X_y=True)
        for seed in range(seeds):
            yield _thresholds(name, np.asarray(features), truth.astype(np.int8), seed)


def _thresholds(name: str, features: Floats, truth: npt.NDArray[np.int8], seed: int) -> Problem:
    """Bounds by somebody who looked at a few rows: one feature, one side, one class each."""
    rng = np.random.default_rng([seed, len(truth)])
    k = int(truth.max()) + 1
    looked = rng.choice(len(truth), min(60, len(truth) // 2), replace=False)
    lfs = int(rng.choice([2, 3, 5])) * k
    columns = []
    for j in range(lfs):
        y = j % k if seed % 2 else int(rng.integers(k))
        inside = truth[looked] == y
        some = rng.choice(features.shape[1], max(2, features.shape[1] // 4), replace=False)
        apart = _apart(features[looked], inside)
        column = some[np.argmax(np.abs(apart[some]))]
        side = np.sign(apart[column]) or 1.0
        bound = np.quantile(side * features[:, column], rng.uniform(0.5, 0.9))
        columns.append(np.where(side * features[:, column] > bound, y, -1))
    votes = np.stack(columns, axis=1).astype(np.int8)
    return Problem(f"{name} {seed}", votes, truth, k, features=features, source=name)


def _apart(features: Floats, inside: npt.NDArray[np.bool_]) -> Floats:
    """Means within the class less means outside, in spreads."""
    if inside.all() or not inside.any():
        return np.zeros(features.shape[1])
    spread = features.std(axis=0) + 1e-9
    return np.asarray((features[inside].mean(axis=0) - features[~inside].mean(axis=0)) / spread)
