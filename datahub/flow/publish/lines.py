"""Whether lines of the annotation log that a commit brought are answers, or settle a conflict.

The lines of a pull answer tasks that were pushed. A merge or an edit brings lines of other commits
(those are looked at where they came from) and settlements: of answers that are in the log, or of
rows on which the labels of both sides differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from datahub.core.dataset import Key
from datahub.core.relabel import Annotation
from datahub.core.versions import Change, Commit
from datahub.flow.dataset.at import At
from datahub.flow.publish.commits import Commits
from datahub.flow.publish.verdicts import own_verdict


@dataclass(frozen=True, kw_only=True)
class Lines:
    """Lines of the log of one dataset, as one commit brought them; `sources`: from where.

    `is_missing`: one of the commits that they were taken over from is gone.
    """

    commits: Commits
    commit: Commit
    name: str
    sources: Sequence[Commit]
    is_missing: bool
    is_merge: bool

    def faults(self, changes: Iterable[Change], *, is_pull: bool) -> list[str]:
        """What is wrong with what the commit did to the log."""
        faults = []
        for change in changes:
            if change.kind != "added":
                faults.append(f"it {change.kind} lines of the log of annotations")
                continue
            assert change.new is not None  # of a file that was added
            content = self.commits.store.read(change.new)
            lines = [Annotation.from_json(line) for line in content.splitlines() if line]
            faults += self._pull_faults(lines) if is_pull else self._taken_over(lines)
        return faults

    def _taken_over(self, lines: list[Annotation]) -> list[str]:
        """What is wrong with lines that no other commit holds: they settle something, or one did.

        Where the commit that held them is gone, they are looked at as those of a pull.
        """
        settlements = self._settlements(lines)
        rest = [entry for entry in lines if entry not in settlements]
        if rest and not self.is_missing:
            return ["it brings annotations that no other commit holds"]
        return self._answer_faults(rest)

    def _settlements(self, lines: list[Annotation]) -> set[Annotation]:
        """The lines by which a merge or edit settled rows: of answers, or of what models said."""
        candidates = [
            entry
            for entry in lines
            if re.fullmatch(r"merge-.+", entry.batch)
            and entry.id == f"{entry.batch}-{entry.key}"
            and entry.label in self._classes
        ]
        of_answers = {
            entry
            for entry in candidates
            if entry.settles and {(answer, entry.key) for answer in entry.settles} <= self._answers
        }
        bare = [entry for entry in candidates if not entry.settles]
        apart = self._models_disagree([entry.key for entry in bare])
        return of_answers | {entry for entry in bare if entry.key in apart}

    def _models_disagree(self, keys: list[Key]) -> set[Key]:
        """Rows that the labels of the two sides differ on; all, by the verdict, if one is gone."""
        if not keys:
            return set()
        if self.is_merge and self.is_missing:
            return set(keys) if self._is_judged else set()
        head, *side_labels = (
            _labels(self.commits.at(commit, self.name), keys)
            for commit in (*self._parent, *self.sources)
        )
        return {
            key
            for labels in side_labels
            for key in head.keys() & labels.keys()
            if head[key] != labels[key]
        }

    @property
    def _is_judged(self) -> bool:
        """Whether the commit has a verdict that passes just it, on what it stands on."""
        verdict = own_verdict(self.commits.store, self.commit)
        if verdict is None or not verdict.passed:
            return False
        own = self.commits.store.content_of(self.commit.id)
        return (verdict.content_id, verdict.judged_head) == (own, self.commit.parents[0])

    @cached_property
    def _answers(self) -> set[tuple[str, Key]]:
        """Ids and keys of what the log of the commit says, without what was taken back."""
        return {(entry.id, entry.key) for entry in self._at.log if not entry.withdrawn}

    def _is_asked(self, entry: Annotation) -> bool:
        tasks = self.commits.tasks(self.commit, self.name, entry.batch)
        return tasks.get(entry.key) == entry.row_hash

    def _pull_faults(self, lines: list[Annotation]) -> list[str]:
        count = self.commit.metadata.get("annotations", "")
        faults = []
        if count != str(len(lines)):
            faults.append(f"it brings {len(lines)} annotations and says {count or 'nothing'}")
        faults += self._answer_faults(lines)
        keys = list({entry.key for entry in lines if not entry.withdrawn})
        frames = self._at.lines("rows", keys, columns=[self._at.key])
        if sum(frame.height for frame in frames) < len(keys):
            faults.append("annotations are of rows that are not there")
        return faults

    def _answer_faults(self, lines: list[Annotation]) -> list[str]:
        """Lines that answer nothing, say no class, or take back what nobody said.

        What is taken back may be of a row or a class that is not there any more.
        """
        faults = []
        answers = [entry for entry in lines if not entry.withdrawn]
        without_task = sum(not self._is_asked(entry) for entry in answers)
        if without_task:
            faults.append(f"{without_task} annotations answer no task that was pushed")
        strange = {entry.label for entry in answers} - {None, *self._classes}
        if strange:
            faults.append(f"annotations say {', '.join(map(repr, sorted(strange, key=str)))}")
        withdrawals = [(entry.id, entry.key) for entry in lines if entry.withdrawn]
        if withdrawals and not self._answers.issuperset(withdrawals):
            faults.append("it takes back annotations that nobody gave")
        return faults

    @cached_property
    def _at(self) -> At:
        return self.commits.at(self.commit, self.name)

    @cached_property
    def _parent(self) -> list[Commit]:
        """The commit that this one stands on, if any."""
        return [self.commits.store.commit_at(parent) for parent in self.commit.parents[:1]]

    @cached_property
    def _classes(self) -> set[str]:
        """The classes of the dataset, with those before the commit: a squash can remove one."""
        states = (self.commits.at(commit, self.name) for commit in (self.commit, *self._parent))
        return {name for at in states if at.exists for name in at.dataset.classes}


def _labels(at: At, keys: list[Key]) -> dict[Key, str | None]:
    """Final labels of these rows, where there are any."""
    if not at.exists or not at.has("labels"):
        return {}
    frames = at.lines("labels", keys, columns=[at.key, "label"])
    return {key: label for frame in frames for key, label in frame.iter_rows()}
