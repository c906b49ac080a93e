"""Commits, branches, and what a merge of two histories of objects is.

A tree is a mapping from path to object id (SHA-256 of the object's bytes,
hexadecimal). Pure: mappings in, mappings out.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from datahub.core.errors import InputError
from datahub.core.layout import OWN, RULES

ObjectId = str
CommitId = str
Objects = Mapping[str, ObjectId]
Changes = Mapping[str, ObjectId | None]  # None deletes


@dataclass(frozen=True)
class Commit:
    """One state of the repository. `metadata` is small and flat: text to text."""

    id: CommitId
    parents: tuple[CommitId, ...]
    message: str
    author: str
    time: dt.datetime
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """One path that differs between two trees."""

    path: str
    old: ObjectId | None
    new: ObjectId | None

    @property
    def kind(self) -> Literal["added", "removed", "changed"]:
        """What happened to the path."""
        if self.old is None:
            return "added"
        return "removed" if self.new is None else "changed"


@dataclass(frozen=True)
class Candidate:
    """A merge commit that nobody sees yet: what the gate judges and `land` lands."""

    id: CommitId
    source: CommitId
    into: str
    judged_head: CommitId
    content_id: str


def changes_between(old: Objects, new: Objects) -> list[Change]:
    """Paths that differ, sorted.

    >>> [(c.path, c.kind) for c in changes_between({"a": "1", "b": "1"}, {"b": "2", "c": "1"})]
    [('a', 'removed'), ('b', 'changed'), ('c', 'added')]
    """
    return [
        Change(path, old.get(path), new.get(path))
        for path in sorted(old.keys() | new.keys())
        if old.get(path) != new.get(path)
    ]


def three_way(
    base: Objects, ours: Objects, theirs: Objects
) -> tuple[dict[str, ObjectId], list[str]]:
    """Merge whole objects; return the merged tree and the paths both sides changed differently.

    What lies under `_datahub/` is ours: it speaks of our own commits.

    >>> three_way({"a": "1", "b": "1"}, {"a": "2", "b": "1"}, {"a": "1"})
    ({'a': '2'}, [])
    >>> three_way({"a": "1"}, {"a": "2"}, {"a": "3"})
    ({'a': '2'}, ['a'])
    """
    merged = dict(ours)
    conflicts = []
    for path in sorted(base.keys() | theirs.keys()):
        old, our, their = base.get(path), ours.get(path), theirs.get(path)
        if path.startswith(OWN) or their in (old, our):
            continue
        if our != old:
            conflicts.append(path)
        elif their is None:
            merged.pop(path, None)
        else:
            merged[path] = their
    return merged, conflicts


def content_id(objects: Objects) -> str:
    """SHA-256 over path and object id of everything outside `_datahub/`, hexadecimal.

    >>> content_id({"a": "1"}) == content_id({"a": "1", "_datahub/verdict.json": "2"})
    True
    """
    digest = hashlib.sha256()
    for path in sorted(objects):
        if not path.startswith(OWN):
            digest.update(f"{path}\0{objects[path]}\n".encode())
    return digest.hexdigest()


def suite_hash(objects: Objects) -> str:
    """SHA-256 over the rules of a tree: everything under `expectations/`."""
    return content_id({path: oid for path, oid in objects.items() if path.startswith(RULES)})


def touches(changes: list[Change]) -> tuple[bool, bool]:
    """Whether changes touch (rules, data). datahub's own objects are neither.

    >>> touches([Change("expectations/gates.toml", None, "1")])
    (True, False)
    """
    rules = any(change.path.startswith(RULES) for change in changes)
    data = any(not change.path.startswith((RULES, OWN)) for change in changes)
    return rules, data


def checked_branch(name: str) -> str:
    """Return `name` if it can name a branch (git's rules, narrowed), else raise InputError.

    >>> checked_branch("relabel/round-2")
    'relabel/round-2'
    """
    if (
        not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_./-]{0,199}", name)
        or ".." in name
        or "//" in name
        or name.endswith(("/", ".", ".lock"))
        or re.fullmatch(r"[0-9a-f]{8,64}", name)
    ):
        raise InputError(
            f"{name!r} cannot name a branch.",
            hint="Use letters, digits, '-', '_', '.' and '/', e.g. relabel/round-2; "
            "a name that looks like a commit id is taken.",
        )
    return name


def checked_path(path: str) -> str:
    """Return `path` if it can name an object in a commit, else raise InputError."""
    pieces = path.split("/")
    if not path or any(piece in ("", ".", "..", ".git") for piece in pieces) or "\0" in path:
        raise InputError(
            f"{path!r} cannot be a path in a commit.",
            hint="Use a relative path inside the project, with '/' between folders.",
        )
    return path
