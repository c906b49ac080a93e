"""Votes as they lie in a commit: the label matrix, and the LFs that made it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from datahub.core.dataset import Dataset, Part
from datahub.core.errors import InputError, NotFound
from datahub.core.labels import ABSTAIN, Gold, LabelMatrix
from datahub.core.layout import votes_file
from datahub.core.manifest import VotesManifest
from datahub.flow.dataset.at import At
from datahub.flow.dataset.parts import GOLD_LABEL


class VotesAt:
    """The label matrix of a commit, in the order of the rows; a part of it is held at a time."""

    def __init__(self, at: At, manifest: VotesManifest) -> None:
        self.shape: tuple[int, ...] = (at.dataset.rows, len(manifest.lfs))
        self._ends = np.cumsum([part.rows for part in at.dataset.parts], dtype=np.int64)
        self._parts = at.dataset.parts
        self._at, self._manifest = at, manifest
        self._last: tuple[int, LabelMatrix] | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | npt.NDArray[np.int64], /) -> LabelMatrix:
        """These rows: neighbours, or some in ascending order."""
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(len(self))
            return self._neighbours(start, stop)
        pieces = list[LabelMatrix]([np.empty((0, self.shape[1]), dtype=np.int8)])
        for number, end in enumerate(self._ends):
            start = int(end) - self._rows(number)
            inside = rows[np.searchsorted(rows, start) : np.searchsorted(rows, end)]
            if len(inside):
                pieces.append(self._part(number)[inside - start])
        return np.concatenate(pieces)

    def _neighbours(self, start: int, stop: int) -> LabelMatrix:
        if stop <= start:
            return np.empty((0, self.shape[1]), dtype=np.int8)
        first, last = np.searchsorted(self._ends, [start, stop - 1], side="right")
        if first == last:
            before = int(self._ends[first]) - self._rows(int(first))
            return self._part(int(first))[start - before : stop - before]
        votes = np.empty((stop - start, self.shape[1]), dtype=np.int8, order="F")
        for number in range(first, last + 1):
            end = int(self._ends[number])
            before = end - self._rows(number)
            low, high = max(start, before), min(stop, end)
            votes[low - start : high - start] = self._part(number)[low - before : high - before]
        return votes

    def _rows(self, number: int) -> int:
        return int(self._ends[number] - (self._ends[number - 1] if number else 0))

    def _part(self, number: int) -> LabelMatrix:
        if self._last is None or self._last[0] != number:
            self._last = None  # before another is read
            self._last = (number, _votes_of(self._at, self._manifest, self._parts[number]))
        return self._last[1]


def read_votes(at: At, manifest: VotesManifest) -> LabelMatrix:
    """The label matrix [n, m] of a commit, in the order of the rows."""
    votes = np.empty((at.dataset.rows, len(manifest.lfs)), dtype=np.int8, order="F")  # by LF
    start = 0
    for part in votes_by_part(at, manifest):
        votes[start : start + len(part)] = part
        start += len(part)
    return votes


def votes_by_part(
    at: At, manifest: VotesManifest, parts: Sequence[Part] | None = None
) -> Iterator[LabelMatrix]:
    """The label matrix a part at a time: of all parts, or of these."""
    for part in at.dataset.parts if parts is None else parts:
        yield _votes_of(at, manifest, part)


def _votes_of(at: At, manifest: VotesManifest, part: Part) -> LabelMatrix:
    objects = at.objects("votes")
    votes = np.empty((part.rows, len(manifest.lfs)), dtype=np.int8, order="F")
    for j, entry in enumerate(manifest.lfs):
        oid = objects[votes_file(at.name, entry.fingerprint, part.sha256)]
        votes[:, j] = np.frombuffer(at.store.read(oid), dtype=np.int8)
    return votes


def current_votes(at: At) -> VotesManifest:
    """The manifest of the votes on the rows; NotFound, InputError (votes of earlier rows)."""
    _ = at.dataset  # without a dataset, that is what is said
    if at.votes is None:
        raise NotFound(f"No LF has voted on {at.name!r} yet.", hint="Run `datahub lf run`.")
    if not at.votes_are_current:
        raise InputError(
            f"The votes on {at.name!r} are of earlier rows.", hint="Run `datahub lf run` again."
        )
    return at.votes


def gold_numbers(at: At) -> Gold:
    """Gold as class numbers [n], ABSTAIN where not known, in the order of the rows."""
    at.check_gold()
    return class_numbers(at.rows.read(at.files("gold"))[GOLD_LABEL], at.dataset)


def class_numbers(names: pl.Series, dataset: Dataset) -> Gold:
    """Class names as numbers, ABSTAIN for null and for what is no class."""
    numbers = list(range(len(dataset.classes)))
    classes = names.replace_strict(
        list(dataset.classes), numbers, default=ABSTAIN, return_dtype=pl.Int8
    )
    return classes.to_numpy()
