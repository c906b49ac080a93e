"""Final labels of a merge that no side's model fits, because rows of both changed.

A row that is as a side has it keeps that side's line, three ways where both have one, and what
people said on either side is asked of the joint log. All other rows have no label yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from datahub.core.dataset import Key, Part
from datahub.core.kept import apply_decisions, three_way
from datahub.core.layout import table_part, table_prefix
from datahub.core.parts import inside, places, within
from datahub.core.relabel import Annotation, Decision, decide
from datahub.core.versions import ObjectId
from datahub.flow.dataset.patches import OF_PART
from datahub.flow.merge.fields import SIDES, Content
from datahub.flow.merge.sides import Sides
from datahub.flow.rows.keeping import Carryover, Keeping, keep_lines


@dataclass(frozen=True)
class JointLabels:
    """Labels of a merge; on `apart` rows the models of both sides say another label each."""

    labels: Carryover
    apart: int


def join_labels(
    sides: Sides,
    content: Content,
    logs: Mapping[str, Sequence[Annotation]],
    log: Sequence[Annotation],
) -> JointLabels:
    """The labels of both sides on the merged rows; `log` is the joint one, `logs` are of each."""
    keepings = {
        side: keeper for side in SIDES if (keeper := _keeping(sides, side, content)) is not None
    }
    if not keepings:
        return JointLabels(Carryover(), 0)
    join = _Joining(sides, content, keepings, logs, log)
    labels = keep_lines(
        sides.at["ours"],
        content.dataset,
        join.rewrites(),
        join.no_line,
        step_id=sides.step.id,
    )
    if labels.rows and "ours" not in keepings:
        old: dict[str, ObjectId | None] = dict.fromkeys(
            sides.store.objects(sides.ours.id, table_prefix(sides.name, "labels"))
        )
        labels = Carryover(old | labels.changes, labels.rows, labels.fresh)
    return JointLabels(labels, join.apart)


class _Joining:
    """A merge's parts that have other labels than ours, and the lines of each."""

    def __init__(
        self,
        sides: Sides,
        content: Content,
        keepings: Mapping[str, Keeping],
        logs: Mapping[str, Sequence[Annotation]],
        log: Sequence[Annotation],
    ) -> None:
        self._sides = sides
        self._dataset = content.dataset
        self.no_line = next(iter(keepings.values())).no_line
        columns = self.no_line.schema  # lines of an earlier format are in no line of this one
        self._keepings = {
            side: keeping for side, keeping in keepings.items() if keeping.no_line.schema == columns
        }
        self._news = _parts_with_news(sides)
        self._keys, self._decisions = _decisions(sides, content, logs, log)
        self.apart = 0

    def rewrites(self) -> Iterator[tuple[Part, pl.DataFrame]]:
        """Parts whose labels are to be written, with those of their rows that have one."""
        our_parts = {part.sha256 for part in self._sides.datasets["ours"].parts}
        for number, part in enumerate(self._dataset.parts):
            their_parts = within(
                self._sides.datasets["theirs"].parts, part.first_key, part.last_key
            )
            keys = self._keys.get(number, [])
            has_news = "theirs" in self._keepings and any(
                their_part.sha256 in self._news for their_part in their_parts
            )
            if part.sha256 in our_parts and "ours" in self._keepings and not has_news and not keys:
                continue
            yield part, self._lines(part, keys)

    def _lines(self, part: Part, keys: Sequence[Key]) -> pl.DataFrame:
        key = self._dataset.key
        our_lines, their_lines = (
            self._keepings[side].lines(part) if side in self._keepings else self.no_line
            for side in SIDES
        )
        lines, apart = three_way(self._base(part), our_lines, their_lines, key=key)
        self.apart += apart
        return apply_decisions(lines, keys, self._decisions, key=key) if keys else lines

    def _base(self, part: Part) -> pl.DataFrame:
        """What the base says of rows with keys of this part."""
        dataset = self._sides.datasets.get("base")
        if dataset is None:
            return self.no_line
        near = within(dataset.parts, part.first_key, part.last_key)
        frames = (self._sides.at["base"].part("labels", part) for part in near)
        lines = [
            frame for frame in frames if frame is not None and frame.schema == self.no_line.schema
        ]
        return pl.concat([self.no_line, *lines]).filter(inside(part, key=self._dataset.key))


def _keeping(sides: Sides, side: str, content: Content) -> Keeping | None:
    return Keeping.of(sides.at[side], content.dataset)


def _parts_with_news(sides: Sides) -> set[str]:
    """Parts of theirs of which theirs says something that the base does not."""
    prefix = table_prefix(sides.name, "labels")
    news = sides.news("theirs", lambda path: path.startswith(prefix))
    dataset = sides.datasets["theirs"]
    own = {p.sha256 for p in dataset.parts if news.get(table_part(sides.name, "labels", p.sha256))}
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
    fresh = {entry for side in SIDES for entry in set(log) ^ set(logs[side])}
    entries = [*log, *logs["ours"], *logs["theirs"]]
    keys = list(dict.fromkeys(entry.key for entry in entries if entry in fresh))
    dataset = content.dataset
    hashes = sides.hashes(dataset, entries, keys)
    keys_by_part: dict[int, list[Key]] = {}
    if hashes:
        for key, number in zip(hashes, places(dataset.parts, pl.Series(list(hashes))), strict=True):
            keys_by_part.setdefault(number, []).append(key)
    return keys_by_part, decide(log, hashes, classes=dataset.classes)
