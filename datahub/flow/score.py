"""How right the labels are, against gold. Reads gold; nothing in labeling reads this."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from datahub.core.dataset import Dataset
from datahub.flow.parts import GOLD_LABEL
from datahub.flow.source import gold_at
from datahub.flow.tables import read_table
from datahub.ports import Rows, VersionStore


@dataclass(frozen=True)
class Accuracy:
    """Share of right labels among the labeled rows with gold; None when there are none."""

    rows: int
    labeled: int
    right: int

    @property
    def accuracy(self) -> float | None:
        """Right labels among labeled rows."""
        return self.right / self.labeled if self.labeled else None

    @property
    def right_of_all(self) -> float | None:
        """Right labels among all rows: a row without a label is not right."""
        return self.right / self.rows if self.rows else None


@dataclass(frozen=True)
class Score:
    """All rows, those no person answered, and those accepted without a person."""

    everything: Accuracy
    not_asked: Accuracy
    accepted: Accuracy


def score_labels(dataset: Dataset, *, ref: str, store: VersionStore, rows: Rows) -> Score:
    """Hold the labels of a commit against gold. Raises NotFound: no gold, or no labels yet."""
    labels = read_table(store, rows, ref, dataset.name, "labels", made_by="label fit")
    gold = gold_at(store, rows, ref, dataset).select(dataset.key, gold=GOLD_LABEL)
    joined = labels.join(gold, on=dataset.key, how="inner").drop_nulls("gold")
    asked = pl.col("annotations").list.len() > 0
    return Score(
        everything=_accuracy(joined),
        not_asked=_accuracy(joined.filter(~asked)),
        accepted=_accuracy(joined.filter(pl.col("status") == "accepted")),
    )


def _accuracy(joined: pl.DataFrame) -> Accuracy:
    labeled = joined.drop_nulls("label")
    right = labeled.filter(pl.col("label") == pl.col("gold")).height
    return Accuracy(joined.height, labeled.height, right)
