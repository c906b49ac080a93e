"""Tables of a dataset, for whoever has no `At` of it: flow/dataset/at.py reads them by commit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import polars as pl

from datahub.core.dataset import Dataset, Part
from datahub.core.errors import DatasetNotFound
from datahub.core.layout import dataset_file, dataset_names, table_part, table_prefix
from datahub.core.versions import ObjectId
from datahub.flow.dataset.at import At
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
    """Files of a table's parts in order; empty when the commit does not hold the table.

    Labels in them are those beneath the patches.
    """
    objects = store.objects(ref, table_prefix(dataset, table))
    if not objects:
        return []
    paths = [table_part(dataset, table, p.sha256) for p in dataset_at(store, ref, dataset).parts]
    return [store.fetch(objects[path]) for path in paths if path in objects]


def read_parts(
    store: VersionStore,
    rows: Rows,
    ref: str,
    dataset: Dataset,
    table: str,
    parts: Iterable[Part] | None = None,
    *,
    columns: Sequence[str] | None = None,
) -> Iterator[tuple[Part, pl.DataFrame]]:
    """What a table holds of these parts (default: all), one part after another.

    Parts of which it holds nothing are left out.
    """
    yield from At.of(store, rows, ref, dataset.name).parts(table, parts, columns=columns)


def write_part(
    store: VersionStore, rows: Rows, frame: pl.DataFrame, *, dataset: str, table: str, part: str
) -> dict[str, ObjectId]:
    """Store what a table holds of one part of the rows, which `part` names."""
    path = store.stage(".parquet")
    rows.write(frame, path)
    return {table_part(dataset, table, part): store.put(path)}
