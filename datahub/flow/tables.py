"""Tables of a dataset as they lie in commits: find, read, write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from datahub.core.dataset import ROWS_PER_PART, Dataset, Key, content_hash
from datahub.core.errors import DatasetNotFound, NotFound
from datahub.core.layout import dataset_file, dataset_names, table_part, table_prefix
from datahub.core.versions import ObjectId
from datahub.ports import Rows, VersionStore


def dataset_at(store: VersionStore, ref: str, name: str) -> Dataset:
    """The dataset as of a ref. Raises DatasetNotFound."""
    path = dataset_file(name)
    oid = store.objects(ref, path).get(path)
    if oid is None:
        raise DatasetNotFound(name, ref)
    return Dataset.from_json(store.read(oid))


def datasets_at(store: VersionStore, ref: str) -> list[str]:
    """Names of the datasets that a commit holds."""
    return dataset_names(store.objects(ref, "datasets/"))


def table_paths(store: VersionStore, ref: str, dataset: str, table: str) -> list[Path]:
    """Files of a table's parts in order; empty when the commit does not hold the table."""
    parts = store.objects(ref, table_prefix(dataset, table))
    return [store.fetch(parts[path]) for path in sorted(parts)]


def read_table(
    store: VersionStore, rows: Rows, ref: str, dataset: str, table: str, *, made_by: str
) -> pl.DataFrame:
    """A whole table in part order. Raises NotFound, saying which step makes it."""
    paths = table_paths(store, ref, dataset, table)
    if not paths:
        raise NotFound(
            f"Dataset {dataset!r} has no {table.replace('_', ' ')} at {ref!r}.",
            hint=f"`datahub {made_by}` makes them.",
        )
    return pl.concat(list(rows.batches(paths)))


def write_table(
    store: VersionStore,
    rows: Rows,
    frame: pl.DataFrame,
    *,
    dataset: str,
    table: str,
    part_rows: Sequence[int] | None = None,
) -> dict[str, ObjectId]:
    """Store a table part by part; `part_rows` are the parts' lengths (default: equal ones)."""
    if part_rows is None:
        part_rows = [
            min(ROWS_PER_PART, frame.height - start)
            for start in range(0, frame.height, ROWS_PER_PART)
        ]
    written: dict[str, ObjectId] = {}
    start = 0
    for index, length in enumerate(part_rows):
        staged = store.stage(".parquet")
        rows.write(frame.slice(start, length), staged)
        written[table_part(dataset, table, index)] = store.put(staged)
        start += length
    return written


def without_old_parts(
    store: VersionStore, ref: str, dataset: str, table: str, new: dict[str, ObjectId]
) -> dict[str, ObjectId | None]:
    """The same changes, with the removal of parts that the new table no longer has."""
    old = store.objects(ref, table_prefix(dataset, table))
    return {**dict.fromkeys(old, None), **new}


def rows_of(
    store: VersionStore, rows: Rows, ref: str, dataset: Dataset, keys: Sequence[Key]
) -> dict[Key, dict[str, object]]:
    """The content of these rows by key; keys that are not there are left out."""
    if not keys:
        return {}
    wanted = pl.Series(list(keys), strict=False)
    found: dict[Key, dict[str, object]] = {}
    for batch in rows.batches(table_paths(store, ref, dataset.name, "rows")):
        if batch[dataset.key].dtype.is_integer() != wanted.dtype.is_integer():
            return {}
        for row in batch.filter(pl.col(dataset.key).is_in(wanted.implode())).iter_rows(named=True):
            found[row[dataset.key]] = {name: row[name] for name in dataset.content_columns}
    return found


def hashes_of(
    store: VersionStore, rows: Rows, ref: str, dataset: Dataset, keys: Sequence[Key]
) -> dict[Key, str]:
    """`content_hash` of these rows by key, as they are at a ref."""
    found = rows_of(store, rows, ref, dataset, keys)
    return {key: content_hash(row) for key, row in found.items()}
