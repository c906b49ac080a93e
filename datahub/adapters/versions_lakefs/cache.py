"""Bytes: a local cache by content in front of lakeFS.

What is put lies here until a commit uploads it; what is fetched lies here from then on, a
file that polars and pyarrow scan. The cache checks every file against its SHA-256.
"""

from __future__ import annotations

from pathlib import Path

from datahub.adapters.versions_lakefs.server import Server
from datahub.core.errors import ObjectNotFound, StorageError
from datahub.core.versions import CommitId, ObjectId
from datahub.machine.bytes.files import ObjectFiles


def download(
    server: Server, files: ObjectFiles, commit_id: CommitId, path: str, *, oid: ObjectId = ""
) -> ObjectId:
    """Bring an object into the cache; return its id. Raises StorageError if it is not `oid`."""
    target = files.stage("")
    try:
        server.download(commit_id, path, target)
        digest = files.put(target)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    if oid and digest != oid:
        raise StorageError(
            f"{path} at {commit_id[:12]} does not hold the bytes that were stored: it should be "
            f"{oid[:12]} and is {digest[:12]}.",
            hint="They were changed below lakeFS. Restore its storage, or commit the path again.",
        )
    return digest


def fetch_cached(files: ObjectFiles, oid: ObjectId) -> Path | None:
    """The cached file, held; None where it is not here, or is no longer what it was."""
    try:
        return files.hold(oid)
    except (ObjectNotFound, StorageError):
        return None
