"""What a dataset is, merged: its fields and columns, one by one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import polars as pl

from datahub.core.conflicts import DATASET, Conflict, Settling
from datahub.core.dataset import Dataset
from datahub.core.errors import InputError
from datahub.core.parts import aligned
from datahub.core.rowmerge import compare, merged_columns, merged_value
from datahub.core.versions import ObjectId
from datahub.flow.sides import Sides, content_unit

BOTH = ("ours", "theirs")
FIELDS = ("key", "key_made", "text", "classes")


@dataclass
class Content:
    """The merged dataset, what is to change on ours for it, and what is left to decide."""

    known: Dataset
    changes: dict[str, ObjectId | None] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)
    left: list[Conflict] = field(default_factory=list)
    rows_from_both: int = 0


def merged_fields(sides: Sides, settling: Settling) -> tuple[Content, dict[str, str]]:
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
    for before, after in aligned(old.parts, new.parts):
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
