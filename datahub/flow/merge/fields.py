"""What a dataset is, merged: its fields and columns, one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from datahub.core.conflicts import DATASET, Settling
from datahub.core.dataset import Dataset
from datahub.core.errors import InputError
from datahub.core.nulltypes import common_type
from datahub.core.parts import align
from datahub.core.rowconflict import RowConflict
from datahub.core.rowmerge import compare, merge_columns, merge_value
from datahub.core.versions import ObjectId
from datahub.flow.merge.sides import Sides, content_unit
from datahub.flow.rows.filetable import types_at

Types = Mapping[str, pl.DataType]

BOTH = ("ours", "theirs")
FIELDS = ("key", "key_made", "text", "classes")


@dataclass
class Content:
    """The merged dataset, what is to change on ours for it, and what is left to decide.

    `kinds` are types of the merged columns, where the sides have not the same columns.
    """

    known: Dataset
    changes: dict[str, ObjectId | None] = field(default_factory=dict)
    conflicts: list[RowConflict] = field(default_factory=list)
    left: list[RowConflict] = field(default_factory=list)
    rows_from_both: int = 0
    kinds: dict[str, pl.DataType] = field(default_factory=dict)


def merged_fields(sides: Sides, settling: Settling) -> tuple[Content, dict[str, str]]:
    """Fields and columns of the dataset; columns as name -> type."""
    head, source = (sides.known[side] for side in BOTH)
    merged = Content(head)
    values = _merged_values(sides, merged, settling)
    _compare_key_types(sides, merged, settling)
    stored = _stored(sides)
    schema = _merged_columns(sides, merged, settling, stored)
    for name, kind in schema.items():
        types = (types[name] for types in (_both(name, *stored), *stored) if name in types)
        real = next((dtype for dtype in types if str(dtype) == kind), None)
        merged.kinds |= {} if real is None else {name: real}
    gold = head.has_gold or source.has_gold
    merged.known = replace(head, has_gold=gold, **values)  # type: ignore[arg-type]
    return merged, schema


def _merged_values(sides: Sides, merged: Content, settling: Settling) -> dict[str, object]:
    """Fields that are no columns, by name."""
    head, source = (sides.known[side] for side in BOTH)
    base = sides.known.get("base")
    values: dict[str, object] = {}
    for name in FIELDS:
        states = (getattr(base, name) if base else None, getattr(head, name), getattr(source, name))
        values[name], clashes = merge_value(*states)
        if clashes and _decide(sides, merged, settling, name, *states) == "theirs":
            values[name] = states[2]
    return values


def _compare_key_types(sides: Sides, merged: Content, settling: Settling) -> None:
    """Keys of two types cannot be held against each other: that is a conflict."""
    a, b = (dict(sides.known[side].columns).get(sides.known[side].key) for side in BOTH)
    if a != b:
        _decide(sides, merged, settling, "key type", None, a, b)


def _merged_columns(
    sides: Sides, merged: Content, settling: Settling, stored: tuple[Types, Types]
) -> dict[str, str]:
    """Columns as name -> type: of both sides, those in conflict as it was decided."""
    kinds = [dict(sides.known[side].columns) for side in BOTH]
    base = sides.known["base"].columns if "base" in sides.known else ()
    columns = (_joined(sides.known[side].columns, *stored) for side in BOTH)
    schema, clashing = merge_columns(base, *columns)
    for name in clashing:
        states = (dict(base).get(name), kinds[0].get(name), kinds[1].get(name))
        if _decide(sides, merged, settling, name, *states) == "theirs":
            schema.pop(name, None)
            schema |= {name: kinds[1][name]} if name in kinds[1] else {}
    for side, own in zip(BOTH, kinds, strict=True):
        for name, kind in base:
            if name in schema or name in clashing or name not in own:
                continue
            if _was_edited(sides, side, name):
                states = (kind, kinds[0].get(name), kinds[1].get(name))
                if _decide(sides, merged, settling, name, *states) == side:
                    schema[name] = kind
    return schema


def _stored(sides: Sides) -> tuple[Types, Types]:
    """Columns of ours and of theirs with their types; none where all are the same."""
    ours, theirs = (sides.known[side] for side in BOTH)
    if ours.columns == theirs.columns:
        return {}, {}
    a, b = (types_at(sides.store, sides.rows, known)() for known in (ours, theirs))
    return a, b


def _both(name: str, ours: Types, theirs: Types) -> Types:
    """The type of a column that holds what both sides have in it, where there is one."""
    kind = common_type(ours[name], theirs[name]) if name in ours and name in theirs else None
    return {} if kind is None else {name: kind}


def _joined(
    columns: Sequence[tuple[str, str]], ours: Types, theirs: Types
) -> list[tuple[str, str]]:
    """Columns of a side, where those that differ on the sides in nulls alone have one type."""
    found = []
    for name, kind in columns:
        both = _both(name, ours, theirs)
        same = name not in both or str(ours[name]) == str(theirs[name])
        found.append((name, kind if same else str(both[name])))
    return found


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
    conflict = RowConflict(
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


def one_side(sides: Sides, merged: Content, settling: Settling) -> Content:
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


def _was_edited(sides: Sides, side: str, column: str) -> bool:
    """Whether a side changed cells of a column that the other side took away."""
    old, new = sides.known["base"], sides.known[side]
    for before, after in align(old.parts, new.parts):
        if not before or not after:
            continue
        states = [("base", before), (side, after)]
        pair = [
            pl.concat([sides.read[of](part, [old.key, column]) for part in parts])
            for of, parts in states
        ]
        if compare(*pair, key=old.key).columns:
            return True
    return False
