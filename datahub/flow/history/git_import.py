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
    git_history = git.history(folder)
    if not git_history.branches:
        raise InputError(
            f"{folder} has no branch.", hint="Name a folder that `datahub git export` wrote."
        )
    history, ids = _history(git_history)
    paths = {oid: path for _, changes in history for path, oid in changes.items() if oid}
    _take(paths, objects, store, git, progress)
    store.adopt(
        history,
        branches={name: ids.get(target, "") for name, target in git_history.branches.items()},
        tags={name: ids.get(target, "") for name, target in git_history.tags.items()},
    )
    return len(history)


def _history(git_history: GitHistory) -> tuple[list[tuple[Commit, Changes]], dict[str, str]]:
    """Commits with their changes, and git id -> commit id."""
    ids: dict[str, str] = {}
    history: list[tuple[Commit, Changes]] = []
    for entry in git_history.commits:
        commit = parse_commit(
            entry.message, tuple(ids[parent] for parent in entry.parents), entry.id
        )
        ids[entry.id] = commit.id
        changes = {
            path: None if blob is None else parse_pointer(git_history.blobs[blob], path)
            for path, blob in entry.changes.items()
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

    def find() -> Iterator[Path]:
        for oid, path in paths.items():
            place = git.locate(objects, oid)
            if place is None:
                raise ObjectNotFound(oid, path)
            places.append(place)
            yield place
            progress("import", len(places), len(paths))

    for oid, place, put in zip(paths, places, store.put_all(find()), strict=True):
        if put != oid:
            raise StorageError(
                f"{place} holds other bytes than its name says.",
                hint="Fetch the objects again, or run `datahub fsck` where they come from.",
            )
