"""CSV, on the way in. It holds no types: they are read off the whole file, not its first rows.

A column of numbers stays text where reading it as numbers would lose something:
leading zeros ("007"), or more digits than 64 bits hold.
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
    found = _as_polars_reads(path)
    right = _right_names(names, found)
    return pl.Schema({right.get(name, name): kind for name, kind in found.items()})


def scan(path: Path) -> pl.LazyFrame:
    """The rows, in file order."""
    found = _as_polars_reads(path)
    return pl.scan_csv(path, schema=found, glob=False).rename(_right_names(_header(path), found))


def frames(path: Path, columns: Sequence[str], size: int) -> Iterator[pl.DataFrame]:
    """Frames of about `size` rows, the columns in the order asked for."""
    yield from scan(path).select(columns).collect_batches(chunk_size=size, maintain_order=True)


def _header(path: Path) -> tuple[str | None, ...]:
    """The names in the first line."""
    return pl.read_csv(path, n_rows=1, has_header=False, infer_schema=False, glob=False).row(0)


def _as_polars_reads(path: Path) -> pl.Schema:
    inferred = pl.scan_csv(path, infer_schema_length=None, glob=False).collect_schema()
    text = {name: pl.String() for name in _to_keep_as_text(path, inferred)}
    return pl.Schema({**inferred, **text})


def _right_names(header: Sequence[str | None], schema: pl.Schema) -> dict[str, str]:
    """Undoubled: polars leaves quotes doubled in a header's names, and in nothing else."""
    pairs = zip(schema.names(), header, strict=False)
    return {name: right for name, right in pairs if '"' in name and right is not None}


def _to_keep_as_text(path: Path, inferred: pl.Schema) -> list[str]:
    numeric = [name for name, kind in inferred.items() if kind.is_numeric()]
    if not numeric:
        return []
    text = pl.scan_csv(path, infer_schema=False, glob=False)
    zeros = text.select(pl.col(numeric).str.contains(r"^[+-]?0[0-9]").any()).collect()
    return [name for name in numeric if zeros[name].any() or inferred[name] == pl.Int128()]
