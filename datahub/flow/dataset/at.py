"""A dataset at a commit: the one value that the use cases pass to each other.

    at = At.of(store, rows, "main", "news")    # resolves the ref, once
    at.commit.id, at.dataset.classes           # what the commit and its dataset.json say
    at.has("labels"), at.objects("votes")      # listings by table, each asked for once
    at.part("labels", part, ["label"])         # one part of a table, patches resolved
    for part, frame in at.parts("rows"): ...   # one part in memory at a time
    at.votes, at.model, at.triage, at.log      # the manifests, and the annotation log
    at.beside("mail")                          # another dataset at the same commit
    At.begin(store, rows, step, "news")        # the head that a step starts from, see `begin`
    At(store, rows, commit, "news")            # where the commit is at hand

A commit never changes, so everything is read at most once, when it is first asked for, and is
right for good. Tables are read a part at a time and are not kept. Nothing here writes: after a
commit, make an `At` of the new one. Where a function takes an `At`, it needs no store, rows, ref
or name beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import polars as pl

from datahub.core.dataset import Dataset, Key, Part
from datahub.core.errors import DatasetNotFound, InputError, NotFound
from datahub.core.layout import (
    DATASETS,
    annotations_prefix,
    dataset_file,
    dataset_names,
    label_model_file,
    lfs_file,
    patches_prefix,
    review_prefix,
    table_part,
    table_prefix,
    triage_file,
    vectors_file,
    vectors_manifest,
)
from datahub.core.manifest import ModelManifest, VotesManifest
from datahub.core.outcome import NO_THRESHOLDS, Triage
from datahub.core.parts import places, within
from datahub.core.relabel import Annotation, log_lines
from datahub.core.triage import Batch
from datahub.core.vectors import Vectors, VectorsManifest, from_bytes
from datahub.core.versions import Commit, ObjectId, Objects
from datahub.flow.dataset.contents import Contents
from datahub.flow.dataset.patches import Patches
from datahub.flow.steps import Step, begin
from datahub.ports import Instead, Rows, VersionStore


class At:
    """A dataset at a commit. The dataset need not be there: see `exists`."""

    def __init__(
        self,
        store: VersionStore,
        rows: Rows,
        commit: Commit,
        name: str,
        *,
        ref: str = "",
        contents: Contents | None = None,
    ) -> None:
        """`ref` is how messages call the commit; `contents` are shared between datasets."""
        self.store = store
        self.rows = rows
        self.commit = commit
        self.name = name
        self.ref = ref or commit.id
        self.contents = Contents(store, commit) if contents is None else contents

    @classmethod
    def of(cls, store: VersionStore, rows: Rows, ref: str, name: str) -> At:
        """A dataset at the commit that a ref names now. Raises RefNotFound."""
        return cls(store, rows, store.commit_at(ref), name, ref=ref)

    @classmethod
    def begin(cls, store: VersionStore, rows: Rows, step: Step, name: str) -> At:
        """A dataset at the head that a step starts from. Raises BranchNotFound, Guarded."""
        return cls(store, rows, begin(store, step), name)

    @classmethod
    def datasets(cls, store: VersionStore, rows: Rows, commit: Commit) -> list[At]:
        """Every dataset of a commit, by name; they share what is listed."""
        contents = Contents(store, commit)
        names = dataset_names(contents.under(DATASETS))
        return [cls(store, rows, commit, name, contents=contents) for name in names]

    def beside(self, name: str) -> At:
        """Another dataset at the same commit."""
        return At(self.store, self.rows, self.commit, name, ref=self.ref, contents=self.contents)

    def on(self, commit: Commit) -> At:
        """The same dataset at another commit of the history; only what differs is listed.

        It costs what differs between the two: meant for neighbours.
        """
        contents = self.contents.on(commit, f"{DATASETS}{self.name}/")
        return At(self.store, self.rows, commit, self.name, contents=contents)

    def __repr__(self) -> str:
        return f"At({self.name!r}, {self.commit.id[:12]})"

    # What the manifests say

    @property
    def id(self) -> str:
        """The commit's id."""
        return self.commit.id

    @property
    def exists(self) -> bool:
        """Whether the commit has a dataset of this name."""
        return self.contents.find(dataset_file(self.name)) is not None

    @cached_property
    def dataset(self) -> Dataset:
        """What dataset.json says. Raises DatasetNotFound."""
        dataset = self.contents.read_as(dataset_file(self.name), Dataset.from_json)
        if dataset is None:
            raise DatasetNotFound(self.name, self.ref)
        return dataset

    @property
    def key(self) -> str:
        """The name of the key column."""
        return self.dataset.key

    def parse_key(self, word: str) -> Key:
        """What a person typed, as keys of the dataset are: text, or a whole number."""
        parts = self.dataset.parts
        digits = word.removeprefix("-")
        is_number = digits.isascii() and digits.isdigit()
        return int(word) if parts and isinstance(parts[0].first_key, int) and is_number else word

    @property
    def votes(self) -> VotesManifest | None:
        """Which LFs voted; None where none has."""
        return self.contents.read_as(lfs_file(self.name), VotesManifest.from_json)

    @property
    def votes_id(self) -> ObjectId | None:
        """The object id of that manifest: what a label model says it was fitted to."""
        return self.contents.find(lfs_file(self.name))

    @property
    def votes_are_current(self) -> bool:
        """Whether LFs voted on just the rows that the dataset has."""
        parts = tuple(part.sha256 for part in self.dataset.parts)
        return self.votes is not None and self.votes.parts == parts

    @property
    def model(self) -> ModelManifest | None:
        """The label model that the labels came from; None where there is none."""
        return self.contents.read_as(label_model_file(self.name), ModelManifest.from_json)

    @property
    def vectors(self) -> VectorsManifest | None:
        """By which model a column was embedded; None where none was."""
        return self.contents.read_as(vectors_manifest(self.name), VectorsManifest.from_json)

    @property
    def rows_without_vectors(self) -> int:
        """How many rows are in parts that have no vectors; of all, where there are none."""
        return sum(part.rows for part in self.dataset.parts if self._vectors_id(part) is None)

    @property
    def current_vectors(self) -> VectorsManifest:
        """The manifest of the vectors of all rows. Raises NotFound, InputError (some have none)."""
        _ = self.dataset  # without a dataset, that is what is said
        if self.vectors is None:
            raise NotFound(f"{self.name!r} has no vectors.", hint="Run `datahub embed`.")
        if self.rows_without_vectors:
            raise InputError(
                f"{self.rows_without_vectors} of {self.dataset.rows} rows of {self.name!r} have "
                "no vectors yet.",
                hint="Run `datahub embed`: it embeds these alone.",
            )
        return self.vectors

    def part_vectors(self, part: Part) -> Vectors:
        """The vectors of a part [rows, d], in the order of its rows. Raises InputError: cut off."""
        oid = self._vectors_id(part)
        assert oid is not None  # see current_vectors
        assert self.vectors is not None
        content = self.store.read(oid)
        return from_bytes(content, rows=part.rows, dimension=self.vectors.dimension)

    def _vectors_id(self, part: Part) -> ObjectId | None:
        if self.vectors is None:
            return None
        return self.contents.find(vectors_file(self.name, self.vectors.space, part.sha256))

    @property
    def triage(self) -> Triage:
        """The policy, and what was measured under it; the default where there is none."""
        return self.contents.read_as(triage_file(self.name), Triage.from_json) or NO_THRESHOLDS

    @cached_property
    def log(self) -> Sequence[Annotation]:
        """All lines of the annotation log, in the order of their time."""
        return log_lines(self.store.read(oid) for oid in self.log_files.values())

    @property
    def log_files(self) -> Objects:
        """Path -> object id of the annotation log's files, by path."""
        return self.contents.under(annotations_prefix(self.name))

    @cached_property
    def batches(self) -> Sequence[Batch]:
        """All batches of tasks that people were asked, by path."""
        files = self.contents.under(review_prefix(self.name))
        return [Batch.from_json(self.store.read(oid)) for oid in files.values()]

    @cached_property
    def audit_keys(self) -> frozenset[Key]:
        """Keys of all rows that were ever asked because chance drew them."""
        tasks = (task for batch in self.batches for task in batch.tasks)
        return frozenset(task.key for task in tasks if task.slice == "audit")

    @property
    def spent_keys(self) -> frozenset[Key]:
        """Keys of labeled rows that the label model was chosen by: they measure nothing."""
        chosen_by = None if self.model is None else self.model.chosen_by
        return frozenset(() if chosen_by is None else chosen_by.keys)

    @cached_property
    def patches(self) -> Patches:
        """The lines of labels that go before those of the parts."""
        files = self.patch_files.values()
        return Patches.read(self.rows, [self.store.fetch(oid) for oid in files], self.key)

    @property
    def patch_files(self) -> Objects:
        """Path -> object id of the patches of labels, in their order."""
        return self.contents.under(patches_prefix(self.name))

    # Tables: rows, gold, votes, soft_labels, labels

    def objects(self, table: str = "") -> Objects:
        """Path -> object id of a table, by path; without one, of all that the dataset has."""
        folder = f"{DATASETS}{self.name}/" if not table else table_prefix(self.name, table)
        return self.contents.under(folder)

    def has(self, table: str) -> bool:
        """Whether the commit holds anything of a table."""
        return bool(self.objects(table))

    def check(self, table: str, *, made_by: str, hint: str = "") -> None:
        """Raise NotFound, saying which step makes it, where the commit has nothing of a table."""
        if not self.has(table):
            raise NotFound(
                f"Dataset {self.name!r} has no {table.replace('_', ' ')} at {self.ref!r}.",
                hint=hint or f"`datahub {made_by}` makes them.",
            )

    def check_gold(self) -> None:
        """Raise NotFound where the commit has no gold labels."""
        if not self.has("gold"):
            raise NotFound(
                f"Dataset {self.name!r} has no gold labels.",
                hint="Import with --gold COLUMN to keep a given label apart as gold.",
            )

    def oid(self, table: str, part: Part) -> ObjectId | None:
        """The object with what a table holds of a part; None where it holds nothing."""
        return self.objects(table).get(table_part(self.name, table, part.sha256))

    def files(self, table: str) -> list[Path]:
        """Files of a table's parts, in order. Of labels, as they are beneath the patches."""
        if not self.has(table):
            return []
        oids = (self.oid(table, part) for part in self.dataset.parts)
        return [self.store.fetch(oid) for oid in oids if oid is not None]

    def patched_files(self, table: str) -> tuple[list[Path], Instead | None]:
        """Files of a table's parts, and the lines of patches that go before theirs."""
        files = self.files(table)
        if not files or table != "labels":
            return files, None
        parts = zip(files, self.dataset.parts, strict=True)
        lines = {path: self.patches.of(part) for path, part in parts if self.patches.touch(part)}
        return files, Instead(self.key, lines)

    def part(
        self,
        table: str,
        part: Part,
        columns: Sequence[str] | None = None,
        *,
        patches: Patches | None = None,
    ) -> pl.DataFrame | None:
        """What a table holds of a part, in order of the key; None where it holds nothing.

        Columns, where given, are what is read and returned. Labels are under the commit's
        patches, or under those given.
        """
        oid = self.oid(table, part)
        if oid is None:
            return None
        if patches is None:
            patches = self.patches if table == "labels" else Patches(None, self.key)
        projection = columns
        if columns is not None and patches.touch(part) and self.key not in columns:
            projection = [*columns, self.key]
        frame = self.rows.read([self.store.fetch(oid)], columns=projection)
        frame = patches.over(part, frame)
        return frame if columns is None else frame.select(columns)

    def parts(
        self,
        table: str,
        parts: Iterable[Part] | None = None,
        *,
        columns: Sequence[str] | None = None,
    ) -> Iterator[tuple[Part, pl.DataFrame]]:
        """What a table holds of these parts (default: all), one part after another.

        Parts of which it holds nothing are left out.
        """
        for part in self.dataset.parts if parts is None else parts:
            frame = self.part(table, part, columns)
            if frame is not None:
                yield part, frame

    def between(
        self,
        table: str,
        first: Key | None,
        last: Key | None,
        *,
        columns: Sequence[str] | None = None,
    ) -> Iterator[pl.DataFrame]:
        """Lines of a table with keys from `first` to `last`, both included; None: no bound.

        Only parts that may hold such keys are read. Columns, where given, must have the key.
        """
        key = pl.col(self.key)
        bounds = [key >= first] if first is not None else []
        bounds += [key <= last] if last is not None else []
        parts = within(self.dataset.parts, first, last)
        for _, frame in self.parts(table, parts, columns=columns):
            yield frame.filter(*bounds)

    def lines(
        self, table: str, keys: Sequence[Key], *, columns: Sequence[str] | None = None
    ) -> Iterator[pl.DataFrame]:
        """Lines of a table with these keys, by key; keys that are not there are left out.

        Only parts that may hold them are read. Columns, where given, must have the key.
        """
        for part, part_keys in _parts_with(self.dataset, keys):
            frame = self.part(table, part, columns)
            if frame is not None:
                yield frame.filter(pl.col(self.key).is_in(part_keys))

    def values(
        self, keys: Sequence[Key], columns: Sequence[str], *, of: Dataset | None = None
    ) -> Iterator[tuple[Key, dict[str, object]]]:
        """(key, values in these columns) of rows of the dataset; keys that are not there left out.

        Or of the rows that a dataset has (`of`) which need be in no commit yet: its parts are
        stored. Only parts that may hold the keys are read, one at a time.
        """
        dataset = self.dataset if of is None else of
        read = list(dict.fromkeys([dataset.key, *columns]))
        for part, part_keys in _parts_with(dataset, keys):
            frame = self.rows.read([self.store.fetch(part.sha256)], columns=read)
            lines = frame.filter(pl.col(dataset.key).is_in(part_keys))
            for row in lines.iter_rows(named=True):
                yield row[dataset.key], {name: row[name] for name in columns}

    def content(self, keys: Sequence[Key]) -> dict[Key, dict[str, object]]:
        """The content of these rows by key; keys that are not there are left out."""
        names = self.dataset.content_columns
        return {
            row[self.key]: {name: row[name] for name in names}
            for frame in self.lines("rows", keys)
            for row in frame.iter_rows(named=True)
        }


def _parts_with(dataset: Dataset, keys: Sequence[Key]) -> Iterator[tuple[Part, pl.Series]]:
    """Parts that may hold these keys, in order, each with all of them for `is_in`."""
    if not keys or not dataset.parts:
        return
    series = pl.Series(list(keys), strict=False)
    if series.dtype.is_integer() == isinstance(dataset.parts[0].first_key, str):
        return
    for number in places(dataset.parts, series).unique().sort().to_list():
        yield dataset.parts[number], series.implode()
