"""From what a label model says to labels: end model, people's answers, policy. Nothing is written.

Both `label fit` and `review pull` end here, so that the same votes and the same answers give the
same labels whichever came last. What is measured looks at all rows, and is small; tables are made
a part at a time, while they are walked over.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from datahub.core.dataset import Dataset, Key, Part
from datahub.core.informing import AnswerCounts, by_cell, cells, training_labels, update_by_counts
from datahub.core.labels import LabelMatrix, SoftLabels, Votes, combine
from datahub.core.lessons import Lessons
from datahub.core.outcome import Policy, Triage, find_thresholds
from datahub.core.parts import places
from datahub.core.patterns import Numbering, Numbers
from datahub.core.relabel import Decision, final_labels
from datahub.core.triage import score
from datahub.flow.dataset.features import FeatureReader, FeatureRows
from datahub.flow.steps import Progress, quiet
from datahub.ports import EndModel, Opinion

Ask = Callable[[Part, LabelMatrix], SoftLabels]  # a part of the rows, and the votes on it
Ints = npt.NDArray[np.int64]


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
    """What tables are made under, and the tables: each walk over them computes them again."""

    triage: Triage
    parts: Callable[[], Iterator[JudgedPart]]


@dataclass(frozen=True)
class _Block:
    """Some rows, and what is known of them before the end model is asked."""

    seen: FeatureRows
    votes: LabelMatrix
    soft: SoftLabels
    pattern: Numbers

    def only(self, rows: Ints) -> _Block:
        return _Block(self.seen.only(rows), self.votes[rows], self.soft[rows], self.pattern[rows])


@dataclass(frozen=True)
class _Rows:
    """The rows of a dataset as blocks, and how a block is scored."""

    dataset: Dataset
    looked: FeatureReader
    votes: Votes
    soft: Ask
    lfs: list[str]
    numbering: Numbering
    min_text: int

    def block(self, part: Part, lines: slice) -> _Block:
        votes = self.votes[lines]
        return _Block(self.looked.of(part), votes, self.soft(part, votes), self.numbering(votes))

    def scored(
        self, block: _Block, opinion: Opinion | None, answered: AnswerCounts
    ) -> tuple[pl.DataFrame, SoftLabels]:
        """Scores of these rows, and their final soft labels."""
        end = _end(block, opinion)
        cell = cells(block.pattern, block.soft, end)
        final, said = update_by_counts(combine(block.soft, end), cell, answered)
        scores = score(
            block.seen.keys,
            block.votes,
            block.soft,
            end,
            lfs=self.lfs,
            classes=self.dataset.classes,
            final=final,
            pattern=block.pattern,
            answers=said,
            thin=block.seen.thin(self.min_text),
        )
        return scores, final


def judged(
    dataset: Dataset,
    votes: Votes,
    soft: Ask,
    looked: FeatureReader,
    *,
    lfs: list[str],
    end_model: EndModel | None,
    decisions: dict[Key, Decision],
    drawn: Collection[Key],
    policy: Policy,
    model: str,
    seed: int,
    progress: Progress = quiet,
) -> Judged:
    """Put an end model's word and people's to the label model's `soft`, and apply the policy.

    Answers to rows of the audit slice (`drawn`) have no part in any other row's label: they
    measure, and what measures may not teach. Rows are read a part at a time, twice where there is
    an end model: first what it learns from, then all that it is asked about.
    """
    rows = _Rows(dataset, looked, votes, soft, lfs, Numbering.of(votes), policy.min_text)
    decided = {key: d.label for key, d in decisions.items() if d.label is not None}
    audited = {key: label for key, label in decided.items() if key in drawn}
    teaching = {key: label for key, label in decided.items() if key not in drawn}
    number = {name: i for i, name in enumerate(dataset.classes)}
    lessons_of = {key: number[label] for key, label in teaching.items()}
    opinion, blocks = _learned(rows, end_model, decided, lessons_of, seed, progress)
    answered = _by_cell(blocks, opinion, lessons_of, len(dataset.classes))
    asked = [rows.scored(_with(block, audited), opinion, answered)[0] for block in blocks]
    triage = find_thresholds(pl.concat(asked), audited, key=dataset.key, policy=policy)

    def parts() -> Iterator[JudgedPart]:
        for part, lines in lines_of(dataset):
            block = rows.block(part, lines)
            scores, final = rows.scored(block, opinion, answered)
            by_people = {key: decisions[key] for key in _with(block, decisions).seen.keys}
            labels = final_labels(scores, by_people, key=dataset.key, model=model, triage=triage)
            yield JudgedPart(part, lines, scores, labels, final)

    return Judged(triage, parts)


def lines_of(dataset: Dataset) -> Iterator[tuple[Part, slice]]:
    """Each part of the rows, and which lines of the dataset it is."""
    start = 0
    for part in dataset.parts:
        yield part, slice(start, start + part.rows)
        start += part.rows


def _learned(
    rows: _Rows,
    end_model: EndModel | None,
    decided: Collection[Key],
    teaching: Mapping[Key, int],
    seed: int,
    progress: Progress,
) -> tuple[Opinion | None, list[_Block]]:
    """What an end model learned, if there is one; and the rows that people decided, by part.

    Without an end model only those parts are read in which somebody decided, and the first.
    """
    dataset, features = rows.dataset, rows.looked.features
    lessons = None
    if end_model is not None and features.columns:
        lessons = Lessons(features, len(dataset.classes), most=end_model.most_rows, seed=seed)
    touched = {0, *(places(dataset.parts, pl.Series(list(decided))) if decided else ())}
    blocks = []
    for number, (part, lines) in enumerate(lines_of(dataset)):
        if lessons is None and number not in touched:
            continue
        block = rows.block(part, lines)
        blocks.append(_with(block, decided))
        if lessons is not None:
            seen, answers = block.seen, _answers(block, teaching)
            lessons.add(seen.keys, seen.features, training_labels(block.soft, answers))
        progress("end model", lines.stop, dataset.rows)
    if end_model is None or lessons is None:
        return None, blocks
    return end_model.learn(*lessons.contents(), seed=seed), blocks


def _by_cell(
    blocks: Sequence[_Block], opinion: Opinion | None, teaching: Mapping[Key, int], cardinality: int
) -> AnswerCounts:
    """People's answers that teach, by cell."""
    cell, said = list[Ints]([np.empty(0, dtype=np.int64)]), list[int]()
    for block in blocks:
        asked = _with(block, teaching)
        cell.append(cells(asked.pattern, asked.soft, _end(asked, opinion)))
        said += [teaching[key] for key in asked.seen.keys]
    return by_cell(np.concatenate(cell), dict(enumerate(said)), cardinality)


def _end(block: _Block, opinion: Opinion | None) -> SoftLabels:
    """What the end model says of these rows; NaN where there is none."""
    return np.full(block.soft.shape, np.nan) if opinion is None else opinion.of(block.seen.features)


def _answers(block: _Block, teaching: Mapping[Key, int]) -> dict[int, int]:
    """Row number -> class of the rows that have an answer that teaches."""
    return {int(row): teaching[block.seen.keys[int(row)]] for row in _places(block, teaching)}


def _with(block: _Block, keys: Collection[Key]) -> _Block:
    """The rows that have one of these keys, in their order."""
    return block.only(_places(block, keys))


def _places(block: _Block, keys: Collection[Key]) -> Ints:
    wanted = pl.Series(list(keys), dtype=block.seen.keys.dtype)
    return block.seen.keys.is_in(wanted.implode()).arg_true().to_numpy().astype(np.int64)
