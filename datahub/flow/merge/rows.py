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
from datahub.core.rowmerge import RowMerge, merge, settle
from datahub.flow.dataset.instep import in_step
from datahub.flow.dataset.parts import (
    GOLD,
    Edit,
    Rewritten,
    changed_rows,
    rewrite_part,
    rewrite_rows,
)
from datahub.flow.merge.fields import BOTH, Content, merged_fields, one_side
from datahub.flow.merge.sides import Sides, content_unit, overlaid

States = tuple[tuple[Part, ...], ...]  # neighbouring parts of base, ours and theirs
Frames = tuple[pl.DataFrame | None, ...]  # rows of all three


@dataclass(frozen=True)
class Group:
    """Parts of ours, and what becomes of them; None: they stay as they are."""

    parts: tuple[Part, ...]
    merged: RowMerge | Rewritten | None


def merged_content(sides: Sides, settling: Settling) -> Content:
    """Merge dataset.json, rows and gold. Nothing is stored where conflicts are left."""
    unit = content_unit(sides.name)
    moved = sides.moved_by(unit)
    if moved in ("neither", "same", "ours"):
        return Content(sides.known["ours"])
    if moved == "theirs":
        return Content(sides.known["theirs"], sides.taking_theirs(unit))
    merged, schema = merged_fields(sides, settling)
    if merged.left or any(one.column in ("key", "key type") for one in merged.conflicts):
        return one_side(sides, merged, settling)
    groups: list[Group] = []
    try:
        for states in _groups(sides, whole=_is_widened(sides, schema)):
            groups.append(_merged_group(sides, states, schema, merged, settling))
        if not merged.left:
            _write(sides, groups, merged)
    finally:
        _discard(sides, groups)
    return merged


def _is_widened(sides: Sides, schema: dict[str, str]) -> bool:
    """Whether the merge has other columns or types than ours: then no part of ours stays."""
    return tuple(schema.items()) != sides.known["ours"].columns


def _groups(sides: Sides, *, whole: bool) -> list[States]:
    """Parts to merge, of base, ours and theirs: those that theirs changed, in rows or in gold.

    With `whole`, all that are not the same in all three.
    """
    known = sides.known
    base = known["base"].parts if "base" in known else ()
    gold = {side: _parts_of_gold(sides, side) for side in BOTH}
    groups = [
        group
        for group in align(base, known["ours"].parts, known["theirs"].parts)
        if whole or group[0] != group[2] or any(part.sha256 in gold["theirs"] for part in group[2])
    ]
    shared = {part.sha256 for part in base} & {part.sha256 for part in known["theirs"].parts}
    both = shared & gold["ours"] & gold["theirs"]
    groups += [((p,), (p,), (p,)) for p in known["ours"].parts if p.sha256 in both]
    return sorted(groups, key=lambda group: min(p.first_key for side in group for p in side))


def _parts_of_gold(sides: Sides, side: str) -> set[str]:
    """Parts whose gold a side changed."""
    prefix = table_prefix(sides.name, "gold")
    changed = sides.news(side, lambda path: path.startswith(prefix))
    return {path.rpartition("/")[2].partition(".")[0] for path in changed}


def _frame(
    sides: Sides, side: str, parts: Sequence[Part], columns: Sequence[str] | None = None
) -> pl.DataFrame | None:
    return pl.concat([sides.read[side](p, columns) for p in parts]) if parts else None


def _merged_group(
    sides: Sides, states: States, schema: dict[str, str], merged: Content, settling: Settling
) -> Group:
    columns = _moved_columns(sides, states, schema)
    if columns is not None:
        new = _merged_columns(sides, states, columns, schema, merged, settling)
        if new is None or merged.left:
            return Group(states[1], None)
        return Group(states[1], rewrite_part(sides.store, sides.rows, states[1][0], new))
    frames = _whole_frames(sides, states)
    kinds = _kinds(sides, frames, schema, merged, gold=merged.known.has_gold)
    found = _merged(sides, frames, kinds, merged, settling)
    stays = not found.rows and not _is_widened(sides, schema)
    return Group(states[1], None if stays else found)


def _merged_columns(
    sides: Sides,
    states: States,
    columns: Sequence[str],
    schema: dict[str, str],
    merged: Content,
    settling: Settling,
) -> pl.DataFrame | None:
    """Merge some columns of a part whose rows stay; None: they are what ours are."""
    key = merged.known.key
    frames = _frames_in_step(sides, states, (key, *columns))
    there = {name: schema[name] for name in (key, *columns) if name != GOLD}
    kinds = _kinds(sides, frames, there, merged, gold=GOLD in columns)
    found = _merged(sides, frames, kinds, merged, settling)
    ours = frames[1]
    if not found.rows or ours is None:
        return None
    return found.within(ours[list(columns)], ours[key].search_sorted(found.put[key]))


def _merged(
    sides: Sides,
    frames: Frames,
    kinds: dict[str, pl.DataType],
    merged: Content,
    settling: Settling,
) -> RowMerge:
    """Merge rows of all three, settled as far as was decided."""
    empty = pl.DataFrame(schema=kinds)
    base, ours, theirs = (empty if frame is None else frame for frame in frames)
    found = merge(base, ours, theirs, key=merged.known.key, schema=kinds)
    merged.rows_from_both += found.rows
    return settle(found, _decided(sides, found, kinds, merged, settling))


def _moved_columns(sides: Sides, group: States, schema: dict[str, str]) -> tuple[str, ...] | None:
    """Columns that theirs changed, and to other than ours; None: rows come or go, or columns."""
    alike = in_step(sides.store, sides.rows, group, key=sides.known["ours"].key)
    if alike is None or list(alike) != list(schema):
        return None
    gold = (
        sides.gold[side].get(table_part(sides.name, "gold", part.sha256))
        for side, (part,) in zip(("base", *BOTH), group, strict=True)
    )
    held: dict[str, tuple[object, ...]] = {**alike, GOLD: tuple(gold)}
    return tuple(n for n, (base, ours, theirs) in held.items() if theirs not in (base, ours))


def _frames_in_step(sides: Sides, group: States, columns: Sequence[str]) -> Frames:
    """The key and some columns of all three; rows correspond by their places."""
    key, *others = columns
    ours = _frame(sides, "ours", group[1], columns)
    assert ours is not None  # in step, each state has its part
    frames = []
    for side, parts in (("base", group[0]), ("theirs", group[2])):
        frame = _frame(sides, side, parts, others) if others else ours
        assert frame is not None
        frames.append(pl.DataFrame({key: ours[key], **{name: frame[name] for name in others}}))
    return frames[0], ours, frames[1]


def _whole_frames(sides: Sides, group: States) -> Frames:
    ours = _frame(sides, "ours", group[1])
    base = ours if _is_ours(sides, group) else _frame(sides, "base", group[0])
    return base, ours, _frame(sides, "theirs", group[2])


def _decided(
    sides: Sides,
    found: RowMerge,
    kinds: dict[str, pl.DataType],
    merged: Content,
    settling: Settling,
) -> dict[tuple[Key, str | None], object]:
    """List the conflicts of some rows; what was decided of them, by place."""
    decided: dict[tuple[Key, str | None], object] = {}
    for cell in found.conflicts:
        column = "gold" if cell.column == GOLD else cell.column
        table = "gold" if cell.column == GOLD else "rows"
        values = cell.base, cell.ours, cell.theirs
        conflict = RowConflict(
            sides.name, table, cell.key, column, cell.kind, *values, *sides.content_by
        )
        merged.conflicts.append(conflict)
        one = settling.of(conflict)
        side = settling.side if one is None else one.take
        if side is not None:
            decided[cell.key, cell.column] = cell.ours if side == "ours" else cell.theirs
        elif one is not None:
            decided[cell.key, cell.column] = _value(one.value, conflict, kinds, merged.known)
        else:
            merged.left.append(conflict)
    return decided


def _is_ours(sides: Sides, group: States) -> bool:
    """Whether ours has a group just as the base has it."""
    gold = _parts_of_gold(sides, "ours")
    return group[0] == group[1] and not any(part.sha256 in gold for part in group[1])


def _kinds(
    sides: Sides, frames: Frames, schema: dict[str, str], merged: Content, *, gold: bool
) -> dict[str, pl.DataType]:
    """The types of the merged columns, as the fields, frames or any part of a side say."""
    kinds: dict[str, pl.DataType] = {}
    for name, kind in schema.items():
        if name in merged.kinds:
            kinds[name] = merged.kinds[name]
            continue
        found = [f.schema[name] for f in frames if f is not None and name in f.columns]
        told = next((one for one in found if str(one) == kind), None)
        kinds[name] = _kind(sides, name, kind) if told is None else told
    if gold:
        kinds[GOLD] = pl.String()
    return kinds


def _kind(sides: Sides, name: str, kind: str) -> pl.DataType:
    """The type of a column, off a part of a side that has it as this."""
    part = next(
        known.parts[0]
        for known in sides.known.values()
        if known.parts and dict(known.columns).get(name) == kind
    )
    path = sides.store.fetch(part.sha256)
    return sides.rows.scan([path]).collect_schema()[name]


def _value(
    value: object, conflict: RowConflict, kinds: dict[str, pl.DataType], known: Dataset
) -> object:
    """A decided value as its column holds it. Raises InputError."""
    if conflict.column is None:
        raise InputError(
            f"Row {conflict.key!r} is there on one side only: a value cannot decide that.",
            hint="`take` ours or theirs.",
        )
    if conflict.table == "gold":
        if value is not None and value not in known.classes:
            raise InputError(
                f"{value!r} is no class of {known.name!r}.",
                hint=f"Classes are {', '.join(known.classes)}.",
            )
        return value
    kind = kinds[conflict.column]
    try:
        return pl.Series([value]).cast(kind, strict=True)[0]
    except pl.exceptions.PolarsError as error:
        raise InputError(
            f"{value!r} cannot be a value of {conflict.column!r}, which is {kind}.",
            hint="Fix the file of decisions.",
        ) from error


def _write(sides: Sides, groups: Sequence[Group], merged: Content) -> None:
    """Rewrite the groups over ours; parts that no group names stay."""
    ours = sides.known["ours"]
    reading = replace(merged.known, parts=ours.parts)

    def edits() -> Iterator[Edit]:
        for group in groups:
            if isinstance(group.merged, RowMerge):
                frame = _frame(sides, "ours", group.parts)
                put = group.merged.put
                yield group.parts, group.merged.over(put.clear() if frame is None else frame)
            elif group.merged is not None:
                yield group.parts, group.merged

    writer = rewrite_rows(sides.at["ours"], edits(), reading)
    columns = writer.columns or ours.columns
    merged.known = replace(merged.known, parts=tuple(writer.parts), columns=columns)
    kept = {part.sha256 for part in ours.parts} & {part.sha256 for part in writer.parts}
    news = _parts_of_gold(sides, "theirs") - _parts_of_gold(sides, "ours")
    paths = {table_part(sides.name, "gold", part) for part in kept & news}
    gold = sides.news("theirs", lambda path: path in paths)
    merged.changes = overlaid(
        changed_rows(sides.at["ours"], writer),
        gold,
        {dataset_file(sides.name): sides.store.put_bytes(merged.known.to_json().encode())},
    )


def _discard(sides: Sides, groups: Sequence[Group]) -> None:
    """Remove files that were written and not stored."""
    for group in groups:
        if isinstance(group.merged, Rewritten) and group.merged.file is not None:
            sides.store.unstage(group.merged.file)
