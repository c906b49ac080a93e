"""Votes as they lie in a commit: the label matrix, and the LFs that made it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from datahub.core.dataset import Dataset, Part
from datahub.core.errors import InputError, NotFound
from datahub.core.labels import ABSTAIN, Gold, LabelMatrix
from datahub.core.layout import lfs_file, table_prefix, votes_file
from datahub.core.manifest import VotesManifest
from datahub.flow.dataset.parts import GOLD_LABEL
from datahub.flow.dataset.tables import dataset_at, gold_at
from datahub.ports import Rows, VersionStore


class VotesAt:
    """The label matrix of a commit, in the order of the rows; a part of it is held at a time."""

    def __init__(
        self, store: VersionStore, ref: str, dataset: Dataset, manifest: VotesManifest
    ) -> None:
        self.shape: tuple[int, ...] = (dataset.rows, len(manifest.lfs))
        self._ends = np.cumsum([part.rows for part in dataset.parts], dtype=np.int64)
        self._parts = dataset.parts
        self._read = _reader(store, ref, dataset, manifest)
        self._held: tuple[int, LabelMatrix] | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | npt.NDArray[np.int64], /) -> LabelMatrix:
        """These rows: neighbours, or some in ascending order."""
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(len(self))
            return self._neighbours(start, stop)
        found = list[LabelMatrix]([np.empty((0, self.shape[1]), dtype=np.int8)])
        for number, end in enumerate(self._ends):
            start = int(end) - self._rows(number)
            here = rows[np.searchsorted(rows, start) : np.searchsorted(rows, end)]
            if len(here):
                found.append(self._part(number)[here - start])
        return np.concatenate(found)

    def _neighbours(self, start: int, stop: int) -> LabelMatrix:
        if stop <= start:
            return np.empty((0, self.shape[1]), dtype=np.int8)
        first, last = np.searchsorted(self._ends, [start, stop - 1], side="right")
        if first == last:
            before = int(self._ends[first]) - self._rows(int(first))
            return self._part(int(first))[start - before : stop - before]
        found = np.empty((stop - start, self.shape[1]), dtype=np.int8, order="F")
        for number in range(first, last + 1):
            end = int(self._ends[number])
            before = end - self._rows(number)
            here = slice(max(start, before), min(stop, end))
            part = self._part(number)[here.start - before : here.stop - before]
            found[here.start - start : here.stop - start] = part
        return found

    def _rows(self, number: int) -> int:
        return int(self._ends[number] - (self._ends[number - 1] if number else 0))

    def _part(self, number: int) -> LabelMatrix:
        if self._held is None or self._held[0] != number:
            self._held = None  # before another is read
            self._held = (number, self._read(self._parts[number]))
        return self._held[1]


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
    read = _reader(store, ref, dataset, manifest)
    for part in dataset.parts if parts is None else parts:
        yield read(part)


def _reader(
    store: VersionStore, ref: str, dataset: Dataset, manifest: VotesManifest
) -> Callable[[Part], LabelMatrix]:
    held = store.objects(ref, table_prefix(dataset.name, "votes"))

    def read(part: Part) -> LabelMatrix:
        votes = np.empty((part.rows, len(manifest.lfs)), dtype=np.int8, order="F")
        for j, entry in enumerate(manifest.lfs):
            content = store.read(held[votes_file(dataset.name, entry.fingerprint, part.sha256)])
            votes[:, j] = np.frombuffer(content, dtype=np.int8)
        return votes

    return read


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
