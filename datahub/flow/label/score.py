"""How right the labels are, against gold. Reads gold; nothing in labeling reads this."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from datahub.flow.dataset.at import At
from datahub.flow.dataset.parts import GOLD_LABEL


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
    """All rows, those no person answered, and those accepted without a person.

    `accepted` are by a measured threshold alone, whatever the policy does before that.
    """

    everything: Accuracy
    not_asked: Accuracy
    accepted: Accuracy


def score_labels(at: At) -> Score:
    """Hold the labels of a commit against gold. Raises NotFound: no gold, or no labels yet."""
    at.check("labels", made_by="label fit")
    at.check_gold()
    totals = [Accuracy(0, 0, 0)] * 3
    columns = [at.key, "label", "status", "annotations"]
    for part, labels in at.parts("labels", columns=columns):
        gold = at.part("gold", part, [at.key, GOLD_LABEL])
        if gold is None:
            continue
        gold_lines = gold.rename({GOLD_LABEL: "gold"}).drop_nulls("gold")
        lines = labels.join(gold_lines, on=at.key, how="inner")
        has_answer = pl.col("annotations").list.len() > 0
        groups = (pl.lit(True), ~has_answer, pl.col("status") == "accepted")
        totals = [
            total + _accuracy(lines.filter(group))
            for total, group in zip(totals, groups, strict=True)
        ]
    return Score(*totals)


def _accuracy(lines: pl.DataFrame) -> Accuracy:
    labels = lines.drop_nulls("label")
    right = labels.filter(pl.col("label") == pl.col("gold")).height
    return Accuracy(lines.height, labels.height, right)
