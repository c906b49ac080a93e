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


@dataclass(frozen=True)
class Departure(Shape):
    """A way out of this machine: `way` is prompt, embed or review.

    `columns` would be sent to `destination`; `withheld` are not in the rule. Where `refused`,
    nothing is sent. `example` are values of the first row, at most 200 characters of each.
    """

    way: str
    name: str
    destination: str
    columns: list[str]
    withheld: list[str]
    refused: bool
    example: dict[str, str]


@dataclass(frozen=True)
class Leaves(Shape):
    """What would leave this machine. `rule` lists the columns that may; null: all may.

    `unknown` are columns of the rule that the dataset does not have.
    """

    dataset: str
    rule: list[str] | None
    unknown: list[str]
    departures: list[Departure]
