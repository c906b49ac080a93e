"""What is kept on this machine: content ids of trees, and where guarded branches stood.

A tree never changes. An audit asks its content id of every commit, and each time that takes a
listing of all objects. Where a branch stood, lakeFS does not remember. What cannot be read or
written is computed again, or is not known.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from datahub.adapters.versions_lakefs.names import encode
from datahub.core.versions import CommitId, ObjectId

_STOOD = "stood"


class Memory:
    """Content ids by the id of lakeFS's tree. `folder` None: for this process alone."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._known: dict[str, ObjectId] = {}

    def content_id(self, tree: str) -> ObjectId | None:
        """The content id of a tree, if it is known."""
        if tree not in self._known and self._folder is not None:
            with suppress(OSError, UnicodeDecodeError):
                text = (self._folder / tree).read_text()
                if re.fullmatch(r"[0-9a-f]{64}", text):
                    self._known[tree] = text
        return self._known.get(tree)

    def keep(self, tree: str, content: ObjectId) -> None:
        """Remember it. Written beside and renamed, so that it is whole or absent."""
        self._known[tree] = content
        if self._folder is not None and re.fullmatch(r"\w+", tree):
            with suppress(OSError):
                self._folder.mkdir(parents=True, exist_ok=True)
                beside = self._folder / f".{tree}"
                beside.write_text(content)
                beside.replace(self._folder / tree)

    def stood(self, branch: str) -> list[CommitId]:
        """Heads at which a branch was guarded, oldest first, as far as it was written from here."""
        heads: list[CommitId] = []
        if self._folder is not None:
            with suppress(OSError, UnicodeDecodeError):
                heads = (self._folder / _STOOD / encode(branch)).read_text().split()
            with suppress(OSError):
                entries = sorted(
                    (f.stat().st_mtime_ns, f.name) for f in self._heads(branch).iterdir()
                )
                heads += [head for _, head in entries if head not in heads]
        return [head for head in heads if re.fullmatch(r"[0-9a-f]{64}", head)]

    def note_guarded(self, branch: str, head: CommitId, *, after: CommitId) -> None:
        """Remember the head of a guarded branch that was made on top of `after`."""
        if self._folder is not None:
            with suppress(OSError):
                self._heads(branch).mkdir(parents=True, exist_ok=True)
                (self._heads(branch) / head).touch()
                (self._heads(branch) / after).unlink(missing_ok=True)

    def _heads(self, branch: str) -> Path:
        """A folder with an empty file for each head: two who write at a time lose neither's.

        An earlier datahub kept a file with all heads, which is read, and not written any more.
        """
        assert self._folder is not None
        return self._folder / _STOOD / f"{encode(branch)}.heads"
