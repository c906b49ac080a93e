"""Column chunks of Parquet files, taken by their bytes: which are the same, and which to keep.

A chunk is what a file holds of one column in one row group. Its bytes depend on that column's
values alone, so a file of which some columns change keeps the chunks of all others, and comes to
the very bytes that writing all of it gives: one writer wrote both. Nothing is decoded here.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import polars as pl
import pyarrow.parquet as pq

from datahub.adapters.rows_polars.footer import I64, LIST, MAGIC, STRUCT, Struct, ending, footer_of
from datahub.adapters.rows_polars.opening import corrupt, translate_errors
from datahub.adapters.rows_polars.writing import parquet_in_memory, whole_file

# Fields of a footer, of one of its row groups, of a chunk, and of a chunk's meta data.
_SCHEMA, _GROUPS, _KEY_VALUES, _CREATED_BY = 2, 4, 5, 6  # key values: Arrow's own schema
_CHUNKS, _GROUP_SIZE, _ROWS, _GROUP_START, _GROUP_PACKED = 1, 2, 3, 5, 6
_META = 3
_ENCODINGS, _CODEC, _SIZE, _PACKED_SIZE, _DATA_PAGE, _DICTIONARY_PAGE = 2, 4, 6, 7, 9, 11
_MUST_HAVE = {_ENCODINGS, _CODEC, _SIZE, _PACKED_SIZE, _DATA_PAGE}
# What a file may hold of a chunk in another place: indexes, keys, Bloom filters.
_ELSEWHERE, _META_ELSEWHERE = {4, 5, 6, 7, 8, 9}, {10, 14, 15}


def alike(paths: Sequence[Path]) -> dict[str, tuple[int, ...]] | None:
    """Column -> for each file a number; equal numbers: the same bytes, so the same values.

    None where the files have not the same columns, or not row groups of the same size.
    """
    with ExitStack() as stack:
        files = []
        for path in paths:
            with translate_errors(path):
                names = pq.read_schema(path).names
                files.append(_File.of(path, stack.enter_context(path.open("rb"))))
        if not files[0].is_flat or not all(file.is_like(files[0]) for file in files):
            return None
        return {name: _number_files(files, paths, column) for column, name in enumerate(names)}


def rewrite(old: Path, columns: pl.DataFrame, path: Path) -> bool:
    """Write a file again with these columns in the place of its own.

    False, and nothing is written, where its chunks are not what our writer makes of it.
    """
    buffer = parquet_in_memory(columns, path)
    new = _File.of(path, buffer)
    with translate_errors(old):
        schema = pq.read_schema(old)
    types = {field.name: field.type for field in schema}
    if any(types.get(field.name) != field.type for field in pq.read_schema(buffer)):
        return False
    places = {name: number for number, name in enumerate(columns.columns)}
    with translate_errors(old), old.open("rb") as handle:
        file = _File.of(old, handle)
        if not file.is_ours(new):
            return False
        with whole_file(path) as target:
            target.write(MAGIC)
            for group, fresh in zip(file.groups, new.groups, strict=True):
                sources = [
                    (file, chunk) if name not in places else (new, _chunks(fresh)[places[name]])
                    for name, chunk in zip(schema.names, _chunks(group), strict=True)
                ]
                _move(sources, group, target)
            target.write(ending(file.footer))
    return True


@dataclass(frozen=True)
class _File:
    handle: BinaryIO
    footer: Struct

    @classmethod
    def of(cls, path: Path, handle: BinaryIO) -> _File:
        """Raises SourceError: its footer is broken."""
        try:
            file = cls(handle, footer_of(handle))
            chunks = [chunk for group in file.groups for chunk in _chunks(group)]
            if any(_MUST_HAVE - _meta(chunk).keys() for chunk in chunks):
                raise ValueError("it does not say where its columns are")
            _ = file.is_flat, file.rows  # which are there, then
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise corrupt(path, f"its footer is broken ({error})") from error
        return file

    @property
    def groups(self) -> list[Struct]:
        """Its row groups."""
        groups: list[Struct] = self.footer[_GROUPS][1][1]
        return groups

    @property
    def rows(self) -> list[int]:
        """Rows by row group."""
        return [group[_ROWS][1] for group in self.groups]

    @property
    def is_flat(self) -> bool:
        """Whether a column is one chunk in each row group: a nested one may be several."""
        width = self.footer[_SCHEMA][1][1][0][5][1]  # the number of children of the root
        return all(len(_chunks(group)) == width for group in self.groups)

    def is_like(self, peer: _File) -> bool:
        """Whether both have the same columns and row groups of the same size."""
        schemas = [(file.footer[_SCHEMA], file.footer.get(_KEY_VALUES)) for file in (self, peer)]
        return schemas[0] == schemas[1] and self.rows == peer.rows

    def is_ours(self, new: _File) -> bool:
        """Whether the writer of the other wrote this, in row groups of the same size."""
        chunks = [chunk for group in self.groups for chunk in _chunks(group)]
        return (
            self.is_flat
            and new.is_flat
            and self.rows == new.rows
            and all(self.rows)  # a chunk without rows has no page, and so no place
            and self.footer.get(_CREATED_BY) == new.footer.get(_CREATED_BY)
            and not any(chunk.keys() & _ELSEWHERE for chunk in chunks)
            and not any(_meta(chunk).keys() & _META_ELSEWHERE for chunk in chunks)
        )

    def has_same(self, peer: _File, column: int) -> bool:
        """Whether both hold the same bytes of a column. One row group is in memory at a time."""
        pairs = [
            (_meta(_chunks(a)[column]), _meta(_chunks(b)[column]))
            for a, b in zip(self.groups, peer.groups, strict=True)
        ]
        return all(_is_packed_alike(*pair) for pair in pairs) and all(
            self.bytes_of(a) == peer.bytes_of(b) for a, b in pairs
        )

    def bytes_of(self, meta: Struct) -> bytes:
        """The bytes of a chunk."""
        self.handle.seek(_start(meta))
        return self.handle.read(meta[_PACKED_SIZE][1])


def _number_files(files: Sequence[_File], paths: Sequence[Path], column: int) -> tuple[int, ...]:
    """For each file the number of the first that holds the same bytes of a column."""
    firsts: list[int] = []
    for number, file in enumerate(files):
        candidates = [candidate for candidate in range(number) if firsts[candidate] == candidate]
        matches = (
            candidate
            for candidate in candidates
            if paths[candidate] == paths[number] or files[candidate].has_same(file, column)
        )
        firsts.append(next(matches, number))
    return tuple(firsts)


def _chunks(group: Struct) -> list[Struct]:
    chunks: list[Struct] = group[_CHUNKS][1][1]
    return chunks


def _meta(chunk: Struct) -> Struct:
    meta: Struct = chunk[_META][1]
    return meta


def _start(meta: Struct) -> int:
    place: int = meta.get(_DICTIONARY_PAGE, meta[_DATA_PAGE])[1]
    return place


def _is_packed_alike(a: Struct, b: Struct) -> bool:
    return all(a[field] == b[field] for field in (_ENCODINGS, _CODEC, _SIZE, _PACKED_SIZE))


def _move(sources: Sequence[tuple[_File, Struct]], group: Struct, target: BinaryIO) -> None:
    """Write the chosen chunks as one row group, and note in it where they lie now."""
    group[_GROUP_START] = I64, target.tell()
    for file, chunk in sources:
        meta = _meta(chunk)
        content = file.bytes_of(meta)
        step = target.tell() - _start(meta)
        target.write(content)
        for field in {_DICTIONARY_PAGE, _DATA_PAGE} & meta.keys():
            meta[field] = I64, meta[field][1] + step
    chunks = [chunk for _, chunk in sources]
    group[_CHUNKS] = LIST, (STRUCT, chunks)
    group[_GROUP_SIZE] = I64, sum(_meta(chunk)[_SIZE][1] for chunk in chunks)
    group[_GROUP_PACKED] = I64, sum(_meta(chunk)[_PACKED_SIZE][1] for chunk in chunks)
