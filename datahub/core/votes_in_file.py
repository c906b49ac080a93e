"""Votes in a file, from a place that is not trusted: what it may hold, and nothing else. Pure.

    datahub votes 1
    {"dataset": {"news": {"snapshot": "<sha256 of dataset.json>", "left_out": [...], "lfs":
      [{"name": "shares", "faults": {"<part>": 3}}, ...]}}}
    <one byte a row: of each dataset in order, of each part in order, of each LF in order>

Whoever reads knows the rows already: the snapshot is named by the hash of dataset.json, which has
the hash of each part. So a file says nothing about rows but votes: a class 0..k-1, or -1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from datahub.core.dataset import Dataset, Part
from datahub.core.error_kinds import InputError
from datahub.core.labels import LabelMatrix

HEAD = b"datahub votes 1\n"
MOST_LFS = 1_000
_MOST_HEADER = 4 << 20
_NAME = re.compile(r"[^\W\d]\w{0,99}")


@dataclass(frozen=True)
class FiledLF:
    """An LF by its name, and on how many rows of each part it raised."""

    name: str
    faults: Mapping[str, int]


@dataclass(frozen=True)
class FiledVotes:
    """Votes on one dataset: `votes[i]` int8 [rows of part i, LFs]; `left_out` are LFs not asked."""

    dataset: str
    snapshot: str
    lfs: tuple[FiledLF, ...]
    left_out: tuple[str, ...]
    votes: Sequence[LabelMatrix]


def written(filed: Sequence[FiledVotes]) -> Iterator[bytes]:
    """The bytes of a file, a piece at a time."""
    header = {
        entry.dataset: {
            "snapshot": entry.snapshot,
            "left_out": list(entry.left_out),
            "lfs": [{"name": lf.name, "faults": dict(lf.faults)} for lf in entry.lfs],
        }
        for entry in filed
    }
    yield HEAD + json.dumps({"dataset": header}).encode() + b"\n"
    for entry in filed:
        for matrix in entry.votes:
            yield from (matrix[:, j].tobytes() for j in range(matrix.shape[1]))


def read_votes(
    content: memoryview, snapshots: Mapping[str, tuple[str, Dataset]]
) -> list[FiledVotes]:
    """Read a file about some of these datasets, each with the hash of its dataset.json.

    Raises InputError for anything that is not exactly as `written` writes it.
    """
    header, body = _header(content)
    filed, offset = [], 0
    for name, entry in header.items():
        if name not in snapshots:
            raise _no_votes(f"it is about {name!r}, whose labels no gate judges here")
        snapshot, dataset = snapshots[name]
        lfs = _lfs(entry, dataset)
        if entry["snapshot"] != snapshot:
            raise InputError(
                f"The votes on {name!r} are of other rows or classes than those of the branch now.",
                hint="Make a snapshot again (`datahub fork snapshot`), and vote on that.",
            )
        votes = []
        for part in dataset.parts:
            size = part.rows * len(lfs)
            votes.append(_matrix(body[offset : offset + size], part, len(lfs), dataset))
            offset += size
        omissions = _names(entry["left_out"])
        filed.append(FiledVotes(name, snapshot, lfs, tuple(omissions), votes))
    if offset != len(body):
        raise _no_votes(f"it has {len(body) - offset} bytes too many")
    return filed


def _header(content: memoryview) -> tuple[dict[str, dict[str, Any]], memoryview]:
    first = bytes(content[: _MOST_HEADER + len(HEAD)])
    end = first.find(b"\n", len(HEAD))
    if not first.startswith(HEAD) or end < 0:
        raise _no_votes("it does not begin as one")
    try:
        raw = json.loads(first[len(HEAD) : end])
    except (ValueError, RecursionError) as error:
        raise _no_votes("its header is not JSON") from error
    entries = raw.get("dataset") if isinstance(raw, dict) and set(raw) == {"dataset"} else None
    if not isinstance(entries, dict) or not entries:
        raise _no_votes("its header names no dataset")
    for entry in entries.values():
        if not isinstance(entry, dict) or set(entry) != {"snapshot", "left_out", "lfs"}:
            raise _no_votes("its header is of another form")
    return entries, content[end + 1 :]


def _lfs(entry: Mapping[str, Any], dataset: Dataset) -> tuple[FiledLF, ...]:
    raw = entry["lfs"]
    if not isinstance(raw, list) or not all(
        isinstance(lf, dict) and set(lf) == {"name", "faults"} for lf in raw
    ):
        raise _no_votes("its LFs are of another form")
    names = _names([lf["name"] for lf in raw])
    if not names:
        raise _no_votes("it has no LF")
    rows = {part.sha256: part.rows for part in dataset.parts}
    for lf in raw:
        faults = lf["faults"]
        if not isinstance(faults, dict) or not all(
            part in rows and type(count) is int and 0 < count <= rows[part]
            for part, count in faults.items()
        ):
            raise _no_votes(f"the faults of LF {lf['name']} are no counts of rows")
    return tuple(FiledLF(name, lf["faults"]) for name, lf in zip(names, raw, strict=True))


def _names(raw: Any) -> list[str]:
    """Names of LFs: of Python, each once."""
    if not isinstance(raw, list) or len(raw) > MOST_LFS:
        raise _no_votes(f"it has no list of at most {MOST_LFS:,} LFs")
    names = [name for name in raw if isinstance(name, str) and _NAME.fullmatch(name)]
    if len(names) != len(raw) or len(set(names)) != len(names):
        raise _no_votes("a name in it is none of an LF, or comes twice")
    return names


def _matrix(content: memoryview, part: Part, lfs: int, dataset: Dataset) -> LabelMatrix:
    if len(content) != part.rows * lfs:
        raise _no_votes("it is cut off")
    votes = np.frombuffer(content, dtype=np.int8).reshape(lfs, part.rows).T
    if votes.size and not -1 <= votes.min() <= votes.max() < len(dataset.classes):
        raise _no_votes(f"a vote in it is no class of {dataset.name!r}")
    return votes


def _no_votes(why: str) -> InputError:
    return InputError(f"This is no file of votes: {why}.", hint="`datahub fork vote` writes one.")
