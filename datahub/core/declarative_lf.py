"""A declarative labeling function as a value: a vote that is one polars expression.

It is a name and a call on a row, so it fits Snorkel's appliers; over columns it is the expression.
The call runs that same expression on a frame of one row: there is one meaning, not two. A null
never votes. `core.declarative` makes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import polars as pl

from datahub.core.batch import Label, number, number_labels
from datahub.core.class_names import no_class, numbers_of
from datahub.core.errors import LabelingFunctionError, shown
from datahub.core.labels import ABSTAIN

Takes = Literal["any", "texts", "numbers", "whole numbers", "booleans"]  # of the column it looks at
PYTHON_REGEX = "regex in Python"  # the kind of a regex LF that polars cannot run
HITS_COLUMN = "__found in Python"  # the column that such an LF votes by
NO_CLASS = -2  # the vote of a name that is no class
Arms = tuple[tuple[pl.Expr, Label], ...]  # where the first of the conditions holds, its class
_ACCEPTS: Mapping[Takes, Callable[[pl.DataType], bool]] = {
    "texts": lambda kind: not kind.is_nested() and kind != pl.Duration,
    "numbers": lambda kind: kind.is_numeric(),
    "whole numbers": lambda kind: kind.is_integer() or kind.is_decimal(),
    "booleans": lambda kind: kind == pl.Boolean,
}


@dataclass(frozen=True)
class Needle:
    """What to scan for in order to find a keyword: lower case, ASCII.

    `alone`: it is the keyword; else a part of one, which must stand where the keyword does.
    """

    text: str
    alone: bool


@dataclass(frozen=True)
class DeclarativeLF:
    """Vote what `vote` says, a class or null. Made by the functions below.

    `label` is the only class it votes, or None. `arms` are what `vote` is made of, where the
    classes that it votes are known; they and `label` may be names until `for_classes`. `classes`
    are the dataset's, for an expression that gives names. `needles` belong to the keywords one by
    one, of which `at_least` so many must stand whole in the column `text_columns[0]`, in any case;
    empty where a scan cannot find them. `search` is what Python has to do, outside of polars'
    threads, where Ctrl-C could not end it; the vote is then over `HITS_COLUMN`.
    """

    name: str
    label: Label | None
    vote: pl.Expr = field(compare=False)
    kind: str
    spec_items: tuple[tuple[str, str], ...]
    text_columns: tuple[str, ...] = ()
    needles: tuple[Needle, ...] = ()
    at_least: int = 1
    search: Callable[[str], object] | None = field(default=None, compare=False)
    takes: Takes = "any"
    arms: Arms = field(default=(), compare=False)
    classes: tuple[str, ...] = ()

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Class names that it votes by until `for_classes`; None: it tells them as it runs."""
        if not self.arms:
            return () if self.classes else None
        return tuple(dict.fromkeys(label for _, label in self.arms if isinstance(label, str)))

    def for_classes(self, classes: Sequence[str]) -> DeclarativeLF:
        """The same for a dataset with these classes, whose names it may vote by.

        Raises LabelingFunctionError: a name is none of them.
        """
        if not self.arms:
            return replace(self, classes=tuple(classes))
        if not self.class_names:
            return self
        numbers = number_labels(self.name, self.arms, classes)
        label = None if self.label is None else numbers[0][1]
        return replace(self, label=label, arms=numbers, vote=vote_of(numbers))

    def __call__(self, x: object) -> int:
        """Vote on one row: any object with the columns as attributes.

        NaN is taken for null: a pandas row has no other, and whole numbers beside it as floats.
        """
        row = {name: getattr(x, name) for name in self.columns}
        for name, value in row.items():
            if isinstance(value, float) and value != value:
                row[name] = None
            elif self.kind == "lookup" and isinstance(value, float) and value.is_integer():
                row[name] = int(value)
        schema = dict.fromkeys(self.text_columns, pl.String)
        frame = pl.DataFrame({k: [v] for k, v in row.items()}, schema_overrides=schema)
        votes = self.votes(frame)
        if votes.item() == NO_CLASS:
            name = frame.select(self.expression()).item()
            raise LabelingFunctionError(
                f"LF {self.name!r}: {no_class(str(name), self.classes)}", lf=self.name
            )
        return int(votes.item())

    @property
    def columns(self) -> list[str]:
        """Names of the columns that it reads."""
        voted_by = self.vote.meta.root_names()
        if self.search is not None:
            voted_by = [name for name in voted_by if name != HITS_COLUMN]
        return list(dict.fromkeys([*self.text_columns, *voted_by]))

    def expression(self) -> pl.Expr:
        """The vote as an expression named after the LF; what it gives goes through `checked`."""
        return self.vote.alias(self.name)

    def votes(self, frame: pl.DataFrame) -> pl.Series:
        """The votes on a frame, whole numbers; NO_CLASS where a name is no class.

        Raises LabelingFunctionError, polars' errors.
        """
        self.check(frame.schema)
        return self.check_votes(self.search_texts(frame).select(self.expression()).to_series())

    def check(self, schema: Mapping[str, pl.DataType]) -> None:
        """Raise LabelingFunctionError where its own column is of a type that it cannot judge.

        polars would compare a timestamp with a number: by its microseconds, which nobody meant.
        Also where it votes by names that no dataset has given numbers.
        """
        for _, label in self.arms:
            number(self.name, label)
        if self.takes == "any":
            return
        kind = schema.get(self.columns[0], pl.Null())
        if kind != pl.Null and not _ACCEPTS[self.takes](kind):
            raise LabelingFunctionError(
                f"LF {self.name!r} ({self.kind}) looks at column {self.columns[0]!r}, which is "
                f"{kind}: it takes {self.takes}.",
                hint="Write an expression() that says what is meant, such as "
                f"pl.col({self.columns[0]!r}).dt.year() > 2020, or take another column.",
                lf=self.name,
            )

    def search_texts(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The frame, with what `search` finds in the text; as it is where polars finds it."""
        if self.search is None:
            return frame
        texts = frame.select(pl.col(self.text_columns[0]).cast(pl.String)).to_series()
        hits: list[bool] = []
        try:
            hits.extend(text is not None and self.search(text) is not None for text in texts)
        except KeyboardInterrupt as interrupt:
            interrupt.add_note(f"LF {self.name!r} was at {shown(texts[len(hits)])}")
            raise
        return frame.with_columns(pl.Series(HITS_COLUMN, hits, dtype=pl.Boolean))

    def check_votes(self, votes: pl.Series) -> pl.Series:
        """Return what `expression` gave, null as ABSTAIN, if it is whole numbers or names."""
        if votes.dtype.is_integer() or votes.dtype == pl.Null:
            kind = pl.Int8 if votes.dtype == pl.Int8 else pl.Int128
            return votes.cast(kind).fill_null(ABSTAIN)
        if gives_names(votes):
            if not self.classes:
                number(self.name, "")
            numbers = numbers_of(self.classes)
            labels = votes.cast(pl.String)
            codes = labels.replace_strict(numbers, default=NO_CLASS, return_dtype=pl.Int8)
            return pl.select(pl.when(labels.is_null()).then(ABSTAIN).otherwise(codes)).to_series()
        raise LabelingFunctionError(
            f"LF {self.name!r} has no label, and its expression gives {votes.dtype}.",
            hint="Give it a label, or an expression that gives class names or numbers "
            "(null abstains).",
            lf=self.name,
        )

    def spec(self) -> dict[str, object]:
        """Everything that decides its votes, as plain values: what a fingerprint is made of."""
        return {"kind": self.kind, "label": self.label, **dict(self.spec_items)}


def vote_of(arms: Arms) -> pl.Expr:
    """A vote for the class of the first condition that holds; null where none does."""
    votes = [
        pl.when(holds).then(pl.lit(label) if isinstance(label, str) else pl.lit(label, pl.Int8))
        for holds, label in arms
    ]
    return votes[0] if len(votes) == 1 else pl.coalesce(votes)


def gives_names(votes: pl.Series) -> bool:
    """Whether an expression gave texts: names of classes."""
    return votes.dtype in (pl.String, pl.Categorical, pl.Enum)
