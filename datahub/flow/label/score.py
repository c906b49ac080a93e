"""How right the labels are, against gold. Reads gold; nothing in labeling reads this."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from datahub.core.dataset import Dataset
from datahub.flow.dataset.parts import GOLD_LABEL
from datahub.flow.dataset.tables import check_gold_at, check_table, part_reader, read_parts
from datahub.ports import Rows, VersionStore


@dataclass(frozen=True)
class Accuracy:
    """Share of right labels among the labeled rows with gold; None when there are none."""

    rows: int
    labeled: int
    right: int

    def __add__(self, more: Accuracy) -> Accuracy:
        """Both together: of other rows."""
        return Accuracy(self.rows + more.rows, self.labeled + more.labeled, self.right + more.right)

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
    check_table(store, ref, dataset.name, "labels", made_by="label fit")
    check_gold_at(store, ref, dataset)
    gold_of = part_reader(store, rows, ref, dataset, "gold")
    found = [Accuracy(0, 0, 0)] * 3
    columns = [dataset.key, "label", "status", "annotations"]
    for part, labels in read_parts(store, rows, ref, dataset, "labels", columns=columns):
        gold = gold_of(part, [dataset.key, GOLD_LABEL])
        if gold is None:
            continue
        named = gold.rename({GOLD_LABEL: "gold"}).drop_nulls("gold")
        joined = labels.join(named, on=dataset.key, how="inner")
        asked = pl.col("annotations").list.len() > 0
        groups = (pl.lit(True), ~asked, pl.col("status") == "accepted")
        found = [
            so_far + _accuracy(joined.filter(group))
            for so_far, group in zip(found, groups, strict=True)
        ]
    return Score(*found)


def _accuracy(joined: pl.DataFrame) -> Accuracy:
    labeled = joined.drop_nulls("label")
    right = labeled.filter(pl.col("label") == pl.col("gold")).height
    return Accuracy(joined.height, labeled.height, right)
