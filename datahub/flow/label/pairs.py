"""Pair counts from commit to commit: what has been counted is not counted again."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import cast

from datahub.core.errors import InputError
from datahub.core.labels import Votes
from datahub.core.layout import pair_counts_file, votes_file
from datahub.core.manifest import VotesManifest
from datahub.core.paircounts import PairCounts
from datahub.flow.dataset.at import At
from datahub.flow.dataset.draft import Draft


def columns_of(at: At, manifest: VotesManifest) -> list[str]:
    """What names the content of each column of the label matrix: a hash over its votes' ids."""
    objects = at.objects("votes")
    return [
        sha256(
            " ".join(
                objects[votes_file(at.name, lf.fingerprint, part.sha256)]
                for part in at.dataset.parts
            ).encode()
        ).hexdigest()
        for lf in manifest.lfs
    ]


def earlier_counts(at: At, votes: Votes, columns: Sequence[str]) -> PairCounts | None:
    """The pair counts that the commit has, brought to these votes; None where it has none.

    Only LFs whose votes are others than they were are counted again.
    """
    content = at.contents.read(pair_counts_file(at.name))
    if content is None:
        return None
    try:
        earlier, made_from = PairCounts.from_bytes(content)
    except InputError:  # of another version of datahub: counted again
        return None
    if (earlier.rows, earlier.cardinality) != (len(votes), len(at.dataset.classes)):
        return None
    before = {str(name): lf for lf, name in enumerate(cast(list[object], made_from["columns"]))}
    places = [before.get(name, -1) for name in columns]
    counts = earlier.select(places)
    counts.update(votes, [lf for lf, old in enumerate(places) if old < 0])
    return counts


def keep_counts(draft: Draft, counts: PairCounts | None, columns: Sequence[str]) -> None:
    """Keep the counts that a model learned from; let go of those of a model before it."""
    path = pair_counts_file(draft.at.name)
    if counts is not None:
        draft.put(path, counts.to_bytes(columns=columns))
    elif draft.at.contents.find(path) is not None:
        draft.remove([path])
