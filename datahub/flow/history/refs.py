"""Names of commits: what a branch still holds when its name goes, and history by dataset."""

from __future__ import annotations

from datahub.core.errors import BranchNotFound, Conflict, InputError
from datahub.core.layout import DATASETS
from datahub.core.versions import Commit
from datahub.ports import History, VersionStore


def delete_branch(name: str, *, current: str, force: bool, store: VersionStore) -> None:
    """Remove a branch's name, as git does: not of the current one, nor of what only it reaches.

    Raises BranchNotFound, Guarded, Conflict; `force` lets commits go that nothing else reaches.
    """
    if name == current:
        raise Conflict(
            f"{name!r} is the current branch.", hint="`datahub switch` to another one first."
        )
    branches = store.branches()
    if name not in branches:
        raise BranchNotFound(name)
    heads = {head for branch, head in branches.items() if branch != name}
    heads |= set(store.tags().values())
    if not force and not any(_reaches(store, head, branches[name]) for head in heads):
        raise Conflict(
            f"Branch {name!r} is not merged: no other branch or tag reaches {branches[name][:12]}.",
            hint=f"Merge it, tag it, or delete it anyway: `datahub branch delete --force {name}`.",
        )
    store.delete_branch(name)


def log(ref: str, *, dataset: str | None, limit: int | None, store: History) -> list[Commit]:
    """History, children before parents; with `dataset` only what changed it."""
    prefix = f"{DATASETS}{dataset}/" if dataset else ""
    return store.log(ref, limit=limit, prefix=prefix)


def _reaches(store: History, descendant: str, ancestor: str) -> bool:
    try:
        return store.merge_base(descendant, ancestor).id == ancestor
    except InputError:  # unrelated histories
        return False
