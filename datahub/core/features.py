"""What an end model sees of rows: text columns, numbers, an embedding, and vectors of texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import polars as pl

from datahub.core.dataset import Dataset
from datahub.core.errors import ConfigError

VECTORS = "vectors of "  # a column's name follows: how the dataset's vectors stand in a frame

# What an end model looks at: columns of the rows, the vectors that `embed` made, or all of them.
Looks = Literal["words", "vectors", "both"]


@dataclass(frozen=True)
class Features:
    """One line a row. `embedding` is a column of lists of floats, all of one length.

    `vectors` is the column of the frame that holds the dataset's vectors (arrays of Float32).
    """

    frame: pl.DataFrame
    texts: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    embedding: str | None = None
    vectors: str | None = None

    @classmethod
    def of_texts(cls, texts: Sequence[str | None]) -> Features:
        """One text a row, and nothing else.

        >>> Features.of_texts(["a", None]).rows
        2
        """
        return cls(pl.DataFrame({"text": pl.Series(texts, dtype=pl.String)}), ("text",))

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.frame.height

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that are looked at."""
        return (*self.texts, *self.numbers, *filter(None, (self.embedding, self.vectors)))

    def looking_at(self, looks: Looks) -> Features:
        """The same rows with fewer columns.

        >>> frame = pl.DataFrame({"text": ["a"], "v": [[0.5]]})
        >>> both = Features(frame, ("text",), vectors="v")
        >>> both.looking_at("words").columns, both.looking_at("vectors").columns
        (('text',), ('v',))
        """
        if looks == "both":
            return self
        if looks == "words":
            view = replace(self, vectors=None)
        else:
            view = replace(self, texts=(), numbers=(), embedding=None)
        frame = self.frame.select(view.columns) if self.frame.width else self.frame
        return replace(view, frame=frame)


def feature_columns(
    dataset: Dataset, schema: pl.Schema, columns: Sequence[str], embedding: str | None
) -> Features:
    """The features in these columns, without rows; by default the text column.

    A dataset without a text column gives its numbers. Raises ConfigError: no such column, or of
    a type that an end model cannot take.
    """
    plain = [name for name in dataset.content_columns if name != dataset.key]
    numbers = [name for name in plain if schema[name].is_numeric() or schema[name] == pl.Boolean]
    if not columns and not embedding:
        columns = [dataset.text] if dataset.text else numbers
    for name in [*columns, *([embedding] if embedding else [])]:
        if name not in plain:
            raise ConfigError(
                f"An end model is to look at {name!r}, which is no column of {dataset.name!r}.",
                hint=f"Its columns are {', '.join(plain)}.",
            )
    texts = tuple(name for name in columns if schema[name] in (pl.String, pl.Categorical))
    strange = [name for name in columns if name not in texts and name not in numbers]
    if strange or (embedding and not isinstance(schema[embedding], (pl.List, pl.Array))):
        name = (strange or [str(embedding)])[0]
        raise ConfigError(
            f"An end model cannot look at {name!r}: it is {schema[name]}.",
            hint="end_model_columns are texts and numbers; embedding_column holds lists of floats.",
        )
    return Features(
        pl.DataFrame(), texts, tuple(name for name in columns if name in numbers), embedding or None
    )
