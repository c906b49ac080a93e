"""The kinds of jobs, and the arguments that each takes. Pure.

No argument is a path of the machine: what a job writes lies where the project puts it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from datahub.core.class_names import meant
from datahub.core.error_kinds import InputError

Lane = Literal["branch", "own", "none"]
_MOST = 2**53
_LONGEST = 1000  # characters of a text
_BOOLEANS = {"true": True, "yes": True, "false": False, "no": False}
_NAMES = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


@dataclass(frozen=True)
class Argument:
    """What a value must be: its type, from `least` to `most`, one of `choices` if there are any."""

    type: type[str] | type[int] | type[float] | type[bool] = str
    choices: tuple[str, ...] = ()
    least: float = 0
    most: float = _MOST

    def fits(self, value: Any) -> bool:
        """Whether a value may stand for the argument."""
        if self.type is bool or isinstance(value, bool):
            return self.type is bool and isinstance(value, bool)
        if self.type is str:
            short = isinstance(value, str) and len(value) <= _LONGEST
            return short and (not self.choices or value in self.choices)
        kinds = (int, float) if self.type is float else (int,)
        return isinstance(value, kinds) and self.least <= value <= self.most

    def of_word(self, word: str) -> Any:
        """The value that a person typed; the word itself where it is none.

        >>> Argument(int).of_word("2"), Argument(bool).of_word("yes"), Argument(int).of_word("two")
        (2, True, 'two')
        """
        if self.type is bool:
            return _BOOLEANS.get(word.strip().casefold(), word)
        try:
            return self.type(word)
        except ValueError:
            return word

    def __str__(self) -> str:
        if self.choices:
            return " or ".join(self.choices)
        if self.type in (str, bool):
            return _NAMES[self.type]
        limit = f"{self.least:g} to {self.most:g}" if self.most < _MOST else f"{self.least:g}+"
        return f"{_NAMES[self.type]}, {limit}"


@dataclass(frozen=True)
class JobKind:
    """A kind of job, and what it takes.

    `lane` says with which others it takes turns: those of its branch, of its own kind, or none.
    """

    name: str
    lane: Lane = "none"
    arguments: Mapping[str, Argument] = field(default_factory=lambda: MappingProxyType({}))


_TEXT, _SWITCH = Argument(), Argument(bool)
KINDS: Mapping[str, JobKind] = {
    kind.name: kind
    for kind in (
        JobKind("lf run", "branch", {"dataset": _TEXT, "jobs": Argument(int, least=1, most=64)}),
        JobKind(
            "label fit",
            "branch",
            {
                "dataset": _TEXT,
                "class_balance": Argument(choices=("estimated",)),
                "end_model": Argument(choices=("sklearn", "none")),
                "dev": Argument(choices=("gold", "audit")),
                "dev_rows": Argument(int, least=1),
            },
        ),
        JobKind(
            "gate run",
            "none",
            {
                "source": _TEXT,
                "into": _TEXT,
                "ungated": _SWITCH,
                "keys_only": _SWITCH,
                "committed_lfs": _SWITCH,
            },
        ),
        JobKind(
            "export",
            "none",
            {
                "dataset": _TEXT,
                "ref": _TEXT,
                "table": Argument(choices=("labeled", "rows", "gold", "labels", "soft_labels")),
                "format": Argument(choices=("parquet", "orc", "csv")),
            },
        ),
        JobKind("gc", "own", {"keep_days": Argument(float, most=36_500), "dry_run": _SWITCH}),
    )
}


def kind_of(name: str) -> JobKind:
    """The kind of a name. Raises InputError, with the nearest name."""
    if name in KINDS:
        return KINDS[name]
    raise InputError(f"There is no kind of job {name!r}.", hint=_hint(name, list(KINDS), "kinds"))


def checked_arguments(kind: JobKind, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments, if the kind takes them. Raises InputError, with the nearest name.

    >>> checked_arguments(KINDS["gc"], {"dry_run": True})
    {'dry_run': True}
    """
    for name, value in arguments.items():
        argument = _argument(kind, name)
        if not argument.fits(value):
            raise InputError(
                f"Argument {name!r} of `{kind.name}` cannot be {value!r:.100}.",
                hint=f"It is {argument}.",
            )
    return dict(arguments)


def arguments_of(kind: JobKind, words: Sequence[str]) -> dict[str, Any]:
    """Arguments as they are typed: `name=value`. Raises InputError.

    >>> arguments_of(KINDS["gc"], ["keep_days=2", "dry_run=yes"])
    {'keep_days': 2.0, 'dry_run': True}
    """
    arguments: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name in arguments:
            raise InputError(
                f"{word!r:.100} is no argument, or there are two of it.",
                hint="Write each once, as NAME=VALUE.",
            )
        arguments[name] = _argument(kind, name).of_word(value)
    return checked_arguments(kind, arguments)


def lane_of(kind: JobKind, branch: str) -> str:
    """The lane of a job of that kind on a branch."""
    return {"branch": f"branch {branch}", "own": kind.name, "none": ""}[kind.lane]


def _argument(kind: JobKind, name: str) -> Argument:
    if name in kind.arguments:
        return kind.arguments[name]
    raise InputError(
        f"`{kind.name}` takes no argument {name!r:.100}.",
        hint=_hint(name, list(kind.arguments), "arguments"),
    )


def _hint(name: str, names: Sequence[str], what: str) -> str:
    near = meant(name, names)
    question = "" if near is None else f"Did you mean {near!r}? "
    return f"{question}The {what} are {', '.join(names)}."
