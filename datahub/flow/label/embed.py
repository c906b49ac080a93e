"""Texts -> vectors: computed once a part, kept with the dataset, and what is like what.

A part that did not change keeps its vectors, over appends, upserts, branches and merges: its
object is named after the model and the part.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from datahub.core.dataset import Dataset, Key, Part
from datahub.core.errors import ConfigError, InputError, NotFound
from datahub.core.layout import vectors_file, vectors_manifest
from datahub.core.leaving import NO_RULE, Leaving
from datahub.core.vectors import Vectors, VectorsManifest, by_similarity, space_of, to_bytes
from datahub.core.versions import Commit
from datahub.flow.dataset.at import At
from datahub.flow.dataset.draft import Draft
from datahub.flow.steps import Step
from datahub.ports import Embedder

AT_ONCE = 2_000  # texts that are handed to an embedder at a time


@dataclass(frozen=True)
class EmbedReport:
    """What embedding came to: rows by whether their part had vectors, and where texts went.

    `empty` rows have no text, and a vector of zeros. `destination` is the address that texts were
    sent to; empty where none left the machine.
    """

    dataset: str
    column: str
    model: str
    destination: str
    dimension: int
    rows: int
    embedded: int
    empty: int
    commit: Commit
    changed: bool


@dataclass(frozen=True)
class EmbedPlan:
    """What embedding would do: the rows without vectors, and the characters of their texts."""

    dataset: str
    column: str
    model: str
    destination: str
    rows: int
    missing: int
    characters: int


@dataclass(frozen=True)
class SimilarRow:
    """A row that is like a text: cosine of both vectors, the text, and its label if it has one."""

    key: Key
    similarity: float
    text: str
    label: str | None


def plan(
    at: At, embedder: Embedder, *, column: str | None = None, leaving: Leaving = NO_RULE
) -> EmbedPlan:
    """What `embed` would do; nothing is computed, and nothing leaves the machine."""
    column = text_column(at.dataset, column)
    _check_leaving(embedder, column, leaving)
    parts = [part for part, has in _parts(at, space_of(embedder.id, column)) if not has]
    characters = sum(
        int(frame[column].str.len_chars().sum() or 0)
        for _, frame in at.parts("rows", parts, columns=[column])
    )
    return EmbedPlan(
        dataset=at.name,
        column=column,
        model=embedder.name,
        destination=embedder.destination,
        rows=at.dataset.rows,
        missing=sum(part.rows for part in parts),
        characters=characters,
    )


def embed(
    at: At,
    embedder: Embedder,
    step: Step,
    *,
    column: str | None = None,
    leaving: Leaving = NO_RULE,
) -> EmbedReport:
    """Commit a vector for each row of the parts that have none of this model, and drop others.

    `at` is the head that the step starts from. Raises ConfigError (no such column of texts, or one
    that may not leave the machine for an endpoint), and what the embedder raises; what it gave
    until then is in its cache.
    """
    dataset, column = at.dataset, text_column(at.dataset, column)
    _check_leaving(embedder, column, leaving)
    space = space_of(embedder.id, column)
    draft = Draft(at)
    dimension = at.vectors.dimension if at.vectors and at.vectors.space == space else 0
    wanted, embedded, empty, done = set[str](), 0, 0, 0
    for part, has in _parts(at, space):
        path = vectors_file(at.name, space, part.sha256)
        wanted.add(path)
        if not (has and dimension):
            vectors, nulls = _vectors(at, part, column, embedder, step, done)
            dimension = _same(dimension, vectors.shape[1], embedder)
            draft.put(path, to_bytes(vectors))
            embedded, empty = embedded + part.rows, empty + nulls
        done += part.rows
        step.progress("embed", done, dataset.rows)
    draft.remove(path for path in at.objects("vectors") if path not in wanted)
    manifest = VectorsManifest(space, embedder.id, embedder.name, column, dimension)
    draft.put(vectors_manifest(at.name), manifest.to_json())
    commit = draft.commit(
        step,
        message=f"Embed {column} of {at.name} by {embedder.name}",
        metadata={"step": "embed", "dataset": at.name, "model": embedder.name},
    )
    return EmbedReport(
        dataset=at.name,
        column=column,
        model=embedder.name,
        destination=embedder.destination,
        dimension=dimension,
        rows=dataset.rows,
        embedded=embedded,
        empty=empty,
        commit=commit,
        changed=commit != at.commit,
    )


def similar(at: At, query: npt.NDArray[np.float32], *, limit: int) -> list[SimilarRow]:
    """The rows whose vectors are most like one, best first; of equal ones the first by key.

    Parts are read one after another. Raises NotFound, InputError (rows without vectors).
    """
    manifest = at.current_vectors
    nearest: list[tuple[float, int, Key]] = []
    before = 0
    for part in at.dataset.parts:
        likeness = by_similarity(at.part_vectors(part), query)
        keys = at.part("rows", part, [at.key])
        assert keys is not None  # dataset.json names no part that is not there
        best = np.argsort(-likeness, kind="stable")[:limit]
        lines = [(float(likeness[n]), -(before + int(n)), keys[at.key][int(n)]) for n in best]
        nearest = heapq.nlargest(limit, nearest + lines, key=lambda line: line[:2])
        before += part.rows
    return _with_texts(at, manifest.column, [(key, value) for value, _, key in nearest])


def vector_of(at: At, key: Key) -> npt.NDArray[np.float32]:
    """The vector of one row. Raises NotFound: no such row, or none embedded."""
    vector = find_vector(at, key)
    if vector is None:
        raise NotFound(f"{at.name!r} has no row {key!r}.", hint="`datahub head` shows keys.")
    return vector


def find_vector(at: At, key: Key) -> npt.NDArray[np.float32] | None:
    """The vector of one row, if there is such a row. Raises NotFound: none embedded."""
    _ = at.current_vectors
    for part in at.dataset.parts:
        if isinstance(key, str) != isinstance(part.first_key, str):
            return None
        if not part.first_key <= key <= part.last_key:  # type: ignore[operator]
            continue
        frame = at.part("rows", part, [at.key])
        assert frame is not None
        lines = (frame[at.key] == key).arg_true()
        if len(lines):
            vector: npt.NDArray[np.float32] = at.part_vectors(part)[int(lines[0])]
            return vector
    return None


def text_column(dataset: Dataset, column: str | None) -> str:
    """The column that is embedded: the named one, or the dataset's text. Raises ConfigError."""
    name = column or dataset.text
    if not name:
        raise ConfigError(
            f"Which column of {dataset.name!r} is to be embedded?",
            hint="It has no text column. Name one: --column, or embed_column in datahub.toml.",
        )
    types = dict(dataset.columns)
    if name not in types:
        raise ConfigError(
            f"{dataset.name!r} has no column {name!r}.", hint=f"Its columns are {', '.join(types)}."
        )
    if types[name] != "String":
        raise ConfigError(
            f"The column {name!r} of {dataset.name!r} is {types[name]}, and no text.",
            hint="Texts are embedded. Name a column of texts.",
        )
    return name


def _check_leaving(embedder: Embedder, column: str, leaving: Leaving) -> None:
    if embedder.destination:
        leaving.check(f"Embedding at {embedder.destination}", [column])


def _parts(at: At, space: str) -> Iterator[tuple[Part, bool]]:
    """Each part, and whether it has vectors of this space."""
    for part in at.dataset.parts:
        yield part, at.contents.find(vectors_file(at.name, space, part.sha256)) is not None


def _vectors(
    at: At, part: Part, column: str, embedder: Embedder, step: Step, done: int
) -> tuple[Vectors, int]:
    """The vectors of a part [rows, d], and how many of its rows have no text."""
    frame = at.part("rows", part, [column])
    assert frame is not None
    texts = frame[column].fill_null("")
    lines = (texts.str.strip_chars() != "").arg_true().to_numpy()
    vectors: Vectors | None = None
    for start in range(0, len(lines), AT_ONCE):
        batch = lines[start : start + AT_ONCE]
        fresh = embedder.embed(texts[batch].to_list())
        if vectors is None:
            vectors = np.zeros((part.rows, fresh.shape[1]), dtype=np.float32)
        vectors[batch] = fresh
        step.progress("embed", done + int(batch[-1]) + 1, at.dataset.rows)
    if vectors is None:  # no text at all: one tells how long vectors are
        vectors = np.zeros((part.rows, embedder.embed(["a"]).shape[1]), dtype=np.float32)
    return vectors, part.rows - len(lines)


def _same(dimension: int, size: int, embedder: Embedder) -> int:
    if dimension not in (0, size):
        raise InputError(
            f"{embedder.name!r} gave vectors of {dimension} numbers before, and of {size} now.",
            hint="Did the model behind the endpoint change? Give it another name in embed_model.",
        )
    return size


def _with_texts(at: At, column: str, nearest: list[tuple[Key, float]]) -> list[SimilarRow]:
    keys = [key for key, _ in nearest]
    texts: dict[Key, str] = {}
    for frame in at.lines("rows", keys, columns=list(dict.fromkeys([at.key, column]))):
        texts |= dict(zip(frame[at.key], frame[column].cast(pl.String).fill_null(""), strict=True))
    labels: dict[Key, str | None] = {}
    for frame in at.lines("labels", keys, columns=[at.key, "label"]):
        labels |= dict(frame.select(at.key, pl.col("label").cast(pl.String)).iter_rows())
    return [
        SimilarRow(key=key, similarity=value, text=texts[key], label=labels.get(key))
        for key, value in nearest
    ]
