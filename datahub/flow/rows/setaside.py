"""What a commit takes from people's work, told before it is made: answers, and open tasks.

Whatever puts other rows on a branch asks here first: an import, a merge, a revert, a cherry-pick,
a restore. Without consent nothing is committed. Only rows that somebody answered or was asked
about are looked at, and of those only the ones in parts that change; without answers and open
tasks no row is read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import polars as pl

from datahub.core.dataset import Dataset, Key
from datahub.core.errors import AnswersSetAside
from datahub.core.layout import (
    DATASETS,
    annotations_prefix,
    dataset_file,
    review_file,
    review_prefix,
)
from datahub.core.parts import places
from datahub.core.relabel import Annotation, answers_by_row, counts, current
from datahub.core.setaside import Consent, SetAside
from datahub.core.setting_aside import reason, summed_up
from datahub.core.shown import Columns, columns_of
from datahub.core.triage import Batch
from datahub.core.versions import Changes, Commit, Objects
from datahub.flow.dataset.annotations import hashes_of
from datahub.flow.dataset.at import log_of
from datahub.flow.dataset.tables import dataset_at
from datahub.ports import LedgerEntry, Rows, VersionStore

WAITING = ("intent", "asked")  # states of the ledger in which no answer was pulled


def _nobody_asked(dataset: str, branch: str) -> Iterable[LedgerEntry]:
    """A ledger without entries."""
    return ()


@dataclass(frozen=True)
class Caution:
    """Whether answers may be set aside, and who was asked: `ledger` is of a dataset and branch."""

    consent: Consent = False
    ledger: Callable[[str, str], Iterable[LedgerEntry]] = _nobody_asked

    def check(
        self,
        store: VersionStore,
        rows: Rows,
        head: Commit,
        changes: Changes,
        *,
        branch: str,
        others: Sequence[Commit] = (),
        whole_log: bool = True,
    ) -> tuple[SetAside, ...]:
        """What these changes to a branch's head set aside, if that is agreed to.

        `others` are commits whose answers come to the branch. Answers that leave the log are told
        as well, but for a step that is asked to take them (not `whole_log`). Raises
        AnswersSetAside.
        """
        names = sorted({p.split("/")[1] for p in changes if p.startswith(DATASETS)})
        losses = [
            _Change(name, store, rows, head, changes, tasks).set_aside(others, whole_log=whole_log)
            for name in names
            for tasks in [self._waiting(store, head, name, branch)]
        ]
        serious = tuple(loss for loss in losses if loss.answers or loss.tasks)
        if serious and not self._agreed(serious):
            raise AnswersSetAside(serious)
        return serious

    def _agreed(self, losses: Sequence[SetAside]) -> bool:
        return self.consent if isinstance(self.consent, bool) else self.consent(losses)

    def _waiting(
        self, store: VersionStore, head: Commit, name: str, branch: str
    ) -> list[Annotation]:
        """Open tasks of a branch, as answers that say nothing."""
        if not store.objects(head.id, review_prefix(name)):
            return []
        return [
            Annotation("", asked.key, asked.row_hash, None, "", "", asked.batch)
            for asked in self.ledger(name, branch)
            if asked.state in WAITING
        ]


CAREFUL = Caution()  # nobody agrees
AGREED = Caution(consent=True)


@dataclass(frozen=True)
class _Change:
    """One dataset of a branch as it is, and as it is to be; `tasks` are open."""

    name: str
    store: VersionStore
    rows: Rows
    head: Commit
    changes: Changes
    tasks: Sequence[Annotation]

    def set_aside(self, others: Sequence[Commit], *, whole_log: bool) -> SetAside:
        """What the change takes of what counts on the branch, and of what comes from others."""
        if not self._may_lose(others):
            return SetAside(self.name)
        log = log_of(self.store, self._files(self.head))
        theirs = [(other, log_of(self.store, self._files(other))) for other in others]
        if not (log or any(lines for _, lines in theirs) or self.tasks):
            return SetAside(self.name)
        after, left = self._after(log)
        last = set(current(left))
        before = current(log)
        mine = [entry for entry in before if whole_log or entry in last]
        lost = self._lost(self.head, log, mine, after, last)
        ours = set(log)
        for other, lines in theirs:
            new = [entry for entry in current(lines) if entry in last and entry not in ours]
            lost |= self._lost(other, lines, new, after, last)
        return summed_up(self.name, lost, self._idle(after))

    def _may_lose(self, others: Sequence[Commit]) -> bool:
        """Whether rows change, or the log does other than by answers to rows as they are here."""
        path, prefix = dataset_file(self.name), annotations_prefix(self.name)
        if path in self.changes:
            return True
        news = {p: oid for p, oid in self.changes.items() if p.startswith(prefix)}
        if any(oid is None or p in self._files(self.head) for p, oid in news.items()):
            return True
        here, *there = (self.store.objects(c.id, path).get(path) for c in (self.head, *others))
        return bool(news) and any(oid != here for oid in there)

    def _lost(
        self,
        commit: Commit,
        log: Sequence[Annotation],
        entries: Sequence[Annotation],
        after: Dataset | None,
        left: Collection[Annotation],
    ) -> dict[Annotation, str]:
        """Which of these answers count at a commit and will not, each with the reason.

        `log` is that of the commit, `left` the last words of the one to be.
        """
        known = self._known(commit)
        if known is None or not entries:
            return {}
        moved = _moved(known, after, {entry.key for entry in entries})
        classes = after.classes if after else ()
        suspects = [
            entry
            for entry in entries
            if entry.key in moved or entry not in left or entry.label not in (None, *classes)
        ]
        refs = [self.head.id, commit.id]
        reasons = self._reasons(suspects, after, left, refs)
        keys = {entry.key for entry in reasons}
        near = [entry for entry in log if entry.key in keys]
        hashes = hashes_of(self.store, self.rows, refs, known, near)
        by_row = answers_by_row(near, hashes, classes=known.classes)
        counting = {entry for answers in by_row.values() for entry in answers}
        return {entry: why for entry, why in reasons.items() if entry in counting}

    def _reasons(
        self,
        entries: Sequence[Annotation],
        after: Dataset | None,
        log: Collection[Annotation],
        refs: Sequence[str],
    ) -> dict[Annotation, str]:
        """Entries that will not count, each with the reason."""
        hashes = hashes_of(self.store, self.rows, refs, after, entries) if after else {}
        reasons = {entry: reason(entry, after, log, hashes) for entry in entries}
        return {entry: why for entry, why in reasons.items() if why}

    def _idle(self, after: Dataset | None) -> list[Annotation]:
        """Open tasks that are about rows as they are, and will not be."""
        known = self._known(self.head)
        if known is None or not self.tasks:
            return []
        moved = _moved(known, after, {task.key for task in self.tasks})
        near = self._with_columns([task for task in self.tasks if task.key in moved])
        refs = [self.head.id]
        left = list(self._reasons(near, after, set(near), refs))
        hashes = hashes_of(self.store, self.rows, refs, known, left)
        return [task for task in left if counts(task, hashes)]

    def _with_columns(self, tasks: Sequence[Annotation]) -> list[Annotation]:
        """The same, with the columns that their batches show."""
        shown: dict[tuple[str, Key], Columns] = {}
        for batch in {task.batch for task in tasks}:
            path = review_file(self.name, batch)
            oid = self.store.objects(self.head.id, path).get(path)
            asked = Batch.from_json(self.store.read(oid)).tasks if oid else ()
            shown |= {(batch, task.key): columns_of(task.fields) for task in asked}
        return [replace(task, columns=shown.get((task.batch, task.key))) for task in tasks]

    def _known(self, commit: Commit) -> Dataset | None:
        path = dataset_file(self.name)
        there = path in self.store.objects(commit.id, path)
        return dataset_at(self.store, commit.id, self.name) if there else None

    def _files(self, commit: Commit) -> Objects:
        return self.store.objects(commit.id, annotations_prefix(self.name))

    def _after(self, log: list[Annotation]) -> tuple[Dataset | None, list[Annotation]]:
        """The dataset as it is to be, and its log; `log` is the one that is there."""
        path = dataset_file(self.name)
        oid = self.changes.get(path, self.store.objects(self.head.id, path).get(path))
        made = None if oid is None else Dataset.from_json(self.store.read(oid))
        prefix = annotations_prefix(self.name)
        news = {p: oid for p, oid in self.changes.items() if p.startswith(prefix)}
        if not news:
            return made, log
        files = {**self._files(self.head), **news}
        return made, log_of(self.store, {p: oid for p, oid in files.items() if oid is not None})


def _moved(known: Dataset, after: Dataset | None, keys: Collection[Key]) -> Collection[Key]:
    """Which of these keys do not lie in parts that stay as they are."""
    if after is None or known.key != after.key or not known.parts:
        return keys
    there = {part.sha256 for part in after.parts}
    stays = [part.sha256 in there for part in known.parts]
    text = isinstance(known.parts[0].first_key, str)
    typed = [key for key in keys if isinstance(key, str) == text]
    if all(stays) or not typed:
        return set(keys) - set(typed)
    numbers = places(known.parts, pl.Series(typed))
    kept = {key for key, number in zip(typed, numbers, strict=True) if stays[number]}
    return set(keys) - kept
