"""Counts of labels as they are made, part by part."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from datahub.core.label_warnings import LabelSample
from datahub.core.labels import LabelMatrix, SoftLabels
from datahub.flow.label.judging import JudgedPart


@dataclass
class Tally:
    """What `FitReport` counts, of parts that come one at a time; `rows` are those with a vote."""

    sample: LabelSample
    rows: int = 0
    agreements: int = 0
    changes: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)

    @property
    def agreement(self) -> float | None:
        """Share of covered rows whose likeliest class is that of the majority vote."""
        return self.agreements / self.rows if self.rows else None

    def add(self, part: JudgedPart, votes: LabelMatrix, plain: SoftLabels) -> None:
        """Count one part, of which majority vote says `plain`."""
        has_vote = ~np.isnan(part.final).any(axis=1)
        agrees = part.final[has_vote].argmax(axis=1) == plain[has_vote].argmax(axis=1)
        supported = (part.scores["end_label"] == part.scores["label"]).fill_null(value=False)
        self.sample.add(votes, part.final, plain, supported.to_numpy())
        self.rows += int(has_vote.sum())
        self.agreements += int(agrees.sum())
        self.changes += int(part.scores["label"].ne_missing(part.scores["model_label"]).sum())
        self.statuses.update(counts_of(part.labels["status"]))
        self.classes.update(counts_of(part.labels["label"].drop_nulls()))
        self.outcomes.update(counts_of(part.labels["outcome"]))


def counts_of(values: pl.Series) -> dict[str, int]:
    """How often each value stands there, by name."""
    return dict(values.value_counts().sort(values.name).iter_rows())
