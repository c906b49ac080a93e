"""Final labels over new rows: those of rows that stay are kept, and the others have none yet.

What the labels came from (soft labels, label model, thresholds) is of the old rows and is not
kept. Of parts that stay nothing is read or written; of the others a part at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import polars as pl

from datahub.core.dataset import Dataset, Part
from datahub.core.kept import NEW, lines_of, new_lines, same_meaning
from datahub.core.layout import label_model_file, table_part
from datahub.core.parts import differing, inside, within
from datahub.core.rowmerge import compare
from datahub.core.versions import ObjectId
from datahub.flow.dataset.at import At
from datahub.flow.dataset.instep import in_step
from datahub.flow.dataset.patching import patch_labels
from datahub.flow.dataset.reading import scan
from datahub.flow.dataset.tables import write_part


@dataclass(frozen=True)
class Carryover:
    """Labels over new rows: what a commit changes so that the kept ones are there, and how many.

    `rows` keep what was said of them; of `fresh` rows nothing is said yet.
    """

    changes: dict[str, ObjectId | None] = field(default_factory=dict)
    rows: int = 0
    fresh: int = 0


def keep_labels(at: At, dataset: Dataset, *, step_id: str, only_new: bool = False) -> Carryover:
    """What becomes of the labels of a commit when its dataset is to be another, which is stored.

    `only_new`: no row that is there is changed or gone, so that no row need be compared.
    """
    keeper = Keeping.of(at, dataset, only_new=only_new)
    if keeper is None:
        return Carryover()
    _, new = differing(at.dataset.parts, dataset.parts)
    lines = ((part, keeper.lines(part)) for part in new)
    return keep_lines(at, dataset, lines, keeper.no_line, step_id=step_id)


def keep_lines(
    at: At,
    dataset: Dataset,
    lines: Iterable[tuple[Part, pl.DataFrame]],
    no_line: pl.DataFrame,
    *,
    step_id: str,
) -> Carryover:
    """What becomes of a commit's labels where some parts have these lines; others stay.

    `dataset` is what it is to be. A row of such a part without a line has no label yet;
    `no_line` says the columns.
    """
    new_parts: dict[str, ObjectId] = {}
    fresh = 0
    for part, part_lines in lines:
        keys = at.rows.read([at.store.fetch(part.sha256)], columns=[dataset.key])[dataset.key]
        whole = lines_of(keys, [no_line, part_lines])
        fresh += new_lines(whole)
        new_parts |= write_part(
            at.store, at.rows, whole, dataset=dataset.name, table="labels", part=part.sha256
        )
    parts = {part.sha256 for part in dataset.parts}
    stay = [p for p in at.dataset.parts if p.sha256 in parts]
    stay = [p for p in stay if table_part(dataset.name, "labels", p.sha256) not in new_parts]
    fresh += _still_new(at, stay)
    if fresh == dataset.rows:
        return Carryover()
    changes: dict[str, ObjectId | None] = {
        table_part(at.name, "labels", part.sha256): None
        for part in at.dataset.parts
        if part.sha256 not in parts
    }
    changes |= patch_labels(at, no_line, dataset=dataset, step_id=step_id, rewritten=new_parts)
    return Carryover(changes, dataset.rows - fresh, fresh)


class Keeping:
    """The labels of a commit, by which rows of other parts they are still of."""

    def __init__(self, at: At, *, no_line: pl.DataFrame, only_new: bool) -> None:
        self._at = at
        self._dataset = at.dataset
        self._parts = {part.sha256 for part in at.dataset.parts}
        self._only_new = only_new
        self._last: tuple[Part, Sequence[str], pl.DataFrame] | None = None
        self.no_line = no_line

    @classmethod
    def of(cls, at: At, dataset: Dataset, *, only_new: bool = False) -> Keeping | None:
        """The same; None where the commit has no label that a row of `dataset` could keep."""
        oids = (at.oid("labels", part) for part in at.dataset.parts)
        first = next((oid for oid in oids if oid is not None), None)
        if first is None or not same_meaning(at.dataset, dataset):
            return None
        no_line = pl.DataFrame(schema=at.rows.scan([at.store.fetch(first)]).collect_schema())
        return cls(at, no_line=no_line, only_new=only_new)

    def lines(self, part: Part) -> pl.DataFrame:
        """Lines of the rows of a stored part that are as they were: all, if it was there."""
        if part.sha256 in self._parts:
            whole = self._at.part("labels", part)
            return self.no_line if whole is None else whole
        near = within(self._dataset.parts, part.first_key, part.last_key)
        pieces = [lines for old in near if (lines := self._unchanged_lines(old, part)) is not None]
        return pl.concat([self.no_line, *pieces])

    def _unchanged_lines(self, old: Part, new: Part) -> pl.DataFrame | None:
        """Lines of the old part whose rows stand in the new one just as they were."""
        key = self._dataset.key
        lines = self._at.part("labels", old)
        if lines is None:
            return None
        lines = lines.filter(inside(new, key=key))
        if self._only_new:
            return lines
        return lines.filter(~pl.col(key).is_in(self._changed_keys(old, new)))

    def _changed_keys(self, old: Part, new: Part) -> pl.Series:
        """Keys of rows that are not the same in both parts, as one list."""
        key = self._dataset.key
        columns = self._differing(old, new)
        before = self._before(old, columns)
        before = before.filter(inside(new, key=key))
        after = self._at.rows.read([self._at.store.fetch(new.sha256)], columns=columns)
        return compare(before, after, key=key).changed_keys.implode()

    def _differing(self, old: Part, new: Part) -> list[str]:
        """The key, and columns in which rows of both parts may differ."""
        key = self._dataset.key
        alike = in_step(self._at.store, self._at.rows, ((old,), (new,)), key=key)
        if alike is None:
            return [name for name, _ in self._dataset.columns]
        return [key, *(name for name, (a, b) in alike.items() if a != b)]

    def _before(self, part: Part, columns: Sequence[str]) -> pl.DataFrame:
        """Rows of a known part, the last one kept: two parts may fall into it."""
        if self._last is None or self._last[:2] != (part, columns):
            self._last = None  # before another is read
            path = self._at.store.fetch(part.sha256)
            self._last = part, columns, self._at.rows.read([path], columns=columns)
        return self._last[2]


def _still_new(at: At, parts: Sequence[Part]) -> int:
    """How many rows of these parts had no label before either: those of all, less the others'."""
    every = rows_without_label(at)
    if not every:
        return 0
    rest = [part for part in at.dataset.parts if part not in parts]
    lines = at.parts("labels", rest, columns=["status"])
    return every - sum(new_lines(frame) for _, frame in lines)


def metadata_of(carryover: Carryover) -> dict[str, str]:
    """The same as metadata of a commit."""
    if not carryover.rows:
        return {}
    return {"labels kept": str(carryover.rows), "rows without a label": str(carryover.fresh)}


def rows_without_label(at: At) -> int | None:
    """How many rows have no label yet; None: the labels are of just these rows, or there are none.

    Rows are looked at only where the commit has labels, and no label model of its rows.
    """
    if at.contents.find(label_model_file(at.name)) is not None or not at.has("labels"):
        return None
    status = scan(at, table="labels", checked=False).select((pl.col("status") == NEW).sum())
    return int(at.rows.collect(status).item())
