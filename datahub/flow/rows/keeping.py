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
from datahub.core.layout import label_model_file, table_part, table_prefix
from datahub.core.parts import differing, inside, within
from datahub.core.rowmerge import compare
from datahub.core.versions import ObjectId
from datahub.flow.dataset.at import At
from datahub.flow.dataset.instep import in_step
from datahub.flow.dataset.patching import patch_labels
from datahub.flow.dataset.reading import scan
from datahub.flow.dataset.tables import has_table, part_reader, read_parts, write_part
from datahub.ports import Rows, VersionStore


@dataclass(frozen=True)
class Kept:
    """Labels over new rows: what a commit changes so that the kept ones are there, and how many.

    `rows` keep what was said of them; of `fresh` rows nothing is said yet.
    """

    changes: dict[str, ObjectId | None] = field(default_factory=dict)
    rows: int = 0
    fresh: int = 0


def kept_labels(
    store: VersionStore,
    rows: Rows,
    ref: str,
    known: Dataset,
    made: Dataset,
    *,
    step_id: str,
    only_new: bool = False,
) -> Kept:
    """What becomes of the labels of a commit when its dataset is to be `made`, which is stored.

    `only_new`: no row of the known is changed or gone, so that no row need be compared.
    """
    keeping = Keeping.at(store, rows, ref, known, made, only_new=only_new)
    if keeping is None:
        return Kept()
    _, new = differing(known.parts, made.parts)
    written = ((part, keeping.lines(part)) for part in new)
    return kept_over(store, rows, ref, known, made, written, keeping.no_line, step_id=step_id)


def kept_over(
    store: VersionStore,
    rows: Rows,
    ref: str,
    known: Dataset,
    made: Dataset,
    written: Iterable[tuple[Part, pl.DataFrame]],
    no_line: pl.DataFrame,
    *,
    step_id: str,
) -> Kept:
    """What becomes of a commit's labels where some parts have these lines; others stay.

    A row of such a part without a line has no label yet; `no_line` says the columns.
    """
    rewritten: dict[str, ObjectId] = {}
    fresh = 0
    for part, some in written:
        path = store.fetch(part.sha256)
        lines = lines_of(rows.read([path], columns=[made.key])[made.key], [no_line, some])
        fresh += new_lines(lines)
        rewritten |= write_part(
            store, rows, lines, dataset=made.name, table="labels", part=part.sha256
        )
    there = {part.sha256 for part in made.parts}
    stay = [p for p in known.parts if p.sha256 in there]
    stay = [p for p in stay if table_part(made.name, "labels", p.sha256) not in rewritten]
    fresh += _still_new(store, rows, ref, known, stay)
    if fresh == made.rows:
        return Kept()
    changes: dict[str, ObjectId | None] = {
        table_part(known.name, "labels", part.sha256): None
        for part in known.parts
        if part.sha256 not in there
    }
    changes |= patch_labels(
        At.of(store, rows, ref, made.name),
        no_line,
        dataset=made,
        step_id=step_id,
        rewritten=rewritten,
    )
    return Kept(changes, made.rows - fresh, fresh)


class Keeping:
    """The labels of a commit, by which rows of other parts they are still of."""

    def __init__(
        self,
        store: VersionStore,
        rows: Rows,
        ref: str,
        known: Dataset,
        *,
        no_line: pl.DataFrame,
        only_new: bool,
    ) -> None:
        self._store = store
        self._rows = rows
        self._known = known
        self._there = {part.sha256 for part in known.parts}
        self._only_new = only_new
        self._labels = part_reader(store, rows, ref, known, "labels")
        self._held: tuple[Part, Sequence[str], pl.DataFrame] | None = None
        self.no_line = no_line

    @classmethod
    def at(
        cls,
        store: VersionStore,
        rows: Rows,
        ref: str,
        known: Dataset,
        made: Dataset,
        *,
        only_new: bool = False,
    ) -> Keeping | None:
        """The same as of a ref; None where it has no label that a row of `made` could keep."""
        held = store.objects(ref, table_prefix(known.name, "labels"))
        paths = (table_part(known.name, "labels", part.sha256) for part in known.parts)
        first = next((held[path] for path in paths if path in held), None)
        if first is None or not same_meaning(known, made):
            return None
        no_line = pl.DataFrame(schema=rows.scan([store.fetch(first)]).collect_schema())
        return cls(store, rows, ref, known, no_line=no_line, only_new=only_new)

    def lines(self, part: Part) -> pl.DataFrame:
        """Lines of the rows of a stored part that are as they were: all, if it was there."""
        if part.sha256 in self._there:
            whole = self._labels(part)
            return self.no_line if whole is None else whole
        near = within(self._known.parts, part.first_key, part.last_key)
        kept = [lines for old in near if (lines := self._kept(old, part)) is not None]
        return pl.concat([self.no_line, *kept])

    def _kept(self, old: Part, new: Part) -> pl.DataFrame | None:
        """Lines of the old part whose rows stand in the new one just as they were."""
        key = self._known.key
        lines = self._labels(old)
        if lines is None:
            return None
        lines = lines.filter(inside(new, key=key))
        if self._only_new:
            return lines
        return lines.filter(~pl.col(key).is_in(self._touched(old, new)))

    def _touched(self, old: Part, new: Part) -> pl.Series:
        """Keys of rows that are not the same in both parts, as one list."""
        key = self._known.key
        columns = self._differing(old, new)
        before = self._before(old, columns)
        before = before.filter(inside(new, key=key))
        after = self._rows.read([self._store.fetch(new.sha256)], columns=columns)
        return compare(before, after, key=key).changed_keys.implode()

    def _differing(self, old: Part, new: Part) -> list[str]:
        """The key, and columns in which rows of both parts may differ."""
        key = self._known.key
        alike = in_step(self._store, self._rows, ((old,), (new,)), key=key)
        if alike is None:
            return [name for name, _ in self._known.columns]
        return [key, *(name for name, (a, b) in alike.items() if a != b)]

    def _before(self, part: Part, columns: Sequence[str]) -> pl.DataFrame:
        """Rows of a known part, the last one held: two parts may fall into it."""
        if self._held is None or self._held[:2] != (part, columns):
            self._held = None  # before another is read
            path = self._store.fetch(part.sha256)
            self._held = part, columns, self._rows.read([path], columns=columns)
        return self._held[2]


def _still_new(
    store: VersionStore, rows: Rows, ref: str, known: Dataset, parts: Sequence[Part]
) -> int:
    """How many rows of these parts had no label before either: those of all, less the others'."""
    every = rows_without_label(store, rows, ref, known)
    if not every:
        return 0
    others = [part for part in known.parts if part not in parts]
    found = read_parts(store, rows, ref, known, "labels", others, columns=["status"])
    return every - sum(new_lines(lines) for _, lines in found)


def told_of(kept: Kept) -> dict[str, str]:
    """The same as metadata of a commit."""
    if not kept.rows:
        return {}
    return {"labels kept": str(kept.rows), "rows without a label": str(kept.fresh)}


def rows_without_label(store: VersionStore, rows: Rows, ref: str, known: Dataset) -> int | None:
    """How many rows have no label yet; None: the labels are of just these rows, or there are none.

    Rows are looked at only where the commit has labels, and no label model of its rows.
    """
    path = label_model_file(known.name)
    if store.objects(ref, path) or not has_table(store, ref, known.name, "labels"):
        return None
    frame = scan(At.of(store, rows, ref, known.name), table="labels", checked=False)
    return int(rows.collect(frame.select((pl.col("status") == NEW).sum())).item())
