"""Votes as they lie in a commit: the label matrix, and the LFs that made it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from datahub.core.dataset import Dataset, Part
from datahub.core.errors import InputError, NotFound
from datahub.core.labels import ABSTAIN, Gold, LabelMatrix
from datahub.core.layout import lfs_file, table_prefix, votes_file
from datahub.core.manifest import VotesManifest
from datahub.flow.parts import GOLD_LABEL
from datahub.flow.source import gold_at
from datahub.flow.tables import dataset_at
from datahub.ports import Rows, VersionStore


def read_votes(
    store: VersionStore, ref: str, dataset: Dataset, manifest: VotesManifest
) -> LabelMatrix:
    """The label matrix [n, m] of a commit, in the order of the rows."""
    votes = np.empty((dataset.rows, len(manifest.lfs)), dtype=np.int8, order="F")  # by LF
    start = 0
    for part in votes_by_part(store, ref, dataset, manifest):
        votes[start : start + len(part)] = part
        start += len(part)
    return votes


def votes_by_part(
    store: VersionStore,
    ref: str,
    dataset: Dataset,
    manifest: VotesManifest,
    parts: Sequence[Part] | None = None,
) -> Iterator[LabelMatrix]:
    """The label matrix a part at a time: of all parts, or of these."""
    held = store.objects(ref, table_prefix(dataset.name, "votes"))
    for part in dataset.parts if parts is None else parts:
        votes = np.empty((part.rows, len(manifest.lfs)), dtype=np.int8, order="F")
        for j, entry in enumerate(manifest.lfs):
            content = store.read(held[votes_file(dataset.name, entry.fingerprint, part.sha256)])
            votes[:, j] = np.frombuffer(content, dtype=np.int8)
        yield votes


def voted(store: VersionStore, ref: str, dataset: str) -> tuple[Dataset, VotesManifest]:
    """The dataset and the LFs that voted on its rows. Raises NotFound, InputError (old votes)."""
    known = dataset_at(store, ref, dataset)
    manifest = manifest_at(store, ref, dataset)
    if manifest is None:
        raise NotFound(f"No LF has voted on {dataset!r} yet.", hint="Run `datahub lf run`.")
    if manifest.parts != tuple(part.sha256 for part in known.parts):
        raise InputError(
            f"The votes on {dataset!r} are of earlier rows.", hint="Run `datahub lf run` again."
        )
    return known, manifest


def manifest_at(store: VersionStore, ref: str, dataset: str) -> VotesManifest | None:
    """lfs.json of a commit, or None when no LF has voted."""
    path = lfs_file(dataset)
    oid = store.objects(ref, path).get(path)
    return None if oid is None else VotesManifest.from_json(store.read(oid))


def gold_numbers(store: VersionStore, rows: Rows, ref: str, dataset: Dataset) -> Gold:
    """Gold as class numbers [n], ABSTAIN where not known, in the order of the rows."""
    return class_numbers(gold_at(store, rows, ref, dataset)[GOLD_LABEL], dataset)


def class_numbers(names: pl.Series, dataset: Dataset) -> Gold:
    """Class names as numbers, ABSTAIN for null and for what is no class."""
    numbers = list(range(len(dataset.classes)))
    found = names.replace_strict(
        list(dataset.classes), numbers, default=ABSTAIN, return_dtype=pl.Int8
    )
    return found.to_numpy()
