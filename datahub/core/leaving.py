"""Which columns may leave the machine: one rule for prompts, embedding endpoints and review tasks.

The rule goes by names of columns, as they are when something is about to be sent. A column that is
not listed is never sent; without a rule, all may be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from datahub.core.errors import ConfigError

Value = TypeVar("Value")


@dataclass(frozen=True)
class Leaving:
    """`columns` may leave; None: no rule."""

    columns: tuple[str, ...] | None = None

    def withheld(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those of the columns that may not leave.

        >>> Leaving(("text",)).withheld(["text", "email"]), Leaving().withheld(["email"])
        (('email',), ())
        """
        return () if self.columns is None else tuple(n for n in names if n not in self.columns)

    def only(self, row: Mapping[str, Value]) -> dict[str, Value]:
        """What of a row may leave."""
        columns = self.columns
        return {name: row[name] for name in row if columns is None or name in columns}

    def check(self, what: str, names: Iterable[str]) -> None:
        """Raise ConfigError where one of these columns may not leave; nothing has been sent."""
        withheld = self.withheld(names)
        if withheld:
            raise ConfigError(
                f"{what} would send {', '.join(map(repr, withheld))}, and the rule of what leaves "
                "this machine does not list it. Nothing was sent.",
                hint="Leave the column out, or list it: [leaves] columns in datahub.toml. "
                "`datahub leaves` shows what is sent where.",
            )


NO_RULE = Leaving()
