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

from datahub.core.calibrating import calibrated, calibration_by
from datahub.core.dataset import Dataset, Key, Part
from datahub.core.informing import AnswerCounts, by_cell, cells, training_labels, update_by_counts
from datahub.core.labels import LabelMatrix, SoftLabels, Votes, combine
from datahub.core.outcome import Policy, Triage, find_thresholds
from datahub.core.parts import places
from datahub.core.patterns import Numbering, Numbers
from datahub.core.relabel import Decision, final_labels
from datahub.core.triage import score
from datahub.flow.dataset.features import FeatureReader, FeatureRows, lessons_for
from datahub.flow.label.even import learn_from
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
class Judgment:
    """What tables are made under, and the tables: each walk over them computes them again."""

    triage: Triage
    parts: Callable[[], Iterator[JudgedPart]]


@dataclass(frozen=True)
class _Block:
    """Some rows, and what is known of them before the end model is asked."""

    rows: FeatureRows
    votes: LabelMatrix
    soft: SoftLabels
    pattern: Numbers

    def only(self, rows: Ints) -> _Block:
        return _Block(self.rows.only(rows), self.votes[rows], self.soft[rows], self.pattern[rows])


@dataclass(frozen=True)
class _Rows:
    """The rows of a dataset as blocks, and how a block is scored."""

    dataset: Dataset
    reader: FeatureReader
    votes: Votes
    soft: Ask
    lfs: list[str]
    numbering: Numbering
    min_text: int

    def block(self, part: Part, lines: slice) -> _Block:
        votes = self.votes[lines]
        return _Block(self.reader.of(part), votes, self.soft(part, votes), self.numbering(votes))

    def score_block(
        self, block: _Block, opinion: Opinion | None, counts: AnswerCounts
    ) -> tuple[pl.DataFrame, SoftLabels]:
        """Scores of these rows, and their final soft labels."""
        end = _end(block, opinion)
        cell = cells(block.pattern, block.soft, end)
        final, answers = update_by_counts(combine(block.soft, end), cell, counts)
        scores = score(
            block.rows.keys,
            block.votes,
            block.soft,
            end,
            lfs=self.lfs,
            classes=self.dataset.classes,
            final=final,
            pattern=block.pattern,
            answers=answers,
            thin=block.rows.thin(self.min_text),
        )
        return scores, final


def judge(
    dataset: Dataset,
    votes: Votes,
    soft: Ask,
    reader: FeatureReader,
    *,
    lfs: list[str],
    end_model: EndModel | None,
    decisions: dict[Key, Decision],
    audit_keys: Collection[Key],
    spent: Collection[Key] = (),
    policy: Policy,
    model: str,
    seed: int,
    even: bool = False,
    progress: Progress = quiet,
) -> Judgment:
    """Put an end model's word and people's to the label model's `soft`, and apply the policy.

    Answers to rows of the audit slice (`audit_keys`) have no part in any other row's label: they
    measure, and what measures may not teach. They calibrate trust, which keeps its order. Those
    `spent` on choosing the label model do neither.
    Rows are read a part at a time, twice where there is
    an end model: first what it learns from, then all that it is asked about. `even`: its opinion
    is taken without the sizes of classes that it learned.
    """
    rows = _Rows(dataset, reader, votes, soft, lfs, Numbering.of(votes), policy.min_text)
    answers = {key: d.label for key, d in decisions.items() if d.label is not None}
    audit = {key: label for key, label in answers.items() if key in audit_keys and key not in spent}
    lessons = {key: label for key, label in answers.items() if key not in audit_keys}
    number = {name: i for i, name in enumerate(dataset.classes)}
    lessons_of = {key: number[label] for key, label in lessons.items()}
    opinion, blocks = _learn(
        rows, end_model, answers, lessons_of, seed, even=even, progress=progress
    )
    counts = _by_cell(blocks, opinion, lessons_of, len(dataset.classes))
    tables = [rows.score_block(_with(block, audit), opinion, counts)[0] for block in blocks]
    audited = pl.concat(tables)
    trust = calibration_by(audited, audit, key=dataset.key)
    triage = find_thresholds(calibrated(audited, trust), audit, key=dataset.key, policy=policy)

    def parts() -> Iterator[JudgedPart]:
        for part, lines in lines_of(dataset):
            block = rows.block(part, lines)
            scores, final = rows.score_block(block, opinion, counts)
            scores = calibrated(scores, trust)
            by_people = {key: decisions[key] for key in _with(block, decisions).rows.keys}
            labels = final_labels(scores, by_people, key=dataset.key, model=model, triage=triage)
            yield JudgedPart(part, lines, scores, labels, final)

    return Judgment(triage, parts)


def lines_of(dataset: Dataset) -> Iterator[tuple[Part, slice]]:
    """Each part of the rows, and which lines of the dataset it is."""
    start = 0
    for part in dataset.parts:
        yield part, slice(start, start + part.rows)
        start += part.rows


def _learn(
    rows: _Rows,
    end_model: EndModel | None,
    keys: Collection[Key],
    teaching: Mapping[Key, int],
    seed: int,
    *,
    even: bool,
    progress: Progress,
) -> tuple[Opinion | None, list[_Block]]:
    """What an end model learned, if there is one; and the rows that people decided, by part.

    Without an end model only those parts are read in which somebody decided, and the first.
    """
    dataset, features = rows.dataset, rows.reader.features
    lessons = None
    if end_model is not None and features.columns:
        lessons = lessons_for(end_model, features, len(dataset.classes), seed=seed)
    numbers = {0, *(places(dataset.parts, pl.Series(list(keys))) if keys else ())}
    blocks = []
    for number, (part, lines) in enumerate(lines_of(dataset)):
        if lessons is None and number not in numbers:
            continue
        block = rows.block(part, lines)
        blocks.append(_with(block, keys))
        if lessons is not None:
            content, answers = block.rows, _answers(block, teaching)
            lessons.add(content.keys, content.features, training_labels(block.soft, answers))
        progress("end model", lines.stop, dataset.rows)
    if end_model is None or lessons is None:
        return None, blocks
    return learn_from(end_model, lessons, seed=seed, even=even), blocks


def _by_cell(
    blocks: Sequence[_Block], opinion: Opinion | None, lessons: Mapping[Key, int], cardinality: int
) -> AnswerCounts:
    """People's answers that teach, by cell."""
    cell, classes = list[Ints]([np.empty(0, dtype=np.int64)]), list[int]()
    for block in blocks:
        subset = _with(block, lessons)
        cell.append(cells(subset.pattern, subset.soft, _end(subset, opinion)))
        classes += [lessons[key] for key in subset.rows.keys]
    return by_cell(np.concatenate(cell), dict(enumerate(classes)), cardinality)


def _end(block: _Block, opinion: Opinion | None) -> SoftLabels:
    """What the end model says of these rows; NaN where there is none."""
    return np.full(block.soft.shape, np.nan) if opinion is None else opinion.of(block.rows.features)


def _answers(block: _Block, lessons: Mapping[Key, int]) -> dict[int, int]:
    """Row number -> class of the rows that have an answer that teaches."""
    return {int(row): lessons[block.rows.keys[int(row)]] for row in _places(block, lessons)}


def _with(block: _Block, keys: Collection[Key]) -> _Block:
    """The rows that have one of these keys, in their order."""
    return block.only(_places(block, keys))


def _places(block: _Block, keys: Collection[Key]) -> Ints:
    series = pl.Series(list(keys), dtype=block.rows.keys.dtype)
    return block.rows.keys.is_in(series.implode()).arg_true().to_numpy().astype(np.int64)
