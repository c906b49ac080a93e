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

from datahub.adapters.versions_lakefs.names import decode, encode
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
_PICK_ORIGIN = "cherry-pick-origin"  # lakeFS's own metadata key
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


def as_metadata(statement: Mapping[str, Any]) -> dict[str, str]:
    """The metadata of lakeFS's commit."""
    return {EXACT: json.dumps(statement, sort_keys=True)}


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

    def heads(self, *, with_temporary: bool = False) -> dict[str, CommitId]:
        """LakeFS's branch name -> head."""
        query = {"show_hidden": "true"} if with_temporary else {}
        refs = self._server.pages("list branches", "branches", **query)
        return {ref["id"]: ref["commit_id"] for ref in refs}

    def tags(self) -> dict[str, CommitId]:
        """Our tag name -> commit."""
        refs = self._server.pages("list tags", "tags")
        return {decode(ref["id"]): ref["commit_id"] for ref in refs}

    def head(self, branch: str) -> CommitId:
        """Raises BranchNotFound."""
        try:
            get = self._server.api.branches_api.get_branch
            answer = self._server.ask("read a branch", get, encode(checked_branch(branch)))
        except (NotFound, InputError) as error:
            raise BranchNotFound(branch) from error
        return self._of_known_format(str(answer.commit_id))

    def raw(self, commit_id: CommitId) -> Any:
        """LakeFS's commit. Raises NotFound."""
        if commit_id not in self._raw:
            get = self._server.api.commits_api.get_commit
            commit = self._server.ask("read a commit", get, commit_id)
            if len(commit_id) == _WHOLE and commit.id != commit_id:
                if self._is_name(commit_id):
                    raise no_commit(commit_id, is_name=True)
                commit.id = commit_id  # one that was cherry-picked answers to another id (1.84)
            self._raw[commit.id] = commit
            return commit
        return self._raw[commit_id]

    def statement(self, commit_id: CommitId) -> dict[str, Any] | None:
        """What our commit says; None for one that is not ours."""
        return _statement(self.raw(commit_id))

    def commit(self, commit_id: CommitId) -> Commit:
        """A commit in our words."""
        raw = self.raw(commit_id)
        commit = _read_commit(raw)
        if raw.parents and not commit.parents and self.raw(raw.parents[0]).parents:
            # Only the first of ours says so, on lakeFS's own: else history would end there.
            return replace(commit, parents=tuple(raw.parents))
        return commit

    def resolve(self, ref: str) -> CommitId:
        """What a ref names. Raises RefNotFound."""
        name, steps = parsed_ref(ref)
        commit_id = self._find(name)
        for sign, count in steps:
            times, number = (count, 1) if sign == "~" else (min(count, 1), count)
            for _ in range(times):
                parents = self._visit(commit_id).parents
                if number > len(parents):
                    raise RefNotFound(ref)
                commit_id = parents[number - 1]
        return self._of_known_format(commit_id)

    def log(self, start: CommitId) -> Iterator[Commit]:
        """All ancestors and the commit itself: children before parents, else the newest first."""
        commits = self._ancestors(start)
        children = dict.fromkeys(commits, 0)
        for commit in commits.values():
            for parent in commit.parents:
                children[parent] += 1
        ready = [(-commits[start].time.timestamp(), start)]
        while ready:
            commit = commits[heapq.heappop(ready)[1]]
            yield commit
            for parent in commit.parents:
                children[parent] -= 1
                if children[parent] == 0:
                    heapq.heappush(ready, (-commits[parent].time.timestamp(), parent))

    def touching(self, start: CommitId, prefix: str) -> set[CommitId]:
        """Those of a commit and its ancestors that changed something under a prefix: no merges."""
        path = f"refs/{start}/commits"
        return {raw["id"] for raw in self._server.pages("read the log", path, prefixes=prefix)}

    def is_plain(self, commit: Commit) -> bool:
        """Whether a commit is to the server what it is to us: one on top of another."""
        raw = self.raw(commit.id)
        is_copy = _PICK_ORIGIN in (raw.metadata or {})
        return len(raw.parents) == 1 and commit.parents == tuple(raw.parents) and not is_copy

    def merge_base(self, ours: CommitId, theirs: CommitId) -> CommitId:
        """The best common ancestor, the same whichever side asks. Raises InputError."""
        commits = self._ancestors(ours) | self._ancestors(theirs)
        common = self._ancestors(ours).keys() & self._ancestors(theirs).keys()
        ancestors: set[CommitId] = set()
        for commit_id in common:
            ancestors.update(parent for parent in commits[commit_id].parents)
        best = common - ancestors
        if not best:
            raise InputError(
                f"{ours[:12]} and {theirs[:12]} share no history.",
                hint="Import the other's rows into a branch of this repository instead.",
            )
        generations = _generations(commits)
        return max((generations[commit_id], commit_id) for commit_id in best)[1]

    def _of_known_format(self, commit_id: CommitId) -> CommitId:
        """Asked of the server until one commit says it: a repository has one format."""
        if not self._is_known and commit_id not in self._checked:
            self._is_known = self._check(commit_id)
            self._checked.add(commit_id)
        return commit_id

    def _find(self, name: str) -> CommitId:
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
            tag = self._server.ask("read a tag", get, encode(name))
        except (NotFound, Rejected) as error:
            raise TagNotFound(name) from error
        self._tags.add(name)
        return str(tag.commit_id)

    def _by_id(self, name: str) -> CommitId:
        try:
            commit_id = str(self.raw(name).id)
        except RefNotFound:
            raise
        except (NotFound, Rejected) as error:  # lakeFS says the same of none and of several
            raise RefNotFound(name) from error
        if not commit_id.startswith(name):
            raise no_commit(name, is_name=True)
        return commit_id

    def _is_name(self, name: str) -> bool:
        """Whether a branch or a tag is called so."""
        api = self._server.api
        for action, get in (
            ("read a branch", api.branches_api.get_branch),
            ("read a tag", api.tags_api.get_tag),
        ):
            try:
                self._server.ask(action, get, name)
            except (NotFound, Rejected, InputError):
                continue
            return True
        return False

    def _visit(self, commit_id: CommitId) -> Commit:
        """A commit on a walk: what is not known comes with a page of its ancestors."""
        if commit_id not in self._raw:
            log = self._server.api.refs_api.log_commits
            page = self._server.ask("read the log", log, commit_id, amount=_PAGE, limit=True)
            self._raw.update((raw.id, raw) for raw in page.results)
        return self.commit(commit_id)

    def _ancestors(self, start: CommitId) -> dict[CommitId, Commit]:
        commits: dict[CommitId, Commit] = {}
        stack = [start]
        while stack:
            commit_id = stack.pop()
            if commit_id not in commits:
                commits[commit_id] = self._visit(commit_id)
                stack.extend(commits[commit_id].parents)
        return commits


def _generations(commits: Mapping[CommitId, Commit]) -> dict[CommitId, int]:
    """1 for a root, else one more than the greatest of the parents'."""
    generations: dict[CommitId, int] = {}
    stack = list(commits)
    while stack:
        parents = commits[stack[-1]].parents
        unknown = [parent for parent in parents if parent not in generations]
        if unknown:
            stack.extend(unknown)
        else:
            commit_id = stack.pop()
            generations[commit_id] = 1 + max((generations[parent] for parent in parents), default=0)
    return generations


def _statement(raw: Any) -> dict[str, Any] | None:
    try:
        if raw.metadata.get(_PICK_ORIGIN, raw.id) != raw.id:
            return None  # a copy of the commit that spoke so
        statement = json.loads(raw.metadata[EXACT])
        on_parent = list(raw.parents[:1]) == [statement["on"]]
        true = on_parent and isinstance(statement["metadata"], dict)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    return dict(statement) if true else None


def _read_commit(raw: Any) -> Commit:
    """A commit as ours tells it; as lakeFS does where it is none of ours, or tells no commit."""
    statement = _statement(raw)
    try:
        # A candidate is built in several commits. In history, none in between is passed over.
        if statement is not None and list(statement["parents"][:1]) in ([], [statement["on"]]):
            return Commit(
                id=raw.id,
                parents=tuple(map(str, statement["parents"])),
                message=str(statement["message"]),
                author=str(statement["author"]),
                time=in_utc(dt.datetime.fromisoformat(statement["time"])),
                metadata={str(key): str(value) for key, value in statement["metadata"].items()},
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
