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
from datahub.core.relabel import Annotation, answers_by_row, counts, current, log_lines
from datahub.core.setaside import Consent, SetAside
from datahub.core.setting_aside import reason, summed_up
from datahub.core.shown import Columns, columns_of
from datahub.core.triage import Batch
from datahub.core.versions import Changes, Commit, ObjectId
from datahub.flow.dataset.annotations import hashes_of
from datahub.flow.dataset.at import At
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
            _Change(at, changes, self._waiting(at, branch)).set_aside(
                [at.on(source) for source in sources], whole_log=whole_log
            )
            for at in (At(store, rows, head, name) for name in names)
        ]
        serious = tuple(loss for loss in losses if loss.answers or loss.tasks)
        if serious and not self._has_consent(serious):
            raise AnswersSetAside(serious)
        return serious

    def _has_consent(self, losses: Sequence[SetAside]) -> bool:
        return self.consent if isinstance(self.consent, bool) else self.consent(losses)

    def _waiting(self, at: At, branch: str) -> list[Annotation]:
        """Open tasks of a branch, as answers that say nothing."""
        if not at.contents.under(review_prefix(at.name)):
            return []
        return [
            Annotation("", entry.key, entry.row_hash, None, "", "", entry.batch)
            for entry in self.ledger(at.name, branch)
            if entry.state in WAITING
        ]


CAREFUL = Caution()  # nobody agrees
WITH_CONSENT = Caution(consent=True)


@dataclass(frozen=True)
class _Change:
    """One dataset of a branch as it is, and as it is to be; `tasks` are open."""

    head: At
    changes: Changes
    tasks: Sequence[Annotation]

    def set_aside(self, sources: Sequence[At], *, whole_log: bool) -> SetAside:
        """What the change takes of what counts on the branch, and of what comes from others."""
        if not self._may_lose(sources):
            return SetAside(self.head.name)
        log = self.head.log
        if not (log or any(source.log for source in sources) or self.tasks):
            return SetAside(self.head.name)
        after, remaining = self._dataset_after(), self._log_after()
        last = set(current(remaining))
        before = current(log)
        entries = [entry for entry in before if whole_log or entry in last]
        losses = self._losses(self.head, entries, after, last)
        present = set(log)
        for source in sources:
            new = [e for e in current(source.log) if e in last and e not in present]
            losses |= self._losses(source, new, after, last)
        return summed_up(self.head.name, losses, self._idle(after))

    def _may_lose(self, sources: Sequence[At]) -> bool:
        """Whether rows change, or the log does other than by answers to rows as they are here."""
        path = dataset_file(self.head.name)
        if path in self.changes:
            return True
        news = self._new_log_files()
        if any(oid is None or p in self.head.log_files for p, oid in news.items()):
            return True
        head_id, *source_ids = (at.contents.find(path) for at in (self.head, *sources))
        return bool(news) and any(oid != head_id for oid in source_ids)

    def _losses(
        self,
        at: At,
        entries: Sequence[Annotation],
        after: Dataset | None,
        remaining: Collection[Annotation],
    ) -> dict[Annotation, str]:
        """Which of these answers count at a commit and will not, each with the reason.

        `remaining` are the last words of the log to be.
        """
        if not at.exists or not entries:
            return {}
        before = at.dataset
        suspect_keys = _affected_keys(before, after, {entry.key for entry in entries})
        classes = after.classes if after else ()
        suspects = [
            entry
            for entry in entries
            if entry.key in suspect_keys
            or entry not in remaining
            or entry.label not in (None, *classes)
        ]
        reasons = self._reasons(suspects, after, remaining, at)
        keys = {entry.key for entry in reasons}
        near = [entry for entry in at.log if entry.key in keys]
        hashes = hashes_of(at, near, also=[self.head])
        by_row = answers_by_row(near, hashes, classes=before.classes)
        valid_answers = {entry for answers in by_row.values() for entry in answers}
        return {entry: why for entry, why in reasons.items() if entry in valid_answers}

    def _reasons(
        self,
        entries: Sequence[Annotation],
        after: Dataset | None,
        log: Collection[Annotation],
        at: At,
    ) -> dict[Annotation, str]:
        """Entries that will not count, each with the reason."""
        hashes = hashes_of(at, entries, of=after, also=[self.head]) if after else {}
        reasons = {entry: reason(entry, after, log, hashes) for entry in entries}
        return {entry: why for entry, why in reasons.items() if why}

    def _idle(self, after: Dataset | None) -> list[Annotation]:
        """Open tasks that are about rows as they are, and will not be."""
        if not self.head.exists or not self.tasks:
            return []
        suspect_keys = _affected_keys(self.head.dataset, after, {task.key for task in self.tasks})
        near = self._with_columns([task for task in self.tasks if task.key in suspect_keys])
        idle = list(self._reasons(near, after, set(near), self.head))
        hashes = hashes_of(self.head, idle)
        return [task for task in idle if counts(task, hashes)]

    def _with_columns(self, tasks: Sequence[Annotation]) -> list[Annotation]:
        """The same, with the columns that their batches show."""
        columns: dict[tuple[str, Key], Columns] = {}
        for batch in {task.batch for task in tasks}:
            path = review_file(self.head.name, batch)
            shown = self.head.contents.read_as(path, Batch.from_json)
            for task in shown.tasks if shown else ():
                columns[batch, task.key] = columns_of(task.fields)
        return [replace(task, columns=columns.get((task.batch, task.key))) for task in tasks]

    def _new_log_files(self) -> dict[str, ObjectId | None]:
        """Files of the log that are written, or go (None)."""
        prefix = annotations_prefix(self.head.name)
        return {path: oid for path, oid in self.changes.items() if path.startswith(prefix)}

    def _dataset_after(self) -> Dataset | None:
        """The dataset as it is to be."""
        path = dataset_file(self.head.name)
        if path not in self.changes:
            return self.head.dataset if self.head.exists else None
        oid = self.changes[path]
        return None if oid is None else Dataset.from_json(self.head.store.read(oid))

    def _log_after(self) -> Sequence[Annotation]:
        """The log as it is to be."""
        news = self._new_log_files()
        if not news:
            return self.head.log
        files = {**self.head.log_files, **news}
        return log_lines(self.head.store.read(oid) for oid in files.values() if oid is not None)


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
