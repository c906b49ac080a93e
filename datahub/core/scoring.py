"""How right labels are by what is known of their rows: in all, by class, and what for what.

Pure: pairs of what a row is and what its label says, counted, are all that is needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from datahub.core.in_html import InHTML
from datahub.core.trust import interval

Pairs = Mapping[tuple[str, str | None], int]  # (what it is, its label or None): rows


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

    @property
    def interval(self) -> tuple[float, float]:
        """95% interval of the accuracy, were these rows drawn at random."""
        return interval(self.right, self.labeled)


@dataclass(frozen=True)
class ClassScore:
    """One class: `rows` are of it, `labeled` have it as their label, `right` both."""

    name: str
    rows: int
    labeled: int
    right: int

    @property
    def precision(self) -> float | None:
        """How many of the rows labeled so are of the class."""
        return self.right / self.labeled if self.labeled else None

    @property
    def precision_interval(self) -> tuple[float, float]:
        """95% interval of the precision."""
        return interval(self.right, self.labeled)

    @property
    def recall(self) -> float | None:
        """How many of the rows of the class are labeled so; a row without a label is not."""
        return self.right / self.rows if self.rows else None

    @property
    def recall_interval(self) -> tuple[float, float]:
        """95% interval of the recall."""
        return interval(self.right, self.rows)


@dataclass(frozen=True)
class Confused:
    """So many rows are `truth` and have the label `label`; None: they have none."""

    truth: str
    label: str | None
    rows: int


@dataclass(frozen=True)
class Judged(InHTML):
    """Labels against one judge: all rows that it knows, by class, and what was taken for what.

    `confusion` has the pairs that occur, right ones too, by class and then by number of rows.
    """

    everything: Accuracy
    classes: tuple[ClassScore, ...]
    confusion: tuple[Confused, ...]

    @property
    def interval(self) -> tuple[float, float]:
        """95% interval of the share of right labels."""
        return self.everything.interval


@dataclass(frozen=True)
class SliceScore(InHTML):
    """Rows of a slice: `rows` of all are in it; on `faults` its function raised.

    `gold` and `audit` are labels of its rows against either judge, None where there is none.
    """

    name: str
    rows: int
    faults: int
    gold: Accuracy | None
    audit: Accuracy | None


def accuracy(pairs: Pairs) -> Accuracy:
    """Rows, labeled rows and right ones.

    >>> accuracy({("ham", "ham"): 3, ("spam", "ham"): 1, ("spam", None): 2})
    Accuracy(rows=6, labeled=4, right=3)
    """
    rows_with_label = sum(n for (_, label), n in pairs.items() if label is not None)
    right = sum(n for (truth, label), n in pairs.items() if truth == label)
    return Accuracy(sum(pairs.values()), rows_with_label, right)


def judge(pairs: Pairs, classes: Sequence[str]) -> Judged:
    """Everything that the pairs say, classes in their order; names that are none come after.

    >>> found = judge({("ham", "ham"): 3, ("spam", "ham"): 1}, ["ham", "spam"])
    >>> [(c.name, c.precision, c.recall) for c in found.classes]
    [('ham', 0.75, 1.0), ('spam', None, 0.0)]
    """
    names = list(dict.fromkeys([*classes, *(name for pair in pairs for name in pair if name)]))
    rows, label_counts = Counter[str](), Counter[str | None]()
    for (truth, label), n in pairs.items():
        rows[truth] += n
        label_counts[label] += n
    place = {name: number for number, name in enumerate(names)}
    confusion = sorted(pairs.items(), key=lambda item: (place[item[0][0]], -item[1], str(item[0])))
    return Judged(
        accuracy(pairs),
        tuple(
            ClassScore(name, rows[name], label_counts[name], pairs.get((name, name), 0))
            for name in names
        ),
        tuple(Confused(truth, label, n) for (truth, label), n in confusion if n),
    )
