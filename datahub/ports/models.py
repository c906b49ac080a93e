"""Label models and end models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy.typing as npt

from datahub.core.features import Features
from datahub.core.labels import LabelMatrix, SoftLabels, Votes
from datahub.core.paircounts import PairCounts
from datahub.core.vectors import Vectors


@dataclass(frozen=True)
class LabelModelFit:
    """What a label model learned: plain arrays, so that it can be saved as JSON.

    `weights[j]` is the model's estimate that LF j is right where it votes, or NaN when it
    never voted. `class_balance` is the prior over classes, and `balance_from` says how it was
    got: given, estimated or uniform. `arrays` are all that `predict` needs; `counts`, of a model
    that learns from them, are those of the votes.
    """

    model: str
    cardinality: int
    seed: int
    weights: npt.NDArray[Any]  # float64 [m]
    class_balance: npt.NDArray[Any]  # float64 [k]
    balance_from: str
    arrays: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    counts: PairCounts | None = None


class LabelModel(Protocol):
    """Votes to soft labels."""

    name: str

    def fit(
        self,
        votes: Votes,
        *,
        cardinality: int,
        seed: int,
        class_balance: Sequence[float] | None = None,
        counts: PairCounts | None = None,
        shares: Sequence[float] | None = None,
    ) -> LabelModelFit:
        """Learn from votes [n, m], which may be stored: they are read a block at a time.

        Leaves global random state alone; n or m may be 0.

        `counts`, where given, are the pair counts of exactly these votes, so that a model that
        learns from them need not count. `shares[j]` in (0, 1] is how much a vote of LF j counts,
        below 1 where the LF repeats others; a model that cannot use them leaves them.
        """
        ...

    def predict(self, fit: LabelModelFit, votes: LabelMatrix) -> SoftLabels:
        """Soft labels [n, k], rows summing to 1; a row without a vote is NaN throughout."""
        ...


class Opinion(Protocol):
    """What an end model has learned, asked about rows a part at a time."""

    def of(self, features: Features) -> SoftLabels:
        """Probabilities [n, k] for every row by a model that has not seen that row or its double.

        A row that no model has seen is told the mean of what all folds' models say. All rows
        are NaN where there was too little to learn from.
        """
        ...


class EndModel(Protocol):
    """What a row holds to classes, learned from soft labels: the second opinion triage asks."""

    name: str
    most_rows: int  # that it is to be given to learn from: what it holds follows them

    def learn(self, features: Features, soft: SoftLabels, *, seed: int, folds: int = 5) -> Opinion:
        """Learn from rows and their soft labels [n, k], none of them NaN, fold by fold.

        Too few rows or classes are no error. Raises InputError: fewer than 2 folds, unequal
        lengths.
        """
        ...


class Embedder(Protocol):
    """Texts to vectors. `id` names all that decides a vector, `name` is how people call it.

    `destination` is the address that texts are sent to; empty where none leaves the machine.
    """

    id: str
    name: str
    destination: str

    def embed(self, texts: Sequence[str]) -> Vectors:
        """A vector of length 1 for each text [n, d], the same whatever texts are beside it.

        Raises ConfigError, InputError (no such model), Unavailable, AuthenticationError, Rejected.
        """
        ...
