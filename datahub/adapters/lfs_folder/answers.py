"""What LFs said of a frame, on its way between processes; and what of that is believed.

Votes are one byte a cell, row by row: no format that could be read wrongly. Faults are told by
the number of their row. The teller has run users' code: votes of another shape or of no class,
and faults of rows that were not sent, are no answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from datahub.adapters.lfs_folder.descriptions import number, text
from datahub.adapters.lfs_folder.messages import BadMessage
from datahub.core.errors import ConfigError, DatahubError, LabelingFunctionError, storable
from datahub.core.labeling import FAULTS_KEPT, Fault, LFOutput
from datahub.core.labels import ABSTAIN

_SHOWN = 2000  # characters of an error


def told_applied(
    applied: LFOutput, keys: pl.Series, lfs: Sequence[str]
) -> tuple[dict[str, Any], bytes]:
    """An answer as JSON's own kinds, and its votes."""
    rows = {key: row for row, key in enumerate(keys)} if applied.faults else {}
    columns = {name: j for j, name in enumerate(lfs)}
    faults = [
        [columns[fault.lf], rows[fault.key], fault.error[:_SHOWN], fault.where[:_SHOWN]]
        for fault in applied.faults
    ]
    message = {"counts": list(applied.fault_counts), "faults": faults}
    return message, np.ascontiguousarray(applied.votes, dtype=np.int8).tobytes()


def believed_applied(
    message: Mapping[str, Any], votes: bytes, keys: pl.Series, lfs: Sequence[str], cardinality: int
) -> LFOutput:
    """The answer for rows with these keys and for these LFs. Raises BadMessage."""
    rows, counts, faults = len(keys), message.get("counts"), message.get("faults")
    if len(votes) != rows * len(lfs):
        raise BadMessage("votes of another shape")
    matrix = np.frombuffer(votes, dtype=np.int8).reshape(rows, len(lfs))
    if matrix.size and not (matrix.min() >= ABSTAIN and matrix.max() < cardinality):
        raise BadMessage("a vote that is no class")
    if not isinstance(counts, list) or len(counts) != len(lfs):
        raise BadMessage("no counts of faults")
    if not isinstance(faults, list) or len(faults) > FAULTS_KEPT * len(lfs):
        raise BadMessage("no list of faults")
    listed = tuple(_fault(fault, keys, lfs) for fault in faults)
    return LFOutput(matrix, listed, tuple(number(count, 0, rows) for count in counts))


def _fault(message: object, keys: pl.Series, lfs: Sequence[str]) -> Fault:
    if not isinstance(message, list) or len(message) != 4:
        raise BadMessage("no fault")
    column, row = number(message[0], 0, len(lfs) - 1), number(message[1], 0, len(keys) - 1)
    error, where = (storable(text(part, most=_SHOWN)) for part in message[2:])
    return Fault(lfs[column], keys[row], error, where)


def told_error(error: DatahubError) -> dict[str, Any]:
    """A refusal as JSON's own kinds."""
    key = getattr(error, "key", None)
    return {
        "code": error.code,
        "message": storable(error.message)[:_SHOWN],
        "hint": storable(error.hint)[:_SHOWN],
        "lf": str(getattr(error, "lf", ""))[:_SHOWN],
        "key": key if type(key) in (int, str) else None,
    }


def believed_error(refusal: object) -> DatahubError:
    """The error that a refusal tells of. Raises BadMessage."""
    if not isinstance(refusal, Mapping):
        raise BadMessage("no refusal")
    parts = (storable(text(refusal.get(name))) for name in ("code", "message", "hint", "lf"))
    code, message, hint, lf = parts
    if code == ConfigError.code:
        return ConfigError(message, hint=hint)
    key = refusal.get("key")
    key = key if type(key) is int or (isinstance(key, str) and len(key) <= _SHOWN) else None
    return LabelingFunctionError(message, hint=hint, lf=lf, key=key)
