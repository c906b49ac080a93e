"""Bytes: a local cache by content in front of lakeFS.

What is put lies here until a commit uploads it; what is fetched lies here from then on, a
file that polars and pyarrow scan. The cache checks every file against its SHA-256.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Protocol

from datahub.adapters.versions_lakefs.server import Server
from datahub.core.errors import ObjectNotFound, StorageError
from datahub.core.versions import CommitId, ObjectId


class Running(Protocol):
    """Who is at work with the files of this machine."""

    def enter(self, store: object) -> None:
        """Say that this process is, for as long as `store` lives."""
        ...

    def since(self, before: datetime) -> tuple[datetime, int]:
        """When the first of the others began, or `before`; how many began earlier than that."""
        ...


class LocalFiles(Protocol):
    """Files by content on this machine: the embedded store's, handed in by whoever wires us."""

    @property
    def running(self) -> Running:
        """Who is at work with them."""
        ...

    def make_folders(self) -> None:
        """Make what is missing of them."""
        ...

    def clean(self) -> None:
        """Remove what dead processes left."""
        ...

    def stage(self, suffix: str) -> Path:
        """A fresh path."""
        ...

    def put(self, path: Path) -> ObjectId:
        """Take a file."""
        ...

    def put_bytes(self, content: bytes) -> ObjectId:
        """Take bytes."""
        ...

    def put_all(self, contents: Iterable[Path | bytes]) -> list[ObjectId]:
        """Take many of either."""
        ...

    def missing(self, oids: Iterable[ObjectId]) -> set[ObjectId]:
        """Those that are not here."""
        ...

    def fetch(self, oid: ObjectId) -> Path:
        """The file, checked."""
        ...

    def hold(self, oid: ObjectId) -> Path:
        """The file, checked, which others' collections leave alone while this process runs."""
        ...

    def read(self, oid: ObjectId) -> bytes:
        """The bytes, checked."""
        ...

    def older(self, time: float) -> Iterator[tuple[ObjectId, int]]:
        """Those that were last stored before a time, with their size."""
        ...

    def remove(self, oid: ObjectId, *, stored_before: float) -> None:
        """Take one away, unless it was just stored again."""
        ...


def downloaded(
    server: Server, files: LocalFiles, commit_id: CommitId, path: str, *, oid: ObjectId = ""
) -> ObjectId:
    """Bring an object into the cache; return its id. Raises StorageError if it is not `oid`."""
    staged = files.stage("")
    try:
        server.download(commit_id, path, staged)
        found = files.put(staged)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise
    if oid and found != oid:
        raise StorageError(
            f"{path} at {commit_id[:12]} does not hold the bytes that were stored: it should be "
            f"{oid[:12]} and is {found[:12]}.",
            hint="They were changed below lakeFS. Restore its storage, or commit the path again.",
        )
    return found


def fetched(files: LocalFiles, oid: ObjectId) -> Path | None:
    """The cached file, held; None where it is not here, or is no longer what it was."""
    try:
        return files.hold(oid)
    except (ObjectNotFound, StorageError):
        return None
