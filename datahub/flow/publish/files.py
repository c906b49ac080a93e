"""Files of the project's folder, committed on a branch: LFs, rules, notes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from datahub.core.errors import Conflict, InputError, NotFound
from datahub.core.layout import DATASETS
from datahub.core.versions import Changes, Commit, checked_path
from datahub.flow.steps import Step, begin, end
from datahub.ports import VersionStore


def commit_files(
    files: Mapping[str, Path | None], *, message: str, store: VersionStore, step: Step
) -> Commit:
    """Commit files under these paths on a branch; one that is gone is taken off it.

    Raises Guarded, InputError (a path that is datahub's), NotFound (neither here nor there).
    """
    head = begin(store, step)
    present = {_own_path(path): file for path, file in files.items() if file is not None}
    absent = [_own_path(path) for path, file in files.items() if file is None]
    for path in absent:
        if path not in store.objects(head.id, path):
            raise NotFound(
                f"There is no file {path!r}.",
                hint="Paths are within the project. A file that is committed and gone is deleted.",
            )
    oids = zip(present, store.put_all(present.values()), strict=True)
    changes: Changes = {**dict.fromkeys(absent, None), **dict(oids)}
    commit = end(store, step, head, changes, message=message, metadata={"step": "commit"})
    if commit == head:
        raise Conflict(
            "Nothing to commit: the files are what the branch holds already.",
            hint="`datahub diff` shows what a branch changed.",
        )
    return commit


def _own_path(path: str) -> str:
    """A path of the user's. Raises InputError for those of tables, and of the project's folder."""
    if path.startswith((DATASETS, ".datahub/")):
        raise InputError(
            f"{path!r} lies where datahub keeps its own.",
            hint="Give the folder another name. Rows come by `datahub import`; votes, labels and "
            "answers are committed by the steps that make them.",
        )
    return checked_path(path)
