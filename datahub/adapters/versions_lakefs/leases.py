"""Temporary branches: where commits and candidates are built, unseen, and swept after a crash.

The name says whose it is. Those of this machine go when their process is dead; those of other
machines after a day.
"""

from __future__ import annotations

import os
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import lakefs_sdk

from datahub.adapters.versions_lakefs.history import History
from datahub.adapters.versions_lakefs.names import TEMPORARY, encode
from datahub.adapters.versions_lakefs.server import Server
from datahub.core.errors import DatahubError, NotFound, StaleHead
from datahub.core.versions import CommitId
from datahub.machine.processes import is_alive, machine

LIFE = 24 * 3600  # seconds that a lease of another machine lasts
_NAME = re.compile(TEMPORARY + r"([0-9a-f]{12})-(\d+)-([0-9a-f]+)-[0-9a-f]+")


class Leases:
    """The temporary branches of one repository."""

    def __init__(self, server: Server, history: History) -> None:
        self._server = server
        self._history = history
        self._swept = False

    def take(self, branch: str, at: CommitId) -> str:
        """Cut a temporary branch from a branch whose head is `at`; return its name.

        By the branch's name and not the id: a server that cherry-picked a commit takes that
        commit's id for another one's until it restarts (lakeFS 1.84). The first call sweeps
        what others left. Raises StaleHead.
        """
        if not self._swept:
            self._swept = True
            self.sweep()
        name = f"{TEMPORARY}{machine()}-{os.getpid()}-{int(time.time()):x}-{uuid.uuid4().hex}"
        create = self._server.api.branches_api.create_branch
        creation = lakefs_sdk.BranchCreation(name=name, source=encode(branch), hidden=True)
        head = str(self._server.ask("cut a temporary branch", create, creation))
        if head != at:
            self.release(name)
            raise StaleHead(branch, at, head)
        return name

    @contextmanager
    def hold(self, branch: str, at: CommitId) -> Iterator[str]:
        """A temporary branch that is gone afterwards."""
        name = self.take(branch, at)
        try:
            yield name
        finally:
            self.release(name)

    def release(self, name: str) -> None:
        """Remove a temporary branch; one that is gone, or cannot be removed now, is no concern."""
        with suppress(DatahubError):  # the sweep will find it
            self._remove(name)

    def sweep(self, *, dry_run: bool = False) -> list[str]:
        """Remove the temporary branches whose writers are gone; return their names."""
        names = [name for name in self._history.heads(with_temporary=True) if is_abandoned(name)]
        if not dry_run:
            for name in names:
                with suppress(NotFound):  # another process swept it
                    self._remove(name)
        return names

    def _remove(self, name: str) -> None:
        delete = self._server.api.branches_api.delete_branch
        self._server.ask("remove a temporary branch", delete, name)


def is_abandoned(name: str) -> bool:
    """Whether nobody will come back to a temporary branch."""
    owner = _NAME.fullmatch(name)
    if owner is None:
        return False
    if owner[1] == machine() and not is_alive(int(owner[2])):
        return True
    return time.time() - int(owner[3], 16) > LIFE
