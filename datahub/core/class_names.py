"""Classes by their names: what a name stands for, and what was meant by one that is none."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Any

from datahub.core.errors import LabelingFunctionError, shown


def meant(name: str, names: Sequence[str]) -> str | None:
    """The name that is written most like this one; None where none is.

    >>> meant("Spam ", ["ham", "spam"]), meant("news", ["ham", "spam"])
    ('spam', None)
    """
    by_spelling = {known.strip().casefold(): known for known in names}
    near = difflib.get_close_matches(name.strip().casefold()[:200], by_spelling, n=1)
    return by_spelling[near[0]] if near else None


def classes_hint(name: str, classes: Sequence[str]) -> str:
    """What to do about a name that is no class.

    >>> classes_hint("spma", ["ham", "spam"])
    "Did you mean 'spam'? The classes are ham, spam."
    """
    near = meant(name, classes)
    question = "" if near is None else f"Did you mean {near!r}? "
    return f"{question}The classes are {first_names(classes) or 'not named yet'}."


def first_names(names: Sequence[str], most: int = 12) -> str:
    """Names in one line, however many there are.

    >>> first_names(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def no_class(name: str, classes: Sequence[str]) -> str:
    """The fault of an LF that voted a name which is no class."""
    return f"It returned {shown(name)}, which is not a class. {classes_hint(name, classes)}"


def numbers_of(classes: Sequence[str]) -> dict[str, int]:
    """Numbers of classes by name: their places in the list."""
    return {name: number for number, name in enumerate(classes)}


def plain_name(vote: str) -> str:
    """The text itself: a member of an enumeration of texts has a hash of its own."""
    return str.__str__(vote)


class NumberedVotes:
    """A function that votes by class names, as one that gives their numbers."""

    def __init__(self, function: Callable[..., Any], classes: Sequence[str], lf: str) -> None:
        self._function = function
        self._classes = tuple(classes)
        self._lf = lf

    def __call__(self, *args: Any, **more: Any) -> Any:
        """Vote. Raises LabelingFunctionError: a name that is no class."""
        vote = self._function(*args, **more)
        if not isinstance(vote, str):
            return vote
        name = plain_name(vote)
        if name in self._classes:
            return self._classes.index(name)
        raise LabelingFunctionError(
            f"LF {self._lf!r} returned {shown(name)}, which is not a class.",
            hint=classes_hint(name, self._classes),
            lf=self._lf,
        )
