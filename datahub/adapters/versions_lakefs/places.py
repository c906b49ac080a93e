"""Where paths may lie in a commit.

lakeFS's keys are flat, so a path could be a file and a folder there; ours may not.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence

from datahub.adapters.versions_lakefs.server import Server
from datahub.adapters.versions_lakefs.trees import Trees, above
from datahub.core.errors import InputError
from datahub.core.versions import Changes, CommitId, ObjectId


class Around:
    """Files and folders that lie beside some paths, or above them."""

    def __init__(self, files: Mapping[str, ObjectId], folders: set[str]) -> None:
        self.files = files
        self.folders = folders


class Places:
    """Files and folders of commits."""

    def __init__(self, server: Server, trees: Trees) -> None:
        self._server = server
        self._trees = trees

    def around(self, commit_id: CommitId, paths: Iterable[str]) -> Around:
        """What lies in the folders of these paths: at most as many requests as folders.

        Of a folder that holds nothing, what lies in the one above it, too. One that holds
        something is no file, nor is any above it: those are not asked for.
        """
        files: dict[str, ObjectId] = {}
        below: set[str] = set()
        done_folders: set[str] = set()
        level = {_folder(path) for path in paths}
        while level:
            done_folders |= level
            folders = sorted(level)
            listings = self._server.map(lambda folder: self._list(commit_id, folder), folders)
            for files_in, folders_in in listings:
                files |= files_in
                below |= folders_in
            pairs = zip(folders, listings, strict=True)
            empty = [folder for folder, listing in pairs if folder and not any(listing)]
            level = {_folder(folder.rstrip("/")) for folder in empty} - done_folders
        return Around(files, below)

    def check(self, commit_id: CommitId, around: Around, changes: Changes) -> None:
        """Raise InputError where a path would be a file and a folder at once."""
        for path, oid in changes.items():
            if oid is None:
                continue
            for folder in above(path):
                file = folder.rstrip("/")
                if file and changes.get(file, around.files.get(file)) is not None:
                    raise _clash_error(file)
            if path in around.folders:
                children = self._trees.objects(commit_id, path + "/").keys()
                if any(changes.get(child, "") is not None for child in children):
                    raise _clash_error(path)

    def _list(self, commit_id: CommitId, folder: str) -> tuple[dict[str, ObjectId], set[str]]:
        """The files in a folder, and the folders in it."""
        listing = self._trees.at_hand(commit_id, folder)
        if listing is not None:
            children = list(_children(list(listing), folder))
            files = {path: listing[path] for path, is_folder in children if not is_folder}
            return files, {path for path, is_folder in children if is_folder}
        inside = self._trees.folder(commit_id, folder)
        return self._trees.ids(commit_id, inside.files.values()), inside.folders


def _folder(path: str) -> str:
    """The folder that a path lies in.

    >>> _folder("a/b/c"), _folder("a")
    ('a/b/', '')
    """
    return above(path)[-1]


def _children(paths: Sequence[str], folder: str) -> Iterator[tuple[str, bool]]:
    """What lies in a folder, of sorted paths, and whether it is a folder: each of them once.

    >>> list(_children(["a", "b/c", "b/d/e", "b/d/f", "b/g"], "b/"))
    [('b/c', False), ('b/d', True), ('b/g', False)]
    """
    at = bisect_left(paths, folder)
    while at < len(paths) and paths[at].startswith(folder):
        name, slash, _ = paths[at][len(folder) :].partition("/")
        yield folder + name, bool(slash)
        after = folder + name + chr(ord("/") + 1)  # comes after all that the folder holds
        at = bisect_left(paths, after, at) if slash else at + 1


def _clash_error(path: str) -> InputError:
    return InputError(
        f"{path!r} would be a file and a folder at once.",
        hint="Remove the one in the same commit, or choose another path.",
    )
