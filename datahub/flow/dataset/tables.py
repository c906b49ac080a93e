"""Tables of a dataset as they lie in commits: find, read, write.

What a table holds of one part of the rows is one object, named by that part; patches of the
labels are resolved in whatever is read here. A part at a time is in memory, unless a whole
table is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import polars as pl

from datahub.core.dataset import Dataset, Key, Part
from datahub.core.errors import DatasetNotFound, NotFound
from datahub.core.layout import dataset_file, dataset_names, table_part, table_prefix
from datahub.core.parts import places, within
from datahub.core.versions import ObjectId
from datahub.flow.dataset.patches import Patches
from datahub.ports import Instead, Rows, VersionStore


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


def has_table(store: VersionStore, ref: str, dataset: str, table: str) -> bool:
    """Whether a commit holds anything of a table."""
    return bool(store.objects(ref, table_prefix(dataset, table)))


def check_table(store: VersionStore, ref: str, dataset: str, table: str, *, made_by: str) -> None:
    """Raise NotFound, saying which step makes it, where a commit holds nothing of a table."""
    if not has_table(store, ref, dataset, table):
        raise NotFound(
            f"Dataset {dataset!r} has no {table.replace('_', ' ')} at {ref!r}.",
            hint=f"`datahub {made_by}` makes them.",
        )


def table_paths(store: VersionStore, ref: str, dataset: str, table: str) -> list[Path]:
    """Files of a table's parts in order; empty when the commit does not hold the table.

    Labels in them are those beneath the patches: `table_files` has them resolved.
    """
    objects = store.objects(ref, table_prefix(dataset, table))
    if not objects:
        return []
    paths = [table_part(dataset, table, p.sha256) for p in dataset_at(store, ref, dataset).parts]
    return [store.fetch(objects[path]) for path in paths if path in objects]


def table_files(
    store: VersionStore, rows: Rows, ref: str, dataset: str, table: str
) -> tuple[list[Path], Instead | None]:
    """Files that hold a table, and the lines of patches that go before theirs."""
    paths = table_paths(store, ref, dataset, table)
    if not paths or table != "labels":
        return paths, None
    snapshot = dataset_at(store, ref, dataset)
    patches = Patches.at(store, rows, ref, dataset, snapshot.key)
    parts = zip(paths, snapshot.parts, strict=True)
    return paths, Instead(
        snapshot.key, {path: patches.of(part) for path, part in parts if patches.touch(part)}
    )


def part_reader(
    store: VersionStore,
    rows: Rows,
    ref: str,
    dataset: Dataset,
    table: str,
    *,
    patches: Patches | None = None,
) -> Callable[..., pl.DataFrame | None]:
    """A function (part, columns=None) -> what a table holds of it, in order; None: nothing.

    Columns, where given, are what is read and returned. Labels are under the patches of the
    commit, unless others are given.
    """
    objects = store.objects(ref, table_prefix(dataset.name, table))
    patches = patches or (
        Patches.at(store, rows, ref, dataset.name, dataset.key)
        if table == "labels"
        else Patches(None, dataset.key)
    )

    def read(part: Part, columns: Sequence[str] | None = None) -> pl.DataFrame | None:
        path = table_part(dataset.name, table, part.sha256)
        if path not in objects:
            return None
        projection = columns
        if columns is not None and patches.touch(part) and dataset.key not in columns:
            projection = [*columns, dataset.key]
        frame = patches.over(part, rows.read([store.fetch(objects[path])], columns=projection))
        return frame if columns is None else frame.select(columns)

    return read


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
    read = part_reader(store, rows, ref, dataset, table)
    for part in dataset.parts if parts is None else parts:
        frame = read(part, columns)
        if frame is not None:
            yield part, frame


def read_range(
    store: VersionStore,
    rows: Rows,
    ref: str,
    dataset: Dataset,
    table: str,
    first: Key | None,
    last: Key | None,
    *,
    columns: Sequence[str] | None = None,
) -> Iterator[pl.DataFrame]:
    """Lines of a table with keys from `first` to `last`, both included; None: no bound.

    Only parts that may hold such keys are read. Columns, where given, must have the key in them.
    """
    key = pl.col(dataset.key)
    bounds = [key >= first] if first is not None else []
    bounds += [key <= last] if last is not None else []
    parts = within(dataset.parts, first, last)
    for _, frame in read_parts(store, rows, ref, dataset, table, parts, columns=columns):
        yield frame.filter(*bounds)


def read_keys(
    store: VersionStore,
    rows: Rows,
    ref: str,
    dataset: Dataset,
    table: str,
    keys: Sequence[Key],
    *,
    columns: Sequence[str] | None = None,
) -> Iterator[pl.DataFrame]:
    """Lines of a table with these keys, by key; keys that are not there are left out.

    Only parts that may hold them are read. Columns, where given, must have the key in them.
    """
    if not keys or not dataset.parts:
        return
    series = pl.Series(list(keys), strict=False)
    if series.dtype.is_integer() == isinstance(dataset.parts[0].first_key, str):
        return
    numbers = places(dataset.parts, series).unique().sort().to_list()
    parts = [dataset.parts[number] for number in numbers]
    for _, frame in read_parts(store, rows, ref, dataset, table, parts, columns=columns):
        yield frame.filter(pl.col(dataset.key).is_in(series.implode()))


def write_part(
    store: VersionStore, rows: Rows, frame: pl.DataFrame, *, dataset: str, table: str, part: str
) -> dict[str, ObjectId]:
    """Store what a table holds of one part of the rows, which `part` names."""
    path = store.stage(".parquet")
    rows.write(frame, path)
    return {table_part(dataset, table, part): store.put(path)}


def rows_of(
    store: VersionStore, rows: Rows, ref: str, dataset: Dataset, keys: Sequence[Key]
) -> dict[Key, dict[str, object]]:
    """The content of these rows by key; keys that are not there are left out."""
    contents: dict[Key, dict[str, object]] = {}
    for frame in read_keys(store, rows, ref, dataset, "rows", keys):
        for row in frame.iter_rows(named=True):
            contents[row[dataset.key]] = {name: row[name] for name in dataset.content_columns}
    return contents


def contents_of(
    store: VersionStore,
    rows: Rows,
    dataset: Dataset,
    keys: Sequence[Key],
    *,
    columns: Sequence[str],
) -> Iterator[tuple[Key, dict[str, object]]]:
    """(key, values in these columns) of rows of a dataset that need be in no commit yet.

    Its parts are stored; only those that may hold the keys are read, by and by. Keys that are not
    there are left out.
    """
    if not keys or not dataset.parts:
        return
    series = pl.Series(list(keys), strict=False)
    if series.dtype.is_integer() == isinstance(dataset.parts[0].first_key, str):
        return
    read = list(dict.fromkeys([dataset.key, *columns]))
    for number in places(dataset.parts, series).unique().sort():
        frame = rows.read([store.fetch(dataset.parts[number].sha256)], columns=read)
        for row in frame.filter(pl.col(dataset.key).is_in(series.implode())).iter_rows(named=True):
            yield row[dataset.key], {name: row[name] for name in columns}


def gold_at(store: VersionStore, rows: Rows, ref: str, dataset: Dataset) -> pl.DataFrame:
    """Key and gold class name of every row. Only scores and simulated people may ask."""
    check_table(store, ref, dataset.name, "gold", made_by="import --gold COLUMN")
    return rows.read(table_paths(store, ref, dataset.name, "gold"))
