"""What a change does to the labels of a dataset, a part at a time. Nothing here writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from datahub.core.dataset import Part
from datahub.core.errors import DatahubError, NotFound
from datahub.core.label_change import DatasetChange, LabelMoves, Side, Voted, lf_lines
from datahub.core.labels import LabelMatrix
from datahub.core.layout import votes_file
from datahub.core.table_view import Slice
from datahub.flow.dataset.at import At
from datahub.flow.label.score import score_labels
from datahub.flow.label.views import lf_stats
from datahub.flow.publish.slices import in_slice

_COLUMNS = ("label", "source")


def dataset_change(
    before: At, after: At, *, ran: tuple[str, ...], only: Slice = None
) -> DatasetChange:
    """A dataset before and after, where it has labels; `ran` says what was done for it.

    With `only`, rows of a slice are counted; LFs and accuracy are of all rows.
    """
    moves, counts = LabelMoves(), [_Counts(), _Counts()]
    for part, lines in after.parts("labels", columns=[after.key, *_COLUMNS]):
        new = lines if only is None else in_slice(lines, after, part, only)
        counts[1].add(new)
        old = _lines_before(before, part, new)
        flipped = moves.add(old, new, after.key)
        if flipped.len():
            keys = flipped.to_list()
            moves.add_votes(keys, _votes(before, part, flipped), _votes(after, part, flipped))
    if before.exists and before.has("labels"):
        for part, lines in before.parts("labels", columns=[before.key, *_COLUMNS]):
            counts[0].add(lines if only is None else in_slice(lines, before, part, only))
    return DatasetChange(
        dataset=after.name,
        ran=ran,
        lfs=lf_lines(_table(before), _table(after)),
        before=counts[0].side(before),
        after=counts[1].side(after),
        compared=moves.compared,
        flipped=moves.flipped,
        gained=moves.gained,
        lost=moves.lost,
        by_people=moves.by_people,
        answered=moves.answered,
        moves=moves.moves,
        lf_moves=moves.lf_moves,
    )


@dataclass
class _Counts:
    """Rows and labels by class."""

    rows: int = 0

    def __post_init__(self) -> None:
        self.classes: Counter[str] = Counter()

    def add(self, labels: pl.DataFrame) -> None:
        self.rows += labels.height
        for name, n in labels["label"].drop_nulls().value_counts().iter_rows():
            self.classes[name] += n

    def side(self, at: At) -> Side:
        """With how right the labels are, where anything can tell."""
        gold = audit = None
        try:
            if at.exists and at.has("labels"):
                score = score_labels(at)
                gold, audit = score.gold, score.audit
        except NotFound:
            pass  # neither gold nor an audited row
        names = [str(name) for name in at.dataset.classes] if at.exists else []
        classes = {name: self.classes[name] for name in names}
        return Side(self.rows, self.classes.total(), classes, gold, audit)


def _lines_before(before: At, part: Part, lines: pl.DataFrame) -> pl.DataFrame:
    """The lines of a part's rows as they were; of rows that are new there is none."""
    columns = [before.key, *_COLUMNS] if before.exists else []
    if not before.exists or not before.has("labels"):
        return lines.clear()
    if part in before.dataset.parts:
        frame = before.part("labels", part, columns)
        return lines.clear() if frame is None else frame
    frames = list(before.lines("labels", lines[before.key].to_list(), columns=columns))
    return pl.concat(frames) if frames else lines.clear()


def _votes(at: At, part: Part, keys: pl.Series) -> Mapping[str, LabelMatrix]:
    """LF -> its votes on rows of a part; nothing where the votes of that part are not there."""
    if not at.exists or at.votes is None or part.sha256 not in at.votes.parts:
        return {}
    rows = at.part("rows", part, [at.key])
    if rows is None:
        return {}
    places = rows[at.key].is_in(keys.implode()).to_numpy().nonzero()[0]
    return dict(_columns(at, part, places))


def _columns(
    at: At, part: Part, places: npt.NDArray[np.integer]
) -> Iterator[tuple[str, LabelMatrix]]:
    objects = at.objects("votes")
    for lf in at.votes.lfs if at.votes else ():
        oid = objects.get(votes_file(at.name, lf.fingerprint, part.sha256))
        if oid is not None:
            yield lf.name, np.frombuffer(at.store.read(oid), dtype=np.int8)[places]


def _table(at: At) -> list[Voted]:
    """The LF table; empty where no LF voted on these rows."""
    if not at.exists or at.votes is None:
        return []
    try:
        report = lf_stats(at, gold=at.dataset.has_gold)
    except DatahubError:  # votes of earlier rows
        return []
    ids = (lf.fingerprint for lf in at.votes.lfs)
    return [Voted(*one) for one in zip(report.table, report.fault_counts, ids, strict=True)]
