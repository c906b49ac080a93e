"""Batch labeling functions: they judge a frame of rows at once.

Between a declarative LF (a polars expression) and a called one (row by row): what costs much
to call once and little to call on many rows. It is a name and a call on a row all the same,
so it fits Snorkel's appliers. A row on which it cannot tell is a fault and not an abstain.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import polars as pl

from datahub.core.class_names import classes_hint
from datahub.core.errors import LabelingFunctionError
from datahub.core.labels import ABSTAIN

LABELS = 127  # votes are int8, and -1 is ABSTAIN

Label = int | str  # a class by its number, or by its name until the dataset is known
Items = tuple[tuple[Any, Label], ...]  # what each answer or class of a model means here


@dataclass(frozen=True)
class RowFault:
    """The LF could not judge a row, counted from the first of the frame: why, and where."""

    row: int
    error: str
    where: str = ""


@dataclass(frozen=True)
class BatchVotes:
    """Votes [n] in row order; rows in `faults` hold ABSTAIN."""

    votes: npt.NDArray[np.int8]
    faults: tuple[RowFault, ...] = ()


class BatchLF(ABC):
    """An LF that judges many rows in one call. Its kinds are frozen dataclasses."""

    name: str
    kind: ClassVar[str]

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that it reads."""

    @abstractmethod
    def judge(self, frame: pl.DataFrame) -> BatchVotes:
        """Vote on all rows. Raises LabelingFunctionError where it cannot run on any."""

    @abstractmethod
    def spec(self) -> dict[str, object]:
        """What decides its votes, as plain values: what a fingerprint is made of."""

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Class names that it votes by until `for_classes`; None: it knows them once it has run."""
        return ()

    def for_classes(self, classes: Sequence[str]) -> BatchLF:
        """The same for a dataset with these classes, whose names it may vote by.

        Raises LabelingFunctionError: a name is none of them.
        """
        del classes
        return self

    def __call__(self, x: object) -> int:
        """Vote on one row: any object with the columns as attributes."""
        frame = pl.DataFrame({name: [_value(x, name)] for name in self.columns}, strict=False)
        output = self.judge(frame)
        for fault in output.faults:
            raise LabelingFunctionError(f"LF {self.name!r}: {fault.error}", lf=self.name)
        return int(output.votes[0])

    def present(self, frame: pl.DataFrame) -> npt.NDArray[np.int64]:
        """Positions of the rows that have a value in every column read.

        Neither null nor NaN is one, as in a pandas row, where they are the same.
        Raises LabelingFunctionError where a column is missing.
        """
        missing = [name for name in self.columns if name not in frame.columns]
        if missing:
            raise LabelingFunctionError(
                f"LF {self.name!r} cannot run on these rows: there is no column {missing[0]!r}.",
                hint=f"Columns are {', '.join(frame.columns)}.",
                lf=self.name,
            )
        mask = np.ones(frame.height, dtype=np.bool_)
        for name in self.columns:
            column = frame[name]
            mask &= column.is_not_null().to_numpy()
            if column.dtype.is_float():
                mask &= column.is_not_nan().fill_null(value=False).to_numpy()
        return np.flatnonzero(mask)


def no_votes(rows: int) -> npt.NDArray[np.int8]:
    """Return votes [rows] that are all ABSTAIN."""
    return np.full(rows, ABSTAIN, dtype=np.int8)


def parse_columns(name: str, column: str | None, columns: Sequence[str] | None) -> tuple[str, ...]:
    """The columns meant by `column=` or `columns=`; exactly one of them is given."""
    names = (column,) if columns is None else tuple(columns)
    text = isinstance(columns, str) or (column is not None and columns is not None)
    if text or not names or not all(isinstance(item, str) and item for item in names):
        raise LabelingFunctionError(
            f"LF {name!r} reads column={column!r}, columns={columns!r}.",
            hint='Give column="text" for one, or columns=["words", "links"] for a table of them.',
            lf=name,
        )
    return tuple(str(item) for item in names)


def check_labels(name: str, labels: Mapping[Any, Label]) -> dict[Any, Label]:
    """The same, if every value is a class, its name, or ABSTAIN. Raises LabelingFunctionError.

    >>> check_labels("spam", {"yes": "spam", "no": 0, "unclear": -1})
    {'yes': 'spam', 'no': 0, 'unclear': -1}
    """
    for answer, label in labels.items():
        if isinstance(label, str):
            good = bool(label)
        else:
            whole = isinstance(label, int | np.integer) and not isinstance(label, bool)
            good = whole and ABSTAIN <= label < LABELS
        if not good:
            raise LabelingFunctionError(
                f"LF {name!r} takes {answer!r} for {label!r}, which is not a class.",
                hint="A class is its name, or its number from 0 in the order of the dataset's "
                "class names; ABSTAIN (-1) is no vote.",
                lf=name,
            )
    return {
        answer: target if isinstance(target, str) else int(target)
        for answer, target in labels.items()
    }


def number_labels(lf: str, labels: Sequence[tuple[Any, Label]], classes: Sequence[str]) -> Items:
    """The same with classes by their numbers. Raises LabelingFunctionError: no class of that name.

    >>> number_labels("spam", [("yes", "spam"), ("no", 0)], ["ham", "spam"])
    (('yes', 1), ('no', 0))
    """
    for _, label in labels:
        if isinstance(label, str) and label not in classes:
            raise LabelingFunctionError(
                f"LF {lf!r} votes {label!r}, which is not a class of the dataset.",
                hint=classes_hint(label, classes),
                lf=lf,
            )
    return tuple((w, classes.index(y) if isinstance(y, str) else y) for w, y in labels)


def number(lf: str, label: Label) -> int:
    """The label, if it is a number by now. Raises LabelingFunctionError."""
    if isinstance(label, str):
        raise LabelingFunctionError(
            f"LF {lf!r} votes by class names, and no dataset has said their numbers.",
            hint="Take the LF from `Hub.open().labeling_functions()`, or vote by numbers.",
            lf=lf,
        )
    return label


def _value(x: object, name: str) -> object:
    value = getattr(x, name)
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value
