"""From what a label model says to labels: end model, people's answers, policy. Nothing is written.

Both `label fit` and `review pull` end here, so that the same votes and the same answers give the
same labels whichever came last. What is measured looks at all rows, and is small; tables are made
a part at a time, while they are walked over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from datahub.core.dataset import Dataset, Key, Part
from datahub.core.informing import Answered, by_cell, cells, informed_by, taught
from datahub.core.labels import LabelMatrix, SoftLabels, combine
from datahub.core.layout import review_prefix
from datahub.core.outcome import Policy, Triage, measured
from datahub.core.patterns import vote_patterns
from datahub.core.relabel import Decision, final_labels
from datahub.core.triage import Batch, score
from datahub.flow.features import Looked
from datahub.ports import EndModel, VersionStore

Lines = slice | npt.NDArray[np.int64]  # rows by number
Ask = Callable[[Lines], SoftLabels]


@dataclass(frozen=True)
class JudgedPart:
    """Tables of one part of the rows, and which lines of the dataset they are."""

    part: Part
    lines: slice
    scores: pl.DataFrame
    labels: pl.DataFrame
    final: SoftLabels


@dataclass(frozen=True)
class Judged:
    """What tables are made under, and the tables: each walk over them makes them anew."""

    triage: Triage
    parts: Callable[[], Iterator[JudgedPart]]


@dataclass(frozen=True)
class _Opinions:
    """What is known of all rows before they are scored; `end` is None without an end model."""

    known: Dataset
    looked: Looked
    votes: LabelMatrix
    soft: Ask
    lfs: list[str]
    pattern: npt.NDArray[np.uint32]
    end: SoftLabels | None
    thin: npt.NDArray[np.bool_]

    def ended(self, lines: Lines) -> SoftLabels:
        """What the end model says of these rows."""
        if self.end is not None:
            return self.end[lines]
        return np.full((len(self.pattern[lines]), len(self.known.classes)), np.nan)

    def cell(self, lines: Lines) -> npt.NDArray[np.int64]:
        """Numbers of these rows' cells."""
        return cells(self.pattern[lines], self.ended(lines))

    def scored(self, lines: Lines, answered: Answered) -> tuple[pl.DataFrame, SoftLabels]:
        """Scores of these rows, and their final soft labels."""
        soft, end = self.soft(lines), self.ended(lines)
        final, heard = informed_by(combine(soft, end), self.cell(lines), answered)
        scores = score(
            self.looked.keys[lines],
            self.votes[lines],
            soft,
            end,
            lfs=self.lfs,
            classes=self.known.classes,
            final=final,
            pattern=self.pattern[lines],
            answers=heard,
            thin=self.thin[lines],
        )
        return scores, final


def judged(
    known: Dataset,
    votes: LabelMatrix,
    soft: Ask,
    looked: Looked,
    *,
    lfs: list[str],
    end_model: EndModel | None,
    decisions: dict[Key, Decision],
    drawn: set[Key],
    policy: Policy,
    model: str,
    seed: int,
) -> Judged:
    """Put an end model's word and people's to the label model's `soft`, and apply the policy.

    Answers to rows of the audit slice (`drawn`) have no part in any other row's label: they
    measure, and what measures may not teach.
    """
    decided = {key: d.label for key, d in decisions.items() if d.label is not None}
    number = {name: i for i, name in enumerate(known.classes)}
    teaching = {key: number[label] for key, label in decided.items() if key not in drawn}
    answers = {row: teaching[key] for row, key in _rows_of(looked.keys, teaching).items()}
    end = None
    if end_model is not None and looked.features.columns:
        lessons = np.concatenate([soft(lines) for _, lines in lines_of(known)])
        end = looked.out_of_fold(end_model, taught(lessons, answers), seed=seed)
        del lessons
    said = _Opinions(
        known, looked, votes, soft, lfs, vote_patterns(votes)[1], end, looked.thin(policy.min_text)
    )
    answered = by_cell(said.cell(_numbers(answers)), answers, len(known.classes))
    audited = {key: label for key, label in decided.items() if key in drawn}
    asked, _ = said.scored(_numbers(_rows_of(looked.keys, audited)), answered)
    triage = measured(asked, audited, key=known.key, policy=policy)
    places = _rows_of(looked.keys, decisions)

    def parts() -> Iterator[JudgedPart]:
        for part, lines in lines_of(known):
            scores, final = said.scored(lines, answered)
            here = {
                key: decisions[key]
                for row, key in places.items()
                if lines.start <= row < lines.stop
            }
            labels = final_labels(scores, here, key=known.key, model=model, triage=triage)
            yield JudgedPart(part, lines, scores, labels, final)

    return Judged(triage, parts)


def lines_of(known: Dataset) -> Iterator[tuple[Part, slice]]:
    """Each part of the rows, and which lines of the dataset it is."""
    start = 0
    for part in known.parts:
        yield part, slice(start, start + part.rows)
        start += part.rows


def drawn_at(store: VersionStore, ref: str, dataset: Dataset) -> set[Key]:
    """Keys of all rows that were ever asked because chance drew them."""
    files = store.objects(ref, review_prefix(dataset.name))
    return {
        task.key
        for path in files
        for task in Batch.from_json(store.read(files[path])).tasks
        if task.slice == "audit"
    }


def _rows_of(keys: pl.Series, wanted: Iterable[Key]) -> dict[int, Key]:
    """Row number -> key, of the rows that have one of these keys, in their order."""
    rows = keys.is_in(pl.Series(list(wanted), dtype=keys.dtype).implode()).arg_true()
    return dict(zip(rows.to_list(), keys[rows].to_list(), strict=True))


def _numbers(rows: Iterable[int]) -> npt.NDArray[np.int64]:
    return np.fromiter(rows, dtype=np.int64)
