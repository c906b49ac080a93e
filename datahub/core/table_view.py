"""What expectations about tables may ask of a merge, next to what it is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from datahub.core.column_drift import Sketch
from datahub.core.text_drift import Mean

Slice = Mapping[str, Any] | None  # column of the rows -> a value, or a list of values


@dataclass(frozen=True)
class Overlap:
    """Rows of one split: how many are exactly, or nearly, in another; the first keys of those."""

    split: str
    rows: int
    exact: int
    near: int
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Personal:
    """Rows whose column has a kind of personal data, and the first keys of them."""

    column: str
    kind: str
    rows: int
    keys: tuple[str, ...]


class TableView(Protocol):
    """A table of a merge; its other side is what `against` names, which may have no such table."""

    dataset: str

    def sketches(self, column: str, only: Slice, *, new: bool) -> tuple[Sketch, Sketch] | None:
        """Before and after; None where there is nothing on a side. Raises GateError: no column.

        With `new`, of what is after only parts that were not there before.
        """
        ...

    def labels(self, only: Slice) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """Rows of each class: of those that were there before, and of those that are new."""
        ...

    def overlaps(self, split: str, text: str | None) -> Sequence[Overlap]:
        """Each split but the largest, against all the others."""
        ...

    def personal(self, columns: Sequence[str] | None) -> Sequence[Personal]:
        """Of columns of texts; None: all of them."""
        ...

    def answers(self) -> Sequence[Sequence[str]]:
        """The labels that people gave to each row that two or more answered."""
        ...

    def tokens(self, text: str | None) -> tuple[Mapping[str, Any] | None, Mapping[str, Any]]:
        """Counts of tokens by class (`shortcut_tokens`), before and after."""
        ...

    def lf_words(self) -> frozenset[str]:
        """Words that stand in the code of LFs."""
        ...

    def texts(self, column: str | None) -> tuple[Sequence[Mean], Sequence[Mean]]:
        """Mean features (`text_drift`) of parts: those of before, and those that are new."""
        ...
