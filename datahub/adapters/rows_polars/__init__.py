"""Rows on polars and pyarrow. The only package that opens files of rows.

Parquet and ORC are told by their first bytes, CSV and JSONL by their suffix. A file has one
meaning, whichever way it is read (`parquet` and `arrow_types` say which). What `scan` returns is
lazy: the call checks that every file is there and that its footer can be read, but a page that is
corrupt in the middle shows only when the frame is collected. `collect`, `batches` and `write` turn
that into SourceError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
from polars import selectors

from datahub.adapters.rows_polars import (
    chunks,
    decoding,
    delimited,
    elsewhere,
    folders,
    json_lines,
    listing,
    pandas_index,
    parquet,
    sources,
    stripes,
    writing,
)
from datahub.adapters.rows_polars.opening import (
    check_columns,
    recognise,
    translate_errors,
)
from datahub.core.errors import InputError, SourceError
from datahub.core.nulltypes import cast_frame, common_schema
from datahub.ports import Files, Listing, PandasIndex, Remote


@dataclass(frozen=True)
class _Source:
    """One file that can be read: of a format, with the form that a Parquet file has."""

    path: Path
    kind: str
    schema: pl.Schema
    form: parquet.Form | None = None
    texts: delimited.Delimited | None = None

    @classmethod
    def of(cls, path: Path, reading: _Reading) -> _Source:
        kind = recognise(path, otherwise="csv" if reading.separator else None)
        with translate_errors(path):
            if kind == "parquet":
                form = parquet.form_of(path, path, native=parquet.native_scan([path]))
                return cls(path, kind, form.schema, form)
            if kind == "orc":
                return cls(path, kind, stripes.schema(path))
            content = reading.decoder.utf8(path)
            texts = delimited.Delimited(path, content, reading.separator)
            schema = delimited.schema(texts) if kind == "csv" else json_lines.schema(texts)
        return cls(path, kind, schema, texts=texts)

    @property
    def is_plain(self) -> bool:
        """Whether it is Parquet that polars itself reads rightly."""
        return self.form is not None and self.form.plain


@dataclass(frozen=True)
class _Reading:
    """How files of text are read: what stands between values of CSV, and how they are encoded."""

    separator: str = ""
    decoder: decoding.Decoder = field(default_factory=lambda: decoding.Decoder(""))


class PolarsRows:
    """Tables in Parquet, ORC, CSV and JSONL files."""

    def __init__(self, *, separator: str = "", encoding: str = "") -> None:
        """`separator` and `encoding` are those of files of text. Raises InputError."""
        decoder = decoding.Decoder(decoding.check_encoding(encoding))
        self._reading = _Reading(delimited.check_separator(separator), decoder)

    def reading_texts(self, *, separator: str, encoding: str) -> PolarsRows:
        """The same, for files of text that are written so. Raises InputError."""
        return PolarsRows(separator=separator, encoding=encoding)

    def files(self, path: Path) -> list[Path]:
        """The files of one table: a file is one itself."""
        return list(self.listing(path).files)

    def listing(self, path: Path) -> Listing:
        """The same with what else lies in the folder."""
        return listing.listing_of(path)

    def pandas_index(self, path: Path) -> PandasIndex:
        """The index that pandas wrote into a Parquet file."""
        return pandas_index.index_of(path)

    def schema(
        self, paths: Sequence[Path], *, leave_out: Callable[[str], bool] | None = None
    ) -> pl.Schema:
        """The one schema of these files, without columns that are left out."""
        return common_schema((path, _schema_of(path, leave_out, self._reading)) for path in paths)

    def scan(self, paths: Files) -> pl.LazyFrame:
        """All rows of these files, lazily. Collect it with `collect` to get our errors."""
        if isinstance(paths, Remote):
            return _scan_elsewhere(paths)
        files, schema, uniform = _check_files(paths, self._reading)
        if uniform and all(file.is_plain for file in files):
            return parquet.scan(paths, [file.form for file in files if file.form is not None])
        if uniform and all(file.kind == "orc" for file in files):
            return stripes.scan(paths, schema)
        return pl.concat(_scan_one(file, schema) for file in files)

    def collect(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """Compute a frame that came from `scan`; raises SourceError where a file is corrupt."""
        with translate_errors():
            return frame.collect()

    def read(self, paths: Sequence[Path], *, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """All rows of these files in memory, in file order. Raises SourceError."""
        files, schema, uniform = _check_files(paths, self._reading)
        names = check_columns(schema.names() if columns is None else columns, schema, paths[0])
        if uniform and all(file.is_plain for file in files):
            with translate_errors(paths[0] if len(paths) == 1 else None):
                return cast_frame(parquet.read(paths, names), schema)
        empty = schema.to_frame()[names]
        return pl.concat([empty, *self.batches(paths, columns=names)])

    def batches(
        self, paths: Files, *, columns: Sequence[str] | None = None, size: int = 50_000
    ) -> Iterator[pl.DataFrame]:
        """The same rows in file order; the files are checked before the first frame is asked for.

        Raises SourceError, also while iterating, and InputError for a size under 1.
        """
        if size < 1:
            raise InputError(f"A batch of {size} rows was asked for.", hint="Ask for 1 or more.")
        if isinstance(paths, Remote):
            return _batches_elsewhere(paths, columns, size)
        files, schema, _ = _check_files(paths, self._reading)
        names = check_columns(schema.names() if columns is None else columns, schema, paths[0])
        return _batches(files, schema, names, size)

    def write(self, frame: writing.Table, path: Path, *, slab: int = writing.SLAB) -> int:
        """Write all rows in their order. Raises StorageError, SourceError.

        Categories become text. ORC also widens unsigned integers, turns fixed-size lists into
        lists, and reads timestamps back as nanoseconds, those with a zone as UTC.
        """
        return writing.write(frame, path, slab=slab)

    def conversions(self, paths: Sequence[Path]) -> dict[str, str]:
        """Columns that do not lie in these files as they are read, and what they lie there as."""
        files, _, _ = _check_files(paths, self._reading)
        return {n: k for file in files if file.form for n, k in file.form.changes.items()}

    def write_folder(
        self, frames: Iterable[pl.DataFrame], folder: Path, *, suffix: str
    ) -> list[int]:
        """Write each frame as a file of a new folder, which is there when all of them are."""
        return folders.write_folder(frames, folder, suffix=suffix)

    def alike(self, paths: Sequence[Path]) -> dict[str, tuple[int, ...]] | None:
        """Which files hold the same of a column, as far as their bytes tell."""
        if any(recognise(path) != "parquet" for path in paths):
            return None
        return chunks.alike(paths)

    def rewrite(self, old: Path, columns: pl.DataFrame, path: Path) -> None:
        """Write a file again with these columns in place of its own."""
        both_parquet = recognise(old) == "parquet" and path.suffix == ".parquet"
        if not (both_parquet and chunks.rewrite(old, columns, path)):
            self.write(self.read([old]).with_columns(columns.get_columns()), path)


def _check_files(paths: Sequence[Path], reading: _Reading) -> tuple[list[_Source], pl.Schema, bool]:
    """The files, the schema of all, and whether each has that one: nulls may take a type."""
    if not paths:
        raise SourceError("No file of rows was named.", hint="Name at least one file.")
    files = [_Source.of(path, reading) for path in paths]
    schema = common_schema((file.path, file.schema) for file in files)
    return files, schema, all(file.schema == schema for file in files)


def _schema_of(path: Path, leave_out: Callable[[str], bool] | None, reading: _Reading) -> pl.Schema:
    schema = pl.Schema(_Source.of(path, reading).schema)
    if leave_out is not None:
        for name in filter(leave_out, schema.names()):
            del schema[name]
    return schema


def _scan_elsewhere(remote: Remote) -> pl.LazyFrame:
    files = elsewhere.files_of(remote)
    with elsewhere.translate_store_errors(remote):
        formats = {elsewhere.recognise(file) for file in files}
        if formats == {"parquet"}:
            return elsewhere.scan_parquet(remote)
        if formats == {"orc"}:
            return stripes.scan(files, stripes.schema(files[0]))
    raise SourceError(
        f"{remote.addresses[0]} and others are of several formats, or there are none.",
        hint="Read files of one format at a time.",
    )


def _batches_elsewhere(
    remote: Remote, columns: Sequence[str] | None, size: int
) -> Iterator[pl.DataFrame]:
    for file in elsewhere.files_of(remote):
        with translate_errors(str(file)), elsewhere.translate_store_errors(file):
            if elsewhere.recognise(file) == "orc":
                schema = stripes.schema(file)
                frames = stripes.frames(file, list(columns or schema.names()))
            else:
                schema, frames = elsewhere.parquet_frames(file, columns, size)
            for frame in frames:
                yield from cast_frame(frame, schema).iter_slices(size)


def _scan_one(file: _Source, schema: pl.Schema) -> pl.LazyFrame:
    if file.form is not None and file.form.plain:
        frame = parquet.scan([file.path], [file.form])
    elif file.kind == "csv" and file.texts is not None:
        frame = delimited.scan(file.texts)
    else:
        name = file.kind.upper()
        return sources.scan(lambda columns: _batches([file], schema, columns), schema, name)
    casts = {name: schema[name] for name, kind in file.schema.items() if kind != schema[name]}
    return frame.cast({selectors.by_name(n): k for n, k in casts.items()}) if casts else frame


def _batches(
    files: Sequence[_Source], schema: pl.Schema, columns: Sequence[str], size: int = 50_000
) -> Iterator[pl.DataFrame]:
    for file in files:
        with translate_errors(file.path):
            if file.form is not None:
                frames = parquet.frames(file.path, file.path, file.form, columns, size)
            elif file.texts is None:
                frames = stripes.frames(file.path, columns)
            else:
                kind = delimited if file.kind == "csv" else json_lines
                frames = kind.frames(file.texts, columns, size)
            for frame in frames:
                yield from cast_frame(frame, schema).iter_slices(size)
