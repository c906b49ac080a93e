"""Take over a history from a plain git repository that an export wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from datahub.core.errors import ConfigError, InputError, ObjectNotFound, StorageError
from datahub.core.gitstream import parse_commit, parse_pointer
from datahub.core.versions import Changes, Commit, ObjectId
from datahub.flow.steps import Progress
from datahub.ports import Adopting, GitHistory, GitRepositories, VersionStore


def git_import(
    folder: Path, *, objects: Path, store: VersionStore, git: GitRepositories, progress: Progress
) -> int:
    """Make the history in a git repository that of a new store; return how many commits.

    All of it is checked before the history changes: what fails leaves objects that `gc` takes,
    and nothing else. Raises InputError (not an export, or altered), ObjectNotFound, StorageError
    (bytes are not what their name says), Conflict (the store is not new), ConfigError.
    """
    if not isinstance(store, Adopting):
        raise ConfigError(
            "This project's history is on a server, which takes no foreign ids.",
            hint="Import into a project with an embedded store.",
        )
    found = git.history(folder)
    if not found.branches:
        raise InputError(
            f"{folder} has no branch.", hint="Name a folder that `datahub git export` wrote."
        )
    history, ids = _history(found)
    paths = {oid: path for _, changes in history for path, oid in changes.items() if oid}
    _take(paths, objects, store, git, progress)
    store.adopt(
        history,
        branches={name: ids.get(target, "") for name, target in found.branches.items()},
        tags={name: ids.get(target, "") for name, target in found.tags.items()},
    )
    return len(history)


def _history(found: GitHistory) -> tuple[list[tuple[Commit, Changes]], dict[str, str]]:
    """Commits with their changes, and git id -> commit id."""
    ids: dict[str, str] = {}
    history: list[tuple[Commit, Changes]] = []
    for one in found.commits:
        commit = parse_commit(one.message, tuple(ids[parent] for parent in one.parents), one.id)
        ids[one.id] = commit.id
        changes = {
            path: None if blob is None else parse_pointer(found.blobs[blob], path)
            for path, blob in one.changes.items()
        }
        history.append((commit, changes))
    return history, ids


def _take(
    paths: Mapping[ObjectId, str],
    objects: Path,
    store: VersionStore,
    git: GitRepositories,
    progress: Progress,
) -> None:
    """Store the objects that lie in a folder; `paths` has one of each."""
    places: list[Path] = []

    def found() -> Iterator[Path]:
        for oid, path in paths.items():
            place = git.stored(objects, oid)
            if place is None:
                raise ObjectNotFound(oid, path)
            places.append(place)
            yield place
            progress("import", len(places), len(paths))

    for oid, place, put in zip(paths, places, store.put_all(found()), strict=True):
        if put != oid:
            raise StorageError(
                f"{place} holds other bytes than its name says.",
                hint="Fetch the objects again, or run `datahub fsck` where they come from.",
            )
