"""Vectors that were computed once, by model and text, in a SQLite file of the project.

It may be lost: then texts are embedded again. A run that is killed keeps what it had computed.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from datahub.core.errors import StorageError
from datahub.core.vectors import Vectors
from datahub.ports import Embedder

FORMAT_VERSION = 1
BUSY_SECONDS = 60
AT_ONCE = 500  # texts that are embedded before their vectors are kept
_PER_QUERY = 500
_HALF = np.dtype("<f2")
_TABLE = (
    "create table vector (model text, text blob, vector blob, primary key (model, text))"
    " without rowid"
)


class CachedEmbedder:
    """An embedder that is asked for each text once. `computed` counts the texts that it was."""

    def __init__(self, embedder: Embedder, database: Path) -> None:
        self.id, self.name, self.destination = embedder.id, embedder.name, embedder.destination
        self.computed = 0
        self._embedder = embedder
        self._database = database

    def missing(self, texts: Sequence[str]) -> int:
        """How many different texts have no vector yet."""
        hashes = {_hash(text) for text in texts}
        with self._open() as db:
            return len(hashes) - len(self._known(db, list(hashes)))

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Vectors [n, d] of length 1, of half precision. Raises what the embedder raises."""
        by_hash = {_hash(text): text for text in texts}
        with self._open() as db:
            vectors = self._known(db, list(by_hash))
            missing = [key for key in by_hash if key not in vectors]
            for start in range(0, len(missing), AT_ONCE):
                keys = missing[start : start + AT_ONCE]
                fresh = self._embedder.embed([by_hash[key] for key in keys]).astype(_HALF)
                self.computed += len(keys)
                with db:
                    db.executemany(
                        "insert or replace into vector values (?, ?, ?)",
                        [
                            (self.id, key, vector.tobytes())
                            for key, vector in zip(keys, fresh, strict=True)
                        ],
                    )
                vectors |= dict(zip(keys, fresh, strict=True))
        if not texts:
            return np.zeros((0, 0), dtype=np.float32)
        return np.stack([vectors[_hash(text)] for text in texts]).astype(np.float32)

    def _known(self, db: sqlite3.Connection, hashes: Sequence[bytes]) -> dict[bytes, Vectors]:
        vectors: dict[bytes, Vectors] = {}
        for start in range(0, len(hashes), _PER_QUERY):
            batch = hashes[start : start + _PER_QUERY]
            marks = ",".join("?" * len(batch))
            rows = db.execute(
                f"select text, vector from vector where model = ? and text in ({marks})",
                (self.id, *batch),
            )
            vectors |= {key: np.frombuffer(vector, dtype=_HALF) for key, vector in rows}
        return vectors

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self._database.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._database, timeout=BUSY_SECONDS)) as db:
                version = db.execute("pragma user_version").fetchone()[0]
                if version == 0:
                    db.execute(_TABLE.replace("create table", "create table if not exists"))
                    db.execute(f"pragma user_version = {FORMAT_VERSION}")
                elif version != FORMAT_VERSION:
                    raise StorageError(
                        f"{self._database} has format {version}; this datahub knows "
                        f"{FORMAT_VERSION}.",
                        hint="Upgrade datahub, or remove the file: texts are embedded again.",
                    )
                yield db
        except (sqlite3.Error, OSError) as error:
            raise StorageError(
                f"The cache of vectors {self._database} cannot be used: {error}.",
                hint="Is the disk full or read-only? The file may be removed.",
            ) from error


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
