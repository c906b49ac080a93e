"""CSV, on the way in. It holds no types: they are read off the whole file, not its first rows.

A column of numbers stays text where reading it as numbers would lose something:
leading zeros ("007"), or more digits than 64 bits hold. A column without any value has no type yet:
it is null, as in Parquet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from datahub.core.errors import SourceError


def schema(path: Path) -> pl.Schema:
    """Column names and inferred types. Raises SourceError for two columns of one name."""
    names = _header(path)
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise SourceError(
            f"{path} has two columns named {min(str(n) for n in twice)!r}.", hint="Rename one."
        )
    kinds = _as_polars_reads(path)
    right = _right_names(names, kinds)
    return pl.Schema({right.get(name, name): kind for name, kind in kinds.items()})


def scan(path: Path) -> pl.LazyFrame:
    """The rows, in file order."""
    kinds = _as_polars_reads(path)
    empty = [name for name, kind in kinds.items() if kind == pl.Null()]
    readable = pl.Schema({**kinds, **dict.fromkeys(empty, pl.String())})
    content = pl.scan_csv(path, schema=readable, glob=False)
    content = content.with_columns(pl.lit(None, pl.Null).alias(name) for name in empty)
    return content.rename(_right_names(_header(path), kinds))


def frames(path: Path, columns: Sequence[str], size: int) -> Iterator[pl.DataFrame]:
    """Frames of about `size` rows, the columns in the order asked for."""
    yield from scan(path).select(columns).collect_batches(chunk_size=size, maintain_order=True)


def _header(path: Path) -> tuple[str | None, ...]:
    """The names in the first line."""
    return pl.read_csv(path, n_rows=1, has_header=False, infer_schema=False, glob=False).row(0)


def _as_polars_reads(path: Path) -> pl.Schema:
    kinds = pl.scan_csv(path, infer_schema_length=None, glob=False).collect_schema()
    marks = _marks(path, kinds)
    for name, mark in marks.items():
        if kinds[name] == pl.String():
            kinds[name] = pl.Null() if mark else pl.String()
        elif mark or kinds[name] == pl.Int128():
            kinds[name] = pl.String()
    return kinds


def _marks(path: Path, kinds: pl.Schema) -> dict[str, bool]:
    """Which columns of numbers hold leading zeros, and which of text hold no value at all."""
    checks = {}
    for place, (name, kind) in enumerate(kinds.items()):
        column = pl.nth(place)  # by its place: a name may be a pattern of names
        if kind.is_numeric():
            checks[name] = column.str.contains(r"^[+-]?0[0-9]").any()
        elif kind == pl.String():
            checks[name] = column.is_null().all() & (pl.len() > 0)
    if not checks:
        return {}
    content = pl.scan_csv(path, infer_schema=False, glob=False)
    marks = content.select(check.alias(str(n)) for n, check in enumerate(checks.values()))
    return dict(zip(checks, marks.collect(engine="streaming").row(0), strict=True))


def _right_names(header: Sequence[str | None], schema: pl.Schema) -> dict[str, str]:
    """Undoubled: polars leaves quotes doubled in a header's names, and in nothing else."""
    pairs = zip(schema.names(), header, strict=False)
    return {name: right for name, right in pairs if '"' in name and right is not None}
