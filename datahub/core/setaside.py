"""Answers of people that a change of rows sets aside: they stay in the log, and no longer count.

Where what was shown of a row comes back, they count again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from datahub.core.dataset import Dataset, Key
from datahub.core.relabel import Annotation

REMOVED, COLUMN, CHANGED, CLASS, LOG = (
    "the row is removed",
    "a column that was shown is removed or renamed",
    "a value that was shown changes",
    "the class is removed or renamed",
    "the answer leaves the log",
)


@dataclass(frozen=True)
class SetAside:
    """What a change of a dataset's rows takes from people's work, with the reasons by count.

    `tasks` are open: people were asked, no answer was pulled, and the rows are other ones.
    """

    dataset: str
    answers: int = 0
    people: tuple[str, ...] = ()
    rows: int = 0
    tasks: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        """As one line.

        >>> print(SetAside("mail", 3, ("ann", "bob"), 2, 1, {CHANGED: 3}))
        3 answers of 2 people about 2 rows of mail (a value that was shown changes: 3), 1 open task
        """
        why = "; ".join(f"{reason}: {count}" for reason, count in self.reasons.items())
        said = (
            f"{_many(self.answers, 'answer')} of {_many(len(self.people), 'person', 'people')} "
            f"about {_many(self.rows, 'row')} of {self.dataset} ({why})"
        )
        open_tasks = _many(self.tasks, "open task")
        if not self.answers:
            return f"{open_tasks} about rows of {self.dataset}"
        return f"{said}, {open_tasks}" if self.tasks else said


Consent = bool | Callable[[Sequence[SetAside]], bool]  # or who is asked, with all that is lost


def summed_up(
    dataset: str, lost: Mapping[Annotation, str], tasks: Collection[Annotation]
) -> SetAside:
    """Count answers that are lost, each with its reason, and tasks that nobody need answer now."""
    return SetAside(
        dataset=dataset,
        answers=len(lost),
        people=tuple(sorted({entry.annotator for entry in lost})),
        rows=len({entry.key for entry in lost}),
        tasks=len(tasks),
        reasons=dict(sorted(Counter(lost.values()).items())),
    )


def reason(
    entry: Annotation,
    after: Dataset | None,
    log: Collection[Annotation],
    hashes: Mapping[Key, Collection[str]],
) -> str:
    """Why an answer does not count in a dataset as it is to be, with this log; "": it does."""
    if entry not in log:
        return LOG
    if after is None or entry.key not in hashes:
        return REMOVED
    if entry.row_hash not in hashes[entry.key]:
        gone = set(entry.columns or ()) - set(after.content_columns)
        return COLUMN if gone else CHANGED
    return "" if entry.label is None or entry.label in after.classes else CLASS


def _many(count: int, what: str, plural: str = "") -> str:
    return f"{count:,} {what if count == 1 else plural or what + 's'}"
