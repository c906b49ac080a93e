"""The server's own guard: branches on which lakeFS takes merges and no commit.

It needs up to five seconds to be seen by a server that had answered for the branch before, so it
is waited for. It stops neither cherry-pick nor revert, and any key may lift it: what those
bring in, `datahub audit` names.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import lakefs_sdk

from datahub.adapters.versions_lakefs.names import encode
from datahub.adapters.versions_lakefs.server import Server
from datahub.core.errors import BranchNotFound, Conflict, Guarded, InputError, Rejected, Unavailable

_SEEN_WITHIN = 10.0
_TRIES = 5


class Protection:
    """The protected branches of one repository."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._known: set[str] = set()

    def protect(self, branches: Iterable[str]) -> None:
        """Protect branches besides those that are, and wait until the server holds to it."""
        names = {encode(branch) for branch in branches} - self._known
        if not names:
            return
        for _ in range(_TRIES):
            if self._add(names):
                break
        else:
            raise Conflict(
                "Somebody else keeps changing the repository's branch protection.",
                hint="Run the command again.",
            )
        for branch in sorted(names):
            self._wait(branch)
        self._known |= names

    def _add(self, names: set[str]) -> bool:
        """Whether the rules hold them now; False when somebody else changed them meanwhile."""
        api = self._server.api.repositories_api
        answer = self._server.ask(
            "read branch protection", api.get_branch_protection_rules_with_http_info
        )
        patterns = {rule.pattern for rule in answer.data}
        if names <= patterns:
            return True
        rules = [lakefs_sdk.BranchProtectionRule(pattern=p) for p in sorted(patterns | names)]
        etag = (answer.headers or {}).get("ETag", "")
        try:
            self._server.ask(
                "protect branches", api.set_branch_protection_rules, rules, if_match=etag
            )
        except Rejected as error:
            if "412" in str(error) or "recondition" in str(error):
                return False
            raise
        return True

    def _wait(self, branch: str) -> None:
        """An empty commit, which lakeFS refuses in any case: the reason says if it protects."""
        until = time.monotonic() + _SEEN_WITHIN
        probe = lakefs_sdk.CommitCreation(message="Is this branch protected?")
        commit = self._server.api.commits_api.commit
        while True:
            try:
                self._server.ask("try the protection", commit, branch, probe, branch_name=branch)
            except Guarded:
                return
            except (Rejected, InputError):
                pass
            except BranchNotFound:
                return
            if time.monotonic() > until:
                raise Unavailable(
                    f"lakeFS does not protect {branch!r} yet.",
                    hint="Run the command again in a few seconds.",
                    backend="lakefs",
                )
            time.sleep(0.2)
