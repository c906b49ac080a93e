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

_MISSING = "is not there any more"


def check(
    server: Server, trees: Trees, heads: Mapping[str, CommitId], *, deep: bool
) -> list[Damage]:
    """Each object once, wherever it is held; its bytes where `deep`, else only that there are."""
    stats: dict[str, tuple[str, CommitId, Stat]] = {}
    for name, commit_id in trees.distinct(heads).items():
        for stat in server.listing(commit_id):
            stats.setdefault(stat["physical_address"], (name, commit_id, stat))
    faults = server.map(lambda entry: _fault(server, *entry, deep=deep), stats.values())
    return [damage for damage in faults if damage is not None]


def missing_guards(server: Server, branches: Mapping[str, CommitId]) -> list[Damage]:
    """Guarded branches without the action file by which lakeFS itself refuses."""
    return [
        Damage("guard", branch, "the action file is missing: the next merge brings it", ACTION)
        for branch, head in branches.items()
        if actions.action_file(server, head) is None
    ]


def collect(
    files: ObjectFiles,
    oids: Iterable[ObjectId],
    leases: Sequence[str],
    *,
    before: datetime,
    dry_run: bool,
) -> Collected:
    """Take away local copies from before a time: what the server holds too, or a day has left.

    What is put here and not committed yet has no other copy, so it stays for a day at least. What
    another process put, or read, since it began stays while it runs.
    """
    earliest, processes = files.running.since(before)
    on_server, since = set(oids), earliest.timestamp()
    cutoff = min(since, time.time() - LIFE)
    leftovers = {oid for oid, _ in files.older(cutoff)}
    dead = [(oid, size) for oid, size in files.older(since) if oid in on_server or oid in leftovers]
    if not dry_run:
        for oid, _ in dead:
            files.remove(oid, stored_before=since)
    return Collected(
        commits=0,
        nodes=0,
        objects=len(dead),
        bytes=sum(size for _, size in dead),
        leases=len(leases),
        at_work=processes,
    )


def _fault(
    server: Server, name: str, commit_id: CommitId, stat: Stat, *, deep: bool
) -> Damage | None:
    path, size = stat["path"], stat.get("size_bytes", 0)
    claim = (stat.get("metadata") or {}).get(SHA256, "")
    oid = claim if re.fullmatch(r"[0-9a-f]{64}", claim) else ""
    where = f"{name}, {path}"
    try:
        digest, length = server.digest(commit_id, path, first=None if deep or not size else 1)
    except StorageError:
        return Damage("object", oid or stat["checksum"], _MISSING, where)
    if deep and (length != size or digest != (oid or digest)):
        return Damage("object", oid or stat["checksum"], f"holds other bytes: {digest}", where)
    if path == ACTION and (oid or digest) != actions.guard_id():
        return Damage("guard", name, "the action file is not this version's", where)
    return None
