"""Whether a dataset's derived tables are of its rows and of its votes.

A merge works object by object: rows can come from one side and labels from the other
without a conflict. What does not belong together is told here, before a gate judges.
"""

from __future__ import annotations

from collections.abc import Iterator

from datahub.core.dataset import Dataset, Key
from datahub.core.layout import (
    label_model_file,
    lfs_file,
    patches_prefix,
    table_part,
    table_prefix,
)
from datahub.core.manifest import ModelManifest, VotesManifest
from datahub.flow.keeping import rows_without_label
from datahub.flow.tables import dataset_at, has_table, read_parts
from datahub.ports import Rows, VersionStore


def mismatches(store: VersionStore, ref: str, name: str) -> list[str]:
    """What is of earlier rows or earlier votes, by the manifests alone: no row is read."""
    known = dataset_at(store, ref, name)
    held = store.objects(ref, f"datasets/{name}/")
    parts = [part.sha256 for part in known.parts]
    found = []
    rows = {path: oid for path, oid in held.items() if path.startswith(table_prefix(name, "rows"))}
    if rows != {table_part(name, "rows", part): part for part in parts}:
        found.append(f"The rows of {name} are not those that its dataset.json names")
    for table in ("soft_labels", "labels"):
        there = {path for path in held if path.startswith(table_prefix(name, table))}
        there = {path for path in there if not path.startswith(patches_prefix(name))}
        if there and there != {table_part(name, table, part) for part in parts}:
            found.append(f"The {table.replace('_', ' ')} of {name} are of other rows")
    votes, model = held.get(lfs_file(name)), held.get(label_model_file(name))
    if model is not None and ModelManifest.from_json(store.read(model)).votes != votes:
        found.append(f"The labels of {name} are of earlier votes")
    return found


def unfinished(store: VersionStore, rows: Rows, ref: str, name: str) -> list[str]:
    """What is not of all rows yet, since some came or changed: votes, and labels that were kept."""
    known = dataset_at(store, ref, name)
    votes = store.objects(ref, lfs_file(name)).get(lfs_file(name))
    parts = [part.sha256 for part in known.parts]
    found = []
    if votes is not None and list(VotesManifest.from_json(store.read(votes)).parts) != parts:
        found.append(f"The votes on {name} are of earlier rows")
    left = rows_without_label(store, rows, ref, known)
    if left is not None:
        found.append(
            f"{left} of {known.rows} rows of {name} have no label yet"
            if left
            else f"The labels of {name} are kept from a fit of other rows beside these"
        )
    return found


def misplaced(store: VersionStore, rows: Rows, ref: str, name: str) -> list[str]:
    """Tables whose keys are not those of the rows, in their order."""
    known = dataset_at(store, ref, name)
    return [
        f"The {table.replace('_', ' ')} of {name} are of other rows"
        for table in ("soft_labels", "labels")
        if has_table(store, ref, name, table) and not _same_keys(store, rows, ref, known, table)
    ]


def _same_keys(store: VersionStore, rows: Rows, ref: str, known: Dataset, table: str) -> bool:
    ours, theirs = _keys(store, rows, ref, known, "rows"), _keys(store, rows, ref, known, table)
    end = object()
    return all(next(ours, end) == key for key in theirs) and next(ours, end) is end


def _keys(store: VersionStore, rows: Rows, ref: str, known: Dataset, table: str) -> Iterator[Key]:
    for _, frame in read_parts(store, rows, ref, known, table, columns=[known.key]):
        yield from frame[known.key]
