"""What a dataset is and which rows it holds, merged: fields, columns, and rows by key and column.

Only parts that differ between the three states are read; of parts whose keys are the same in all
of them, only the columns that theirs changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from datahub.core.conflicts import DATASET, Conflict, Settling
from datahub.core.dataset import Dataset, Key, Part
from datahub.core.errors import InputError
from datahub.core.layout import dataset_file, table_part, table_prefix
from datahub.core.parts import aligned
from datahub.core.rowmerge import RowMerge, compare, merge, merged_columns, merged_value, settled
from datahub.core.versions import ObjectId
from datahub.flow.instep import in_step
from datahub.flow.parts import GOLD, changed_rows, rewrite_rows
from datahub.flow.sides import Sides, content_unit, overlaid

BOTH = ("ours", "theirs")
FIELDS = ("key", "key_made", "text", "classes")
States = tuple[tuple[Part, ...], ...]  # neighbouring parts of base, ours and theirs


@dataclass(frozen=True)
class Group:
    """Parts of ours, and what becomes of them.

    `columns`, where given, are all that changes in the one part: its rows stay, and those that are
    put have these places in it.
    """

    parts: tuple[Part, ...]
    merged: RowMerge
    columns: tuple[str, ...] | None = None
    places: pl.Series | None = None


@dataclass
class Content:
    """The merged dataset, what is to change on ours for it, and what is left to decide."""

    known: Dataset
    changes: dict[str, ObjectId | None] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)
    left: list[Conflict] = field(default_factory=list)
    rows_from_both: int = 0


def merged_content(sides: Sides, settling: Settling) -> Content:
    """Merge dataset.json, rows and gold. Nothing is written where conflicts are left."""
    unit = content_unit(sides.name)
    moved = sides.moved_by(unit)
    if moved in ("neither", "same", "ours"):
        return Content(sides.known["ours"])
    if moved == "theirs":
        return Content(sides.known["theirs"], sides.taking_theirs(unit))
    merged, schema = _merged_fields(sides, settling)
    if merged.left or any(one.column in ("key", "key type") for one in merged.conflicts):
        return _one_side(sides, merged, settling)
    groups = [_merged_group(sides, group, schema, merged, settling) for group in _groups(sides)]
    if not merged.left:
        _write(sides, groups, merged)
    return merged


def _merged_fields(sides: Sides, settling: Settling) -> tuple[Content, dict[str, str]]:
    """Fields and columns of the dataset; columns as name -> type."""
    known = sides.known
    ours, theirs = known["ours"], known["theirs"]
    base = known.get("base")
    merged = Content(ours)
    values: dict[str, object] = {}
    for name in FIELDS:
        old = getattr(base, name) if base else None
        mine, other = getattr(ours, name), getattr(theirs, name)
        values[name], both = merged_value(old, mine, other)
        if both and _decide(sides, merged, settling, name, old, mine, other) == "theirs":
            values[name] = other
    kinds = dict(ours.columns), dict(theirs.columns)
    if kinds[0].get(ours.key) != kinds[1].get(theirs.key):
        a, b = kinds[0].get(ours.key), kinds[1].get(theirs.key)
        _decide(sides, merged, settling, "key type", None, a, b)
    schema, clashing = merged_columns(base.columns if base else (), ours.columns, theirs.columns)
    for name in clashing:
        old = dict(base.columns).get(name) if base else None
        taken = _decide(sides, merged, settling, name, old, kinds[0].get(name), kinds[1].get(name))
        if taken == "theirs":
            schema.pop(name, None)
            schema |= {name: kinds[1][name]} if name in kinds[1] else {}
    for other in (0, 1):
        for name, was in base.columns if base else ():
            if name in schema or name in clashing or name not in kinds[other]:
                continue
            if _was_edited(sides, BOTH[other], name):
                seen = kinds[0].get(name), kinds[1].get(name)
                taken = _decide(sides, merged, settling, name, was, *seen)
                if taken == BOTH[other]:
                    schema[name] = was
    gold = ours.has_gold or theirs.has_gold
    merged.known = replace(ours, has_gold=gold, **values)  # type: ignore[arg-type]
    return merged, schema


def _decide(
    sides: Sides,
    merged: Content,
    settling: Settling,
    column: str,
    base: object,
    ours: object,
    theirs: object,
) -> str | None:
    """List a conflict of a field; the side that was decided for, if any."""
    values = base, ours, theirs
    conflict = Conflict(
        sides.name, DATASET, None, column, "both changed", *values, *sides.content_by
    )
    merged.conflicts.append(conflict)
    decided = settling.of(conflict)
    side = settling.side if decided is None else decided.take
    if decided is not None and side is None:
        raise InputError(
            f"{column!r} of {sides.name!r} cannot be decided by a value.",
            hint="`take` ours or theirs.",
        )
    if side is None:
        merged.left.append(conflict)
    return side


def _one_side(sides: Sides, merged: Content, settling: Settling) -> Content:
    """Where rows cannot be held against each other: all of one side, or undecided."""
    if not merged.left:
        decided = [settling.of(conflict) for conflict in merged.conflicts]
        taken = {settling.side if one is None else one.take for one in decided}
        if taken == {"theirs"}:
            merged.known = sides.known["theirs"]
            merged.changes = sides.taking_theirs(content_unit(sides.name))
        elif taken == {"ours"}:
            merged.known = sides.known["ours"]
        else:
            raise InputError(
                f"{sides.name!r} has another key on each side: it can only be taken whole.",
                hint="Take the same side in all decisions about it.",
            )
    return merged


def _groups(sides: Sides) -> list[States]:
    """Parts to merge, of base, ours and theirs: those that theirs changed, in rows or in gold."""
    known = sides.known
    base = known["base"].parts if "base" in known else ()
    gold = {side: _parts_of_gold(sides, side) for side in BOTH}
    groups = [
        group
        for group in aligned(base, known["ours"].parts, known["theirs"].parts)
        if group[0] != group[2] or any(part.sha256 in gold["theirs"] for part in group[2])
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


def _was_edited(sides: Sides, side: str, column: str) -> bool:
    """Whether a side changed cells of a column that the other side took away."""
    old, new = sides.known["base"], sides.known[side]
    for before, after in aligned(old.parts, new.parts):
        frames = [_frame(sides, of, parts) for of, parts in (("base", before), (side, after))]
        if any(frame is None for frame in frames):
            continue
        pair = [frame.select(pl.col(old.key, column)) for frame in frames if frame is not None]
        if compare(*pair, key=old.key).columns:
            return True
    return False


def _frame(
    sides: Sides, side: str, parts: Sequence[Part], columns: Sequence[str] | None = None
) -> pl.DataFrame | None:
    return pl.concat([sides.read[side](p, columns) for p in parts]) if parts else None


def _merged_group(
    sides: Sides,
    group: States,
    schema: dict[str, str],
    merged: Content,
    settling: Settling,
) -> Group:
    key = merged.known.key
    columns = _moved_columns(sides, group, schema)
    if columns is None:
        frames = _whole_frames(sides, group)
    else:
        schema = {name: schema[name] for name in (key, *columns) if name != GOLD}
        frames = _frames_in_step(sides, group, (key, *columns))
    there = [frame for frame in frames if frame is not None]
    gold = merged.known.has_gold if columns is None else GOLD in columns
    kinds = _kinds(there, schema, gold=gold)
    empty = pl.DataFrame(schema=kinds)
    base, ours, theirs = (empty if frame is None else frame for frame in frames)
    found = merge(base, ours, theirs, key=key, schema=kinds)
    decided = _decided(sides, found, kinds, merged, settling)
    merged.rows_from_both += found.rows
    found = settled(found, decided)
    if columns is None:
        return Group(group[1], found)
    return Group(group[1], found, columns, ours[key].search_sorted(found.put[key]))


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


def _frames_in_step(
    sides: Sides, group: States, columns: Sequence[str]
) -> tuple[pl.DataFrame | None, ...]:
    """The key and some columns of all three; rows correspond by their places."""
    key, *others = columns
    ours = _frame(sides, "ours", group[1], columns)
    assert ours is not None  # in step, each state has its part
    frames = []
    for side, parts in (("base", group[0]), ("theirs", group[2])):
        frame = _frame(sides, side, parts, others) if others else ours
        assert frame is not None
        frames.append(pl.DataFrame([ours[key], *frame[others].get_columns()]))
    return frames[0], ours, frames[1]


def _whole_frames(sides: Sides, group: States) -> tuple[pl.DataFrame | None, ...]:
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
        conflict = Conflict(
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
    frames: list[pl.DataFrame], schema: dict[str, str], *, gold: bool
) -> dict[str, pl.DataType]:
    """The types of the merged columns, as the frames that have them say."""
    kinds: dict[str, pl.DataType] = {}
    for name, kind in schema.items():
        found = [f.schema[name] for f in frames if name in f.columns]
        kinds[name] = next((one for one in found if str(one) == kind), found[0])
    if gold:
        kinds[GOLD] = pl.String()
    return kinds


def _value(
    value: object, conflict: Conflict, kinds: dict[str, pl.DataType], known: Dataset
) -> object:
    """A decided value as its column holds it. Raises InputError."""
    if conflict.column is None:
        raise InputError(
            f"Row {conflict.key!r} is there on one side only: a value cannot decide that.",
            hint="`take` ours or theirs.",
        )
    if conflict.table == "gold":
        if value not in known.classes:
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
            hint="Mend the file of decisions.",
        ) from error


def _write(sides: Sides, groups: Sequence[Group], merged: Content) -> None:
    """Write the groups anew over ours; parts that no group names stay."""
    ours = sides.known["ours"]
    reading = replace(merged.known, parts=ours.parts)

    def edits() -> Iterator[tuple[Sequence[Part], pl.DataFrame]]:
        for group in groups:
            found = group.merged
            if not found.rows:
                continue
            frame = _frame(sides, "ours", group.parts, group.columns)
            if group.places is not None and frame is not None:
                yield group.parts, found.within(frame, group.places)
            else:
                yield group.parts, found.over(found.put.clear() if frame is None else frame)

    at = sides.ours.id
    writer = rewrite_rows(sides.store, sides.rows, at, reading, edits())
    columns = writer.columns or ours.columns
    merged.known = replace(merged.known, parts=tuple(writer.parts), columns=columns)
    kept = {part.sha256 for part in ours.parts} & {part.sha256 for part in writer.parts}
    news = _parts_of_gold(sides, "theirs") - _parts_of_gold(sides, "ours")
    paths = {table_part(sides.name, "gold", part) for part in kept & news}
    gold = sides.news("theirs", lambda path: path in paths)
    merged.changes = overlaid(
        changed_rows(sides.store, at, sides.name, writer),
        gold,
        {dataset_file(sides.name): sides.store.put_bytes(merged.known.to_json().encode())},
    )
