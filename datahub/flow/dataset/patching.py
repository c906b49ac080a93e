"""Labels changed for some rows: a patch beside the parts, folded before reading suffers.

What a reader sees before and after folding is the same; docs/format.md states the rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import polars as pl

from datahub.core.dataset import Dataset, Part
from datahub.core.layout import patch_file, patch_number, patches_prefix, table_part
from datahub.core.parts import places
from datahub.core.versions import ObjectId
from datahub.flow.dataset.at import At
from datahub.flow.dataset.patches import OF_PART, Patches, newest
from datahub.flow.dataset.tables import write_part

MOST_PATCHES = 16
MOST_PATCHED = 0.1  # of a part's rows


def patch_labels(
    at: At,
    lines: pl.DataFrame,
    *,
    step_id: str,
    rewritten: Mapping[str, ObjectId] = MappingProxyType({}),
    dataset: Dataset | None = None,
) -> dict[str, ObjectId | None]:
    """The changes of a commit on top of `at` that put these lines of labels in place of the old.

    `lines` are whole lines of rows that the dataset has, each key once, in any order; the commit
    has labels. No line changes nothing. Cost follows the lines, but for a fold now and then.
    `rewritten` are parts of labels already written (path -> object): no line is of them, and
    those of earlier patches go. `dataset` is what the dataset is to be, where rows change too.
    """
    dataset = dataset or at.dataset
    old = at.contents.under(patches_prefix(at.name))
    if lines.height == 0 and not (old and rewritten):
        return {**rewritten}
    patch = _with_parts(lines, dataset)
    number = 1 + max((patch_number(path) for path in old), default=0)
    path = patch_file(at.name, number, step_id)
    folds = bool(old and rewritten) or len(old) >= MOST_PATCHES
    if not folds and not _heavy(patch, dataset.parts):
        return {**rewritten, path: _store_patch(at, patch)}
    frames = at.rows.batches([at.store.fetch(oid) for oid in old.values()]) if old else ()
    stay = [p.sha256 for p in dataset.parts if _path(dataset, p) not in rewritten]
    every = newest([*frames, patch], dataset.key)
    patches = Patches(every.filter(pl.col(OF_PART).is_in(stay)), dataset.key)
    objects, rest = _fold(at, dataset, patches)
    changes: dict[str, ObjectId | None] = {**dict.fromkeys(old, None), **rewritten, **objects}
    if rest.height:
        changes[path] = _store_patch(at, rest)
    return changes


def _fold(at: At, dataset: Dataset, patches: Patches) -> tuple[dict[str, ObjectId], pl.DataFrame]:
    """Parts that are patched too much, written again; and the lines that stay in a patch."""
    assert patches.lines is not None  # there is a new line at least
    heavy = _heavy(patches.lines, dataset.parts)
    objects: dict[str, ObjectId] = {}
    for part in heavy:
        frame = at.part("labels", part, patches=patches)
        if frame is not None:
            objects |= write_part(
                at.store, at.rows, frame, dataset=at.name, table="labels", part=part.sha256
            )
    light = {part.sha256 for part in dataset.parts} - {part.sha256 for part in heavy}
    return objects, patches.lines.filter(pl.col(OF_PART).is_in(list(light)))


def _with_parts(lines: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """The lines with the part that each is of, by part and key."""
    names = pl.Series(OF_PART, [part.sha256 for part in dataset.parts])
    of_part = names.gather(places(dataset.parts, lines[dataset.key]))
    return newest([lines.with_columns(of_part.alias(OF_PART))], dataset.key)


def _heavy(patch: pl.DataFrame, parts: Iterable[Part]) -> list[Part]:
    counts = dict(patch[OF_PART].value_counts().iter_rows())
    return [part for part in parts if counts.get(part.sha256, 0) > MOST_PATCHED * part.rows]


def _path(dataset: Dataset, part: Part) -> str:
    return table_part(dataset.name, "labels", part.sha256)


def _store_patch(at: At, patch: pl.DataFrame) -> ObjectId:
    path = at.store.stage(".parquet")
    at.rows.write(patch, path)
    return at.store.put(path)
