"""What an Arrow column of any type comes in as, and which cannot come in.

polars reads most Arrow types as they are. Some it reads wrongly, refuses or ends at with a panic:
those are cast here to a type of the same meaning, exactly, or refused by the name of the column.
UUIDs and JSON become text. Nothing is read here but types; `convert_table` casts tables.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.types as kinds

from datahub.adapters.rows_polars.opening import to_polars
from datahub.adapters.rows_polars.storable import without_categories
from datahub.core.errors import SourceError

_MOST_DIGITS = 38  # of a decimal in polars
_UUID_BYTES = pa.binary(16)
_UUID_ENDS = ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12))  # of its hexadecimal digits
_PLAIN_TEXT = "Write it as another type, say text or numbers, or leave the column out."


def import_schema(schema: pa.Schema, where: Path | str) -> pa.Schema:
    """The same columns in types that polars reads rightly. Raises SourceError where none is."""
    check_names(schema.names, where)
    fields = []
    for field in schema:
        try:
            fields.append(_import_field(field, field.name))
        except NotImportableError as error:
            raise error.of(where) from error
    return pa.schema(fields)


def check_names(names: Sequence[str], where: Path | str) -> None:
    """Raise SourceError for two columns of one name."""
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise SourceError(
            f"{where} has two columns named {twice!r}.", hint="Rename one and write it again."
        )


@dataclass(frozen=True)
class ImportTypes:
    """What the columns of a schema come in as.

    `target` is in Arrow's types, `native` what polars makes of it, `schema` the same without
    categories. `other` has the columns whose type changes in one of these steps, as they came.
    """

    target: pa.Schema
    native: pl.Schema
    schema: pl.Schema
    changes: dict[str, str]

    @property
    def is_as_it_came(self) -> bool:
        """Whether nothing is cast before polars has it."""
        return all(str(self.native[name]) == kind for name, kind in self.changes.items())


def import_types(arrow: pa.Schema, where: Path | str) -> ImportTypes:
    """What is `import_schema` of a schema; that of a table's parts, which is one, is made once."""
    try:
        return _import_types(arrow.remove_metadata().serialize().to_pybytes())
    except SourceError:
        import_schema(arrow, where)  # raises it with the file's name
        raise


@lru_cache(maxsize=64)
def _import_types(schema_bytes: bytes) -> ImportTypes:
    arrow = pa.ipc.read_schema(pa.py_buffer(schema_bytes))
    target = import_schema(arrow, "")
    native = to_polars(pa.Table.from_batches([], target)).schema
    schema = pl.Schema({name: without_categories(kind) for name, kind in native.items()})
    changes = {name: str(kind) for name, kind in native.items() if kind != schema[name]}
    pairs = zip(arrow, target, strict=True)
    changes |= {of.name: str(of.type) for of, to in pairs if of.type != to.type}
    return ImportTypes(target, native, schema, changes)


def convert_table(table: Any, target: pa.Schema, where: Path | str) -> Any:
    """Cast a table to `target`. Raises SourceError where a value does not fit."""
    for number, field in enumerate(target):
        column = table.column(number)
        kind = column.type
        if kind == field.type:
            continue
        try:
            column = column.cast(_with_bytes(kind, field.type))
        except pa.ArrowException as error:
            raise SourceError(
                f"Column {field.name!r} of {where} cannot be imported: it is {kind}, and {error}.",
                hint=_PLAIN_TEXT,
            ) from error
        if _has_uuid(kind):
            column = _with_text(column, kind).cast(field.type)
        table = table.set_column(number, field, column)
    return table


class NotImportableError(Exception):
    """A type that cannot come in: the path of the column in which it is, the type and why."""

    def __init__(self, path: str, kind: object, reason: str) -> None:
        super().__init__(reason)
        self.path = path
        self.kind = kind

    def of(self, where: Path | str) -> SourceError:
        """The same, said of a file."""
        return SourceError(
            f"Column {self.path!r} of {where} cannot be imported: it is {self.kind}, and {self}.",
            hint=_PLAIN_TEXT,
        )


def _import_field(field: pa.Field, path: str) -> pa.Field:
    kind = _import_type(field.type, path)
    return field if kind == field.type else pa.field(field.name, kind, field.nullable)


def _import_type(kind: pa.DataType, path: str) -> pa.DataType:
    return next((take(kind, path) for fits, take in _IMPORTS if fits(kind)), kind)


def _import_extension(kind: Any, path: str) -> pa.DataType:
    """JSON and UUIDs as text; of others, polars keeps what they are beside the values."""
    if kind.extension_name == "arrow.uuid":
        return pa.string()
    if kind.extension_name == "arrow.bool8":
        return pa.bool_()
    storage = _import_type(kind.storage_type, path)
    return kind if storage == kind.storage_type and kind.extension_name != "arrow.json" else storage


def _import_decimal(kind: Any, path: str) -> pa.DataType:
    """As 128 bits: polars takes 32 and 64 in a batch for 128, and reads past their end."""
    if kind.precision > _MOST_DIGITS:
        raise NotImportableError(path, kind, f"decimals of at most {_MOST_DIGITS} digits are kept")
    if kind.scale < 0:
        raise NotImportableError(path, kind, "decimals of a negative scale are not kept")
    return pa.decimal128(kind.precision, kind.scale)


def _import_timestamp(kind: Any, _path: str) -> pa.DataType:
    """Zones that polars does not know become UTC: the instants are the same."""
    unit = "ms" if kind.unit == "s" else kind.unit
    return pa.timestamp(unit, kind.tz if kind.tz is None or _is_zone(kind.tz) else "UTC")


@lru_cache
def _is_zone(name: str) -> bool:
    try:
        pl.Series([0]).cast(pl.Datetime("us", name))
    except pl.exceptions.PolarsError:
        return False
    return True


def _import_list(kind: Any, path: str) -> pa.DataType:
    item = _import_field(kind.value_field, f"{path}[]")
    if kinds.is_fixed_size_list(kind):
        if kind.list_size == 0:
            raise NotImportableError(
                path, kind, "no reader can tell lists of size 0 from absent ones"
            )
        return pa.list_(item, kind.list_size)
    if kinds.is_list(kind):
        return pa.list_(item)
    return pa.large_list(item)  # a view that is cast to a small list lacks an offset in pyarrow 26


def _import_struct(kind: Any, path: str) -> pa.DataType:
    fields = [kind.field(number) for number in range(kind.num_fields)]
    names = [field.name for field in fields]
    if not fields:
        raise NotImportableError(path, kind, "a struct without fields cannot be kept")
    if len(set(names)) != len(names):
        raise NotImportableError(path, kind, "two of its fields have one name")
    if {"metadata", "value"} <= set(names) <= {"metadata", "value", "typed_value"} and (
        kinds.is_binary(kind.field("metadata").type) and kinds.is_binary(kind.field("value").type)
    ):
        raise NotImportableError(path, "a VARIANT", "what its bytes mean would be lost")
    return pa.struct([_import_field(field, f"{path}.{field.name}") for field in fields])


def _import_map(kind: Any, path: str) -> pa.DataType:
    if kinds.is_nested(kind.key_type):
        raise NotImportableError(path, kind, "keys of maps are text, numbers or times")
    key = _import_field(kind.key_field, f"{path}.key")
    item = _import_field(kind.item_field, f"{path}.value")
    return pa.map_(key, item, keys_sorted=kind.keys_sorted)


def _import_dictionary(kind: Any, path: str) -> pa.DataType:
    """Those of text stay: polars reads them, and knows its own by what stands beside them."""
    value = kind.value_type
    is_text = kinds.is_string(value) or kinds.is_large_string(value) or kinds.is_string_view(value)
    return kind if is_text else _import_type(value, path)


def _refuse_type(reason: str) -> Callable[[pa.DataType, str], pa.DataType]:
    def refuse(kind: pa.DataType, path: str) -> pa.DataType:
        raise NotImportableError(path, kind, reason)

    return refuse


_IMPORTS: Sequence[tuple[Callable[[Any], bool], Callable[[Any, str], pa.DataType]]] = (
    (lambda kind: isinstance(kind, pa.BaseExtensionType), _import_extension),
    (kinds.is_decimal, _import_decimal),
    (kinds.is_timestamp, _import_timestamp),
    (kinds.is_date64, lambda _kind, _path: pa.date32()),
    (
        lambda kind: kinds.is_duration(kind) and kind.unit == "s",
        lambda _kind, _path: pa.duration("ms"),
    ),
    (kinds.is_map, _import_map),
    (kinds.is_struct, _import_struct),
    (kinds.is_union, _refuse_type("a column has one type")),
    (kinds.is_interval, _refuse_type("months and days are no length of time")),
    (kinds.is_dictionary, _import_dictionary),
    (kinds.is_run_end_encoded, lambda kind, path: _import_type(kind.value_type, path)),
    (kinds.is_nested, _import_list),
)


def _with_bytes(kind: Any, target: Any) -> pa.DataType:
    """The target with the bytes of each UUID in the place of its text: Arrow casts no further."""
    if isinstance(kind, pa.BaseExtensionType) and kind.extension_name == "arrow.uuid":
        return _UUID_BYTES
    if isinstance(kind, pa.BaseExtensionType) or not _has_uuid(kind):
        return target
    pairs = zip(_children(kind), _children(target), strict=True)
    fields = [pa.field(to.name, _with_bytes(of.type, to.type), to.nullable) for of, to in pairs]
    if kinds.is_struct(target):
        return pa.struct(fields)
    if kinds.is_map(target):
        return pa.map_(*fields, keys_sorted=target.keys_sorted)
    if kinds.is_fixed_size_list(target):
        return pa.list_(fields[0], target.list_size)
    return pa.large_list(fields[0]) if kinds.is_large_list(target) else pa.list_(fields[0])


def _with_text(column: Any, kind: Any) -> Any:
    """A column that came as a `kind`, with its UUIDs, which are 16 bytes by now, as text."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    # A copy is no slice of something larger: offsets and children then begin at its first row.
    return _texts(whole.take(pa.array(range(len(whole)), pa.int64())), kind)


def _texts(array: Any, kind: Any) -> Any:
    if isinstance(kind, pa.BaseExtensionType):
        return _canonical(array) if kind.extension_name == "arrow.uuid" else array
    if not _has_uuid(kind):
        return array
    nulls = array.is_null()
    if kinds.is_struct(kind):
        children = [_texts(array.field(n), kind.field(n).type) for n in range(kind.num_fields)]
        names = [field.name for field in kind]
        return pa.StructArray.from_arrays(children, names, mask=nulls)
    if kinds.is_map(kind):
        keys, items = _texts(array.keys, kind.key_type), _texts(array.items, kind.item_type)
        return pa.MapArray.from_arrays(array.offsets, keys, items, mask=nulls)
    values = _texts(array.values, kind.value_type)
    if kinds.is_fixed_size_list(kind):
        return pa.FixedSizeListArray.from_arrays(values, kind.list_size, mask=nulls)
    is_large = kinds.is_large_list(array.type)
    made_of = pa.LargeListArray if is_large else pa.ListArray
    return made_of.from_arrays(array.offsets, values, mask=nulls)


def _canonical(array: Any) -> Any:
    """UUIDs as everybody writes them: 8-4-4-4-12 hexadecimal digits in lower case."""
    digits = pl.Series("uuid", array.cast(pa.binary()), pl.Binary).bin.encode("hex").to_frame()
    pieces = [pl.col("uuid").str.slice(start, length) for start, length in _UUID_ENDS]
    return digits.select(pl.concat_str(pieces, separator="-"))["uuid"].to_arrow()


def _has_uuid(kind: Any) -> bool:
    if isinstance(kind, pa.BaseExtensionType):
        return bool(kind.extension_name == "arrow.uuid")
    return any(_has_uuid(field.type) for field in _children(kind))


def _children(kind: Any) -> list[pa.Field]:
    if kinds.is_map(kind):
        return [kind.key_field, kind.item_field]
    return [kind.field(number) for number in range(kind.num_fields)]
