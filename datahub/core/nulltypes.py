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


def common_type(first: PolarsDataType, second: PolarsDataType) -> pl.DataType | None:
    """The type that holds the values of both as they are; None: they differ in more than nulls.

    >>> common_type(pl.Null(), pl.List(pl.Null)), common_type(pl.List(pl.Null), pl.List(pl.Int64))
    (List(Null), List(Int64))
    >>> first = pl.Struct({"a": pl.Null, "b": pl.Int64})
    >>> common_type(first, pl.Struct({"a": pl.String, "b": pl.Null}))
    Struct({'a': String, 'b': Int64})
    >>> common_type(pl.Int64(), pl.String()) is None
    True
    """
    first, second = _instance(first), _instance(second)
    if first == second or second == pl.Null():
        return first
    if first == pl.Null():
        return second
    if isinstance(first, pl.List) and isinstance(second, pl.List):
        inner = common_type(first.inner, second.inner)
        return None if inner is None else pl.List(inner)
    if isinstance(first, pl.Array) and isinstance(second, pl.Array) and first.size == second.size:
        inner = common_type(first.inner, second.inner)
        return None if inner is None else pl.Array(inner, first.size)
    if isinstance(first, pl.Struct) and isinstance(second, pl.Struct):
        return _common_struct(first.fields, second.fields)
    return None


def _common_struct(first: Sequence[pl.Field], second: Sequence[pl.Field]) -> pl.Struct | None:
    if [field.name for field in first] != [field.name for field in second]:
        return None
    kinds = [common_type(a.dtype, b.dtype) for a, b in zip(first, second, strict=True)]
    fields = [
        pl.Field(field.name, kind)
        for field, kind in zip(first, kinds, strict=True)
        if kind is not None
    ]
    return pl.Struct(fields) if len(fields) == len(kinds) else None


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


def common_schema(files: Iterable[tuple[Path, pl.Schema]]) -> pl.Schema:
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
                kind = _common_column_type(name, whole, schema, since.get(name, first), path)
                if kind != whole[name]:
                    whole[name], since[name] = kind, path
            if list(whole) != schema.names():
                raise SourceError(
                    f"{path} has the columns of {first} in another order.",
                    hint=f"Write it in this order: {', '.join(whole)}.",
                )
    return pl.Schema(whole)


def _common_column_type(
    name: str, schema: dict[str, pl.DataType], other_schema: pl.Schema, path: Path, other_path: Path
) -> pl.DataType:
    kind = (
        common_type(schema[name], other_schema[name])
        if name in schema and name in other_schema
        else None
    )
    if kind is None:
        kind_text, other_text = (
            str(of[name]) if name in of else "absent" for of in (schema, other_schema)
        )
        raise SourceError(
            f"Column {name!r} is {kind_text} in {path} and {other_text} in {other_path}.",
            hint="Files of one table have the same columns: cast or add the column.",
        )
    return kind


def cast_frame(frame: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """The frame in the types of a schema that has its columns: seldom others than it came in."""
    columns = zip(frame.columns, frame.dtypes, strict=True)
    casts = {name: schema[name] for name, kind in columns if kind != schema[name]}
    return frame.cast(pl.Schema(casts)) if casts else frame


def _instance(kind: PolarsDataType) -> pl.DataType:
    return kind if isinstance(kind, pl.DataType) else kind()
