"""What a commit holds: listings in our words, and where paths may lie.

lakeFS's keys are flat, so a path could be a file and a folder there; ours may not. The
object in which late-comers collide and the action file are the store's own and not shown.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

from datahub.adapters.versions_lakefs.history import History
from datahub.adapters.versions_lakefs.memory import Memory
from datahub.adapters.versions_lakefs.server import SHA256, Server, Stat
from datahub.core.errors import InputError, NotFound
from datahub.core.layout import OWN
from datahub.core.versions import Change, Changes, Commit, CommitId, ObjectId, content_id

MARK = OWN + "head"  # differs between any two writes
ACTION = "_lakefs_actions/datahub.yaml"  # the guard that runs inside the server
_UNSHOWN = (MARK, ACTION)
_LISTING_LIMIT = 64  # listings in memory
_CHANGES_LIMIT = 64


class Reader(Protocol):
    """Finds the id of an object that somebody else wrote, by reading it."""

    def __call__(self, ref: str, path: str) -> ObjectId:
        """The SHA-256 of the bytes at a path."""
        ...


class Trees:
    """Listings of commits, by the tree they name: two commits of one tree are asked for once."""

    def __init__(
        self, server: Server, history: History, memory: Memory, *, hash_object: Reader
    ) -> None:
        self._server = server
        self._memory = memory
        self._history = history
        self._hash_object = hash_object
        self._listings: OrderedDict[tuple[str, str], dict[str, ObjectId]] = OrderedDict()
        self._changes: OrderedDict[tuple[str, str, str], list[Change]] = OrderedDict()
        self.where: dict[ObjectId, tuple[CommitId, str]] = {}

    def objects(self, commit_id: CommitId, prefix: str = "") -> dict[str, ObjectId]:
        """Path -> object id under a prefix, by path."""
        tree = self._history.raw(commit_id).meta_range_id
        whole = self._listings.get((tree, ""))
        if whole is not None:
            self._listings.move_to_end((tree, ""))
            return {path: oid for path, oid in whole.items() if path.startswith(prefix)}
        if (tree, prefix) not in self._listings:
            self._listings[tree, prefix] = self._list(commit_id, prefix)
            while len(self._listings) > _LISTING_LIMIT:
                self._listings.popitem(last=False)
        self._listings.move_to_end((tree, prefix))
        return dict(self._listings[tree, prefix])

    def content_id(self, commit_id: CommitId) -> str:
        """What names all that a commit holds, outside our own folder."""
        tree = self._tree(commit_id)
        digest = self._memory.content_id(tree)
        if digest is None:
            digest = content_id(self.objects(commit_id))
            self._memory.keep(tree, digest)
        return digest

    def search(self, oid: ObjectId, commits: Iterable[CommitId]) -> tuple[CommitId, str] | None:
        """Where bytes lie that this process has not seen listed, in these commits."""
        if re.fullmatch(r"[0-9a-f]{64}", oid):
            for commit_id in commits:
                self.objects(commit_id)
                if oid in self.where:
                    return self.where[oid]
        return None

    def distinct(self, commits: Mapping[str, CommitId]) -> dict[str, CommitId]:
        """One name for each tree that is among them."""
        return dict({self._tree(c): (n, c) for n, c in commits.items()}.values())

    def around(self, commit_id: CommitId, paths: Iterable[str]) -> Around:
        """What lies in the folders of these paths: as many requests as folders."""
        folders = sorted({folder for path in paths for folder in _above(path)})
        files: dict[str, ObjectId] = {}
        below: set[str] = set()
        for stats in self._server.map(
            lambda folder: list(self._server.listing(commit_id, folder, delimiter="/")), folders
        ):
            below |= {stat["path"].rstrip("/") for stat in stats if stat["path_type"] != "object"}
            files |= self._ids(commit_id, [s for s in stats if s["path_type"] == "object"])
        return Around(files, below)

    def overlap(self, base: CommitId, head: CommitId, paths: Collection[str]) -> list[str]:
        """Those of `paths` that another commit on top of `base` has changed, too."""
        try:
            return sorted(set(paths) & self.differing(base, head).keys())
        except NotFound:
            return []

    def check_places(self, commit_id: CommitId, around: Around, changes: Changes) -> None:
        """Raise InputError where a path would be a file and a folder at once."""
        for path, oid in changes.items():
            if oid is None:
                continue
            for folder in _above(path):
                file = folder.rstrip("/")
                if file and changes.get(file, around.files.get(file)) is not None:
                    raise _clash_error(file)
            if path in around.folders:
                children = self.objects(commit_id, path + "/").keys()
                if any(changes.get(child, "") is not None for child in children):
                    raise _clash_error(path)

    def changes(self, old: CommitId, new: CommitId, prefix: str = "") -> list[Change]:
        """What differs, sorted; the cost follows the difference, and nothing is asked twice."""
        trees = self._tree(old), self._tree(new), prefix
        if trees not in self._changes:
            now = self.differing(old, new, prefix)
            was = self.differing(new, old, prefix) if now else {}
            paths = sorted(was.keys() | now.keys())
            changes = [Change(path, was.get(path), now.get(path)) for path in paths]
            self._changes[trees] = [change for change in changes if change.old != change.new]
            while len(self._changes) > _CHANGES_LIMIT:
                self._changes.popitem(last=False)
        self._changes.move_to_end(trees)
        return list(self._changes[trees])

    def is_touched(self, commit: Commit, prefix: str) -> bool:
        """Whether a commit holds something else under a prefix than each of its parents does."""
        if not commit.parents:
            return bool(self.objects(commit.id, prefix))
        return all(self.differing(parent, commit.id, prefix) for parent in commit.parents)

    def differing(
        self, left: CommitId, right: CommitId, prefix: str = ""
    ) -> dict[str, ObjectId | None]:
        """Path -> what `right` holds there (None: nothing), of paths that differ from `left`."""
        if self._tree(left) == self._tree(right):
            return {}
        objects: dict[str, ObjectId | None] = {}
        for difference in self._server.differing(left, right, prefix):
            path = difference["path"]
            if path in _UNSHOWN:
                continue
            stat = {**(difference.get("right") or {}), "path": path}
            is_gone = difference["type"] == "removed"
            objects[path] = None if is_gone else self._id(right, stat)
        return objects

    def _tree(self, commit_id: CommitId) -> str:
        return str(self._history.raw(commit_id).meta_range_id)

    def _list(self, commit_id: CommitId, prefix: str) -> dict[str, ObjectId]:
        objects = self._ids(commit_id, self._server.listing(commit_id, prefix))
        return dict(sorted(objects.items()))

    def _ids(self, commit_id: CommitId, stats: Iterable[Stat]) -> dict[str, ObjectId]:
        return {s["path"]: self._id(commit_id, s) for s in stats if s["path"] not in _UNSHOWN}

    def _id(self, commit_id: CommitId, stat: Stat) -> ObjectId:
        oid = str((stat.get("metadata") or {}).get(SHA256, ""))
        if not re.fullmatch(r"[0-9a-f]{64}", oid):
            # Somebody else's: no id, until it is read.
            oid = self._hash_object(commit_id, stat["path"])
        self.where.setdefault(oid, (commit_id, stat["path"]))
        return oid


class Around:
    """Files and folders that lie beside some paths, or above them."""

    def __init__(self, files: Mapping[str, ObjectId], folders: set[str]) -> None:
        self.files = files
        self.folders = folders


def _above(path: str) -> list[str]:
    """The folders of a path, the root as the empty one.

    >>> _above("a/b/c")
    ['', 'a/', 'a/b/']
    """
    pieces = path.split("/")[:-1]
    return ["".join(f"{piece}/" for piece in pieces[:count]) for count in range(len(pieces) + 1)]


def _clash_error(path: str) -> InputError:
    return InputError(
        f"{path!r} would be a file and a folder at once.",
        hint="Remove the one in the same commit, or choose another path.",
    )
