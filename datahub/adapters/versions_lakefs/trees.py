"""What a commit holds: listings in our words, and what differs between two.

The object in which late-comers collide and the action file are the store's own and not shown.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import Protocol

from datahub.adapters.versions_lakefs.history import History
from datahub.adapters.versions_lakefs.memory import Memory
from datahub.adapters.versions_lakefs.server import SHA256, Server, Stat
from datahub.core.errors import NotFound
from datahub.core.layout import OWN
from datahub.core.versions import Change, Commit, CommitId, ObjectId, content_id

MARK = OWN + "head"  # differs between any two writes
ACTION = "_lakefs_actions/datahub.yaml"  # the guard that runs inside the server
_UNSHOWN = (MARK, ACTION)
_LISTING_LIMIT = 64  # listings in memory
_DIFFERENCES_LIMIT = 128
_SMALL = 1000  # files and folders in a folder that one request tells

Difference = tuple[dict[str, ObjectId | None], bool]


class Reader(Protocol):
    """Finds the id of an object that somebody else wrote, by reading it."""

    def __call__(self, ref: str, path: str) -> ObjectId:
        """The SHA-256 of the bytes at a path."""
        ...


class Folder:
    """What lies directly in a folder: what the server says of files, and paths of folders."""

    def __init__(self, stats: Sequence[Stat]) -> None:
        self.files = {s["path"]: s for s in stats if s["path_type"] == "object"}
        self.folders = {s["path"].rstrip("/") for s in stats if s["path_type"] != "object"}

    def __len__(self) -> int:
        return len(self.files) + len(self.folders)


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
        self._folders: OrderedDict[tuple[str, str], Folder] = OrderedDict()
        self._differences: OrderedDict[tuple[str, str, str], Difference] = OrderedDict()
        self.where: dict[ObjectId, tuple[CommitId, str]] = {}

    def objects(self, commit_id: CommitId, prefix: str = "") -> dict[str, ObjectId]:
        """Path -> object id under a prefix, by path."""
        listing = self.at_hand(commit_id, prefix)
        if listing is None:
            listing = self._files_named(commit_id, prefix)
            if listing is None:
                listing = self._list(commit_id, prefix)
            self._listings[self._tree(commit_id), prefix] = listing
            while len(self._listings) > _LISTING_LIMIT:
                self._listings.popitem(last=False)
        return {path: oid for path, oid in listing.items() if path.startswith(prefix)}

    def folder(self, commit_id: CommitId, folder: str, *, limit: int | None = None) -> Folder:
        """What lies directly in a folder, asked for once; no more than `limit` of it."""
        name = (self._tree(commit_id), folder)
        if name not in self._folders:
            stats = self._server.listing(commit_id, folder, delimiter="/")
            listing = Folder(list(islice(stats, limit)))
            if limit is not None and len(listing) == limit:
                return listing
            self._folders[name] = listing
            while len(self._folders) > _LISTING_LIMIT:
                self._folders.popitem(last=False)
        return self._folders[name]

    def at_hand(self, commit_id: CommitId, prefix: str) -> dict[str, ObjectId] | None:
        """A listing that has all under a prefix, if one was asked for."""
        tree = self._tree(commit_id)
        for wider in (prefix, *above(prefix)[::-1]):
            if (tree, wider) in self._listings:
                self._listings.move_to_end((tree, wider))
                return self._listings[tree, wider]
        return None

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

    def overlap(self, base: CommitId, head: CommitId, paths: Collection[str]) -> list[str]:
        """Those of `paths` that another commit on top of `base` has changed, too."""
        try:
            return sorted(set(paths) & self.differing(base, head).keys())
        except NotFound:
            return []

    def changes(self, old: CommitId, new: CommitId, prefix: str = "") -> list[Change]:
        """What differs, sorted; the cost follows the difference, and nothing is asked twice."""
        now, is_new = self._differing(old, new, prefix)
        was = {} if is_new else self._differing(new, old, prefix)[0]
        paths = sorted(was.keys() | now.keys())
        changes = [Change(path, was.get(path), now.get(path)) for path in paths]
        return [change for change in changes if change.old != change.new]

    def touching(self, start: CommitId, prefix: str) -> Callable[[Commit], bool]:
        """Whether a commit holds something else under a prefix than each of its parents does.

        It may be asked of `start` and what comes before. Of most commits the server's log says
        it; that passes over merges, and knows nothing of what is not shown.
        """
        if any(path.startswith(prefix) for path in _UNSHOWN):
            return lambda commit: self._is_touched(commit, prefix)
        ids = self._history.touching(start, prefix)
        return lambda commit: (
            commit.id in ids if self._history.is_plain(commit) else self._is_touched(commit, prefix)
        )

    def differing(
        self, left: CommitId, right: CommitId, prefix: str = ""
    ) -> dict[str, ObjectId | None]:
        """Path -> what `right` holds there (None: nothing), of paths that differ from `left`."""
        return dict(self._differing(left, right, prefix)[0])

    def _is_touched(self, commit: Commit, prefix: str) -> bool:
        if not commit.parents:
            return bool(self.objects(commit.id, prefix))
        return all(self._differing(parent, commit.id, prefix)[0] for parent in commit.parents)

    def _differing(self, left: CommitId, right: CommitId, prefix: str) -> Difference:
        """What `right` holds where it differs from `left`, and whether `left` holds none of it."""
        trees = self._tree(left), self._tree(right), prefix
        if trees[0] == trees[1]:
            return {}, True
        if trees not in self._differences:
            self._differences[trees] = self._compare(left, right, prefix)
            while len(self._differences) > _DIFFERENCES_LIMIT:
                self._differences.popitem(last=False)
        self._differences.move_to_end(trees)
        return self._differences[trees]

    def _compare(self, left: CommitId, right: CommitId, prefix: str) -> Difference:
        objects: dict[str, ObjectId | None] = {}
        is_new = True
        for difference in self._server.differing(left, right, prefix):
            path = difference["path"]
            if path in _UNSHOWN:
                continue
            stat = {**(difference.get("right") or {}), "path": path}
            is_gone = difference["type"] == "removed"
            is_new = is_new and difference["type"] == "added"
            objects[path] = None if is_gone else self._id(right, stat)
        return objects, is_new

    def _tree(self, commit_id: CommitId) -> str:
        return str(self._history.raw(commit_id).meta_range_id)

    def _files_named(self, commit_id: CommitId, prefix: str) -> dict[str, ObjectId] | None:
        """What starts with the path of a file, as the folder says that has it; None: ask for it.

        Several files of a folder take one request so, where it is small and they start no folder.
        """
        name = above(prefix)[-1]
        if name == prefix:
            return None
        folder = self.folder(commit_id, name, limit=_SMALL)
        if len(folder) >= _SMALL or any(path.startswith(prefix) for path in folder.folders):
            return None
        stats = [stat for path, stat in folder.files.items() if path.startswith(prefix)]
        return self.ids(commit_id, stats)

    def _list(self, commit_id: CommitId, prefix: str) -> dict[str, ObjectId]:
        objects = self.ids(commit_id, self._server.listing(commit_id, prefix))
        return dict(sorted(objects.items()))

    def ids(self, commit_id: CommitId, stats: Iterable[Stat]) -> dict[str, ObjectId]:
        """Path -> object id of what the server says of objects."""
        return {s["path"]: self._id(commit_id, s) for s in stats if s["path"] not in _UNSHOWN}

    def _id(self, commit_id: CommitId, stat: Stat) -> ObjectId:
        oid = str((stat.get("metadata") or {}).get(SHA256, ""))
        if not re.fullmatch(r"[0-9a-f]{64}", oid):
            # Somebody else's: no id, until it is read.
            oid = self._hash_object(commit_id, stat["path"])
        self.where.setdefault(oid, (commit_id, stat["path"]))
        return oid


def above(path: str) -> list[str]:
    """The folders of a path, the root as the empty one.

    >>> above("a/b/c")
    ['', 'a/', 'a/b/']
    """
    pieces = path.split("/")[:-1]
    return ["".join(f"{piece}/" for piece in pieces[:count]) for count in range(len(pieces) + 1)]
