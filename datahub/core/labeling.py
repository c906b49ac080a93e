"""Labeling functions (LFs), and how they are applied to rows."""

from __future__ import annotations

from typing import Protocol


class LabelingFunction(Protocol):
    """A name and a call on a row: row -> class 0..k-1, or ABSTAIN (-1)."""

    name: str

    def __call__(self, x: object, /) -> int:
        """Vote on one row."""
        ...
