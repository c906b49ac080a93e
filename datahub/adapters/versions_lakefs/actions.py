"""The action file: a guard that lakeFS runs inside itself, without a service of ours.

It holds a merge into a guarded branch against the verdict in it, and refuses commits, reverts
and cherry-picks there. lakeFS reads it from the branch that is merged, so a branch can be rid
of it: that is for the audit to find. A file that somebody has changed is left as it is.
"""

from __future__ import annotations

import hashlib
from importlib import resources

from datahub.adapters.versions_lakefs.server import Server
from datahub.adapters.versions_lakefs.trees import ACTION
from datahub.core.errors import InputError, NotFound
from datahub.core.versions import Changes, CommitId, ObjectId


def guard() -> bytes:
    """The file that we install."""
    return resources.files(__package__).joinpath("guard.yaml").read_bytes()


def guard_id() -> ObjectId:
    """Its object id."""
    return hashlib.sha256(guard()).hexdigest()


def action_file(server: Server, commit_id: CommitId) -> bytes | None:
    """The file that a commit holds there."""
    get = server.api.objects_api.get_object
    try:
        return bytes(server.ask("read the action file", get, commit_id, ACTION))
    except NotFound:
        return None


def due(
    server: Server, head: CommitId, *, branch: str, has_gate: bool
) -> tuple[dict[str, bytes], list[str]]:
    """The file, if a branch is to get it by a commit now, and what its user should know."""
    content = action_file(server, head)
    if content is None and not has_gate:
        return {ACTION: guard()}, []
    if content is None:
        return {}, [
            f"{branch!r} is guarded and has no {ACTION} yet, by which the server refuses what is "
            "not judged: the next merge through its gate brings it."
        ]
    if content != guard():
        return {}, [
            f"{ACTION} was changed by somebody, or is another version's, and was left as it is. "
            "To have this version's, delete it on the server: the next merge through a gate "
            "brings it."
        ]
    return {}, []


def check_unwritten(changes: Changes) -> None:
    """Raise InputError for a commit of ours that writes the file as if it were anybody's."""
    if ACTION in changes:
        raise InputError(
            f"{ACTION} is datahub's own on a lakeFS server: no commit may write it.",
            hint="Name your own action file otherwise.",
        )
