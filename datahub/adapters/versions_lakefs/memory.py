"""What was reckoned once of a tree that never changes, kept on this machine: its content id.

An audit asks it of every commit, and each time it takes a listing of all objects. What cannot
be read or written is reckoned anew.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from datahub.core.versions import ObjectId


class Memory:
    """Content ids by the id of lakeFS's tree. `folder` None: for this process alone."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._known: dict[str, ObjectId] = {}

    def content_id(self, tree: str) -> ObjectId | None:
        """The content id of a tree, if it is known."""
        if tree not in self._known and self._folder is not None:
            with suppress(OSError, UnicodeDecodeError):
                kept = (self._folder / tree).read_text()
                if re.fullmatch(r"[0-9a-f]{64}", kept):
                    self._known[tree] = kept
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
