"""What the end model looks at: columns of the rows, the vectors of `embed`, or both.

Where a dataset has vectors, the end model learns from each of these in turn what the label model
says, and what it says of rows held out decides (core.looks). Answers of people have no part in
it, so that the same votes choose the same whichever came first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from datahub.core.dataset import Dataset
from datahub.core.features import Looks
from datahub.core.label_warnings import LabelWarning
from datahub.core.labels import SoftLabels
from datahub.core.lessons import Lessons
from datahub.core.looks import LOOKS, choose_looks, likelihood
from datahub.flow.dataset.at import At
from datahub.flow.dataset.features import FeatureReader, features_at, lessons_for
from datahub.flow.label.judging import lines_of
from datahub.ports import EndModel

Says = Callable[[slice], SoftLabels]  # what the label model says of these lines of the dataset


@dataclass(frozen=True)
class EndModelLooks:
    """What the end model looks at, and why.

    `likelihoods`: mean log-likelihood of soft labels of `rows` rows held out, by what was looked
    at; `nothing` is that of class sizes alone, and None where nothing was compared. `missing` rows
    have no vectors: then words alone are looked at.
    """

    looks: Looks
    likelihoods: Mapping[Looks, float] = field(default_factory=dict)
    nothing: float | None = None
    rows: int = 0
    missing: int = 0

    def warning(self, rows: int) -> LabelWarning | None:
        """What is to be said where vectors could not be used."""
        if not self.missing:
            return None
        return LabelWarning(
            "vectors_missing",
            f"{self.missing} of {rows} rows have no vectors, so that the end model looks at none",
            "`datahub embed`, then `datahub label fit`",
            self.missing / rows,
        )


@dataclass(frozen=True)
class Sees:
    """The columns that an end model looks at; `why` is None where the dataset has no vectors."""

    reader: FeatureReader
    why: EndModelLooks | None = None


@dataclass(frozen=True)
class Eyes:
    """What an end model may look at: columns by name, and vectors, as the settings say."""

    end_model: EndModel | None
    columns: Sequence[str] = ()
    embedding: str | None = None
    looks: Looks | Literal["auto"] = "auto"
    seed: int = 0

    def see(self, at: At, says: Says) -> Sees:
        """Choose by what a label model says. Raises ConfigError, NotFound, InputError.

        The last two where vectors are asked for, and some rows have none.
        """
        if self.looks != "auto":
            return self._only(at, self.looks)
        if self.end_model is None or at.vectors is None:
            return Sees(self.reader(at, "words"))
        if at.rows_without_vectors:
            why = EndModelLooks("words", missing=at.rows_without_vectors)
            return Sees(self.reader(at, "words"), why)
        why = self._compare(at, self.end_model, says)
        return Sees(self.reader(at, why.looks), why)

    def reader(self, at: At, looks: Looks) -> FeatureReader:
        """Reads just these."""
        return features_at(at, columns=self.columns, embedding=self.embedding, looks=looks)

    def _only(self, at: At, looks: Looks) -> Sees:
        return Sees(self.reader(at, looks), None if looks == "words" else EndModelLooks(looks))

    def _compare(self, at: At, end_model: EndModel, says: Says) -> EndModelLooks:
        lessons = lessons_of(end_model, self.reader(at, "both"), at.dataset, says, seed=self.seed)
        features, soft = lessons.contents()
        likelihoods: dict[Looks, float] = {}
        for looks in LOOKS:
            view = features.looking_at(looks)
            opinion = end_model.learn(view, soft, seed=self.seed).of(view)
            value = likelihood(soft, opinion)
            if value is not None:
                likelihoods[looks] = value
        sizes = np.tile(soft.mean(axis=0), (len(soft), 1)) if len(soft) else soft
        baseline = likelihood(soft, sizes)
        looks = "words" if baseline is None else choose_looks(likelihoods, nothing=baseline)
        return EndModelLooks(looks, likelihoods, baseline, len(soft))


def lessons_of(
    end_model: EndModel, reader: FeatureReader, dataset: Dataset, says: Says, *, seed: int
) -> Lessons:
    """What an end model learns from, where a label model alone says what rows are."""
    lessons = lessons_for(end_model, reader.features, len(dataset.classes), seed=seed)
    for part, lines in lines_of(dataset):
        rows = reader.of(part)
        lessons.add(rows.keys, rows.features, says(lines))
    return lessons
