"""Final labels of a merge that no side's model fits, because rows of both changed.

A row that is as a side has it keeps that side's line, three ways where both have one, and what
people said on either side is asked of the joint log. All other rows have no label yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from datahub.core.dataset import Key, Part
from datahub.core.kept import apply_decisions, three_way
from datahub.core.layout import table_part, table_prefix
from datahub.core.parts import inside, places, within
from datahub.core.relabel import Annotation, Decision, decide
from datahub.core.versions import ObjectId
from datahub.flow.dataset.annotations import hashes_of
from datahub.flow.dataset.patches import OF_PART
from datahub.flow.dataset.tables import part_reader
from datahub.flow.merge.fields import BOTH, Content
from datahub.flow.merge.sides import Sides
from datahub.flow.rows.keeping import Keeping, Kept, kept_over


@dataclass(frozen=True)
class Joined:
    """Labels of a merge; on `apart` rows the models of both sides say another label each."""

    kept: Kept
    apart: int


def joined_labels(
    sides: Sides,
    content: Content,
    logs: Mapping[str, Sequence[Annotation]],
    log: Sequence[Annotation],
) -> Joined:
    """The labels of both sides on the merged rows; `log` is the joint one, `logs` are of each."""
    have = {side: found for side in BOTH if (found := _keeping(sides, side, content)) is not None}
    if not have:
        return Joined(Kept(), 0)
    joining = _Joining(sides, content, have, logs, log)
    kept = kept_over(
        sides.at["ours"],
        content.known,
        joining.written(),
        joining.no_line,
        step_id=sides.step.id,
    )
    if kept.rows and "ours" not in have:
        old: dict[str, ObjectId | None] = dict.fromkeys(
            sides.store.objects(sides.ours.id, table_prefix(sides.name, "labels"))
        )
        kept = Kept(old | kept.changes, kept.rows, kept.fresh)
    return Joined(kept, joining.apart)


class _Joining:
    """A merge's parts that have other labels than ours, and the lines of each."""

    def __init__(
        self,
        sides: Sides,
        content: Content,
        have: Mapping[str, Keeping],
        logs: Mapping[str, Sequence[Annotation]],
        log: Sequence[Annotation],
    ) -> None:
        self._sides = sides
        self._known = content.known
        self.no_line = next(iter(have.values())).no_line
        columns = self.no_line.schema  # lines of an earlier format are in no line of this one
        self._have = {side: one for side, one in have.items() if one.no_line.schema == columns}
        self._news = _parts_with_news(sides)
        self._asked, self._decisions = _decisions(sides, content, logs, log)
        self.apart = 0

    def written(self) -> Iterator[tuple[Part, pl.DataFrame]]:
        """Parts whose labels are to be written, with those of their rows that have one."""
        ours = {part.sha256 for part in self._sides.known["ours"].parts}
        for number, part in enumerate(self._known.parts):
            theirs = within(self._sides.known["theirs"].parts, part.first_key, part.last_key)
            asked = self._asked.get(number, [])
            told = "theirs" in self._have and any(one.sha256 in self._news for one in theirs)
            if part.sha256 in ours and "ours" in self._have and not told and not asked:
                continue
            yield part, self._lines(part, asked)

    def _lines(self, part: Part, asked: Sequence[Key]) -> pl.DataFrame:
        key = self._known.key
        ours, theirs = (
            self._have[side].lines(part) if side in self._have else self.no_line for side in BOTH
        )
        lines, apart = three_way(self._base(part), ours, theirs, key=key)
        self.apart += apart
        return apply_decisions(lines, asked, self._decisions, key=key) if asked else lines

    def _base(self, part: Part) -> pl.DataFrame:
        """What the base says of rows with keys of this part."""
        known = self._sides.known.get("base")
        if known is None:
            return self.no_line
        near = within(known.parts, part.first_key, part.last_key)
        found = (self._base_labels(one) for one in near)
        lines = [one for one in found if one is not None and one.schema == self.no_line.schema]
        return pl.concat([self.no_line, *lines]).filter(inside(part, key=self._known.key))

    @cached_property
    def _base_labels(self) -> Callable[..., pl.DataFrame | None]:
        sides = self._sides
        return part_reader(sides.store, sides.rows, sides.base.id, sides.known["base"], "labels")


def _keeping(sides: Sides, side: str, content: Content) -> Keeping | None:
    return Keeping.of(sides.at[side], content.known)


def _parts_with_news(sides: Sides) -> set[str]:
    """Parts of theirs of which theirs says something that the base does not."""
    prefix = table_prefix(sides.name, "labels")
    news = sides.news("theirs", lambda path: path.startswith(prefix))
    known = sides.known["theirs"]
    own = {p.sha256 for p in known.parts if news.get(table_part(sides.name, "labels", p.sha256))}
    patches = [oid for path, oid in news.items() if "/patches/" in path and oid is not None]
    files = [sides.store.fetch(oid) for oid in patches]
    lines = sides.rows.batches(files, columns=[OF_PART]) if files else ()
    return own.union(*(frame[OF_PART].unique().to_list() for frame in lines))


def _decisions(
    sides: Sides,
    content: Content,
    logs: Mapping[str, Sequence[Annotation]],
    log: Sequence[Annotation],
) -> tuple[dict[int, list[Key]], dict[Key, Decision]]:
    """Rows whose answers are news to a side, by the number of their part; what was decided."""
    fresh = {entry for side in BOTH for entry in set(log) ^ set(logs[side])}
    told = [*log, *logs["ours"], *logs["theirs"]]
    keys = list(dict.fromkeys(entry.key for entry in told if entry in fresh))
    known = content.known
    at = [commit.id for commit in sides.commits.values()]
    hashes = hashes_of(sides.store, sides.rows, at, known, told, keys=keys)
    asked: dict[int, list[Key]] = {}
    if hashes:
        for key, number in zip(hashes, places(known.parts, pl.Series(list(hashes))), strict=True):
            asked.setdefault(number, []).append(key)
    return asked, decide(log, hashes, classes=known.classes)
