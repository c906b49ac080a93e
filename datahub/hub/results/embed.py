"""What embedding comes to."""

from __future__ import annotations

from dataclasses import dataclass

from datahub.hub.results.history import Commit
from datahub.hub.results.shape import Key, Shape


@dataclass(frozen=True)
class Embedded(Shape):
    """Vectors of a column. `embedded` rows had none before; `empty` ones have no text.

    `destination` is the address that texts were sent to, empty where none left the machine.
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
class EmbedPlan(Shape):
    """What `embed` would do: `missing` rows without vectors, `characters` of their texts."""

    dataset: str
    column: str
    model: str
    destination: str
    rows: int
    missing: int
    characters: int


@dataclass(frozen=True)
class SimilarRow(Shape):
    """A row that is like another: `similarity` is the cosine of their vectors."""

    key: Key
    similarity: float
    text: str
    label: str | None
