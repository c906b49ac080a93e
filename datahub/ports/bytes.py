"""Bytes by content: what may lie in a repository, whether a commit holds it or not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from datahub.core.versions import ObjectId
from datahub.ports.rows import Remote


class Bytes(Protocol):
    """Files and bytes by their SHA-256. Knows no branch and no commit.

    A process that only computes on parts of a table needs this alone; `machine.bytes` has it for
    a folder, without a store.
    """

    def stage(self, suffix: str) -> Path:
        """A fresh path in the store's own scratch folder, to write a file that `put` will take."""
        ...

    def unstage(self, path: Path) -> None:
        """Remove a file of the scratch folder that nothing will take; one that is gone is fine."""
        ...

    def put(self, content: Path | bytes) -> ObjectId:
        """Store a file or bytes by content, durably. A staged file is moved, any other is copied.

        Raises InputError where it is no file, cannot be read, or changes while it is read.
        """
        ...

    def put_all(self, contents: Iterable[Path | bytes]) -> list[ObjectId]:
        """Store files and bytes as `put` does; their ids, in the same order.

        All are durable when it returns, after waiting for the disk a few times, not for each. Where
        it raises, some may be stored and the rest is not; a file that was staged is gone either way
        once it was reached.
        """
        ...

    def fetch(self, oid: ObjectId) -> Path:
        """A local, read-only file with these bytes; checked when read the first time.

        Raises ObjectNotFound, StorageError (the bytes are not what was stored).
        """
        ...

    def size(self, oid: ObjectId) -> int:
        """How many bytes an object has. Raises ObjectNotFound, StorageError."""
        ...

    def read(self, oid: ObjectId) -> bytes:
        """The bytes themselves. Raises like `fetch`."""
        ...


@runtime_checkable
class Sharing(Protocol):
    """A version store on a disk of ours can hold a file's bytes without a copy of them."""

    def share(self, path: Path, *, hard_link: bool) -> Path:
        """A file in the scratch folder with the bytes of `path`, which `put` will take.

        A clone where the file system has them: later changes of `path` are not seen. Else, with
        `hard_link`, the file itself, which becomes read-only when it is put and must not change;
        if it changed between `share` and `put`, `put` raises InputError and leaves it as it is.
        Raises InputError where neither can be had.
        """
        ...


@runtime_checkable
class Ranged(Protocol):
    """A version store whose objects others can read a range at a time, without a copy here."""

    def remote(self, ref: str, paths: Sequence[str]) -> Remote | None:
        """Where these objects of a commit lie; None where all of them lie here already.

        What is read so is not checked against object ids. Raises RefNotFound.
        """
        ...
