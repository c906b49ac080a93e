"""Plain git repositories."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from datahub.core.versions import ObjectId


@dataclass(frozen=True)
class GitCommit:
    """A commit as git has it: `changes` are path -> blob id (None: gone) to the first parent."""

    id: str
    parents: tuple[str, ...]
    message: bytes
    changes: Mapping[str, str | None]


@dataclass(frozen=True)
class GitHistory:
    """All that a git repository holds: parents first; branches and tags as name -> git id."""

    commits: Sequence[GitCommit]
    blobs: Mapping[str, bytes]
    branches: Mapping[str, str]
    tags: Mapping[str, str]


class GitRepositories(Protocol):
    """Plain git repositories in folders."""

    def history(self, folder: Path) -> GitHistory:
        """Read a repository. Raises InputError (none there, files that are no plain files)."""
        ...

    def locate(self, folder: Path, oid: ObjectId) -> Path | None:
        """Where the bytes of an object lie: in a folder of objects, or in git-lfs's own."""
        ...

    def write(self, folder: Path, stream: Iterable[bytes], *, branch: str) -> None:
        """Make one from what `git fast-import` takes, with `branch` checked out.

        Raises Conflict (the folder holds something), ConfigError (no git), StorageError.
        """
        ...
