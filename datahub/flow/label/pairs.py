"""Pair counts from commit to commit: what has been counted is not counted again."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import cast

from datahub.core.dataset import Dataset
from datahub.core.errors import InputError
from datahub.core.labels import Votes
from datahub.core.layout import pair_counts_file, table_prefix, votes_file
from datahub.core.manifest import VotesManifest
from datahub.core.paircounts import PairCounts
from datahub.core.versions import ObjectId
from datahub.ports import VersionStore


def columns_of(
    store: VersionStore, ref: str, dataset: Dataset, manifest: VotesManifest
) -> list[str]:
    """What names the content of each column of the label matrix: a hash over its votes' ids."""
    held = store.objects(ref, table_prefix(dataset.name, "votes"))
    return [
        sha256(
            " ".join(
                held[votes_file(dataset.name, lf.fingerprint, part.sha256)]
                for part in dataset.parts
            ).encode()
        ).hexdigest()
        for lf in manifest.lfs
    ]


def earlier_counts(
    store: VersionStore, ref: str, dataset: Dataset, votes: Votes, columns: Sequence[str]
) -> PairCounts | None:
    """The pair counts that the commit holds, brought to these votes; None where it holds none.

    Only LFs whose votes are others than they were are counted again.
    """
    path = pair_counts_file(dataset.name)
    held = store.objects(ref, path).get(path)
    if held is None:
        return None
    try:
        earlier, made_from = PairCounts.from_bytes(store.read(held))
    except InputError:  # of another version of datahub: count again
        return None
    if (earlier.rows, earlier.cardinality) != (len(votes), len(dataset.classes)):
        return None
    before = {str(name): lf for lf, name in enumerate(cast(list[object], made_from["columns"]))}
    kept = [before.get(name, -1) for name in columns]
    counts = earlier.kept(kept)
    counts.update(votes, [lf for lf, old in enumerate(kept) if old < 0])
    return counts


def counts_changes(
    store: VersionStore,
    ref: str,
    dataset: Dataset,
    counts: PairCounts | None,
    columns: Sequence[str],
) -> dict[str, ObjectId | None]:
    """Keep the counts that a model learned from; let go of those of a model before it."""
    path = pair_counts_file(dataset.name)
    if counts is not None:
        return {path: store.put_bytes(counts.to_bytes(columns=columns))}
    return {path: None} if store.objects(ref, path) else {}
