"""Labels changed for some rows: a patch beside the parts, folded before reading suffers.

What a reader sees before and after folding is the same; docs/format.md states the rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import polars as pl

from datahub.core.dataset import Dataset, Part
from datahub.core.layout import patch_file, patch_number, table_part
from datahub.core.parts import places
from datahub.core.versions import ObjectId
from datahub.flow.dataset.patches import OF_PART, Patches, newest, patch_paths
from datahub.flow.dataset.tables import part_reader, write_part
from datahub.ports import Rows, VersionStore

MOST_PATCHES = 16
MOST_PATCHED = 0.1  # of a part's rows


def patch_labels(
    store: VersionStore,
    rows: Rows,
    ref: str,
    dataset: Dataset,
    lines: pl.DataFrame,
    *,
    step_id: str,
    rewritten: Mapping[str, ObjectId] = MappingProxyType({}),
) -> dict[str, ObjectId | None]:
    """The changes of a commit on `ref` that put these lines of labels in the place of the old.

    `lines` are whole lines of rows that the dataset has, each key once, in any order; the commit
    has labels. No line changes nothing. Cost follows the lines, but for a fold now and then.
    `rewritten` are parts of labels already written (path -> object): no line is of them, and
    those of earlier patches go.
    """
    held = patch_paths(store, ref, dataset.name)
    if lines.height == 0 and not (held and rewritten):
        return {**rewritten}
    patch = _parted(lines, dataset)
    number = 1 + max((patch_number(path) for path in held), default=0)
    path = patch_file(dataset.name, number, step_id)
    folding = bool(held and rewritten) or len(held) >= MOST_PATCHES
    if not folding and not _heavy(patch, dataset.parts):
        return {**rewritten, path: _stored(store, rows, patch)}
    olds = rows.batches([store.fetch(oid) for oid in held.values()]) if held else ()
    stay = [p.sha256 for p in dataset.parts if _path(dataset, p) not in rewritten]
    every = newest([*olds, patch], dataset.key)
    patches = Patches(every.filter(pl.col(OF_PART).is_in(stay)), dataset.key)
    changes: dict[str, ObjectId | None] = {**dict.fromkeys(held, None), **rewritten}
    left = _rewritten(store, rows, ref, dataset, patches, changes)
    if left.height:
        changes[path] = _stored(store, rows, left)
    return changes


def _rewritten(
    store: VersionStore,
    rows: Rows,
    ref: str,
    dataset: Dataset,
    patches: Patches,
    changes: dict[str, ObjectId | None],
) -> pl.DataFrame:
    """Rewrite the parts that are patched too much; the lines that stay in a patch."""
    beneath = part_reader(store, rows, ref, dataset, "labels", patches=patches)
    assert patches.lines is not None  # there is a new line at least
    heavy = _heavy(patches.lines, dataset.parts)
    for part in heavy:
        frame = beneath(part)
        if frame is not None:
            changes |= write_part(
                store, rows, frame, dataset=dataset.name, table="labels", part=part.sha256
            )
    light = {part.sha256 for part in dataset.parts} - {part.sha256 for part in heavy}
    return patches.lines.filter(pl.col(OF_PART).is_in(list(light)))


def _parted(lines: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """The lines with the part that each is of, by part and key."""
    names = pl.Series(OF_PART, [part.sha256 for part in dataset.parts])
    of_part = names.gather(places(dataset.parts, lines[dataset.key]))
    return newest([lines.with_columns(of_part.alias(OF_PART))], dataset.key)


def _heavy(patch: pl.DataFrame, parts: Iterable[Part]) -> list[Part]:
    counts = dict(patch[OF_PART].value_counts().iter_rows())
    return [part for part in parts if counts.get(part.sha256, 0) > MOST_PATCHED * part.rows]


def _path(dataset: Dataset, part: Part) -> str:
    return table_part(dataset.name, "labels", part.sha256)


def _stored(store: VersionStore, rows: Rows, patch: pl.DataFrame) -> ObjectId:
    staged = store.stage(".parquet")
    rows.write(patch, staged)
    return store.put(staged)
