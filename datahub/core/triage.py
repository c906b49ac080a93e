"""Which rows a person should see, in which order, and why.

A queue is within a budget, capped per vote pattern, and keeps a share of
randomly drawn rows apart (the audit slice): those tasks carry no prediction,
so that what people say of them is an unbiased estimate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from datahub.core.dataset import Key

Slice = Literal["doubt", "audit"]


@dataclass(frozen=True)
class Task:
    """One row that a person is asked about.

    `fields` is what the person sees. `prediction` is a class name with its score in 0..1,
    or None on the audit slice. Lower `score` comes first.
    """

    key: Key
    row_hash: str
    fields: Mapping[str, str]
    reason: str
    slice: Slice
    prediction: str | None
    score: float | None
