"""The objects of one commit by path: each listing is asked for once.

A commit never changes, so what was listed or read of it stays right. A listing of a folder serves
every path and folder below it. Name a folder as narrow as what you need: a repository may hold
hundreds of thousands of objects.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from typing import Any, TypeVar

from datahub.core.versions import Change, Commit, ObjectId, Objects
from datahub.ports import VersionStore

T = TypeVar("T")


class Contents:
    """Paths and objects of one commit."""

    def __init__(self, store: VersionStore, commit: Commit) -> None:
        self.store = store
        self.commit = commit
        self._listings: dict[str, Objects] = {}
        self._paths: dict[str, list[str]] = {}
        self._values: dict[tuple[Callable[..., Any], str], Any] = {}

    def under(self, prefix: str) -> Objects:
        """Path -> object id of what lies under a prefix, by path."""
        if prefix not in self._listings:
            wider = next((p for p in _folders(prefix) if p in self._listings), None)
            self._listings[prefix] = (
                dict(sorted(self.store.objects(self.commit.id, prefix).items()))
                if wider is None
                else self._within(wider, prefix)
            )
        return self._listings[prefix]

    def find(self, path: str) -> ObjectId | None:
        """The object at a path; None where there is none."""
        return self.under(path).get(path)

    def read(self, path: str) -> bytes | None:
        """The bytes at a path; None where there is nothing."""
        oid = self.find(path)
        return None if oid is None else self.store.read(oid)

    def read_as(self, path: str, parse: Callable[[bytes], T]) -> T | None:
        """What `parse` makes of the bytes at a path, read once; None where there is nothing."""
        name = (parse, path)
        if name not in self._values:
            content = self.read(path)
            self._values[name] = None if content is None else parse(content)
        value: T | None = self._values[name]
        return value

    def on(self, commit: Commit, folder: str) -> Contents:
        """The contents of another commit; what is listed of a folder here is not listed again.

        What differs between the two commits is asked for instead.
        """
        if commit.id == self.commit.id:
            return self
        contents = Contents(self.store, commit)
        changes = self.store.changes(self.commit.id, commit.id, folder)
        for prefix, listing in self._listings.items():
            if prefix.startswith(folder):
                contents._listings[prefix] = _changed(listing, changes, prefix)
        return contents

    def _within(self, wider: str, prefix: str) -> Objects:
        """What of a listing lies under a longer prefix."""
        listing = self._listings[wider]
        if wider not in self._paths:
            self._paths[wider] = list(listing)
        paths = self._paths[wider]
        first = bisect_left(paths, prefix)
        successors = (paths[at] for at in range(first, len(paths)))
        return {
            path: listing[path] for path in takewhile(lambda p: p.startswith(prefix), successors)
        }


def _changed(listing: Objects, changes: Sequence[Change], prefix: str) -> Objects:
    """A listing of what a prefix has after changes; itself where none is about it.

    >>> dict(_changed({"a/1": "x", "a/2": "y"}, [Change("a/1", "x", None)], "a/"))
    {'a/2': 'y'}
    """
    about = {change.path: change.new for change in changes if change.path.startswith(prefix)}
    if not about:
        return listing
    objects = {**listing, **about}
    return {path: oid for path, oid in sorted(objects.items()) if oid is not None}


def _folders(path: str) -> Iterator[str]:
    """The folders that a path lies in, the narrowest first, the root as the empty one.

    >>> list(_folders("a/b/c")), list(_folders("a/b/"))
    (['a/b/', 'a/', ''], ['a/', ''])
    """
    pieces = path.removesuffix("/").split("/")[:-1]
    for count in range(len(pieces), -1, -1):
        yield "".join(f"{piece}/" for piece in pieces[:count])
