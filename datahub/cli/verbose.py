"""`-v` and `-vv`, before or after every command: what adapters log goes to stderr.

Nothing is shown without them: the package's logger has no handler that writes.
"""

from __future__ import annotations

import logging
from typing import Annotated, Any

import typer

from datahub.cli.output import talk
from datahub.cli.state import state

LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)
_HELP = "Log to stderr what other systems were asked to do; -vv: each request."
_LOGGER = logging.getLogger("datahub")


class _ToStderr(logging.Handler):
    """Says each record as the command line says everything that is no result."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line, or several where the record has them."""
        try:
            talk(self.format(record))
        except OSError:  # stderr is closed, or its reader left
            return


_HANDLER = _ToStderr()
_HANDLER.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s", "%H:%M:%S"))


def show(times: int) -> None:
    """Log as much as so many `-v` ask for; 0: nothing."""
    state.verbose = times
    _LOGGER.removeHandler(_HANDLER)
    _LOGGER.setLevel(LEVELS[min(times, 2)] if times else logging.NOTSET)
    if times:
        _LOGGER.addHandler(_HANDLER)


def _note(times: int) -> int:
    if times:
        show(state.verbose + times)
    return times


def _option() -> Any:
    """The option as typer makes it of an annotation."""
    app = typer.Typer(add_completion=False)

    @app.command()
    def command(
        verbose: Annotated[
            int,
            typer.Option(
                "-v",
                "--verbose",
                count=True,
                expose_value=False,
                callback=_note,
                show_default=False,
                help=_HELP,
            ),
        ] = 0,
    ) -> None: ...

    return typer.main.get_command(app).params[0]


def add_to(command: Any) -> None:
    """Give a command, and all commands under it, the option."""
    option = _option()
    commands = [command]
    while commands:
        below = commands.pop()
        below.params.append(option)
        commands += getattr(below, "commands", {}).values()
