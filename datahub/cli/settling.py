"""The options that settle conflicts: of merge, revert and cherry-pick."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypedDict

import typer

from datahub.core.errors import ConfigError

if TYPE_CHECKING:
    from datahub.core.conflicts import Rule, Side

OursOption = Annotated[
    bool, typer.Option("--ours", help="In conflicts, keep the destination's value.")
]
TheirsOption = Annotated[
    bool, typer.Option("--theirs", help="In conflicts, take the source's value.")
]
RuleName = Annotated[
    str | None,
    typer.Option(
        "--rule",
        help="Where people's answers are tied: latest; gold (then latest); majority (stays open).",
    ),
]
Decisions = Annotated[
    Path | None,
    typer.Option(help="A file (CSV, Parquet, JSON): key, and take (ours, theirs, null) or value."),
]
Conflicts = Annotated[
    Path | None, typer.Option(help="Write the conflicts to this file, to be filled in.")
]


class SettlingOptions(TypedDict):
    """What hub's calls take."""

    side: Side | None
    rule: Rule | None
    decisions: Path | None
    conflicts: Path | None


def settling_options(
    *, ours: bool, theirs: bool, rule: str | None, decisions: Path | None, conflicts: Path | None
) -> SettlingOptions:
    """The options as hub takes them. Raises ConfigError."""
    if ours and theirs:
        raise ConfigError("--ours and --theirs exclude each other.", hint="Give one.")
    from datahub.core.conflicts import RULES  # it brings polars, which --help needs not wait for

    name = next((candidate for candidate in RULES if candidate == rule), None)
    if rule is not None and name is None:
        raise ConfigError(f"There is no rule {rule!r}.", hint=f"Rules are {', '.join(RULES)}.")
    side: Side | None = "ours" if ours else "theirs" if theirs else None
    return SettlingOptions(side=side, rule=name, decisions=decisions, conflicts=conflicts)
