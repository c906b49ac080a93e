"""An end model's opinion without the class sizes that it learned.

An end model learns from soft labels, and with them how large each class is among those labels.
The label model has its class prior already. The product of both would count class sizes twice,
and grow the class that the label model favors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from datahub.core.features import Features
from datahub.core.labels import SoftLabels, without_balance
from datahub.core.lessons import Lessons
from datahub.ports import EndModel, Opinion


@dataclass(frozen=True)
class EvenOpinion:
    """An opinion under classes of equal size; `balance` are their sizes in what it learned."""

    opinion: Opinion
    balance: npt.NDArray[np.float64]

    def of(self, features: Features) -> SoftLabels:
        """Probabilities [n, k]; NaN where the opinion is."""
        return without_balance(self.opinion.of(features), self.balance)


def learn_from(end_model: EndModel, lessons: Lessons, *, seed: int, even: bool) -> Opinion:
    """What an end model learns from rows; without the sizes of classes where `even`."""
    features, soft = lessons.contents()
    opinion = end_model.learn(features, soft, seed=seed)
    if not even:
        return opinion
    n, k = soft.shape
    return EvenOpinion(opinion, (soft.sum(axis=0) + 1) / (n + k))  # a class without rows is rare
