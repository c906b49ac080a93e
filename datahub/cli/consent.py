"""Whether answers of people may be set aside: by --yes, or by who sits at the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from datahub.cli.output import confirm, line

if TYPE_CHECKING:
    from datahub.core.setaside import Consent, SetAside

Yes = Annotated[
    bool,
    typer.Option(
        "--yes", "-y", help="Go on where answers of people would be set aside (else exit 3)."
    ),
]


def consent(*, yes: bool) -> Consent:
    """As hub takes it: without a terminal, nobody can be asked."""
    if yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return yes
    return _ask_consent


def say_set_aside(losses: Sequence[SetAside]) -> None:
    """Say what was set aside."""
    for loss in losses:
        line(f"set aside: {loss}")


def _ask_consent(losses: Sequence[SetAside]) -> bool:
    names = " and ".join(map(str, losses))
    return confirm(f"This sets aside {names}. They stay in the log. Go on?")
