"""How far people agree with one another about the rows that several of them answered.

Krippendorff's alpha for classes without an order: 1 is agreement on every row, 0 what chance gives.
It takes any number of people, each of whom may have answered only some of the rows.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from datahub.core.dataset import Key
from datahub.core.relabel import Annotation


@dataclass(frozen=True)
class Person:
    """What one annotator said: `answers` are classes, `skipped` rows they could not say.

    Of `shared` answers to rows that others named a class of too, `agreed` named the class that most
    of the others did (a tie among them is no agreement).
    """

    name: str
    answers: int
    skipped: int
    shared: int
    agreed: int


@dataclass(frozen=True)
class Agreement:
    """All people together: `rows` have classes by two or more, who all say the same on `same`."""

    people: tuple[Person, ...]
    rows: int
    same: int
    alpha: float | None


def agreement(answers: Mapping[Key, Sequence[Annotation]]) -> Agreement:
    """How far people agree; `answers` by row are those that count, one a person.

    >>> def said(key: str, who: str, label: str) -> Annotation:
    ...     return Annotation(key + who, key, "h", label, who, "2026-01-01", "b")
    >>> both = [said("k", "ann", "tech"), said("k", "bob", "tech")]
    >>> found = agreement({"k": both, "m": [said("m", "ann", "tech"), said("m", "bob", "sport")]})
    >>> found.rows, found.same, found.people[1]
    (2, 1, Person(name='bob', answers=2, skipped=0, shared=2, agreed=1))
    """
    units = [
        {answer.annotator: answer.label for answer in of if answer.label is not None}
        for of in answers.values()
    ]
    multiple = [unit for unit in units if len(unit) > 1]
    skips = Counter(a.annotator for of in answers.values() for a in of if a.label is None)
    names = sorted({name for unit in units for name in unit} | set(skips))
    return Agreement(
        people=tuple(_person(name, units, skips[name]) for name in names),
        rows=len(multiple),
        same=sum(len(set(unit.values())) == 1 for unit in multiple),
        alpha=alpha(unit.values() for unit in multiple),
    )


def alpha(units: Iterable[Iterable[str]]) -> float | None:
    """Krippendorff's alpha of the labels that each row was given (Krippendorff 2011, nominal).

    None where it is not defined: no row has two labels, or all labels are of one class.

    >>> alpha([["a", "a"], ["b", "b"]])
    1.0
    >>> alpha([["a", "a"]]) is None
    True
    """
    counts = [Counter(unit) for unit in units]
    counts = [unit for unit in counts if unit.total() > 1]
    totals = Counter[str]()
    for unit in counts:
        totals.update(unit)
    n = totals.total()
    apart = math.fsum(_apart(unit) / (unit.total() - 1) for unit in counts)  # in any order
    by_chance = _apart(totals)
    return 1 - (n - 1) * apart / by_chance if by_chance else None


def _apart(labels: Counter[str]) -> int:
    """Ordered pairs of labels that differ."""
    return labels.total() ** 2 - sum(count**2 for count in labels.values())


def _person(name: str, units: Sequence[Mapping[str, str]], skips: int) -> Person:
    own = [unit for unit in units if name in unit]
    agreements = overlap = 0
    for unit in own:
        labels = (label for annotator, label in unit.items() if annotator != name)
        rest = Counter(labels).most_common(2)
        overlap += bool(rest)
        is_tie = len(rest) > 1 and rest[0][1] == rest[1][1]
        agreements += bool(rest) and not is_tie and rest[0][0] == unit[name]
    return Person(name, len(own), skips, overlap, agreements)
