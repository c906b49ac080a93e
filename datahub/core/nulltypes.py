"""A column that is null throughout has no type yet: it takes the one that comes. Pure.

So files of Monday, where nobody wrote a note, and of Tuesday are one table. The same inside lists
and structs: an empty list is one of anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl
from polars._typing import PolarsDataType

from datahub.core.errors import SourceError


def joined(one: PolarsDataType, other: PolarsDataType) -> pl.DataType | None:
    """The type that holds the values of both as they are; None: they differ in more than nulls.

    >>> joined(pl.Null(), pl.List(pl.Null)), joined(pl.List(pl.Null), pl.List(pl.Int64))
    (List(Null), List(Int64))
    >>> joined(pl.Struct({"a": pl.Null, "b": pl.Int64}), pl.Struct({"a": pl.String, "b": pl.Null}))
    Struct({'a': String, 'b': Int64})
    >>> joined(pl.Int64(), pl.String()) is None
    True
    """
    one, other = _instance(one), _instance(other)
    if one == other or other == pl.Null():
        return one
    if one == pl.Null():
        return other
    if isinstance(one, pl.List) and isinstance(other, pl.List):
        inner = joined(one.inner, other.inner)
        return None if inner is None else pl.List(inner)
    if isinstance(one, pl.Array) and isinstance(other, pl.Array) and one.size == other.size:
        inner = joined(one.inner, other.inner)
        return None if inner is None else pl.Array(inner, one.size)
    if isinstance(one, pl.Struct) and isinstance(other, pl.Struct):
        return _joined_fields(one.fields, other.fields)
    return None


def _joined_fields(ours: Sequence[pl.Field], theirs: Sequence[pl.Field]) -> pl.Struct | None:
    if [field.name for field in ours] != [field.name for field in theirs]:
        return None
    kinds = [joined(one.dtype, other.dtype) for one, other in zip(ours, theirs, strict=True)]
    found = [
        pl.Field(field.name, kind)
        for field, kind in zip(ours, kinds, strict=True)
        if kind is not None
    ]
    return pl.Struct(found) if len(found) == len(kinds) else None


def has_null(kind: PolarsDataType) -> bool:
    """Whether a type waits for another: it is Null, or something in it is.

    >>> has_null(pl.List(pl.Struct({"a": pl.Null}))), has_null(pl.List(pl.Int64))
    (True, False)
    """
    kind = _instance(kind)
    if isinstance(kind, (pl.List, pl.Array)):
        return has_null(kind.inner)
    if isinstance(kind, pl.Struct):
        return any(has_null(field.dtype) for field in kind.fields)
    return kind == pl.Null()


def joined_schema(files: Iterable[tuple[Path, pl.Schema]]) -> pl.Schema:
    """The one schema of files. Raises SourceError naming the first column in which two differ."""
    whole: dict[str, pl.DataType] = {}
    since: dict[str, Path] = {}  # the file that gave a column the type it has so far
    first: Path | None = None
    for path, schema in files:
        if first is None:
            first, whole = path, dict(schema)
            since = dict.fromkeys(schema, path)
        elif whole != schema:
            for name in [*whole, *schema]:
                kind = _both(name, whole, schema, since.get(name, first), path)
                if kind != whole[name]:
                    whole[name], since[name] = kind, path
            if list(whole) != schema.names():
                raise SourceError(
                    f"{path} has the columns of {first} in another order.",
                    hint=f"Write it in this order: {', '.join(whole)}.",
                )
    return pl.Schema(whole)


def _both(
    name: str, ours: dict[str, pl.DataType], theirs: pl.Schema, ours_at: Path, theirs_at: Path
) -> pl.DataType:
    kind = joined(ours[name], theirs[name]) if name in ours and name in theirs else None
    if kind is None:
        one, other = (str(of[name]) if name in of else "absent" for of in (ours, theirs))
        raise SourceError(
            f"Column {name!r} is {one} in {ours_at} and {other} in {theirs_at}.",
            hint="Files of one table have the same columns: cast or add the column.",
        )
    return kind


def fitted(frame: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """The frame in the types of a schema that has its columns: seldom others than it came in."""
    came = zip(frame.columns, frame.dtypes, strict=True)
    others = {name: schema[name] for name, kind in came if kind != schema[name]}
    return frame.cast(pl.Schema(others)) if others else frame


def _instance(kind: PolarsDataType) -> pl.DataType:
    return kind if isinstance(kind, pl.DataType) else kind()
