"""Names of commits."""

from __future__ import annotations

from typing import Protocol

from datahub.core.versions import Commit, CommitId


class Refs(Protocol):
    """Branches, which move, and tags, which do not. One name is never both."""

    def branches(self) -> dict[str, CommitId]:
        """Branch name -> commit id of its head."""
        ...

    def tags(self) -> dict[str, CommitId]:
        """Tag name -> commit id."""
        ...

    def create_branch(self, name: str, *, at: str) -> Commit:
        """Cut a branch at a ref, without a copy.

        Raises BranchExists, TagExists, RefNotFound, InputError; Guarded when the commit's own rules
        bind a suite to that name: its content would be on a guarded branch, and unjudged.
        """
        ...

    def create_tag(self, name: str, *, at: str) -> Commit:
        """Name a commit for good. Raises TagExists, BranchExists, RefNotFound, InputError."""
        ...

    def delete_branch(self, name: str) -> None:
        """Remove the name, not the history. Raises BranchNotFound, Guarded."""
        ...

    def delete_tag(self, name: str) -> None:
        """Remove the name, not the history. Raises TagNotFound."""
        ...
