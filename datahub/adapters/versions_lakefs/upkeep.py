"""fsck and gc of a repository on lakeFS: what its heads hold, and what lies here of it.

lakeFS keeps its history itself; what may be wrong is bytes that were erased, lost or changed
below it, and objects whose stated SHA-256 is not theirs.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from datahub.adapters.versions_lakefs import actions
from datahub.adapters.versions_lakefs.leases import LIFE
from datahub.adapters.versions_lakefs.server import SHA256, Server, Stat
from datahub.adapters.versions_lakefs.trees import ACTION, Trees
from datahub.core.errors import StorageError
from datahub.core.versions import Collected, CommitId, Damage, ObjectId
from datahub.machine.bytes.files import ObjectFiles

_ERASED = "is not there any more"


def check(
    server: Server, trees: Trees, heads: Mapping[str, CommitId], *, deep: bool
) -> list[Damage]:
    """Each object once, wherever it is held; its bytes where `deep`, else only that there are."""
    found: dict[str, tuple[str, CommitId, Stat]] = {}
    for name, commit_id in trees.distinct(heads).items():
        for stat in server.listing(commit_id):
            found.setdefault(stat["physical_address"], (name, commit_id, stat))
    faults = server.each(lambda one: _fault(server, *one, deep=deep), found.values())
    return [damage for damage in faults if damage is not None]


def unguarded(server: Server, guarded: Mapping[str, CommitId]) -> list[Damage]:
    """Guarded branches without the action file by which lakeFS itself refuses."""
    return [
        Damage("guard", branch, "the action file is missing: the next merge brings it", ACTION)
        for branch, head in guarded.items()
        if actions.installed(server, head) is None
    ]


def collect(
    files: ObjectFiles,
    held: Iterable[ObjectId],
    leases: Sequence[str],
    *,
    before: datetime,
    dry_run: bool,
) -> Collected:
    """Take away local copies from before a time: what the server holds too, or a day has left.

    What is put here and not committed yet has no other copy, so it stays for a day at least. What
    another process put, or read, since it began stays while it runs.
    """
    earliest, others = files.running.since(before)
    known, since = set(held), earliest.timestamp()
    forgotten = min(since, time.time() - LIFE)
    uncommitted = {oid for oid, _ in files.older(forgotten)}
    dead = [(oid, size) for oid, size in files.older(since) if oid in known or oid in uncommitted]
    if not dry_run:
        for oid, _ in dead:
            files.remove(oid, stored_before=since)
    return Collected(
        commits=0,
        nodes=0,
        objects=len(dead),
        bytes=sum(size for _, size in dead),
        leases=len(leases),
        at_work=others,
    )


def _fault(
    server: Server, name: str, commit_id: CommitId, stat: Stat, *, deep: bool
) -> Damage | None:
    path, size = stat["path"], stat.get("size_bytes", 0)
    stated = (stat.get("metadata") or {}).get(SHA256, "")
    oid = stated if re.fullmatch(r"[0-9a-f]{64}", stated) else ""
    where = f"{name}, {path}"
    try:
        found, length = server.digest(commit_id, path, first=None if deep or not size else 1)
    except StorageError:
        return Damage("object", oid or stat["checksum"], _ERASED, where)
    if deep and (length != size or found != (oid or found)):
        return Damage("object", oid or stat["checksum"], f"holds other bytes: {found}", where)
    if path == ACTION and (oid or found) != actions.guard_id():
        return Damage("guard", name, "the action file is not this version's", where)
    return None
