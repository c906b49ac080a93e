"""Columns that stand in the names of folders: `klass=spam/day=2024-01-01/part-0.parquet`.

Hive, Spark, pandas, DuckDB and polars write tables so. A name is a column, what follows the first
equals sign its value in all rows below. Values are text in which odd bytes stand as %41; types are
read off them as DuckDB does it: whole numbers and dates where writing such a value gives the very
text again (so 007 stays text), else text. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

import polars as pl

from datahub.core.errors import InputError
from datahub.core.nulltypes import has_null

NULL = "__HIVE_DEFAULT_PARTITION__"  # what all of them write for a value that is not there
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_WITHOUT = "Import with --no-partitions, which uses only what is in the files."

Texts = Mapping[str, str | None]  # the columns of one file's folders, by name


def texts_of(path: PurePath) -> dict[str, str | None]:
    """The columns in the folders of a file, whose path is below the folder that was named.

    Raises InputError: a column twice, or text that is no UTF-8.

    >>> texts_of(PurePath("klass=a%2Fb/other/day=__HIVE_DEFAULT_PARTITION__/x.parquet"))
    {'klass': 'a/b', 'day': None}
    """
    texts: dict[str, str | None] = {}
    for folder in path.parts[:-1]:
        name, sign, value = folder.partition("=")
        if not sign or not name:
            continue
        name = _unescape(name, path)
        if name in texts:
            raise InputError(
                f"{_display(path)} has the column {name!r} in two folders.", hint=_WITHOUT
            )
        texts[name] = None if value == NULL else _unescape(value, path)
    return texts


def _unescape(text: str, path: PurePath) -> str:
    try:  # a name of other bytes has surrogates, which nothing encodes
        return _ESCAPE.sub(lambda match: bytes.fromhex(match[1].decode()), text.encode()).decode()
    except UnicodeError as error:
        raise InputError(
            f"A folder of {_display(path)} has a name that is no UTF-8.",
            hint="Rename the folder. " + _WITHOUT,
        ) from error


def _display(path: PurePath) -> str:
    return path.as_posix().encode(errors="surrogateescape").decode(errors="backslashreplace")


@dataclass(frozen=True)
class Partitions:
    """What the folders of a table's files say: a value for each column and file."""

    texts: Mapping[PurePath, Texts] = field(default_factory=dict)
    schema: pl.Schema = field(default_factory=pl.Schema)

    @classmethod
    def of(
        cls, paths: Sequence[PurePath], types: Callable[[], Mapping[str, pl.DataType]] = dict
    ) -> Partitions:
        """Those of files, whose paths are below the folder; `types` gives types there are already.

        Raises InputError: files that lie in folders of other columns.
        """
        texts = {path: texts_of(path) for path in paths}
        first = paths[0]
        names = list(texts[first])
        for path, columns in texts.items():
            if columns.keys() != texts[first].keys():
                raise _unequal(first, path, texts)
        if not names:
            return cls()
        kinds = types()
        schema = {
            name: _kind(list({folders[name]: None for folders in texts.values()}), kinds.get(name))
            for name in names
        }
        return cls(texts, pl.Schema(schema))

    def put_to(self, frame: pl.DataFrame, path: PurePath) -> pl.DataFrame:
        """Rows of a file with the columns of its folders, which come last.

        One that the file has too stays where it is. Raises InputError: the file says otherwise.
        """
        columns = []
        for name, text in self.texts.get(path, {}).items():
            if name not in frame.columns:
                value = _read(pl.Series(name, [text], pl.String), self.schema[name])
                assert value is not None  # the type was chosen by it
                columns.append(value.new_from_index(0, frame.height))
            elif not _says(frame[name], text):
                quote = "null" if text is None else repr(text)
                raise InputError(
                    f"{_display(path)} holds other values in {name!r} than the name of its folder, "
                    f"which says {quote}.",
                    hint=_WITHOUT,
                )
        return frame.hstack(columns) if columns else frame


def _unequal(first: PurePath, second: PurePath, texts: Mapping[PurePath, Texts]) -> InputError:
    a, b = (" and ".join(map(repr, texts[path])) or "none" for path in (first, second))
    return InputError(
        f"Folders say other columns of {_display(first)} ({a}) than of {_display(second)} ({b}).",
        hint="Import one of them at a time, or move the files. " + _WITHOUT,
    )


def _kind(texts: Sequence[str | None], present: pl.DataType | None) -> pl.DataType:
    """The type of a column by its values: one there is already, where they can be of it."""
    values = pl.Series(texts, dtype=pl.String).drop_nulls()
    if present is not None and not has_null(present) and _is_same_as(values, present):
        return present
    if not values.len():
        return pl.Null()
    return next(
        (kind for kind in (pl.Int64(), pl.Date()) if _is_same_as(values, kind)), pl.String()
    )


def _is_same_as(values: pl.Series, kind: pl.DataType) -> bool:
    """Whether these texts are how values of a type are written."""
    read = _read(values, kind)
    return read is not None and read.cast(pl.String).equals(values, null_equal=False)


def _says(column: pl.Series, text: str | None) -> bool:
    """Whether all of a column is what its folder says."""
    if text is None or column.null_count():
        return text is None and column.null_count() == column.len()
    if column.dtype == pl.Boolean():
        return bool((column.cast(pl.String) == text.lower()).all())
    value = _read(pl.Series([text]), column.dtype)
    return value is not None and value[0] is not None and bool((column == value[0]).all())


def _read(texts: pl.Series, kind: pl.DataType) -> pl.Series | None:
    """Texts as values of a type, null where one is no such value; None: no text is."""
    if kind == pl.Date():
        dates = texts.str.to_date("%Y-%m-%d", strict=False)
        return dates.set(dates.dt.year() < 1, None)  # no calendar has a year 0
    if kind.is_nested() or kind == pl.Binary():
        return None
    try:
        return texts.cast(kind, strict=False)
    except pl.exceptions.PolarsError:
        return None
