"""Git's verbs that need no gate, as calls: branches, tags, history, and edits of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

from datahub.core.conflicts import Rule, Side
from datahub.core.dataset import checked_name
from datahub.core.errors import BranchNotFound
from datahub.core.setaside import Consent
from datahub.core.versions import Collected, Commit, Damage, checked_branch
from datahub.flow.history import diff, git_export, git_import, refs, upkeep
from datahub.flow.history import edit as history_edit
from datahub.flow.publish.files import commit_files
from datahub.hub.registry import load
from datahub.hub.settling import conflicts_written, settling_of
from datahub.hub.wiring import Wiring

KEEP = timedelta(days=14)  # as git keeps what nothing reaches


class Versioning(Wiring):
    """Branches, tags, commits."""

    def switch(self, branch: str, *, create: bool = False) -> Commit:
        """Make a branch the current one; `-` is the one that was before."""
        branch = self.project.last_branch() if branch == "-" else branch
        if create:
            self.create_branch(branch)
        if branch not in self.store.branches():
            raise BranchNotFound(branch)
        self.project.switch(branch)
        return self.store.commit_at(branch)

    def branches(self) -> dict[str, str]:
        """Branch -> commit id."""
        return self.store.branches()

    def commit_at(self, ref: str | None = None) -> Commit:
        """The commit that a ref names (default: the current branch). Raises RefNotFound."""
        return self.store.commit_at(self.ref(ref))

    def objects(self, ref: str | None = None) -> dict[str, str]:
        """All objects that a commit holds: path -> object id."""
        return dict(self.store.objects(self.commit_at(ref).id))

    def create_branch(self, name: str, *, at: str | None = None) -> Commit:
        """Cut a branch, without a copy."""
        return self.store.create_branch(checked_branch(name), at=self.ref(at))

    def delete_branch(self, name: str, *, force: bool = False) -> None:
        """Remove a branch's name; `force` also where nothing else reaches its commits."""
        refs.delete_branch(name, current=self.branch, force=force, store=self.store)

    def tags(self) -> dict[str, str]:
        """Tag -> commit id."""
        return self.store.tags()

    def create_tag(self, name: str, *, at: str | None = None) -> Commit:
        """Name a commit for good."""
        return self.store.create_tag(name, at=self.ref(at))

    def delete_tag(self, name: str) -> None:
        """Remove a tag's name; the history stays."""
        self.store.delete_tag(name)

    def commit(self, paths: Sequence[str], *, message: str, start: Path | None = None) -> Commit:
        """Commit named files of the project; one that was committed and is gone is deleted.

        Paths are as seen from `start`, a folder of the project, else from its root.
        """
        files = self.project.files(paths, start=start)
        return commit_files(files, message=message, store=self.store, step=self.step())

    def revert(
        self,
        ref: str,
        *,
        side: Side | None = None,
        rule: Rule | None = None,
        decisions: Path | str | None = None,
        conflicts: Path | str | None = None,
        set_aside: Consent = False,
    ) -> Commit:
        """Take back what a commit did, by a new commit on the current branch.

        What the branch has changed since is settled as in a merge: ours is what it holds, theirs
        what was before the commit. What is left raises ChangedSince. `set_aside` is as in `merge`.
        """
        return self._edit(history_edit.revert, ref, side, rule, decisions, conflicts, set_aside)

    def cherry_pick(
        self,
        ref: str,
        *,
        side: Side | None = None,
        rule: Rule | None = None,
        decisions: Path | str | None = None,
        conflicts: Path | str | None = None,
        set_aside: Consent = False,
    ) -> Commit:
        """Do again what a commit did, on the current branch; settled as in a merge."""
        return self._edit(
            history_edit.cherry_pick, ref, side, rule, decisions, conflicts, set_aside
        )

    def _edit(
        self,
        edit: Callable[..., Commit],
        ref: str,
        side: Side | None,
        rule: Rule | None,
        decisions: Path | str | None,
        conflicts: Path | str | None,
        set_aside: Consent,
    ) -> Commit:
        resolution = settling_of(side, rule, decisions, rows=self.rows)
        with conflicts_written(conflicts, rows=self.rows):
            return edit(
                self.ref(ref),
                resolution=resolution,
                store=self.store,
                rows=self.rows,
                step=self.step(),
                end_model=self.end_model,
                caution=self.caution(set_aside),
            )

    def restore(
        self, dataset: str | None = None, *, ref: str, set_aside: Consent = False
    ) -> Commit:
        """Bring a dataset back as a ref holds it, by a commit on the current branch.

        Answers that were given since leave the branch too. `set_aside` is as in `merge`.
        """
        return history_edit.restore(
            checked_name(self.dataset_name(dataset)),
            ref=self.ref(ref),
            store=self.store,
            rows=self.rows,
            step=self.step(),
            caution=self.caution(set_aside),
        )

    def changes(self, ref: str | None = None) -> diff.Difference | None:
        """What a commit changed against its first parent; None for the first commit."""
        commit = self.commit_at(ref)
        return self.diff(commit.parents[0], commit.id) if commit.parents else None

    def log(
        self, ref: str | None = None, *, limit: int | None = None, dataset: str | None = None
    ) -> list[Commit]:
        """History, children before parents; with `dataset` only what changed it."""
        return refs.log(self.ref(ref), dataset=dataset, limit=limit, store=self.store)

    def git_export(self, folder: Path | str) -> int:
        """Write the history as a git repository with pointer files; the number of commits."""
        return git_export.git_export(
            Path(folder),
            branch=self.branch,
            store=self.store,
            git=load("datahub.adapters.git_cli:GitCommandLine")(),
            progress=self.progress,
        )

    def git_import(self, folder: Path | str, *, objects: Path | str | None = None) -> int:
        """Take over an exported history, in a project just made; the number of commits."""
        return git_import.git_import(
            Path(folder),
            objects=Path(objects or folder),
            store=self.store,
            git=load("datahub.adapters.git_cli:GitCommandLine")(),
            progress=self.progress,
        )

    def fsck(self, *, deep: bool = True) -> list[Damage]:
        """What is wrong with all that branches and tags reach; `deep` reads every byte.

        It also holds labels against what people and models said.
        """
        damage = upkeep.fsck(store=self.store, deep=deep)
        return damage + (upkeep.labels(store=self.store, rows=self.rows) if deep else [])

    def gc(self, *, keep: timedelta = KEEP, dry_run: bool = False) -> Collected:
        """Remove what nothing reaches; what is younger than `keep` stays.

        Of a store on a server, what lies here goes, and comes again when it is read: the
        server collects its own.
        """
        store = upkeep.upkeep_of(self.store)
        return store.collect(before=self.clock() - keep, dry_run=dry_run)

    def diff(self, old: str, new: str | None = None, *, lines: int = 0) -> diff.Difference:
        """What differs between two refs (the second: the current branch).

        Of each dataset the first `lines` rows are listed.
        """
        return diff.diff(
            self.ref(old), self.ref(new), lines=lines, store=self.store, rows=self.rows
        )
