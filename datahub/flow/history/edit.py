"""Undo, repeat and restore: one commit on top of the head, made of what other commits hold.

Undo and repeat are merges (flow.merge) with another base: the undone commit, or the parent of
the repeated one. So what the head has changed since is kept, down to rows and answers, and where
both changed one thing, it is settled as asked, or nothing is done and all of it is listed. A
guarded branch takes none of these: do it on a branch of your own, and merge.
"""

from __future__ import annotations

from dataclasses import dataclass

from datahub.core.conflicts import ASK, Settling
from datahub.core.errors import ChangedSince, DatasetNotFound, InputError, MergeConflict
from datahub.core.layout import DATASETS, dataset_file
from datahub.core.versions import Changes, Commit
from datahub.flow.merge.merge import merge_commits
from datahub.flow.rows.setaside import CAREFUL, Caution
from datahub.flow.steps import Step, begin
from datahub.ports import EndModel, Rows, VersionStore


def revert(
    ref: str,
    *,
    store: VersionStore,
    rows: Rows,
    step: Step,
    resolution: Settling = ASK,
    end_model: EndModel | None = None,
    caution: Caution = CAREFUL,
) -> Commit:
    """Take back what a commit did (of a merge: what it did to its first parent).

    `settling` says what becomes of what the head has changed since (ours) and the commit changed
    too (theirs: what was before it). Answers that the commit brought leave the log with it; where
    others would be set aside, `caution` decides. Raises RefNotFound, ChangedSince, Guarded,
    AnswersSetAside, NothingToCommit, InputError (a first commit; a decision that cannot be carried
    out).
    """
    head = begin(store, step)
    target = store.commit_at(ref)
    parent = _parent(target, store)
    onto = _Onto(head, store, rows, step, resolution, end_model, caution)
    changes, notes = onto.changes(target, parent, f"revert {ref}", whole_log=False)
    merge = f", reversing\nchanges made to {parent.id}" if len(target.parents) > 1 else ""
    return _commit(
        head,
        changes,
        message=f'Revert "{_subject(target)}"\n\nThis reverts commit {target.id}{merge}.{notes}',
        author=step.author,
        metadata={"step": "revert", "commit": target.id},
        store=store,
        step=step,
    )


def cherry_pick(
    ref: str,
    *,
    store: VersionStore,
    rows: Rows,
    step: Step,
    resolution: Settling = ASK,
    end_model: EndModel | None = None,
    caution: Caution = CAREFUL,
) -> Commit:
    """Do again what a commit did, under its author's name.

    Raises as `revert` does.
    """
    head = begin(store, step)
    original = store.commit_at(ref)
    base = _parent(original, store)
    onto = _Onto(head, store, rows, step, resolution, end_model, caution)
    changes, notes = onto.changes(base, original, f"cherry-pick {ref}")
    return _commit(
        head,
        changes,
        message=f"{original.message.rstrip()}\n\n(cherry picked from commit {original.id}){notes}",
        author=original.author,
        metadata={"step": "cherry-pick", "commit": original.id, "picked_by": step.author},
        store=store,
        step=step,
    )


def restore(
    dataset: str,
    *,
    ref: str,
    store: VersionStore,
    rows: Rows,
    step: Step,
    caution: Caution = CAREFUL,
) -> Commit:
    """Bring a dataset, with all that was derived from it, back as a ref holds it.

    Where answers would be set aside, also those given since, `caution` decides. Raises
    DatasetNotFound, RefNotFound, Guarded, AnswersSetAside, NothingToCommit.
    """
    head = begin(store, step)
    source = store.commit_at(ref)
    path = dataset_file(dataset)
    if path not in store.objects(source.id, path):
        raise DatasetNotFound(dataset, ref)
    differences = store.changes(head.id, source.id, f"{DATASETS}{dataset}/")
    changes = {change.path: change.new for change in differences}
    losses = caution.check(store, rows, head, changes, branch=step.branch)
    notes = "".join(f"\n\nNote: This set aside {loss}." for loss in losses)
    return _commit(
        head,
        changes,
        message=f"Restore {dataset} as of {ref}\n\nFrom commit {source.id}.{notes}",
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


@dataclass(frozen=True)
class _Onto:
    """A head that takes what a step between two other commits does."""

    head: Commit
    store: VersionStore
    rows: Rows
    step: Step
    resolution: Settling
    end_model: EndModel | None
    caution: Caution

    def changes(
        self, base: Commit, new: Commit, action: str, *, whole_log: bool = True
    ) -> tuple[Changes, str]:
        """What the step does to the head, and what to say of it in the message."""
        try:
            changes, report = merge_commits(
                base,
                self.head,
                new,
                names=(new.id, self.step.branch),
                resolution=self.resolution,
                store=self.store,
                rows=self.rows,
                step=self.step,
                end_model=self.end_model,
            )
        except MergeConflict as error:
            raise ChangedSince(error.conflicts, action) from error
        losses = self.caution.check(
            self.store,
            self.rows,
            self.head,
            changes,
            branch=self.step.branch,
            sources=[new],
            whole_log=whole_log,
        )
        notes = [*report.notes, *(f"This set aside {loss}." for loss in losses)]
        return changes, "".join(f"\n\nNote: {note}" for note in notes)


def _commit(
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
