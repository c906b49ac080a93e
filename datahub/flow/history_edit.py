"""Undo, repeat and restore: one commit on top of the head, made of what other commits hold.

Undo and repeat are merges (flow.merge) with another base: the undone commit, or the parent of
the repeated one. So what the head has changed since is kept, down to rows and answers, and where
both changed one thing, nothing is done and all of it is listed. A guarded branch takes none of
these: do it on a branch of your own, and merge.
"""

from __future__ import annotations

from datahub.core.conflicts import ASK
from datahub.core.errors import ChangedSince, DatasetNotFound, InputError, MergeConflict
from datahub.core.layout import DATASETS, dataset_file
from datahub.core.versions import Changes, Commit
from datahub.flow.merge import merged
from datahub.flow.steps import Step, begin
from datahub.ports import EndModel, Rows, VersionStore


def revert(
    ref: str, *, store: VersionStore, rows: Rows, step: Step, end_model: EndModel | None = None
) -> Commit:
    """Take back what a commit did (of a merge: what it did to its first parent).

    Raises RefNotFound, ChangedSince, Guarded, NothingToCommit, InputError (a first commit).
    """
    head = begin(store, step)
    undone = store.commit_at(ref)
    parent = _parent(undone, store)
    changes, notes = _onto(head, undone, parent, f"revert {ref}", store, rows, step, end_model)
    merge = f", reversing\nchanges made to {parent.id}" if len(undone.parents) > 1 else ""
    return _committed(
        head,
        changes,
        message=f'Revert "{_subject(undone)}"\n\nThis reverts commit {undone.id}{merge}.{notes}',
        author=step.author,
        metadata={"step": "revert", "commit": undone.id},
        store=store,
        step=step,
    )


def cherry_pick(
    ref: str, *, store: VersionStore, rows: Rows, step: Step, end_model: EndModel | None = None
) -> Commit:
    """Do again what a commit did, under its author's name.

    Raises as `revert` does.
    """
    head = begin(store, step)
    picked = store.commit_at(ref)
    base = _parent(picked, store)
    changes, notes = _onto(head, base, picked, f"cherry-pick {ref}", store, rows, step, end_model)
    return _committed(
        head,
        changes,
        message=f"{picked.message.rstrip()}\n\n(cherry picked from commit {picked.id}){notes}",
        author=picked.author,
        metadata={"step": "cherry-pick", "commit": picked.id, "picked_by": step.author},
        store=store,
        step=step,
    )


def restore(dataset: str, *, ref: str, store: VersionStore, step: Step) -> Commit:
    """Bring a dataset, with all that was derived from it, back as a ref holds it.

    Raises DatasetNotFound, RefNotFound, Guarded, NothingToCommit.
    """
    head = begin(store, step)
    source = store.commit_at(ref)
    path = dataset_file(dataset)
    if path not in store.objects(source.id, path):
        raise DatasetNotFound(dataset, ref)
    changed = store.changes(head.id, source.id, f"{DATASETS}{dataset}/")
    return _committed(
        head,
        {change.path: change.new for change in changed},
        message=f"Restore {dataset} as of {ref}\n\nFrom commit {source.id}.",
        author=step.author,
        metadata={"step": "restore", "dataset": dataset, "commit": source.id},
        store=store,
        step=step,
    )


def _parent(commit: Commit, store: VersionStore) -> Commit:
    if not commit.parents:
        raise InputError(
            f"{commit.id[:12]} is the first commit: it changed nothing that was there before.",
            hint="Name a later commit; `datahub log` lists them.",
        )
    return store.commit_at(commit.parents[0])


def _onto(
    head: Commit,
    base: Commit,
    new: Commit,
    doing: str,
    store: VersionStore,
    rows: Rows,
    step: Step,
    end_model: EndModel | None,
) -> tuple[Changes, str]:
    """What the step from `base` to `new` does to the head, and what to say of it in the message."""
    try:
        changes, report = merged(
            base,
            head,
            new,
            names=(new.id, step.branch),
            settling=ASK,
            store=store,
            rows=rows,
            step=step,
            end_model=end_model,
        )
    except MergeConflict as error:
        raise ChangedSince(error.conflicts, doing) from error
    return changes, "".join(f"\n\nNote: {note}" for note in report.notes)


def _committed(
    head: Commit,
    changes: Changes,
    *,
    message: str,
    author: str,
    metadata: dict[str, str],
    store: VersionStore,
    step: Step,
) -> Commit:
    return store.commit(
        step.branch,
        changes,
        message=message,
        author=author,
        time=step.time,
        expected=head.id,
        metadata=metadata,
    )


def _subject(commit: Commit) -> str:
    return (commit.message.splitlines() or [""])[0]
