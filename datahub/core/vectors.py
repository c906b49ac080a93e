"""Embeddings of texts: vectors of length 1, kept as float16, and the manifest that tells of them.

vectors.json names the model and the column. What a part has is one object,
`vectors/<ab>/<space>/<part>.f16`: float16, little-endian, a vector for each row in the part's
order. A row without a text has a vector of zeros. The space is one model and one column: within
it, vectors can be compared. A part without such an object has no vectors yet.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from datahub.core.dataset import to_canonical_json
from datahub.core.errors import InputError

Vectors = npt.NDArray[np.float32]  # [n, d]
VECTORS_FORMAT = 1
_HALF = np.dtype("<f2")


@dataclass(frozen=True)
class VectorsManifest:
    """vectors.json: by which model (an id, and how people call it) a column became vectors."""

    space: str
    model: str
    name: str
    column: str
    dimension: int

    def to_json(self) -> str:
        """Write as canonical JSON."""
        return to_canonical_json({"format": VECTORS_FORMAT, **asdict(self)})

    @classmethod
    def from_json(cls, text: str | bytes) -> VectorsManifest:
        """Read what `to_json` wrote. Raises InputError: another format."""
        raw: dict[str, Any] = json.loads(text)
        if raw.pop("format", None) != VECTORS_FORMAT:
            raise InputError(
                "vectors.json has a format version that this datahub does not know.",
                hint="Upgrade datahub, or run `datahub embed` again.",
            )
        return cls(**raw)


def space_of(model: str, column: str) -> str:
    """The name of a space: SHA-256 of the model's id and the column."""
    return hashlib.sha256(f"{model} {column}".encode()).hexdigest()


def unit(vectors: Vectors) -> Vectors:
    """The same directions with length 1; zeros stay zeros.

    >>> unit(np.array([[3.0, 4.0], [0.0, 0.0]], dtype=np.float32)).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def to_bytes(vectors: Vectors) -> bytes:
    """The vectors of a part as they are stored."""
    return vectors.astype(_HALF).tobytes()


def from_bytes(content: bytes, *, rows: int, dimension: int) -> Vectors:
    """What `to_bytes` wrote. Raises InputError for another size: bytes that are cut off."""
    if len(content) != rows * dimension * _HALF.itemsize:
        raise InputError(
            f"Vectors of {rows} rows take {rows * dimension * _HALF.itemsize} bytes; "
            f"{len(content)} are there.",
            hint="Run `datahub fsck`, then `datahub embed` again.",
        )
    return np.frombuffer(content, dtype=_HALF).reshape(rows, dimension).astype(np.float32)


def by_similarity(vectors: Vectors, query: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Cosine [n] of each vector with one; a vector of zeros is like nothing.

    >>> by_similarity(np.eye(2, dtype=np.float32), np.array([1, 0], dtype=np.float32)).tolist()
    [1.0, 0.0]
    """
    return np.asarray(vectors @ query, dtype=np.float32)
