"""Parquet, read by polars where it agrees with pyarrow on all columns, else by pyarrow alone.

`Form` says which, for one file, by its footer. A file whose columns are all `plain` is scanned by
polars itself. Of any other, columns come in as `arrow_types` says, in memory bounded by a batch,
so that scan, batches and read give one answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as kinds
from polars import selectors

from datahub.adapters.rows_polars.arrow_types import (
    NotImportableError,
    check_names,
    convert_table,
    import_types,
)
from datahub.adapters.rows_polars.opening import to_polars
from datahub.core.errors import SourceError

_OLD_INSTANTS = "INT96"  # 96 bits: nanoseconds of a day, and the day
_INTERVAL = "INTERVAL"
_MOST_BITS = 64
_BATCH = 50_000  # rows
_UNREADABLE = (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError)


@dataclass(frozen=True)
class Form:
    """How a file is read: the types of its frames, and what its columns lie there as.

    `plain`: polars reads it as pyarrow does. `other` has the columns that do not lie in the file
    as they are kept, and as what; `old_instants` those with instants in INT96.
    """

    schema: pl.Schema
    plain: bool
    target: pa.Schema
    changes: dict[str, str]
    old_instants: frozenset[str] = frozenset()


def form_of(source: Path | Any, where: Path | str, *, native: pl.LazyFrame | None = None) -> Form:
    """The form of a file, by its footer. `native` is polars' scan of the same.

    Raises SourceError for a column that cannot come in, and lets errors of the readers through.
    """
    arrow, old = _arrow_schema(source, where, native)
    types = import_types(arrow, where)
    changes = dict(types.changes)
    is_plain = not old and types.is_as_it_came
    for name in old:
        changes[name] = f"{arrow.field(name).type} in {_OLD_INSTANTS}"
    if is_plain and native is not None:
        polars_schema = _native_schema(native)
        if polars_schema != types.native:
            is_plain = False
            changes |= {
                name: f"{arrow.field(name).type}, which readers interpret differently"
                for name, kind in types.native.items()
                if polars_schema is None or polars_schema.get(name) != kind
            }
    return Form(types.schema, is_plain, types.target, changes, old)


def scan(paths: Sequence[Path], forms: Sequence[Form]) -> pl.LazyFrame:
    """Exactly these plain files: no glob patterns, no columns out of folder names."""
    return fitted_lazily(native_scan(paths), forms)


def native_scan(paths: Sequence[Path]) -> pl.LazyFrame:
    """The scan of polars, in its own types."""
    return pl.scan_parquet(list(paths), glob=False, hive_partitioning=False)


def fitted_lazily(frame: pl.LazyFrame, forms: Sequence[Form]) -> pl.LazyFrame:
    """The scan of plain files as they are read: text in the place of categories."""
    names = {name for form in forms for name in form.changes}
    schema = forms[0].schema
    return frame.cast({selectors.by_name(n): schema[n] for n in names}) if names else frame


def frames(
    source: Path | Any, where: Path | str, form: Form, columns: Sequence[str], size: int
) -> Iterator[pl.DataFrame]:
    """Frames of at most `size` rows, the columns in the order asked for."""
    before = 0
    exact = _Exact(source, where, [name for name in columns if name in form.old_instants], size)
    with _naming(source, where, columns):
        for batch in _batches(source, "us", columns, size):
            table = pa.Table.from_batches([batch])
            exact.check(table, before)
            if form.changes:
                schema = pa.schema([form.target.field(name) for name in table.column_names])
                table = convert_table(table, schema, where)
            # `select` takes a name like * or ^a$ for a pattern
            yield to_polars(table, where, before)[list(columns)]
            before += batch.num_rows


def read(paths: Sequence[Path], columns: Sequence[str]) -> pl.DataFrame:
    """All rows of these plain files, the columns in the order asked for.

    By polars' own reader, at half the cost of pyarrow's. It promises no order of rows, so their
    numbers come with them.
    """
    number = next(
        name for name in map("_{}".format, range(len(columns) + 1)) if name not in columns
    )
    lazy = pl.scan_parquet(list(paths), glob=False, hive_partitioning=False, row_index_name=number)
    frame = lazy.select(selectors.by_name(number, *columns)).collect(engine="in-memory")
    if not frame[number].is_sorted():
        frame = frame.sort(number)
    return frame[list(columns)]


@contextmanager
def _naming(source: Path | Any, where: Path | str, columns: Sequence[str]) -> Iterator[None]:
    """Where pyarrow reads no further, say in which column: SourceError."""
    try:
        yield
    except _UNREADABLE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the file itself cannot be read
        for name in columns:
            try:
                for _ in _batches(source, "us", [name], _BATCH):
                    pass
            except _UNREADABLE as reason:
                raise SourceError(
                    f"Column {name!r} of {where} cannot be read: {str(reason).splitlines()[0]}",
                    hint="It may be corrupt, or laid out in a way that pyarrow does not know: "
                    "fetch the file again, or write it by another writer.",
                ) from error
        raise


def _open(source: Path | Any, unit: str) -> pq.ParquetFile:
    # without pre_buffer=False all of the file is in memory
    return pq.ParquetFile(source, pre_buffer=False, coerce_int96_timestamp_unit=unit)


def _native_schema(native: pl.LazyFrame) -> pl.Schema | None:
    """What polars makes of the file; None: it does not know a type in it, which pyarrow does."""
    try:
        return native.collect_schema()
    except pl.exceptions.PolarsError:
        return None


def _arrow_schema(
    source: Path | Any, where: Path | str, native: pl.LazyFrame | None
) -> tuple[pa.Schema, frozenset[str]]:
    """The columns in Arrow's types, and the names of those with instants in INT96."""
    try:
        with _open(source, "us") as file:
            schema, leaves = file.schema_arrow, file.schema
    except pa.ArrowNotImplementedError as error:
        raise _too_long(native, where) or error from error
    check_names(schema.names, where)
    old = set()
    for name, number in _odd_leaves(schema.remove_metadata().serialize().to_pybytes()):
        leaf = leaves.column(number)
        if leaf.converted_type == _INTERVAL:
            reason = "months and days are no length of time"
            raise NotImportableError(leaf.path, "an INTERVAL", reason).of(where)
        if leaf.physical_type == _OLD_INSTANTS:
            old.add(name)
    return schema, frozenset(old)


def _too_long(native: pl.LazyFrame | None, where: Path | str) -> SourceError | None:
    """The error for whole numbers of 128 bits, at which pyarrow opens no file; None: no such."""
    for name, kind in (_native_schema(native) or {} if native is not None else {}).items():
        if "Int128" in str(kind):
            reason = f"whole numbers of at most {_MOST_BITS} bits are kept"
            return NotImportableError(name, kind, reason).of(where)
    return None


@lru_cache(maxsize=64)
def _odd_leaves(schema_bytes: bytes) -> tuple[tuple[str, int], ...]:
    """Columns of the file of which only it tells what lies there, each with its column in Arrow.

    Instants may be INT96, and 12 bytes an interval.
    """
    number, odd = 0, []
    for field in pa.ipc.read_schema(pa.py_buffer(schema_bytes)):
        for kind in _leaves(field.type):
            if kinds.is_timestamp(kind) or kind == pa.binary(12):
                odd.append((field.name, number))
            number += 1
    return tuple(odd)


def _leaves(kind: Any) -> list[Any]:
    """The types that the columns of a Parquet file have, of an Arrow column."""
    if isinstance(kind, pa.BaseExtensionType):
        return _leaves(kind.storage_type)
    if kinds.is_dictionary(kind) or not kinds.is_nested(kind):
        return [kind]
    children = (kind.field(number).type for number in range(kind.num_fields))
    return [leaf for child in children for leaf in _leaves(child)]


class _Exact:
    """Holds that instants in INT96 are whole microseconds of the range of 64 bits, as they come.

    pyarrow wraps what does not fit a unit, and cuts off what is smaller: so the columns are read
    twice more, as seconds, which all fit, and as nanoseconds, of which those of a second are right.
    """

    def __init__(
        self, source: Path | Any, where: Path | str, columns: Sequence[str], size: int
    ) -> None:
        self._where = where
        self._columns = columns
        self._seconds = _batches(source, "s", columns, size)
        self._nanoseconds = _batches(source, "ns", columns, size)

    def check(self, table: Any, before: int) -> None:
        """Raise SourceError for the first instant of the next rows that is not what it was."""
        if not self._columns:
            return
        seconds, nanoseconds = next(self._seconds), next(self._nanoseconds)
        for name in self._columns:
            columns = (table[name], seconds.column(name), nanoseconds.column(name))
            leaves = zip(*(_instants(column) for column in columns), strict=True)
            for micro, second, nano in leaves:
                if not _are_whole(micro, second, nano):
                    raise SourceError(
                        f"Column {name!r} of {self._where} cannot be imported: rows {before + 1} "
                        f"to {before + table.num_rows} hold instants in {_OLD_INSTANTS} that are "
                        "no whole microseconds, or too far off.",
                        hint="Write the column as timestamps in nanoseconds, or round it.",
                    )


def _batches(source: Path | Any, unit: str, columns: Sequence[str], size: int) -> Iterator[Any]:
    with _open(source, unit) as file:
        # one thread: batches are small, and pyarrow's hand-over between threads costs a third more
        yield from file.iter_batches(batch_size=size, columns=columns, use_threads=False)


def _instants(column: Any) -> list[Any]:
    """The instants in a column, wherever they are nested, as numbers; nulls left out."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    kind = column.type
    if kinds.is_timestamp(kind):
        return [column.drop_null().cast(pa.int64()).to_numpy()]
    if kinds.is_struct(kind):
        children = column.flatten()
    elif kinds.is_map(kind):
        whole = column.take(pa.array(range(len(column)), pa.int64()))
        children = [whole.keys, whole.items]
    elif kinds.is_nested(kind):
        children = [pc.list_flatten(column)]
    else:
        children = []
    return [instants for child in children for instants in _instants(child)]


def _are_whole(micro: Any, second: Any, nano: Any) -> bool:
    """Whether these are the instants that seconds and nanoseconds (modulo 2^64) tell."""
    fraction = nano.view("uint64") - second.view("uint64") * 10**9  # of a second: under 10^9
    is_near = (abs(second) < 2**63 // 10**6 - 1).all()
    return bool(is_near and (fraction == (micro - second * 10**6).view("uint64") * 1000).all())
