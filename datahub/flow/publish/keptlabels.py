"""Whether labels that no model of their rows made are those of an earlier commit.

An import or a merge that changes rows keeps the labels of rows that stayed, and drops the soft
labels and the model that they came from. What then vouches for such a label is the commit before.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import polars as pl

from datahub.core.versions import Change
from datahub.flow.dataset.at import At
from datahub.flow.publish.consistency import MODELS, shape_mismatches

_SAID = ("label", "source")


def not_kept(at: At, changes: Collection[Change], earlier: Sequence[At]) -> list[str]:
    """What is wrong with the models' labels of a commit that has no soft labels.

    `changes` are those of its labels, and `earlier` what it can have kept them from.
    """
    new_ids = {change.new for change in changes if change.new is not None}
    if not new_ids or not at.exists or not at.has("labels") or at.has("soft_labels"):
        return []
    faults = shape_mismatches(at)
    if faults:
        return faults
    sources = [source for source in earlier if source.exists and source.has("labels")]
    sources = [
        source for source in sources if source.key == at.key and not shape_mismatches(source)
    ]
    count = 0
    for part, labels in at.parts("labels"):
        if at.oid("labels", part) in new_ids or at.patches.touch(part):
            models = labels.filter(pl.col("source").is_in(MODELS)).select(at.key, *_SAID)
            count += _in_none(models, sources, at.key)
    return [f"{count} labels of {at.name} are of no model, and not kept from before"][: bool(count)]


def _in_none(lines: pl.DataFrame, sources: Sequence[At], key: str) -> int:
    """How many lines none of the sources has."""
    for source in sources:
        if not lines.height:
            return 0
        ends = lines[key].min(), lines[key].max()
        frames = source.between("labels", *ends, columns=[key, *_SAID])  # type: ignore[arg-type]
        for frame in frames:
            if frame.schema[key] == lines.schema[key]:
                kinds = {name: lines.schema[name] for name in _SAID}
                lines = lines.join(frame.cast(kinds), on=[key, *_SAID], how="anti")  # type: ignore[arg-type]
    return lines.height
