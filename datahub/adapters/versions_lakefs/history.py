"""Commits between lakeFS's and ours, their order, and what names one.

Ours keep author, time, message and metadata to the letter as JSON in one metadata key of
lakeFS's commit. It counts only where `on` is the commit's true first parent, so that a
cherry-picked commit does not speak for itself. The merges that lakeFS makes of temporary
branches name the parents that are meant; temporary commits are never walked into.
"""

from __future__ import annotations

import datetime as dt
import heapq
import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from datahub.adapters.versions_lakefs.names import decoded, encoded
from datahub.adapters.versions_lakefs.server import Server
from datahub.core.errors import (
    BranchNotFound,
    InputError,
    NotFound,
    RefNotFound,
    Rejected,
    TagNotFound,
)
from datahub.core.versions import (
    Commit,
    CommitId,
    checked_branch,
    in_utc,
    is_id,
    no_commit,
    parsed_ref,
)

EXACT = "datahub"
_PAGE = 1000
_PICKED = "cherry-pick-origin"  # lakeFS's own metadata key
_WHOLE = 64  # digits of an id
_NO_MESSAGE = "(no message)"


def exact(
    *,
    on: CommitId,
    parents: Sequence[CommitId],
    message: str,
    author: str,
    time: dt.datetime,
    metadata: Mapping[str, str],
    **more: Any,
) -> dict[str, Any]:
    """What our commit says, whatever lakeFS makes of it. The nonce makes any two differ."""
    return {
        "on": on,
        "parents": list(parents),
        "message": message,
        "author": author,
        "time": in_utc(time).isoformat(),
        "metadata": dict(metadata),
        "nonce": uuid.uuid4().hex,
        **more,
    }


def as_metadata(told: Mapping[str, Any]) -> dict[str, str]:
    """The metadata of lakeFS's commit."""
    return {EXACT: json.dumps(told, sort_keys=True)}


def readable(message: str) -> str:
    """The message of lakeFS's commit: for its own pages."""
    return message.encode(errors="replace").decode().replace("\0", " ").strip() or _NO_MESSAGE


class History:
    """The commits of one repository. They never change, so each is asked for once."""

    def __init__(self, server: Server, *, check: Callable[[CommitId], bool]) -> None:
        """`check` says whether a commit is of a format that we know, and raises for another."""
        self._server = server
        self._raw: dict[CommitId, Any] = {}
        self._check = check
        self._checked: set[CommitId] = set()
        self._is_known = False
        self._tags: set[str] = set()  # names that were tags when they were last asked for

    def heads(self, *, hidden: bool = False) -> dict[str, CommitId]:
        """LakeFS's branch name -> head."""
        query = {"show_hidden": "true"} if hidden else {}
        found = self._server.pages("list branches", "branches", **query)
        return {ref["id"]: ref["commit_id"] for ref in found}

    def tags(self) -> dict[str, CommitId]:
        """Our tag name -> commit."""
        found = self._server.pages("list tags", "tags")
        return {decoded(ref["id"]): ref["commit_id"] for ref in found}

    def head(self, branch: str) -> CommitId:
        """Raises BranchNotFound."""
        try:
            get = self._server.api.branches_api.get_branch
            found = self._server.ask("read a branch", get, encoded(checked_branch(branch)))
        except (NotFound, InputError) as error:
            raise BranchNotFound(branch) from error
        return self._of_known_format(str(found.commit_id))

    def raw(self, commit_id: CommitId) -> Any:
        """LakeFS's commit. Raises NotFound."""
        if commit_id not in self._raw:
            get = self._server.api.commits_api.get_commit
            found = self._server.ask("read a commit", get, commit_id)
            if len(commit_id) == _WHOLE and found.id != commit_id:
                if self._is_name(commit_id):
                    raise no_commit(commit_id, named=True)
                found.id = commit_id  # one that was cherry-picked answers to another id (1.84)
            self._raw[found.id] = found
            return found
        return self._raw[commit_id]

    def told(self, commit_id: CommitId) -> dict[str, Any] | None:
        """What our commit says; None for one that is not ours."""
        return _told(self.raw(commit_id))

    def commit(self, commit_id: CommitId) -> Commit:
        """A commit in our words."""
        raw = self.raw(commit_id)
        found = _ours(raw)
        if raw.parents and not found.parents and self.raw(raw.parents[0]).parents:
            # Only the first of ours says so, on lakeFS's own: else history would end there.
            return replace(found, parents=tuple(raw.parents))
        return found

    def resolved(self, ref: str) -> CommitId:
        """What a ref names. Raises RefNotFound."""
        name, steps = parsed_ref(ref)
        commit_id = self._named(name)
        for sign, count in steps:
            times, which = (count, 1) if sign == "~" else (min(count, 1), count)
            for _ in range(times):
                parents = self._walked(commit_id).parents
                if which > len(parents):
                    raise RefNotFound(ref)
                commit_id = parents[which - 1]
        return self._of_known_format(commit_id)

    def log(self, start: CommitId) -> Iterator[Commit]:
        """All ancestors and the commit itself: children before parents, else the newest first."""
        found = self._ancestors(start)
        children = dict.fromkeys(found, 0)
        for commit in found.values():
            for parent in commit.parents:
                children[parent] += 1
        ready = [(-found[start].time.timestamp(), start)]
        while ready:
            commit = found[heapq.heappop(ready)[1]]
            yield commit
            for parent in commit.parents:
                children[parent] -= 1
                if children[parent] == 0:
                    heapq.heappush(ready, (-found[parent].time.timestamp(), parent))

    def merge_base(self, ours: CommitId, theirs: CommitId) -> CommitId:
        """The best common ancestor, the same whichever side asks. Raises InputError."""
        found = self._ancestors(ours) | self._ancestors(theirs)
        common = self._ancestors(ours).keys() & self._ancestors(theirs).keys()
        beaten: set[CommitId] = set()
        for commit_id in common:
            beaten.update(parent for parent in found[commit_id].parents)
        best = common - beaten
        if not best:
            raise InputError(
                f"{ours[:12]} and {theirs[:12]} share no history.",
                hint="Import the other's rows into a branch of this repository instead.",
            )
        generations = _generations(found)
        return max((generations[commit_id], commit_id) for commit_id in best)[1]

    def _of_known_format(self, commit_id: CommitId) -> CommitId:
        """Asked of the server until one commit says it: a repository has one format."""
        if not self._is_known and commit_id not in self._checked:
            self._is_known = self._check(commit_id)
            self._checked.add(commit_id)
        return commit_id

    def _named(self, name: str) -> CommitId:
        """An id goes before any name, and lakeFS follows names first: what it says is checked."""
        if is_id(name):
            return self._by_id(name)
        # A tag does not move, and no branch of ours takes its name: it is asked for as a tag.
        kinds = (self._tag, self.head) if name in self._tags else (self.head, self._tag)
        try:
            return kinds[0](name)
        except (BranchNotFound, TagNotFound):
            pass
        try:
            return kinds[1](name)
        except (BranchNotFound, TagNotFound) as error:
            raise RefNotFound(name) from error

    def _tag(self, name: str) -> CommitId:
        """Raises TagNotFound."""
        if not re.fullmatch(r"[\w./-]+", name, re.ASCII):
            raise TagNotFound(name)
        self._tags.discard(name)
        try:
            get = self._server.api.tags_api.get_tag
            tag = self._server.ask("read a tag", get, encoded(name))
        except (NotFound, Rejected) as error:
            raise TagNotFound(name) from error
        self._tags.add(name)
        return str(tag.commit_id)

    def _by_id(self, name: str) -> CommitId:
        try:
            found = str(self.raw(name).id)
        except RefNotFound:
            raise
        except (NotFound, Rejected) as error:  # lakeFS says the same of none and of several
            raise RefNotFound(name) from error
        if not found.startswith(name):
            raise no_commit(name, named=True)
        return found

    def _is_name(self, name: str) -> bool:
        """Whether a branch or a tag is called so."""
        api = self._server.api
        for what, get in (
            ("read a branch", api.branches_api.get_branch),
            ("read a tag", api.tags_api.get_tag),
        ):
            try:
                self._server.ask(what, get, name)
            except (NotFound, Rejected, InputError):
                continue
            return True
        return False

    def _walked(self, commit_id: CommitId) -> Commit:
        """A commit on a walk: what is not known comes with a page of its ancestors."""
        if commit_id not in self._raw:
            log = self._server.api.refs_api.log_commits
            page = self._server.ask("read the log", log, commit_id, amount=_PAGE, limit=True)
            self._raw.update((raw.id, raw) for raw in page.results)
        return self.commit(commit_id)

    def _ancestors(self, start: CommitId) -> dict[CommitId, Commit]:
        found: dict[CommitId, Commit] = {}
        waiting = [start]
        while waiting:
            commit_id = waiting.pop()
            if commit_id not in found:
                found[commit_id] = self._walked(commit_id)
                waiting.extend(found[commit_id].parents)
        return found


def _generations(commits: Mapping[CommitId, Commit]) -> dict[CommitId, int]:
    """1 for a root, else one more than the greatest of the parents'."""
    found: dict[CommitId, int] = {}
    waiting = list(commits)
    while waiting:
        parents = commits[waiting[-1]].parents
        unknown = [parent for parent in parents if parent not in found]
        if unknown:
            waiting.extend(unknown)
        else:
            commit_id = waiting.pop()
            found[commit_id] = 1 + max((found[parent] for parent in parents), default=0)
    return found


def _told(raw: Any) -> dict[str, Any] | None:
    try:
        if raw.metadata.get(_PICKED, raw.id) != raw.id:
            return None  # a copy of the commit that spoke so
        told = json.loads(raw.metadata[EXACT])
        true = list(raw.parents[:1]) == [told["on"]] and isinstance(told["metadata"], dict)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    return dict(told) if true else None


def _ours(raw: Any) -> Commit:
    """A commit as ours tells it; as lakeFS does where it is none of ours, or tells no commit."""
    told = _told(raw)
    try:
        # A candidate is built in several commits. In history, none in between is passed over.
        if told is not None and list(told["parents"][:1]) in ([], [told["on"]]):
            return Commit(
                id=raw.id,
                parents=tuple(map(str, told["parents"])),
                message=str(told["message"]),
                author=str(told["author"]),
                time=in_utc(dt.datetime.fromisoformat(told["time"])),
                metadata={str(key): str(value) for key, value in told["metadata"].items()},
            )
    except (KeyError, TypeError, ValueError, InputError):
        pass
    return Commit(
        id=raw.id,
        parents=tuple(raw.parents),
        message=raw.message,
        author=raw.committer,
        time=dt.datetime.fromtimestamp(raw.creation_date, dt.UTC),
        metadata=dict(raw.metadata or {}),
    )
