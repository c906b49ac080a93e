"""Commits, branches, and what a merge of two histories of objects is.

A tree is a mapping from path to object id (SHA-256 of the object's bytes,
hexadecimal). Pure: mappings in, mappings out.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from datahub.core import objecttree
from datahub.core.errors import InputError, RefNotFound
from datahub.core.layout import OWN, RULES

ObjectId = str
CommitId = str
Objects = Mapping[str, ObjectId]
Changes = Mapping[str, ObjectId | None]  # None deletes
_DEEPEST = 64  # folders to a path


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


@dataclass(frozen=True)
class Damage:
    """Something that is not as it was stored, or not there; `where` is what leads to it."""

    kind: Literal["ref", "commit", "node", "object", "database", "dataset", "guard"]
    id: str
    what: str
    where: str


@dataclass(frozen=True)
class Collected:
    """What a collection removed, or would remove."""

    commits: int
    nodes: int
    objects: int
    bytes: int  # of the objects
    leases: int  # candidates that nobody landed or dropped
    at_work: int = 0  # other processes, for which more was kept than was asked


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


def merged_changes(
    ours: Iterable[Change], theirs: Iterable[Change]
) -> tuple[dict[str, ObjectId | None], list[str]]:
    """Merge whole objects: what `theirs` adds to our side, and the paths that conflict.

    Both sides are changes since one base. A path that both changed, differently, is a conflict
    and stays ours. What lies under `_datahub/` is ours: it speaks of our own commits.

    >>> merged_changes([Change("a", "1", "2")], [Change("b", "1", None)])
    ({'b': None}, [])
    >>> merged_changes([Change("a", "1", "2")], [Change("a", "1", "3")])
    ({}, ['a'])
    """
    our_change = {change.path: change.new for change in ours}
    changes: dict[str, ObjectId | None] = {}
    conflicts = []
    for change in theirs:
        if change.path.startswith(OWN):
            continue
        if change.path not in our_change:
            changes[change.path] = change.new
        elif our_change[change.path] != change.new:
            conflicts.append(change.path)
    return changes, sorted(conflicts)


def content_id(objects: Objects) -> str:
    """The id of everything outside `_datahub/`: the root of its tree (core.objecttree).

    >>> content_id({"a": "0" * 64}) == content_id({"a": "0" * 64, "_datahub/verdict.json": ""})
    True
    """
    root, _ = objecttree.build({p: oid for p, oid in objects.items() if not p.startswith(OWN)})
    return root


def suite_hash(objects: Objects) -> str:
    """The same over the rules of a tree: everything under `expectations/`."""
    return content_id({path: oid for path, oid in objects.items() if path.startswith(RULES)})


def touches(paths: Iterable[str]) -> tuple[bool, bool]:
    """Whether changed paths are of (rules, data). datahub's own objects are neither.

    >>> touches(["expectations/gates.toml"])
    (True, False)
    """
    unique = set(paths)
    rules = any(path.startswith(RULES) for path in unique)
    data = any(not path.startswith((RULES, OWN)) for path in unique)
    return rules, data


def parsed_ref(ref: str) -> tuple[str, tuple[tuple[str, int], ...]]:
    """A ref's name, and the steps to take from it: ("~", n) first parents, ("^", n) n-th parent.

    Raises RefNotFound for what is no ref.

    >>> parsed_ref("main~2^2")
    ('main', (('~', 2), ('^', 2)))
    """
    match = re.fullmatch(r"([^~^]+)((?:[~^][0-9]{0,9})*)", ref)
    if match is None:
        raise RefNotFound(ref)
    steps = re.findall(r"([~^])([0-9]*)", match[2])
    return match[1], tuple((sign, int(count or 1)) for sign, count in steps)


def with_current(ref: str, branch: str) -> str:
    """A ref that says HEAD or @, as git's users do, with the current branch in its place.

    >>> with_current("HEAD~2", "work"), with_current("@", "work"), with_current("main", "work")
    ('work~2', 'work', 'main')
    """
    return re.sub(r"^(?:HEAD|@)(?=[~^]|$)", lambda _: branch, ref)


def is_id(name: str) -> bool:
    """Whether a name is read as a commit's id or the start of one, and as nothing else.

    >>> is_id("cafe0123"), is_id("cafe"), is_id("main")
    (True, False, False)
    """
    return bool(re.fullmatch(r"[0-9a-f]{8,64}", name))


def no_commit(name: str, *, is_name: bool) -> RefNotFound:
    """The error for an id, or the start of one, that no commit has; `is_name`: a branch or tag has.

    Such a name is never followed: it would speak for the commit of that id.
    """
    error = RefNotFound(name)
    if is_name:
        error.hint = (
            f"A branch or tag is named {name}, like a commit's id, and is not followed: an id "
            "goes before a name. `datahub fsck` lists such names; delete or rename it."
        )
    return error


def checked_branch(name: str, *, kind: str = "branch") -> str:
    """Return `name` if it can name a branch or a tag, else raise InputError.

    Git's rules, narrowed.

    >>> checked_branch("relabel/round-2")
    'relabel/round-2'
    """
    if (
        not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_./-]{0,199}", name)
        or ".." in name
        or "//" in name
        or name.endswith(("/", ".", ".lock"))
        or is_id(name)
        or name == "HEAD"
        or name.startswith("refs/")
    ):
        raise InputError(
            f"{name!r} is not a valid {kind} name.",
            hint="Use letters, digits, '-', '_', '.' and '/', e.g. relabel/round-2; "
            "HEAD, refs/..., and what looks like a commit id, are taken.",
        )
    return name


def in_utc(time: dt.datetime) -> dt.datetime:
    """The same time in UTC. Raises InputError for a time without a zone."""
    if time.tzinfo is None:
        raise InputError(
            f"The time {time.isoformat()} has no zone.",
            hint="Give one, e.g. datetime.now(timezone.utc).",
        )
    return time.astimezone(dt.UTC)


def checked_path(path: str) -> str:
    """Return `path` if it can name an object in a commit, else raise InputError."""
    if "\0" in path or not {"", ".", "..", ".git"}.isdisjoint(path.split("/")):
        raise InputError(
            f"{path!r} is not a valid path in a commit.",
            hint="Use a relative path inside the project, with '/' between folders.",
        )
    return path


def checked_changes(changes: Changes) -> None:
    """Raise InputError for a path that no commit can hold."""
    for path in changes:
        checked_path(path)
        if path.count("/") > _DEEPEST:
            raise InputError(
                f"{path[:60]!r}... has too many folders.", hint=f"Use at most {_DEEPEST} folders."
            )
        try:
            path.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"{path!r} is not Unicode text.", hint="Rename the file.") from error
