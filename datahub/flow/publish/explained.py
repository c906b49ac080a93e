"""Whether annotations, labels and votes were brought by a step that brings such.

Each commit says in its metadata which step made it. A file that somebody committed by hand says
none, or one that it cannot prove: a pull's lines must be answers to tasks that were pushed, of
classes of the dataset, and the log only grows. What a pick, squash, revert or restore took over
from a commit outside the branch is explained only if that commit explains it. Who writes
everything consistently (tasks, answers, labels) is not told from a person at work: docs/ci.md
says so. Nothing here writes.
"""

from __future__ import annotations

from collections.abc import Collection

from datahub.core.versions import Commit, CommitId
from datahub.flow.dataset.at import At
from datahub.flow.publish.brought import KINDS, ChangeOrigin
from datahub.flow.publish.commits import Commits
from datahub.flow.publish.consistency import label_mismatches
from datahub.ports import Rows, VersionStore


class Explaining(Commits):
    """What may be asked about the commits of one repository, and what no step explains."""

    def __init__(self, store: VersionStore, rows: Rows, line: Collection[CommitId] = ()) -> None:
        """`line` are commits that are looked at by themselves, or trusted."""
        super().__init__(store, rows, line)
        self._faults: dict[tuple[CommitId, str, str], list[str]] = {}

    def faults(self, commit: Commit) -> list[str]:
        """What of a commit's annotations, labels and votes no step explains."""
        names = self.datasets(commit)
        return [fault for name in names for kind in KINDS for fault in self.of(commit, name, kind)]

    def of(self, commit: Commit, name: str, kind: str) -> list[str]:
        """The same of one dataset and kind; computed once, as other commits may take it over."""
        place = (commit.id, name, kind)
        if place not in self._faults:
            self._faults[place] = []  # whoever asks again on the way asks of itself
            self._faults[place] = ChangeOrigin(self, self.of, commit, name, kind).faults()
        return self._faults[place]

    def labels(self, commit: Commit) -> list[str]:
        """Labels at a commit that are not what people or models said."""
        datasets = At.datasets(self.store, self.rows, commit)
        return [fault for at in datasets for fault in label_mismatches(at)]
