"""States of one part that are in step: they hold the same keys in the same order.

So their rows are held against each other by position, and columns that are the same by their
bytes are never read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from datahub.core.dataset import Part
from datahub.ports import Rows, VersionStore


def in_step(
    store: VersionStore, rows: Rows, states: Sequence[Sequence[Part]], *, key: str
) -> Mapping[str, tuple[int, ...]] | None:
    """Column -> a number for each state: where equal, they hold the same of it (`Rows.alike`).

    None: rows come or go between these states, or their columns or types differ.
    """
    if any(len(parts) != 1 for parts in states):
        return None
    alike = rows.alike([store.fetch(part.sha256) for (part,) in states])
    return alike if alike is not None and len(set(alike[key])) == 1 else None
