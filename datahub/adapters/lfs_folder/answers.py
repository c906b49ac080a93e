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

_ERROR_LIMIT = 2000  # characters of an error


def encode_output(
    output: LFOutput, keys: pl.Series, lfs: Sequence[str]
) -> tuple[dict[str, Any], bytes]:
    """An answer as JSON's own kinds, and its votes."""
    rows = {key: row for row, key in enumerate(keys)} if output.faults else {}
    columns = {name: j for j, name in enumerate(lfs)}
    faults = [
        [columns[fault.lf], rows[fault.key], fault.error[:_ERROR_LIMIT], fault.where[:_ERROR_LIMIT]]
        for fault in output.faults
    ]
    message = {"counts": list(output.fault_counts), "faults": faults}
    return message, np.ascontiguousarray(output.votes, dtype=np.int8).tobytes()


def parse_output(
    message: Mapping[str, Any], votes: bytes, keys: pl.Series, lfs: Sequence[str], cardinality: int
) -> LFOutput:
    """The answer for rows with these keys and for these LFs. Raises BadMessage."""
    rows, counts, items = len(keys), message.get("counts"), message.get("faults")
    if len(votes) != rows * len(lfs):
        raise BadMessage("votes of another shape")
    matrix = np.frombuffer(votes, dtype=np.int8).reshape(rows, len(lfs))
    if matrix.size and not (matrix.min() >= ABSTAIN and matrix.max() < cardinality):
        raise BadMessage("a vote that is no class")
    if not isinstance(counts, list) or len(counts) != len(lfs):
        raise BadMessage("no counts of faults")
    if not isinstance(items, list) or len(items) > FAULTS_KEPT * len(lfs):
        raise BadMessage("no list of faults")
    faults = tuple(_fault(fault, keys, lfs) for fault in items)
    return LFOutput(matrix, faults, tuple(number(count, 0, rows) for count in counts))


def _fault(message: object, keys: pl.Series, lfs: Sequence[str]) -> Fault:
    if not isinstance(message, list) or len(message) != 4:
        raise BadMessage("no fault")
    column, row = number(message[0], 0, len(lfs) - 1), number(message[1], 0, len(keys) - 1)
    error, where = (storable(text(part, most=_ERROR_LIMIT)) for part in message[2:])
    return Fault(lfs[column], keys[row], error, where)


def encode_error(error: DatahubError) -> dict[str, Any]:
    """A refusal as JSON's own kinds."""
    key = getattr(error, "key", None)
    return {
        "code": error.code,
        "message": storable(error.message)[:_ERROR_LIMIT],
        "hint": storable(error.hint)[:_ERROR_LIMIT],
        "lf": str(getattr(error, "lf", ""))[:_ERROR_LIMIT],
        "key": key if type(key) in (int, str) else None,
    }


def parse_error(refusal: object) -> DatahubError:
    """The error that a refusal tells of. Raises BadMessage."""
    if not isinstance(refusal, Mapping):
        raise BadMessage("no refusal")
    parts = (storable(text(refusal.get(name))) for name in ("code", "message", "hint", "lf"))
    code, message, hint, lf = parts
    if code == ConfigError.code:
        return ConfigError(message, hint=hint)
    key = refusal.get("key")
    key = key if type(key) is int or (isinstance(key, str) and len(key) <= _ERROR_LIMIT) else None
    return LabelingFunctionError(message, hint=hint, lf=lf, key=key)
