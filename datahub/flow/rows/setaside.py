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
        sources: Sequence[Commit] = (),
        whole_log: bool = True,
    ) -> tuple[SetAside, ...]:
        """What these changes to a branch's head set aside, if that is agreed to.

        `sources` are commits whose answers come to the branch. Answers that leave the log are told
        as well, but for a step that is asked to take them (not `whole_log`). Raises
        AnswersSetAside.
        """
        names = sorted({p.split("/")[1] for p in changes if p.startswith(DATASETS)})
        losses = [
            _Change(name, store, rows, head, changes, tasks).set_aside(sources, whole_log=whole_log)
            for name in names
            for tasks in [self._waiting(store, head, name, branch)]
        ]
        serious = tuple(loss for loss in losses if loss.answers or loss.tasks)
        if serious and not self._has_consent(serious):
            raise AnswersSetAside(serious)
        return serious

    def _has_consent(self, losses: Sequence[SetAside]) -> bool:
        return self.consent if isinstance(self.consent, bool) else self.consent(losses)

    def _waiting(
        self, store: VersionStore, head: Commit, name: str, branch: str
    ) -> list[Annotation]:
        """Open tasks of a branch, as answers that say nothing."""
        if not store.objects(head.id, review_prefix(name)):
            return []
        return [
            Annotation("", entry.key, entry.row_hash, None, "", "", entry.batch)
            for entry in self.ledger(name, branch)
            if entry.state in WAITING
        ]


CAREFUL = Caution()  # nobody agrees
WITH_CONSENT = Caution(consent=True)


@dataclass(frozen=True)
class _Change:
    """One dataset of a branch as it is, and as it is to be; `tasks` are open."""

    name: str
    store: VersionStore
    rows: Rows
    head: Commit
    changes: Changes
    tasks: Sequence[Annotation]

    def set_aside(self, sources: Sequence[Commit], *, whole_log: bool) -> SetAside:
        """What the change takes of what counts on the branch, and of what comes from others."""
        if not self._may_lose(sources):
            return SetAside(self.name)
        log = log_of(self.store, self._files(self.head))
        source_logs = [(source, log_of(self.store, self._files(source))) for source in sources]
        if not (log or any(lines for _, lines in source_logs) or self.tasks):
            return SetAside(self.name)
        after, remaining = self._after(log)
        last = set(current(remaining))
        before = current(log)
        counting = [entry for entry in before if whole_log or entry in last]
        losses = self._losses(self.head, log, counting, after, last)
        present = set(log)
        for source, lines in source_logs:
            new = [entry for entry in current(lines) if entry in last and entry not in present]
            losses |= self._losses(source, lines, new, after, last)
        return summed_up(self.name, losses, self._idle(after))

    def _may_lose(self, sources: Sequence[Commit]) -> bool:
        """Whether rows change, or the log does other than by answers to rows as they are here."""
        path, prefix = dataset_file(self.name), annotations_prefix(self.name)
        if path in self.changes:
            return True
        news = {p: oid for p, oid in self.changes.items() if p.startswith(prefix)}
        if any(oid is None or p in self._files(self.head) for p, oid in news.items()):
            return True
        head_id, *source_ids = (
            self.store.objects(c.id, path).get(path) for c in (self.head, *sources)
        )
        return bool(news) and any(oid != head_id for oid in source_ids)

    def _losses(
        self,
        commit: Commit,
        log: Sequence[Annotation],
        entries: Sequence[Annotation],
        after: Dataset | None,
        remaining: Collection[Annotation],
    ) -> dict[Annotation, str]:
        """Which of these answers count at a commit and will not, each with the reason.

        `log` is that of the commit, `remaining` the last words of the one to be.
        """
        before = self._dataset(commit)
        if before is None or not entries:
            return {}
        suspect_keys = _affected_keys(before, after, {entry.key for entry in entries})
        classes = after.classes if after else ()
        suspects = [
            entry
            for entry in entries
            if entry.key in suspect_keys
            or entry not in remaining
            or entry.label not in (None, *classes)
        ]
        refs = [self.head.id, commit.id]
        reasons = self._reasons(suspects, after, remaining, refs)
        keys = {entry.key for entry in reasons}
        near = [entry for entry in log if entry.key in keys]
        hashes = hashes_of(self.store, self.rows, refs, before, near)
        by_row = answers_by_row(near, hashes, classes=before.classes)
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
        before = self._dataset(self.head)
        if before is None or not self.tasks:
            return []
        suspect_keys = _affected_keys(before, after, {task.key for task in self.tasks})
        near = self._with_columns([task for task in self.tasks if task.key in suspect_keys])
        refs = [self.head.id]
        idle = list(self._reasons(near, after, set(near), refs))
        hashes = hashes_of(self.store, self.rows, refs, before, idle)
        return [task for task in idle if counts(task, hashes)]

    def _with_columns(self, tasks: Sequence[Annotation]) -> list[Annotation]:
        """The same, with the columns that their batches show."""
        columns: dict[tuple[str, Key], Columns] = {}
        for batch in {task.batch for task in tasks}:
            path = review_file(self.name, batch)
            oid = self.store.objects(self.head.id, path).get(path)
            batch_tasks = Batch.from_json(self.store.read(oid)).tasks if oid else ()
            columns |= {(batch, task.key): columns_of(task.fields) for task in batch_tasks}
        return [replace(task, columns=columns.get((task.batch, task.key))) for task in tasks]

    def _dataset(self, commit: Commit) -> Dataset | None:
        path = dataset_file(self.name)
        exists = path in self.store.objects(commit.id, path)
        return dataset_at(self.store, commit.id, self.name) if exists else None

    def _files(self, commit: Commit) -> Objects:
        return self.store.objects(commit.id, annotations_prefix(self.name))

    def _after(self, log: list[Annotation]) -> tuple[Dataset | None, list[Annotation]]:
        """The dataset as it is to be, and its log; `log` is the one that is there."""
        path = dataset_file(self.name)
        oid = self.changes.get(path, self.store.objects(self.head.id, path).get(path))
        dataset = None if oid is None else Dataset.from_json(self.store.read(oid))
        prefix = annotations_prefix(self.name)
        news = {p: oid for p, oid in self.changes.items() if p.startswith(prefix)}
        if not news:
            return dataset, log
        files = {**self._files(self.head), **news}
        return dataset, log_of(self.store, {p: oid for p, oid in files.items() if oid is not None})


def _affected_keys(
    before: Dataset, after: Dataset | None, keys: Collection[Key]
) -> Collection[Key]:
    """Which of these keys do not lie in parts that stay as they are."""
    if after is None or before.key != after.key or not before.parts:
        return keys
    ids = {part.sha256 for part in after.parts}
    stays = [part.sha256 in ids for part in before.parts]
    text = isinstance(before.parts[0].first_key, str)
    candidates = [key for key in keys if isinstance(key, str) == text]
    if all(stays) or not candidates:
        return set(keys) - set(candidates)
    numbers = places(before.parts, pl.Series(candidates))
    safe = {key for key, number in zip(candidates, numbers, strict=True) if stays[number]}
    return set(keys) - safe
