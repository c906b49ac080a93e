"""When labels that were just made deserve distrust: four warnings, from votes and labels alone.

They are judged on a sample of the rows with a vote, spread evenly over the dataset. A warning
says what was measured and what to do; it changes no label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from datahub.core.labels import ABSTAIN, LabelMatrix, SoftLabels

SAMPLE = 20_000  # rows at most, about
FEWEST = 30  # rows or votes below which nothing is said
DEPARTS = 0.05  # of rows: no majority and no end model supports the label
GROWS = 2.0  # times the size that a class has by majority vote ...
GROWS_BY = 0.10  # ... and by at least this share of all rows
DECIDES = 0.10  # of rows: another class balance would change the label
SURE = 3.0  # standard deviations that an LF is below chance

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class LabelWarning:
    """One reason to distrust labels.

    `code` is departs_from_majority, class_takes_over, lf_below_chance, balance_decides, or
    vectors_missing (flow.label.looking); `share` is of rows with a vote (of the LF's votes that
    agree with other LFs, for lf_below_chance; of all rows, for vectors_missing); `names` are the
    LFs or classes that it is about.
    """

    code: str
    message: str
    hint: str
    share: float
    names: tuple[str, ...] = ()


@dataclass
class LabelSample:
    """Rows with a vote, their labels, and what majority vote says of them, part by part."""

    rows: int  # of the whole dataset
    _votes: list[LabelMatrix] = field(default_factory=list)
    _final: list[SoftLabels] = field(default_factory=list)
    _plain: list[SoftLabels] = field(default_factory=list)
    _supported: list[Flags] = field(default_factory=list)

    @property
    def step(self) -> int:
        """One row of this many is looked at."""
        return max(1, -(-self.rows // SAMPLE))

    def add(self, votes: LabelMatrix, final: SoftLabels, plain: SoftLabels, support: Flags) -> None:
        """Take some rows of a part: `plain` is the majority's, `supported` the end model agrees."""
        rows = np.arange(0, len(final), self.step)
        rows = rows[~np.isnan(final[rows]).any(axis=1)]
        self._votes.append(votes[rows])
        self._final.append(final[rows])
        self._plain.append(plain[rows])
        self._supported.append(support[rows])

    def warnings(
        self, lfs: Sequence[str], classes: Sequence[str], balance: Sequence[float], source: str
    ) -> tuple[LabelWarning, ...]:
        """What is to be said; nothing where there are too few rows.

        `balance` is the class balance that labels were made with, and `source` how it was got.
        """
        if sum(map(len, self._final)) < FEWEST:
            return ()
        votes, final = np.concatenate(self._votes), np.concatenate(self._final)
        plain, support = np.concatenate(self._plain), np.concatenate(self._supported)
        return (
            *departs(final, plain, support),
            *takes_over(final, plain, classes),
            *below_chance(votes, len(classes), lfs),
            *balance_decides(final, plain, balance, source),
        )


def departs(final: SoftLabels, plain: SoftLabels, support: Flags) -> tuple[LabelWarning, ...]:
    """Labels against a clear majority with which the end model does not agree either.

    >>> plain = np.eye(2)[[0] * 40]
    >>> [w.code for w in departs(1 - plain, plain, np.zeros(40, dtype=bool))]
    ['departs_from_majority']
    """
    clear = plain.max(axis=1) > 1 - 1e-9
    against = clear & (final.argmax(axis=1) != plain.argmax(axis=1)) & ~support
    share = float(against.mean())
    if share <= DEPARTS:
        return ()
    return (
        LabelWarning(
            "departs_from_majority",
            f"On {share:.0%} of rows with a vote the label goes against a clear majority of the "
            "votes, and no end model supports it.",
            "Look at some with `datahub why KEY`, or compare with `--model majority`.",
            share,
        ),
    )


def takes_over(
    final: SoftLabels, plain: SoftLabels, classes: Sequence[str]
) -> tuple[LabelWarning, ...]:
    """Classes that are far larger among the labels than among the votes."""
    size = np.bincount(final.argmax(axis=1), minlength=len(classes)) / len(final)
    by_vote = plain.mean(axis=0)
    growth = np.flatnonzero((size >= GROWS * by_vote) & (size >= by_vote + GROWS_BY))
    return tuple(
        LabelWarning(
            "class_takes_over",
            f"Class {classes[y]!r} has {size[y]:.0%} of the labels, and {by_vote[y]:.0%} by "
            "majority vote.",
            "Label 50 rows by hand and compare, or use `--model majority`.",
            float(size[y]),
            (classes[y],),
        )
        for y in growth
    )


def below_chance(
    votes: LabelMatrix, cardinality: int, lfs: Sequence[str]
) -> tuple[LabelWarning, ...]:
    """LFs that agree with the other LFs less often than votes by chance would."""
    counts = np.stack([(votes == y).sum(axis=1) for y in range(cardinality)], axis=1)
    majority = _majority(counts)
    size = majority.sum(axis=0) / max(len(votes), 1)
    shares = [_agreement(column, counts, size) for column in votes.T]
    low = [(name, share) for name, share in zip(lfs, shares, strict=True) if share is not None]
    if not low:
        return ()
    names = tuple(name for name, _ in low)
    listed = ", ".join(f"{name} ({share:.0%})" for name, share in low[:5])
    more = f" and {len(low) - 5} more" if len(low) > 5 else ""
    return (
        LabelWarning(
            "lf_below_chance",
            f"LFs that agree with the other LFs less often than chance would: {listed}{more}.",
            "Check whether they vote for the class that you mean: `datahub lf test`.",
            min(share for _, share in low),
            names,
        ),
    )


def _agreement(
    column: npt.NDArray[np.int8], counts: npt.NDArray[np.int64], size: Floats
) -> float | None:
    """How often other LFs agree with an LF, where that is surely below chance."""
    rows = np.flatnonzero((column != ABSTAIN) & (counts.sum(axis=1) > 1))
    if len(rows) < FEWEST:
        return None
    vote = column[rows]
    other_counts = counts[rows]
    other_counts[np.arange(len(rows)), vote] -= 1
    agreement = float(_majority(other_counts)[np.arange(len(rows)), vote].mean())
    chance = float(size[vote].mean())
    spread = np.sqrt(chance * (1 - chance) / len(rows))
    return agreement if agreement < chance - SURE * spread else None


def balance_decides(
    final: SoftLabels, plain: SoftLabels, balance: Sequence[float], source: str
) -> tuple[LabelWarning, ...]:
    """Labels that another plausible class balance would change."""
    prior = np.asarray(balance, dtype=np.float64)
    k = len(prior)
    uniform = source == "uniform"
    reference = (plain.sum(axis=0) + 1) / (len(plain) + k) if uniform else np.full(k, 1 / k)
    share = float(((final * reference / prior).argmax(axis=1) != final.argmax(axis=1)).mean())
    if share <= DECIDES:
        return ()
    instead = "that of the majority vote" if uniform else "a uniform one"
    return (
        LabelWarning(
            "balance_decides",
            f"The class balance decides: with {instead} {share:.0%} of rows with a vote would have "
            f"another label (used: {source}).",
            "If you know the shares of the classes, say them: `--class-balance 0.9,0.1`.",
            share,
        ),
    )


def _majority(counts: npt.NDArray[np.int64]) -> SoftLabels:
    top = counts.max(axis=1, keepdims=True, initial=0)
    ties = ((counts == top) & (top > 0)).astype(np.float64)
    return np.asarray(ties / np.maximum(ties.sum(axis=1, keepdims=True), 1))
