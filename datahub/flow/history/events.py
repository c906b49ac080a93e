"""The commits of a history that changed something about one row, or landed it.

Of most commits the store says that they touched nothing of the dataset: they are not looked into.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from datahub.core.layout import DATASETS, VERDICT
from datahub.core.verdict import Verdict
from datahub.core.versions import Commit
from datahub.flow.dataset.at import At
from datahub.flow.dataset.row import OneRow
from datahub.flow.publish.verdicts import own_verdict

Differences = tuple[tuple[str, str | None, str | None], ...]  # (what, before, after)


@dataclass(frozen=True)
class Event:
    """A commit that changed something about the row, against its first parent.

    `changed` are (what, before, after). A merge that has the row just as its other parent has it
    changed nothing of its own: `taken_from` is that parent. `verdict`: what the commit landed by.
    """

    commit: str
    message: str
    author: str
    time: datetime
    changed: tuple[tuple[str, str | None, str | None], ...]
    taken_from: str | None
    verdict: Verdict | None


def events(row: OneRow, at: At) -> Iterator[Event]:
    """What happened to a row up to a commit, newest first."""
    return _Line(row, at).events()


class _Line:
    """A commit and all before it, and what of them can be about a row."""

    def __init__(self, row: OneRow, at: At) -> None:
        self._row = row
        self._store = at.store
        self._folder = f"{DATASETS}{at.name}/"
        self._commits = {commit.id: commit for commit in at.store.log(at.id)}
        self._changing = {c.id for c in at.store.log(at.id, prefix=self._folder)}
        self._judged = {c.id for c in at.store.log(at.id, prefix=VERDICT)}

    def events(self) -> Iterator[Event]:
        for commit in self._commits.values():
            is_merge = len(commit.parents) > 1 or "verdict" in commit.metadata
            if is_merge or commit.id in self._changing:
                event = self._event(commit)
                if event.changed or event.taken_from or self._has_landed(commit, event.verdict):
                    yield event

    def _event(self, commit: Commit) -> Event:
        differences, source = self._compare(commit)
        is_event = "verdict" in commit.metadata or differences or source
        return Event(
            commit=commit.id,
            message=commit.message,
            author=commit.author,
            time=commit.time,
            changed=differences,
            taken_from=source,
            verdict=self._verdict(commit) if is_event else None,
        )

    def _compare(self, commit: Commit) -> tuple[Differences, str | None]:
        """What changed against the first parent, or the parent that it is just as it was in."""
        parents = [self._commits[parent] for parent in commit.parents]
        first = parents[0] if parents else None
        if not self._may_differ(first, commit):
            return (), None
        after = self._row.at(commit).describe()
        before = {} if first is None else self._row.at(first, child=commit).describe()
        if before == after:
            return (), None
        for other in parents[1:]:
            if self._row.at(other, child=commit).describe() == after:
                return (), other.id
        topics = dict.fromkeys([*before, *after])
        pairs = ((topic, before.get(topic), after.get(topic)) for topic in topics)
        return tuple(pair for pair in pairs if pair[1] != pair[2]), None

    def _may_differ(self, old: Commit | None, new: Commit) -> bool:
        """Whether anything of the dataset differs between two commits: else the row cannot."""
        if old is None:
            return bool(self._store.objects(new.id, self._folder))
        return bool(self._store.changes(old.id, new.id, self._folder))

    def _has_landed(self, commit: Commit, verdict: Verdict | None) -> bool:
        """Whether a commit brought the row onto a branch by a verdict."""
        is_landing = verdict is not None and verdict.kind == "data"
        return is_landing and self._row.at(commit).content is not None

    def _verdict(self, commit: Commit) -> Verdict | None:
        """The verdict that a commit brought; the log says it of those with one parent."""
        may_be_own = len(commit.parents) > 1 or commit.id in self._judged
        return own_verdict(self._store, commit) if may_be_own else None
