"""One LF, or two that disagree, as a person looks at them: counts, and rows drawn at random.

Pure. Class numbers come in, class names go out; ABSTAIN stands for "no vote" or "not known".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from datahub.core.dataset import Dataset, Key
from datahub.core.in_html import InHTML
from datahub.core.labeling import Fault, LFOutput
from datahub.core.labels import ABSTAIN, Gold, LabelMatrix
from datahub.core.prompt_lf import Spending
from datahub.core.trust import interval

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Votes:
    """The label matrix [n, m] with what it is of: keys [n], names [m], classes [k].

    The matrix is what Snorkel's own tools take: `LFAnalysis(votes.matrix)`.
    """

    keys: npt.NDArray[np.object_]
    matrix: LabelMatrix
    lfs: tuple[str, ...]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class SeenRow:
    """A row as it is shown: `votes` by LF, `label` what it is held against (None: not known)."""

    key: Key
    text: str
    votes: dict[str, str]
    label: str | None


@dataclass(frozen=True)
class Sight(InHTML):
    """What one LF does on a sample of `rows` of the dataset's `of_rows`.

    `hits` are votes that nothing contradicts, `conflicts` those that the label or another LF
    does, `misses` rows of a class it votes for on which it abstains. `judge` is what labels are:
    gold, labels, or "" where there are none. `compared` are the LFs whose votes were there.
    """

    dataset: str
    lf: str
    rows: int
    of_rows: int
    votes: dict[str, int]
    hits: int
    misses: int
    conflicts: int
    judge: str
    judged: int
    right: int
    compared: tuple[str, ...]
    shown_hits: tuple[SeenRow, ...]
    shown_misses: tuple[SeenRow, ...]
    shown_conflicts: tuple[SeenRow, ...]
    fault_count: int
    faults: tuple[Fault, ...]
    in_python: bool
    safe: bool
    spent: Spending | None = None  # where there are prompts

    @property
    def accuracy(self) -> float | None:
        """Share of right votes among those on rows whose label is known."""
        return self.right / self.judged if self.judged else None

    @property
    def accuracy_interval(self) -> tuple[float, float]:
        """95% interval of the accuracy."""
        return interval(self.right, self.judged)


def sight(
    frame: pl.DataFrame,
    output: LFOutput,
    *,
    lf: str,
    label: int | None,
    dataset: Dataset,
    other_votes: LabelMatrix,
    other_names: Sequence[str],
    labels: Gold,
    judge: str,
    show: int,
    seed: int,
    in_python: bool,
    safe: bool,
) -> Sight:
    """Hold an LF's votes on rows against their labels [n] and other LFs' votes [n, m].

    `label` is the only class that it votes, where it has one.
    """
    votes = output.votes[:, 0]
    has_vote, has_label = votes != ABSTAIN, labels != ABSTAIN
    contradicts = ((other_votes != ABSTAIN) & (other_votes != votes[:, None])).any(axis=1)
    conflict = has_vote & (contradicts | (has_label & (labels != votes)))
    miss = ~has_vote & np.isin(labels, _classes_of(label, votes)) & has_label
    rng = np.random.default_rng(seed)

    def sample(mask: Mask) -> tuple[SeenRow, ...]:
        at = np.flatnonzero(mask)
        at = np.sort(rng.choice(at, size=min(show, len(at)), replace=False))
        matrix = np.column_stack([votes, other_votes])[at]
        return rows_to_show(frame[at], matrix, (lf, *other_names), labels[at], dataset)

    comparable = has_vote & has_label
    return Sight(
        dataset=dataset.name,
        lf=lf,
        rows=len(votes),
        of_rows=dataset.rows,
        votes={dataset.classes[y]: n for y, n in sorted(Counter(votes[has_vote].tolist()).items())},
        hits=int((has_vote & ~conflict).sum()),
        misses=int(miss.sum()),
        conflicts=int(conflict.sum()),
        judge=judge,
        judged=int(comparable.sum()),
        right=int((comparable & (votes == labels)).sum()),
        compared=tuple(other_names),
        shown_hits=sample(has_vote & ~conflict),
        shown_misses=sample(miss),
        shown_conflicts=sample(conflict),
        fault_count=output.fault_counts[0],
        faults=output.faults,
        in_python=in_python,
        safe=safe,
    )


def rows_to_show(
    frame: pl.DataFrame,
    votes: LabelMatrix,
    names: Sequence[str],
    labels: Gold,
    dataset: Dataset,
) -> tuple[SeenRow, ...]:
    """Rows with the votes of those LFs that voted.

    >>> mail = Dataset("mail", "id", (), (), ("ham", "spam"), text="text")
    >>> frame = pl.DataFrame({"id": [7], "text": ["win!"]})
    >>> rows = rows_to_show(frame, np.array([[1, -1]]), ["a", "b"], np.array([-1]), mail)
    >>> rows[0].key, rows[0].text, rows[0].votes, rows[0].label
    (7, 'win!', {'a': 'spam'}, None)
    """
    classes = dataset.classes
    return tuple(
        SeenRow(
            row[dataset.key],
            _text(row, dataset),
            {name: classes[v] for name, v in zip(names, line, strict=True) if v != ABSTAIN},
            None if label == ABSTAIN else classes[label],
        )
        for row, line, label in zip(
            frame.iter_rows(named=True), votes.tolist(), labels.tolist(), strict=True
        )
    )


@dataclass(frozen=True)
class Disagreement(InHTML):
    """Rows on which two LFs voted for different classes: `pairs` counts (class, class)."""

    dataset: str
    lfs: tuple[str, str]
    both: int
    rows: int
    pairs: dict[str, int]
    judge: str
    shown: tuple[SeenRow, ...]


@dataclass
class Disputes:
    """Counts where two LFs disagree in votes [n, 2] that come a part at a time."""

    lfs: tuple[str, str]
    dataset: Dataset
    show: int
    seed: int
    both: int = 0
    _row_count: int = 0
    _pairs: Counter[tuple[int, int]] = field(default_factory=Counter)
    _sample: list[tuple[float, int, int, int]] = field(default_factory=list)

    def add(self, votes: LabelMatrix) -> None:
        """Count more rows, and keep some of those in dispute, each as likely as the other."""
        overlap = (votes != ABSTAIN).all(axis=1)
        at = np.flatnonzero(overlap & (votes[:, 0] != votes[:, 1]))
        self.both += int(overlap.sum())
        self._pairs.update(map(tuple, votes[at].tolist()))
        lots = np.random.default_rng((self.seed, self._row_count)).random(len(at))
        lucky = np.argsort(lots)[: self.show]
        new = [
            (float(lots[i]), self._row_count + int(at[i]), *votes[at[i]].tolist()) for i in lucky
        ]
        self._sample = sorted(self._sample + new)[: self.show]
        self._row_count += len(votes)

    def places(self) -> npt.NDArray[np.int64]:
        """Positions of the kept rows among all rows, ascending."""
        return np.array(sorted(place for _, place, _, _ in self._sample), dtype=np.int64)

    def summary(self, frame: pl.DataFrame, labels: Gold, judge: str) -> Disagreement:
        """What was counted, with the rows at `places` and their labels."""
        sample = sorted((place, a, b) for _, place, a, b in self._sample)
        votes = np.array([[a, b] for _, a, b in sample], dtype=np.int8).reshape(-1, 2)
        classes = self.dataset.classes
        return Disagreement(
            dataset=self.dataset.name,
            lfs=self.lfs,
            both=self.both,
            rows=self._pairs.total(),
            pairs={f"{classes[a]}/{classes[b]}": n for (a, b), n in self._pairs.most_common()},
            judge=judge,
            shown=rows_to_show(frame, votes, self.lfs, labels, self.dataset),
        )


def _classes_of(label: int | None, votes: npt.NDArray[np.int8]) -> list[int]:
    """The classes that an LF votes for: its label, or what it was seen to vote."""
    classes = {int(y) for y in np.unique(votes) if y != ABSTAIN}
    return sorted(classes | (set() if label is None else {label}))


def _text(row: Mapping[str, object], dataset: Dataset) -> str:
    if dataset.text:
        return str(row[dataset.text])
    return ", ".join(f"{name}={row[name]}" for name in dataset.content_columns)
