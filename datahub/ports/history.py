"""Commits as they are: what each holds, and how they hang together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from datahub.core.versions import Change, Changes, Commit, CommitId, ObjectId


class History(Protocol):
    """Reads of commits by a ref. Nothing here changes anything."""

    def commit_at(self, ref: str) -> Commit:
        """The commit that a ref names. Raises RefNotFound.

        A ref is a branch, a tag, an id or a unique prefix of one (8+), and any of these with
        `~n` (n first parents back), `^` or `^2` (the first, the second parent).
        """
        ...

    def objects(self, ref: str, prefix: str = "") -> dict[str, ObjectId]:
        """Path -> object id of what a commit holds under a prefix."""
        ...

    def changes(self, old: str, new: str, prefix: str = "") -> list[Change]:
        """Paths under a prefix that differ between two refs, sorted.

        Costs what differs, not what there is. Raises RefNotFound.
        """
        ...

    def content_of(self, ref: str) -> str:
        """`core.versions.content_id` of what a commit holds: what a verdict names."""
        ...

    def log(self, ref: str, *, limit: int | None = None, prefix: str = "") -> list[Commit]:
        """History, children before parents, else the newest first.

        With `prefix` only commits that hold something else under it than each of their parents
        does (and a first commit that holds something there). `limit` counts what is returned, and
        no more is read than it takes.
        """
        ...

    def merge_base(self, ours: str, theirs: str) -> Commit:
        """The best common ancestor. Raises RefNotFound, InputError (unrelated histories)."""
        ...


@runtime_checkable
class Remembering(Protocol):
    """A version store that remembers where guarded branches stood."""

    def stood(self, branch: str) -> list[CommitId]:
        """Heads at which it saw a branch guarded, and from which it did not go on by commits.

        Each is on the branch's own line, or the branch was moved. Others may have moved it by
        ways that the store does not see, and what it remembers lies where it runs.
        """
        ...


@runtime_checkable
class Adopting(Protocol):
    """A version store that can take over a whole history, ids and all."""

    def adopt(
        self,
        history: Sequence[tuple[Commit, Changes]],
        *,
        branches: Mapping[str, CommitId],
        tags: Mapping[str, CommitId],
    ) -> None:
        """Make this history the repository's, all of it or nothing.

        Commits come parents first, with their changes to the first parent. Each must come to
        the id it states, so that verdicts in it still speak of what they spoke of. Raises Conflict
        (the repository holds more than its beginning), InputError (another id, an unknown
        commit), ObjectNotFound.
        """
        ...
