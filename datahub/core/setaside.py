"""Answers of people that a change of rows sets aside: they stay in the log, and no longer count.

Where what was shown of a row comes back, they count again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from datahub.core.error_kinds import Conflict

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
        >>> print(SetAside("mail", tasks=2))
        2 open tasks about rows of mail, with answers that no pull has brought yet, if there are any
        """
        why = "; ".join(f"{reason}: {count}" for reason, count in self.reasons.items())
        text = (
            f"{_many(self.answers, 'answer')} of {_many(len(self.people), 'person', 'people')} "
            f"about {_many(self.rows, 'row')} of {self.dataset} ({why})"
        )
        open_tasks = _many(self.tasks, "open task")
        if not self.answers:
            return (
                f"{open_tasks} about rows of {self.dataset}, with answers that no pull has brought "
                "yet, if there are any"
            )
        return f"{text}, {open_tasks}" if self.tasks else text


Consent = bool | Callable[[Sequence[SetAside]], bool]  # or who is asked, with all that is lost


class AnswersSetAside(Conflict):
    """A change of rows would set answers of people aside, and nobody has agreed to that.

    `losses` say what of each dataset; the counts are of all: answers, people who gave them, rows
    they are about, and open tasks whose rows are other ones.
    """

    code = "answers_set_aside"

    def __init__(self, losses: Sequence[SetAside]) -> None:
        super().__init__(
            f"This would set aside {' and '.join(map(str, losses))}. Nothing was changed.",
            hint="--yes (in Python: set_aside=True) does it anyway. Answers stay in the log, "
            "and count again where what was shown comes back; `datahub review push` asks again.",
        )
        self.losses = tuple(losses)
        self.answers = sum(loss.answers for loss in losses)
        self.people = len({name for loss in losses for name in loss.people})
        self.rows = sum(loss.rows for loss in losses)
        self.tasks = sum(loss.tasks for loss in losses)


def _many(count: int, noun: str, plural: str = "") -> str:
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
