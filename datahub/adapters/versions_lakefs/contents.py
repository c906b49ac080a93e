"""The store's bytes: kept on this machine until a commit uploads them, fetched when first read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from datahub.adapters.versions_lakefs.cache import download, fetch_cached
from datahub.adapters.versions_lakefs.server import Server
from datahub.adapters.versions_lakefs.trees import Trees
from datahub.core.versions import CommitId, ObjectId
from datahub.machine.bytes.files import ObjectFiles


class Contents:
    """Files and bytes by content; `heads` are the commits that are searched for them."""

    def __init__(
        self,
        server: Server,
        files: ObjectFiles,
        trees: Trees,
        *,
        heads: Callable[[], Iterable[CommitId]],
    ) -> None:
        self._server = server
        self._files = files
        self._trees = trees
        self._heads = heads

    def stage(self, suffix: str) -> Path:
        """A fresh path in the scratch folder."""
        return self._files.stage(suffix)

    def unstage(self, path: Path) -> None:
        """Remove a staged file that nothing will take."""
        self._files.unstage(path)

    def put(self, content: Path | bytes) -> ObjectId:
        """Keep a file or bytes on this machine until a commit uploads them."""
        return self._files.put(content)

    def put_all(self, contents: Iterable[Path | bytes]) -> list[ObjectId]:
        """Keep many of either on this machine until a commit uploads them."""
        return self._files.put_all(contents)

    def fetch(self, oid: ObjectId) -> Path:
        """The local file with these bytes, downloaded the first time."""
        file = fetch_cached(self._files, oid)
        if file is not None:
            return file
        where = self._trees.where.get(oid) or self._trees.search(oid, self._heads())
        if where is None:
            return self._files.fetch(oid)  # raises what is wrong with it
        download(self._server, self._files, *where, oid=oid)
        return self._files.fetch(oid)

    def size(self, oid: ObjectId) -> int:
        """How many bytes an object has; it is downloaded where it is not here."""
        if self._files.missing([oid]):
            self.fetch(oid)
        return self._files.size(oid)

    def read(self, oid: ObjectId) -> bytes:
        """The bytes themselves."""
        self.fetch(oid)
        return self._files.read(oid)
