"""Files of rows taken as a dataset's parts as they are, without a copy of their bytes.

Each file is one part, so it must be what a part is: columns in types that datahub keeps, a key
that ascends from row to row, and no more rows than fit into memory. No two files hold keys of one
range. All of it is checked, every row read, before anything is stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import polars as pl

from datahub.core.dataset import Dataset, Key, Part, checked_columns
from datahub.core.errors import InputError, SourceError
from datahub.core.outside import check_shown
from datahub.flow.dataset.at import At
from datahub.flow.dataset.parts import RowsWriter
from datahub.flow.rows.filetable import FileTable
from datahub.flow.rows.incoming import check_key
from datahub.flow.rows.source import Import, ImportReport, commit_rows
from datahub.flow.steps import Progress
from datahub.ports import Rows, Sharing, VersionStore

_TEXTS = (".csv", ".tsv", ".jsonl", ".ndjson")
MOST_ROWS = 1_000_000  # of a part: it is read whole
_COPY = "Import without --in-place: that {does}, and copies the rows."

SharedFile = tuple[Path, Path]  # a user's file, and the staged one with its bytes


def import_in_place(path: Path, request: Import, *, hard_link: bool) -> ImportReport:
    """Make a file, or a folder's files, parts of a dataset, in one commit; no byte is copied.

    `mode` append: beside the parts that are there. Files are cloned where the file system can,
    and else, with `hard_link`, taken themselves: they become read-only. Raises InputError (the
    store or the file system cannot, a file is not laid out as a part), SourceError,
    AnswersSetAside.
    """
    key = _checked_key(request)
    table, old = request.table(path), request.dataset
    _check_files(table, key, request.at)
    stay: tuple[Part, ...] = ()
    if old is not None and request.mode == "append":
        _check_same_columns(old, table.schema)
        stay = old.parts
    classes, text = request.class_names(), request.text_column(table.schema, key)
    writer, count = _take(table, key, request, stay, hard_link=hard_link)
    dataset = Dataset(
        name=request.name,
        key=key,
        columns=tuple((column, str(kind)) for column, kind in table.schema.items()),
        parts=tuple(sorted(writer.parts, key=lambda part: part.first_key)),
        classes=classes,
        text=text,
        has_gold=bool(stay) and old is not None and old.has_gold,
    )
    return commit_rows(request, table, dataset, writer, count=count)


def _take(
    table: FileTable, key: str, request: Import, stay: Sequence[Part], *, hard_link: bool
) -> tuple[RowsWriter, int]:
    """The parts that stay and the files as parts beside them; how many rows came."""
    at = request.at
    writer = RowsWriter(at.store, at.rows, dataset=at.name, key=key)
    with _share(table.files, at.store, hard_link=hard_link) as pairs:
        measure = _measure(pairs, table, key, at.rows, request.step.progress)
        _check_apart(
            [*((part, None) for part in stay), *((part, pair[0]) for part, pair in measure)]
        )
        for part in stay:
            writer.keep(part, at.objects())
        for part, (_, clone) in measure:
            oid = at.store.put(clone)
            writer.take(replace(part, sha256=oid, size=at.store.size(oid)))
    return writer, sum(part.rows for part, _ in measure)


def _checked_key(request: Import) -> str:
    """The key column. Raises InputError for what no file could change."""
    if request.gold is not None:
        raise InputError(
            f"Gold is kept apart from what labeling reads: {request.gold!r} cannot stay in its "
            "file.",
            hint=_COPY.format(does="keeps it apart"),
        )
    if not isinstance(request.at.store, Sharing):
        raise InputError(
            "This project's rows lie on a server: it cannot hold files of this machine in place.",
            hint=_COPY.format(does="uploads them"),
        )
    if request.separator or request.encoding:
        raise InputError(
            "--separator and --encoding are for files of text, which cannot be taken in place.",
            hint=_COPY.format(does="reads CSV and JSONL"),
        )
    if request.mode == "upsert":
        raise InputError(
            "Rows that replace others cannot stay in their files.",
            hint="Use --append for new rows, or " + _COPY[0].lower() + _COPY[1:].format(does="can"),
        )
    if request.key is None:
        raise InputError(
            "Files that are taken in place need a column with a key.",
            hint="Name it with --key. " + _COPY.format(does="makes one"),
        )
    return request.key


def _check_same_columns(dataset: Dataset, schema: pl.Schema) -> None:
    """Raise InputError where files beside parts that stay have other columns or types."""
    if schema.names() != [name for name, _ in dataset.columns]:
        raise InputError(
            f"The files have other columns than dataset {dataset.name!r}, or in another order.",
            hint=f"It has {', '.join(name for name, _ in dataset.columns)}. "
            + _COPY.format(does="brings new columns and any order"),
        )
    for name, kind in dataset.columns:
        if str(schema[name]) != kind:
            raise InputError(
                f"Column {name!r} is null in all rows that are there, and is {schema[name]} now.",
                hint=_COPY.format(does="gives it that type in all rows"),
            )


def _check_files(table: FileTable, key: str, at: At) -> None:
    """Raise InputError unless each file holds all of the table's columns in their types."""
    texts = [path for path in table.files if path.suffix.lower() in _TEXTS]
    if texts:
        raise InputError(
            f"{texts[0]} is CSV, which holds no types: it cannot be taken in place.",
            hint=_COPY.format(does="reads CSV and JSONL"),
        )
    if table.folder_columns:
        raise InputError(
            f"Column {table.folder_columns[0]!r} is in no file: it comes from the names of "
            "folders.",
            hint="--no-partitions leaves it out. " + _COPY.format(does="makes it a column"),
        )
    checked_columns(table.schema.names())
    check_key(table.schema, key)
    for path in table.files:
        schema = at.rows.schema([path])
        for name, kind in schema.items():
            if name not in table.schema:
                raise InputError(
                    f"Column {name!r} of {path} is an index of pandas, which is no content.",
                    hint=f"Use --key {name}. " + _COPY.format(does="leaves it out"),
                )
            table_kind = table.schema[name]
            if kind != table_kind:
                raise InputError(
                    f"Column {name!r} is {kind} in {path}, and {table_kind} elsewhere.",
                    hint=_COPY.format(does="gives it that type"),
                )
    _check_round_trip(table.schema, at.store, at.rows)
    for name, kept_as in at.rows.conversions(table.files).items():
        raise InputError(
            f"Column {name!r} is {kept_as} in the file; datahub stores {table.schema[name]}. A "
            "file in place cannot change.",
            hint=_COPY.format(does="casts it, value by value"),
        )


def _check_round_trip(schema: pl.Schema, store: VersionStore, rows: Rows) -> None:
    """Raise where a part that is rewritten later would have columns of other types."""
    path = store.stage(".parquet")
    try:
        rows.write(schema.to_frame(), path)
        file_schema = rows.scan([path]).collect_schema()
    finally:
        store.unstage(path)
    for name, kind in schema.items():
        if file_schema[name] != kind:
            raise InputError(
                f"Column {name!r} is {kind} in the file; datahub stores {file_schema[name]}.",
                hint=f"Cast it to {file_schema[name]} first. " + _COPY.format(does="casts it"),
            )


@contextmanager
def _share(
    files: Sequence[Path], store: VersionStore, *, hard_link: bool
) -> Iterator[list[SharedFile]]:
    """The files as staged ones; those that were not put are gone in the end."""
    assert isinstance(store, Sharing)  # checked
    pairs: list[SharedFile] = []
    try:
        for path in files:
            pairs.append((path, store.share(path, hard_link=hard_link)))
        yield pairs
    finally:
        for _, clone in pairs:
            store.unstage(clone)


def _measure(
    pairs: Sequence[SharedFile], table: FileTable, key: str, rows: Rows, progress: Progress
) -> list[tuple[Part, SharedFile]]:
    """What each file holds, as a part that has no id yet; files without rows are left out."""
    parts, count = [], 0
    for pair in pairs:
        part = _part(pair, table, key, rows)
        if part is not None:
            parts.append((part, pair))
            count += part.rows
            progress("read", count, count)
    if not parts:
        where = pairs[0][0].name if len(pairs) == 1 else f"{len(pairs)} files"
        raise SourceError(f"{where} holds no rows.", hint="Give a file with rows in it.")
    return parts


def _part(pair: SharedFile, table: FileTable, key: str, rows: Rows) -> Part | None:
    path, clone = pair
    count = 0
    first: Key | None = None
    last: Key | None = None
    nulls: dict[str, int] = {}
    with _by_its_name(path, clone):
        for frame in rows.batches([clone]):
            if frame.schema != table.schema:
                raise InputError(f"{path} was changed while it was read.", hint="Import it again.")
            table.with_folders(frame, path)
            check_shown(frame, path, count)
            _check_ascending(frame[key], last, path, count)
            first = frame[key][0] if first is None else first
            last = frame[key][-1]
            count += frame.height
            for name, missing in frame.null_count().row(0, named=True).items():
                nulls[name] = nulls.get(name, 0) + missing
            if count > MOST_ROWS:
                raise InputError(
                    f"{path} holds more than {MOST_ROWS:,} rows: a part is read whole.",
                    hint="Write it as smaller files. " + _COPY.format(does="cuts it"),
                )
    if first is None or last is None:
        return None
    nulls = {name: missing for name, missing in nulls.items() if missing}
    return Part("", count, first, last, nulls=nulls)


@contextmanager
def _by_its_name(path: Path, clone: Path) -> Iterator[None]:
    """What is wrong with a staged file is said of the user's."""
    try:
        yield
    except SourceError as error:
        raise SourceError(error.message.replace(str(clone), str(path)), hint=error.hint) from error


def _check_ascending(keys: pl.Series, last: Key | None, path: Path, before: int) -> None:
    """Raise unless each key is there and greater than the one before it."""
    if keys.null_count():
        row = before + int(keys.is_null().arg_max() or 0) + 1
        raise InputError(
            f"Row {row} of {path} has no {keys.name!r}.", hint="Every row needs its key."
        )
    wrong = (keys <= keys.shift(1, fill_value=last)).fill_null(value=False)
    if wrong.any():
        row = before + int(wrong.arg_max() or 0) + 1
        raise InputError(
            f"Row {row} of {path} has a key that is not greater than the one before it.",
            hint=f"Sort the file by {keys.name!r}, each key once. " + _COPY.format(does="sorts"),
        )


def _check_apart(parts: Sequence[tuple[Part, Path | None]]) -> None:
    """Raise where two parts hold keys of one range; parts that are there have no path."""
    in_order = sorted(parts, key=lambda entry: entry[0].first_key)
    for (lower, path), (upper, beside) in pairwise(in_order):
        if lower.last_key >= upper.first_key:  # type: ignore[operator]  # keys of one type
            names = [str(where) for where in (path, beside) if where is not None]
            text = " and ".join(names) + (" hold keys" if len(names) == 2 else " holds keys")
            raise InputError(
                f"{text} of one range{'' if len(names) == 2 else ' with rows that are there'}: "
                f"{upper.first_key!r} comes before {lower.last_key!r}.",
                hint="Parts follow one another by key. " + _COPY.format(does="sorts them"),
            )
