"""What a dataset is and which rows it holds, merged: fields, columns, and rows by key and column.

Only parts that differ between the three states are read; of parts whose keys are the same in all
of them, only the columns that theirs changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import polars as pl

from datahub.core.conflicts import Settling
from datahub.core.dataset import Dataset, Key, Part
from datahub.core.errors import InputError
from datahub.core.layout import dataset_file, table_part, table_prefix
from datahub.core.parts import align
from datahub.core.rowconflict import RowConflict
from datahub.core.rowmerge import RowMerge, Take, merge, settle
from datahub.flow.dataset.instep import in_step
from datahub.flow.dataset.parts import (
    GOLD,
    Edit,
    Rewritten,
    changed_rows,
    rewrite_part,
    rewrite_rows,
)
from datahub.flow.merge.fields import SIDES, Content, merge_fields, take_side
from datahub.flow.merge.sides import Sides, content_unit, overlay

States = tuple[tuple[Part, ...], ...]  # neighbouring parts of base, ours and theirs
Frames = tuple[pl.DataFrame | None, ...]  # rows of all three


@dataclass(frozen=True)
class Group:
    """Parts of ours, and what becomes of them; None: they stay as they are."""

    parts: tuple[Part, ...]
    change: RowMerge | Rewritten | None


def merge_content(sides: Sides, resolution: Settling) -> Content:
    """Merge dataset.json, rows and gold. Nothing is stored where conflicts are left."""
    unit = content_unit(sides.name)
    movers = sides.moved_by(unit)
    if movers in ("neither", "same", "ours"):
        return Content(sides.datasets["ours"])
    if movers == "theirs":
        return Content(sides.datasets["theirs"], sides.taking_theirs(unit))
    content, schema = merge_fields(sides, resolution)
    if content.open_conflicts or any(
        conflict.column in ("key", "key type") for conflict in content.conflicts
    ):
        return take_side(sides, content, resolution)
    groups: list[Group] = []
    try:
        for states in _groups(sides, whole=_is_widened(sides, schema)):
            groups.append(_merge_group(sides, states, schema, content, resolution))
        if not content.open_conflicts:
            _write(sides, groups, content)
    finally:
        _discard(sides, groups)
    return content


def _is_widened(sides: Sides, schema: dict[str, str]) -> bool:
    """Whether the merge has other columns or types than ours: then no part of ours stays."""
    return tuple(schema.items()) != sides.datasets["ours"].columns


def _groups(sides: Sides, *, whole: bool) -> list[States]:
    """Parts to merge, of base, ours and theirs: those that theirs changed, in rows or in gold.

    With `whole`, all that are not the same in all three.
    """
    datasets = sides.datasets
    base = datasets["base"].parts if "base" in datasets else ()
    gold = {side: _parts_of_gold(sides, side) for side in SIDES}
    groups = [
        group
        for group in align(base, datasets["ours"].parts, datasets["theirs"].parts)
        if whole or group[0] != group[2] or any(part.sha256 in gold["theirs"] for part in group[2])
    ]
    common_parts = {part.sha256 for part in base} & {
        part.sha256 for part in datasets["theirs"].parts
    }
    gold_on_both = common_parts & gold["ours"] & gold["theirs"]
    groups += [((p,), (p,), (p,)) for p in datasets["ours"].parts if p.sha256 in gold_on_both]
    return sorted(groups, key=lambda group: min(p.first_key for side in group for p in side))


def _parts_of_gold(sides: Sides, side: str) -> set[str]:
    """Parts whose gold a side changed."""
    prefix = table_prefix(sides.name, "gold")
    paths = sides.news(side, lambda path: path.startswith(prefix))
    return {path.rpartition("/")[2].partition(".")[0] for path in paths}


def _frame(
    sides: Sides, side: str, parts: Sequence[Part], columns: Sequence[str] | None = None
) -> pl.DataFrame | None:
    return pl.concat([sides.read[side](p, columns) for p in parts]) if parts else None


def _merge_group(
    sides: Sides, states: States, schema: dict[str, str], content: Content, resolution: Settling
) -> Group:
    columns = _columns_to_merge(sides, states, schema)
    if columns is not None:
        new = _merge_columns(sides, states, columns, schema, content, resolution)
        if new is None or content.open_conflicts:
            return Group(states[1], None)
        return Group(states[1], rewrite_part(sides.store, sides.rows, states[1][0], new))
    frames = _whole_frames(sides, states)
    kinds = _kinds(sides, frames, schema, content, gold=content.dataset.has_gold)
    row_merge = _merge_frames(sides, frames, kinds, content, resolution)
    stays = not row_merge.rows and not _is_widened(sides, schema)
    return Group(states[1], None if stays else row_merge)


def _merge_columns(
    sides: Sides,
    states: States,
    columns: Sequence[str],
    schema: dict[str, str],
    content: Content,
    resolution: Settling,
) -> pl.DataFrame | None:
    """Merge some columns of a part whose rows stay; None: they are what ours are."""
    key = content.dataset.key
    frames = _frames_in_step(sides, states, (key, *columns))
    types = {name: schema[name] for name in (key, *columns) if name != GOLD}
    kinds = _kinds(sides, frames, types, content, gold=GOLD in columns)
    row_merge = _merge_frames(sides, frames, kinds, content, resolution)
    our_rows = frames[1]
    if not row_merge.rows or our_rows is None:
        return None
    return row_merge.within(
        our_rows[list(columns)], our_rows[key].search_sorted(row_merge.put[key])
    )


def _merge_frames(
    sides: Sides,
    frames: Frames,
    kinds: dict[str, pl.DataType],
    content: Content,
    resolution: Settling,
) -> RowMerge:
    """Merge rows of all three, settled as far as was decided."""
    empty = pl.DataFrame(schema=kinds)
    base, our_rows, their_rows = (empty if frame is None else frame for frame in frames)
    row_merge = merge(base, our_rows, their_rows, key=content.dataset.key, schema=kinds)
    content.rows_from_both += row_merge.rows
    return settle(row_merge, _decide_cells(sides, row_merge, kinds, content, resolution))


def _columns_to_merge(
    sides: Sides, group: States, schema: dict[str, str]
) -> tuple[str, ...] | None:
    """Columns that theirs changed, and to other than ours; None: rows come or go, or columns."""
    alike = in_step(sides.store, sides.rows, group, key=sides.datasets["ours"].key)
    if alike is None or list(alike) != list(schema):
        return None
    gold = (
        sides.gold[side].get(table_part(sides.name, "gold", part.sha256))
        for side, (part,) in zip(("base", *SIDES), group, strict=True)
    )
    states: dict[str, tuple[object, ...]] = {**alike, GOLD: tuple(gold)}
    return tuple(
        n
        for n, (base, our_state, their_state) in states.items()
        if their_state not in (base, our_state)
    )


def _frames_in_step(sides: Sides, group: States, columns: Sequence[str]) -> Frames:
    """The key and some columns of all three; rows correspond by their places."""
    key, *rest = columns
    our_rows = _frame(sides, "ours", group[1], columns)
    assert our_rows is not None  # in step, each state has its part
    frames = []
    for side, parts in (("base", group[0]), ("theirs", group[2])):
        frame = _frame(sides, side, parts, rest) if rest else our_rows
        assert frame is not None
        frames.append(pl.DataFrame({key: our_rows[key], **{name: frame[name] for name in rest}}))
    return frames[0], our_rows, frames[1]


def _whole_frames(sides: Sides, group: States) -> Frames:
    our_rows = _frame(sides, "ours", group[1])
    base = our_rows if _is_ours(sides, group) else _frame(sides, "base", group[0])
    return base, our_rows, _frame(sides, "theirs", group[2])


def _decide_cells(
    sides: Sides,
    row_merge: RowMerge,
    kinds: dict[str, pl.DataType],
    content: Content,
    resolution: Settling,
) -> dict[tuple[Key, str | None], object]:
    """List the conflicts of some rows; what was decided of them, by place."""
    decisions: dict[tuple[Key, str | None], object] = {}
    for cell in row_merge.conflicts:
        column = "gold" if cell.column == GOLD else cell.column
        table = "gold" if cell.column == GOLD else "rows"
        values = cell.base, cell.ours, cell.theirs
        conflict = RowConflict(
            sides.name, table, cell.key, column, cell.kind, *values, *sides.content_by
        )
        content.conflicts.append(conflict)
        decision = resolution.of(conflict)
        side = resolution.side if decision is None else decision.take
        if side is not None:
            decisions[cell.key, cell.column] = Take(side)
        elif decision is not None:
            decisions[cell.key, cell.column] = _value(
                decision.value, conflict, kinds, content.dataset
            )
        else:
            content.open_conflicts.append(conflict)
    return decisions


def _is_ours(sides: Sides, group: States) -> bool:
    """Whether ours has a group just as the base has it."""
    gold = _parts_of_gold(sides, "ours")
    return group[0] == group[1] and not any(part.sha256 in gold for part in group[1])


def _kinds(
    sides: Sides, frames: Frames, schema: dict[str, str], content: Content, *, gold: bool
) -> dict[str, pl.DataType]:
    """The types of the merged columns, as the fields, frames or any part of a side say."""
    kinds: dict[str, pl.DataType] = {}
    for name, kind in schema.items():
        if name in content.kinds:
            kinds[name] = content.kinds[name]
            continue
        dtypes = [f.schema[name] for f in frames if f is not None and name in f.columns]
        dtype = next((t for t in dtypes if str(t) == kind), None)
        kinds[name] = _kind(sides, name, kind) if dtype is None else dtype
    if gold:
        kinds[GOLD] = pl.String()
    return kinds


def _kind(sides: Sides, name: str, kind: str) -> pl.DataType:
    """The type of a column, off a part of a side that has it as this."""
    part = next(
        dataset.parts[0]
        for dataset in sides.datasets.values()
        if dataset.parts and dict(dataset.columns).get(name) == kind
    )
    path = sides.store.fetch(part.sha256)
    return sides.rows.scan([path]).collect_schema()[name]


def _value(
    value: object, conflict: RowConflict, kinds: dict[str, pl.DataType], dataset: Dataset
) -> object:
    """A decided value as its column holds it. Raises InputError."""
    if conflict.column is None:
        raise InputError(
            f"Row {conflict.key!r} is there on one side only: a value cannot decide that.",
            hint="`take` ours or theirs.",
        )
    if conflict.table == "gold":
        if value is not None and value not in dataset.classes:
            raise InputError(
                f"{value!r} is no class of {dataset.name!r}.",
                hint=f"Classes are {', '.join(dataset.classes)}.",
            )
        return value
    kind = kinds[conflict.column]
    try:
        return pl.Series([value]).cast(kind, strict=True)
    except pl.exceptions.PolarsError as error:
        raise InputError(
            f"{value!r} cannot be a value of {conflict.column!r}, which is {kind}.",
            hint="Fix the file of decisions.",
        ) from error


def _write(sides: Sides, groups: Sequence[Group], content: Content) -> None:
    """Rewrite the groups over ours; parts that no group names stay."""
    our_dataset = sides.datasets["ours"]
    reading = replace(content.dataset, parts=our_dataset.parts)

    def edits() -> Iterator[Edit]:
        for group in groups:
            if isinstance(group.change, RowMerge):
                frame = _frame(sides, "ours", group.parts)
                upserts = group.change.put
                yield group.parts, group.change.over(upserts.clear() if frame is None else frame)
            elif group.change is not None:
                yield group.parts, group.change

    writer = rewrite_rows(sides.at["ours"], edits(), reading)
    columns = writer.columns or our_dataset.columns
    content.dataset = replace(content.dataset, parts=tuple(writer.parts), columns=columns)
    common_parts = {part.sha256 for part in our_dataset.parts} & {
        part.sha256 for part in writer.parts
    }
    news = _parts_of_gold(sides, "theirs") - _parts_of_gold(sides, "ours")
    paths = {table_part(sides.name, "gold", part) for part in common_parts & news}
    gold = sides.news("theirs", lambda path: path in paths)
    content.changes = overlay(
        changed_rows(sides.at["ours"], writer),
        gold,
        {dataset_file(sides.name): sides.store.put(content.dataset.to_json().encode())},
    )


def _discard(sides: Sides, groups: Sequence[Group]) -> None:
    """Remove files that were written and not stored."""
    for group in groups:
        if isinstance(group.change, Rewritten) and group.change.file is not None:
            sides.store.unstage(group.change.file)
