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

SIDES = ("ours", "theirs")
FIELDS = ("key", "key_made", "text", "classes")


@dataclass
class Content:
    """The merged dataset, what is to change on ours for it, and what is left to decide.

    `kinds` are types of the merged columns, where the sides have not the same columns.
    """

    dataset: Dataset
    changes: dict[str, ObjectId | None] = field(default_factory=dict)
    conflicts: list[RowConflict] = field(default_factory=list)
    open_conflicts: list[RowConflict] = field(default_factory=list)
    rows_from_both: int = 0
    kinds: dict[str, pl.DataType] = field(default_factory=dict)


def merge_fields(sides: Sides, resolution: Settling) -> tuple[Content, dict[str, str]]:
    """Fields and columns of the dataset; columns as name -> type."""
    head, source = (sides.datasets[side] for side in SIDES)
    content = Content(head)
    values = _merge_values(sides, content, resolution)
    _compare_key_types(sides, content, resolution)
    stored_types = _stored_types(sides)
    schema = _merge_schema(sides, content, resolution, stored_types)
    for name, kind in schema.items():
        types = (
            types[name]
            for types in (_type_for_both(name, *stored_types), *stored_types)
            if name in types
        )
        real = next((dtype for dtype in types if str(dtype) == kind), None)
        content.kinds |= {} if real is None else {name: real}
    gold = head.has_gold or source.has_gold
    content.dataset = replace(head, has_gold=gold, **values)  # type: ignore[arg-type]
    return content, schema


def _merge_values(sides: Sides, content: Content, resolution: Settling) -> dict[str, object]:
    """Fields that are no columns, by name."""
    head, source = (sides.datasets[side] for side in SIDES)
    base = sides.datasets.get("base")
    values: dict[str, object] = {}
    for name in FIELDS:
        states = (getattr(base, name) if base else None, getattr(head, name), getattr(source, name))
        values[name], clashes = merge_value(*states)
        if clashes and _decide(sides, content, resolution, name, *states) == "theirs":
            values[name] = states[2]
    return values


def _compare_key_types(sides: Sides, content: Content, resolution: Settling) -> None:
    """Keys of two types cannot be held against each other: that is a conflict."""
    a, b = (dict(sides.datasets[side].columns).get(sides.datasets[side].key) for side in SIDES)
    if a != b:
        _decide(sides, content, resolution, "key type", None, a, b)


def _merge_schema(
    sides: Sides, content: Content, resolution: Settling, stored_types: tuple[Types, Types]
) -> dict[str, str]:
    """Columns as name -> type: of both sides, those in conflict as it was decided."""
    kinds = [dict(sides.datasets[side].columns) for side in SIDES]
    base = sides.datasets["base"].columns if "base" in sides.datasets else ()
    columns = (_align_types(sides.datasets[side].columns, *stored_types) for side in SIDES)
    schema, clashes = merge_columns(base, *columns)
    for name in clashes:
        states = (dict(base).get(name), kinds[0].get(name), kinds[1].get(name))
        if _decide(sides, content, resolution, name, *states) == "theirs":
            schema.pop(name, None)
            schema |= {name: kinds[1][name]} if name in kinds[1] else {}
    for side, own in zip(SIDES, kinds, strict=True):
        for name, kind in base:
            if name in schema or name in clashes or name not in own:
                continue
            if _was_edited(sides, side, name):
                states = (kind, kinds[0].get(name), kinds[1].get(name))
                if _decide(sides, content, resolution, name, *states) == side:
                    schema[name] = kind
    return schema


def _stored_types(sides: Sides) -> tuple[Types, Types]:
    """Columns of ours and of theirs with their types; none where all are the same."""
    our_dataset, their_dataset = (sides.datasets[side] for side in SIDES)
    if our_dataset.columns == their_dataset.columns:
        return {}, {}
    a, b = (
        types_at(sides.store, sides.rows, dataset)() for dataset in (our_dataset, their_dataset)
    )
    return a, b


def _type_for_both(name: str, our_types: Types, their_types: Types) -> Types:
    """The type of a column that holds what both sides have in it, where there is one."""
    kind = (
        common_type(our_types[name], their_types[name])
        if name in our_types and name in their_types
        else None
    )
    return {} if kind is None else {name: kind}


def _align_types(
    columns: Sequence[tuple[str, str]], our_types: Types, their_types: Types
) -> list[tuple[str, str]]:
    """Columns of a side, where those that differ on the sides in nulls alone have one type."""
    schema = []
    for name, kind in columns:
        common_types = _type_for_both(name, our_types, their_types)
        is_equal = name not in common_types or str(our_types[name]) == str(their_types[name])
        schema.append((name, kind if is_equal else str(common_types[name])))
    return schema


def _decide(
    sides: Sides,
    content: Content,
    resolution: Settling,
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
    content.conflicts.append(conflict)
    decision = resolution.of(conflict)
    side = resolution.side if decision is None else decision.take
    if decision is not None and side is None:
        raise InputError(
            f"{column!r} of {sides.name!r} cannot be decided by a value.",
            hint="`take` ours or theirs.",
        )
    if side is None:
        content.open_conflicts.append(conflict)
    return side


def take_side(sides: Sides, content: Content, resolution: Settling) -> Content:
    """Where rows cannot be held against each other: all of one side, or undecided."""
    if not content.open_conflicts:
        decisions = [resolution.of(conflict) for conflict in content.conflicts]
        choices = {resolution.side if decision is None else decision.take for decision in decisions}
        if choices == {"theirs"}:
            content.dataset = sides.datasets["theirs"]
            content.changes = sides.taking_theirs(content_unit(sides.name))
        elif choices == {"ours"}:
            content.dataset = sides.datasets["ours"]
        else:
            raise InputError(
                f"{sides.name!r} has another key on each side: it can only be taken whole.",
                hint="Take the same side in all decisions about it.",
            )
    return content


def _was_edited(sides: Sides, side: str, column: str) -> bool:
    """Whether a side changed cells of a column that the other side took away."""
    old, new = sides.datasets["base"], sides.datasets[side]
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
