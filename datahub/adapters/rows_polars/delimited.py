"""CSV, on the way in. It holds no types: they are read off the whole file, not its first rows.

A column of numbers stays text where reading it as numbers would lose something:
leading zeros ("007"), or more digits than 64 bits hold. A column without any value has no type yet:
it is null, as in Parquet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from datahub.core.errors import InputError, SourceError

_WORDS = {"tab": "\t", "\\t": "\t", "space": " "}
_OTHERS = (";", "\t", "|")  # what stands between values where it is no comma


@dataclass(frozen=True)
class Delimited:
    """A CSV file: `path` is what people call it, `content` its bytes in UTF-8."""

    path: Path
    content: Path
    separator: str = ""  # as it was given

    @property
    def between(self) -> str:
        """What stands between values: a comma, in .tsv a tab, unless it was given."""
        return self.separator or ("\t" if self.path.suffix.lower() == ".tsv" else ",")


def check_separator(text: str) -> str:
    """The sign between values; empty where none was given. Raises InputError.

    >>> check_separator("tab") == chr(9), check_separator(";")
    (True, ';')
    """
    sign = _WORDS.get(text, text)
    if sign and (len(sign) != 1 or not sign.isascii() or sign in '"\r\n\0'):
        raise InputError(
            f"The separator {text!r} is no sign that CSV can have.",
            hint="Give one ASCII character, such as --separator ';', or `tab`.",
        )
    return sign


def schema(file: Delimited) -> pl.Schema:
    """Column names and inferred types.

    Raises SourceError for two columns of one name, and for one column that looks like several.
    """
    path, names = file.path, _header(file)
    _check_separator(file, names)
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise SourceError(
            f"{path} has two columns named {min(str(n) for n in twice)!r}.", hint="Rename one."
        )
    kinds = _as_polars_reads(file)
    right = _right_names(names, kinds)
    return pl.Schema({right.get(name, name): kind for name, kind in kinds.items()})


def scan(file: Delimited) -> pl.LazyFrame:
    """The rows, in file order."""
    kinds = _as_polars_reads(file)
    empty = [name for name, kind in kinds.items() if kind == pl.Null()]
    readable = pl.Schema({**kinds, **dict.fromkeys(empty, pl.String())})
    content = pl.scan_csv(file.content, schema=readable, glob=False, separator=file.between)
    content = content.with_columns(pl.lit(None, pl.Null).alias(name) for name in empty)
    return content.rename(_right_names(_header(file), kinds))


def frames(file: Delimited, columns: Sequence[str], size: int) -> Iterator[pl.DataFrame]:
    """Frames of about `size` rows, the columns in the order asked for."""
    yield from scan(file).select(columns).collect_batches(chunk_size=size, maintain_order=True)


def _check_separator(file: Delimited, names: Sequence[str | None]) -> None:
    separator = next((sign for sign in _OTHERS if sign in (names[0] or "")), None)
    if len(names) == 1 and separator is not None and not file.separator:
        label = "tab" if separator == "\t" else separator
        raise SourceError(
            f"{file.path} has one column, {names[0]!r}, which looks like several.",
            hint=f"--separator '{label}' reads several; --separator '{file.between}' one.",
        )


def _header(file: Delimited) -> tuple[str | None, ...]:
    """The names in the first line."""
    line = pl.read_csv(
        file.content,
        n_rows=1,
        has_header=False,
        infer_schema=False,
        glob=False,
        separator=file.between,
    )
    return line.row(0)


def _as_polars_reads(file: Delimited) -> pl.Schema:
    kinds = pl.scan_csv(
        file.content, infer_schema_length=None, glob=False, separator=file.between
    ).collect_schema()
    marks = _marks(file, kinds)
    for name, mark in marks.items():
        if kinds[name] == pl.String():
            kinds[name] = pl.Null() if mark else pl.String()
        elif mark or kinds[name] == pl.Int128():
            kinds[name] = pl.String()
    return kinds


def _marks(file: Delimited, kinds: pl.Schema) -> dict[str, bool]:
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
    content = pl.scan_csv(file.content, infer_schema=False, glob=False, separator=file.between)
    marks = content.select(check.alias(str(n)) for n, check in enumerate(checks.values()))
    return dict(zip(checks, marks.collect(engine="streaming").row(0), strict=True))


def _right_names(header: Sequence[str | None], schema: pl.Schema) -> dict[str, str]:
    """Undoubled: polars leaves quotes doubled in a header's names, and in nothing else."""
    pairs = zip(schema.names(), header, strict=False)
    return {name: right for name, right in pairs if '"' in name and right is not None}
