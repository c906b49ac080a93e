"""Files of rows taken as a dataset's parts as they are, without a copy of their bytes.

Each file is one part, so it must be what a part is: columns in types that datahub keeps, a key
that ascends from row to row, and no more rows than fit into memory. No two files hold keys of one
range. All of it is checked, every row read, before anything is stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import polars as pl

from datahub.core.dataset import Dataset, Key, Part, checked_columns, checked_name
from datahub.core.errors import InputError, SourceError
from datahub.core.outside import check_shown
from datahub.flow.dataset.parts import RowsWriter
from datahub.flow.dataset.tables import known_at
from datahub.flow.rows.filetable import FileTable, types_at
from datahub.flow.rows.incoming import check_key
from datahub.flow.rows.setaside import CAREFUL, Caution
from datahub.flow.rows.source import (
    Imported,
    Mode,
    columns_to_keep,
    committed,
    fitted_to,
    named_classes,
    said_of,
    text_column,
)
from datahub.flow.steps import Progress, Step, begin
from datahub.ports import Rows, Sharing, VersionStore

MOST_ROWS = 1_000_000  # of a part: it is read whole
_COPY = "Import without --in-place: that {does}, and copies the rows."

Shared = tuple[Path, Path]  # a user's file, and the staged one with its bytes


def import_in_place(
    path: Path,
    *,
    dataset: str,
    key: str | None,
    gold: str | None,
    classes: Sequence[str],
    text: str | None,
    hard_link: bool,
    store: VersionStore,
    rows: Rows,
    step: Step,
    mode: Mode = "replace",
    caution: Caution = CAREFUL,
    partitions: bool = True,
) -> Imported:
    """Make a file, or a folder's files, parts of a dataset, in one commit; no byte is copied.

    `mode` append: beside the parts that are there. Files are cloned where the file system can,
    and else, with `hard_link`, taken themselves: they become read-only. Raises InputError (the
    store or the file system cannot, a file is not laid out as a part), SourceError, Guarded,
    AnswersSetAside.
    """
    head = begin(store, step)
    name = checked_name(dataset)
    known = known_at(store, head.id, name)
    if key is None and known and not known.key_made:
        key = known.key
    if gold is not None:
        raise InputError(
            f"Gold is kept apart from what labeling reads: {gold!r} cannot stay in its file.",
            hint=_COPY.format(does="keeps it apart"),
        )
    _check_way(key, mode, store)
    assert key is not None  # checked
    types = types_at(store, rows, known)
    keep = columns_to_keep(key, gold, known)
    table = FileTable.at(path, rows, keep=keep, types=types, partitions=partitions)
    if known is not None:
        table = fitted_to(known, table, key=key, gold=gold, types=types)
    schema, files = table.schema, table.files
    _check_files(table, key, store, rows)
    if known is not None and mode == "append" and schema.names() != [n for n, _ in known.columns]:
        raise InputError(
            f"The files have other columns than dataset {name!r}, or in another order.",
            hint=f"It has {', '.join(n for n, _ in known.columns)}. "
            + _COPY.format(does="brings new columns and any order"),
        )
    if known is not None and mode == "append":
        _check_kept_types(known, schema)
    named = named_classes(classes, (), known)
    shown_text = text_column(schema, key, text, known)
    writer = RowsWriter(store, rows, dataset=name, key=key)
    with _shared(files, store, hard_link=hard_link) as shared:
        came = _measured(shared, table, key, rows, step.progress)
        old = known.parts if known is not None and mode == "append" else ()
        _check_apart([*((part, None) for part in old), *((part, one[0]) for part, one in came)])
        held = store.objects(head.id, f"datasets/{name}/")
        for part in old:
            writer.keep(part, held)
        for part, (_, staged) in came:
            writer.take(replace(part, sha256=store.put(staged)))
    made = Dataset(
        name=name,
        key=key,
        columns=tuple((column, str(kind)) for column, kind in schema.items()),
        parts=tuple(sorted(writer.parts, key=lambda part: part.first_key)),
        classes=named,
        text=shown_text,
        has_gold=mode == "append" and known is not None and known.has_gold,
    )
    count = sum(part.rows for part, _ in came)
    done = committed(
        store, rows, step, head, known, made, writer, count=count, mode=mode, caution=caution
    )
    return said_of(table, done)


def _check_way(key: str | None, mode: Mode, store: VersionStore) -> None:
    """Raise InputError for what no file could change."""
    if not isinstance(store, Sharing):
        raise InputError(
            "This project's rows lie on a server: it cannot hold files of this machine in place.",
            hint=_COPY.format(does="uploads them"),
        )
    if mode == "upsert":
        raise InputError(
            "Rows that replace others cannot stay in their files.",
            hint="Use --append for new rows, or " + _COPY[0].lower() + _COPY[1:].format(does="can"),
        )
    if key is None:
        raise InputError(
            "Files that are taken in place need a column with a key.",
            hint="Name it with --key. " + _COPY.format(does="makes one"),
        )


def _check_files(table: FileTable, key: str, store: VersionStore, rows: Rows) -> None:
    """Raise InputError unless each file holds all of the table's columns in their types."""
    texts = [path for path in table.files if path.suffix.lower() == ".csv"]
    if texts:
        raise InputError(
            f"{texts[0]} is CSV, which holds no types: it cannot be taken in place.",
            hint=_COPY.format(does="reads CSV"),
        )
    if table.added:
        raise InputError(
            f"Column {table.added[0]!r} is in no file: it comes from the names of folders.",
            hint="--no-partitions leaves it out. " + _COPY.format(does="makes it a column"),
        )
    checked_columns(table.schema.names())
    check_key(table.schema, key)
    for path in table.files:
        schema = rows.schema([path])
        for name, kind in schema.items():
            if name not in table.schema:
                raise InputError(
                    f"Column {name!r} of {path} is an index of pandas, which is no content.",
                    hint=f"Use --key {name}. " + _COPY.format(does="leaves it out"),
                )
            wanted = table.schema[name]
            if kind != wanted:
                raise InputError(
                    f"Column {name!r} is {kind} in {path}, and {wanted} elsewhere.",
                    hint=_COPY.format(does="gives it that type"),
                )
    _check_kept(table.schema, store, rows)
    for name, kept_as in rows.altered(table.files).items():
        raise InputError(
            f"Column {name!r} is {kept_as} in the file; datahub stores {table.schema[name]}. A "
            "file in place cannot change.",
            hint=_COPY.format(does="casts it, value by value"),
        )


def _check_kept_types(known: Dataset, schema: pl.Schema) -> None:
    """Raise InputError where parts that are there would have to take a type that came."""
    for name, kind in known.columns:
        if str(schema[name]) != kind:
            raise InputError(
                f"Column {name!r} is null in all rows that are there, and is {schema[name]} now.",
                hint=_COPY.format(does="gives it that type in all rows"),
            )


def _check_kept(schema: pl.Schema, store: VersionStore, rows: Rows) -> None:
    """Raise where a part that is rewritten later would have columns of other types."""
    written = store.stage(".parquet")
    try:
        rows.write(schema.to_frame(), written)
        kept = rows.scan([written]).collect_schema()
    finally:
        written.unlink(missing_ok=True)
    for name, kind in schema.items():
        if kept[name] != kind:
            raise InputError(
                f"Column {name!r} is {kind} in the file; datahub stores {kept[name]}.",
                hint=f"Cast it to {kept[name]} first. " + _COPY.format(does="casts it"),
            )


@contextmanager
def _shared(
    files: Sequence[Path], store: VersionStore, *, hard_link: bool
) -> Iterator[list[Shared]]:
    """The files as staged ones; those that were not put are gone in the end."""
    assert isinstance(store, Sharing)  # checked
    made: list[Shared] = []
    try:
        for path in files:
            made.append((path, store.share(path, hard_link=hard_link)))
        yield made
    finally:
        for _, staged in made:
            with suppress(FileNotFoundError):
                staged.unlink()


def _measured(
    shared: Sequence[Shared], table: FileTable, key: str, rows: Rows, progress: Progress
) -> list[tuple[Part, Shared]]:
    """What each file holds, as a part that has no id yet; files without rows are left out."""
    found, count = [], 0
    for one in shared:
        part = _part(one, table, key, rows)
        if part is not None:
            found.append((part, one))
            count += part.rows
            progress("read", count, count)
    if not found:
        where = shared[0][0].name if len(shared) == 1 else f"{len(shared)} files"
        raise SourceError(f"{where} holds no rows.", hint="Give a file with rows in it.")
    return found


def _part(one: Shared, table: FileTable, key: str, rows: Rows) -> Part | None:
    path, staged = one
    count = 0
    first: Key | None = None
    last: Key | None = None
    nulls: dict[str, int] = {}
    with _by_its_name(path, staged):
        for frame in rows.batches([staged]):
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
    return Part("", count, first, last, staged.stat().st_size, nulls)


@contextmanager
def _by_its_name(path: Path, staged: Path) -> Iterator[None]:
    """What is wrong with a staged file is said of the user's."""
    try:
        yield
    except SourceError as error:
        raise SourceError(error.message.replace(str(staged), str(path)), hint=error.hint) from error


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
    in_order = sorted(parts, key=lambda one: one[0].first_key)
    for (one, path), (other, beside) in pairwise(in_order):
        if one.last_key >= other.first_key:  # type: ignore[operator]  # keys of one type
            named = [str(where) for where in (path, beside) if where is not None]
            shown = " and ".join(named) + (" hold keys" if len(named) == 2 else " holds keys")
            raise InputError(
                f"{shown} of one range{'' if len(named) == 2 else ' with rows that are there'}: "
                f"{other.first_key!r} comes before {one.last_key!r}.",
                hint="Parts follow one another by key. " + _COPY.format(does="sorts them"),
            )
