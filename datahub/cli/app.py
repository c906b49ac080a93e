"""The command line: the groups, the error wall, and the one table of exit codes."""

from __future__ import annotations

import os
import sys
import traceback
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from datahub import __version__
from datahub.cli import (
    audit,
    branch,
    database,
    gate,
    git,
    history_edit,
    label,
    labelstudio,
    lf,
    project,
    review,
    tag,
    upkeep,
    versions,
    why,
)
from datahub.cli.context import state
from datahub.cli.gitwords import Verbs
from datahub.cli.output import emit_error, talk
from datahub.core import errors

EXIT_CODES: dict[type[errors.DatahubError], int] = {
    errors.GateRefused: 1,
    errors.ConfigError: 2,
    errors.InputError: 2,
    errors.Conflict: 3,
    errors.AuthenticationError: 4,
    errors.NotFound: 5,
    errors.Unavailable: 6,
    errors.GateError: 7,
    errors.LimitReached: 7,
    errors.Rejected: 7,
    errors.BackendError: 7,
    errors.StorageError: 7,
}
BUG = 70
INTERRUPTED = 130

app = typer.Typer(
    name="datahub",
    cls=Verbs,
    help="Label data with labeling functions, review what they doubt, merge through gates.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 ok, 1 gate refused or findings, 2 bad input or settings, 3 conflict, "
    "4 authentication, 5 not found, 6 unavailable (retry), 7 could not run, 70 bug, "
    "130 interrupted.",
)
project.add_to(app)
versions.add_to(app)
history_edit.add_to(app)
upkeep.add_to(app)
app.command()(audit.audit)
app.command()(why.why)
app.add_typer(branch.app, name="branch")
app.add_typer(tag.app, name="tag")
app.add_typer(git.app, name="git")
app.add_typer(lf.app, name="lf")
app.add_typer(label.app, name="label")
app.add_typer(review.app, name="review")
app.add_typer(gate.app, name="gate")
app.add_typer(labelstudio.app, name="labelstudio")
app.add_typer(database.app, name="db")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"datahub {__version__}")
        raise typer.Exit


@app.callback()
def root(
    folder: Annotated[
        Path, typer.Option("--project", "-C", help="Work in this project's folder.")
    ] = Path(),
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Take what goes before every command."""
    state.folder = folder


def exit_code(error: errors.DatahubError) -> int:
    """The exit code of an error: that of its nearest class in the table."""
    return next(EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES)


def main() -> None:
    """Run the command line; turn every error into one line, one hint and an exit code."""
    state.json = False
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # keys and texts are Unicode, whatever the locale
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        app()
    except SystemExit as stopped:  # typer's own: usage errors are 2, `typer.Exit` says its code
        _say_where(stopped)
        sys.exit(_own_code(stopped))
    except errors.DatahubError as error:
        emit_error(error, as_json=state.json)
        sys.exit(exit_code(error))
    except KeyboardInterrupt as stopped:
        _say_where(stopped)
        sys.exit(INTERRUPTED)
    except Exception as error:  # noqa: BLE001  the last wall: not to go on, but to say so
        traceback.print_exception(error)
        emit_error(Bug(error), as_json=state.json)
        sys.exit(BUG)


class Bug(errors.DatahubError):
    """Something that datahub did not expect: its fault, not the user's."""

    code = "bug"

    def __init__(self, error: Exception) -> None:
        super().__init__(
            f"{type(error).__name__}: {error}",
            hint="This is a fault of datahub. Please report it with the lines above.",
        )


def _say_where(stopped: BaseException) -> None:
    """What an interrupted command was at, where it noted that."""
    at: BaseException | None = stopped
    while at is not None:
        for note in getattr(at, "__notes__", ()):
            talk(note)
        at = at.__cause__ or at.__context__


def _own_code(stopped: SystemExit) -> int:
    """Exit codes that typer folds into 1, told apart by what stopped it."""
    cause = stopped.__context__
    if isinstance(cause, typer.Abort):
        return INTERRUPTED
    if isinstance(cause, BrokenPipeError):  # `datahub log | head`
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115  nothing is left to flush
        return 0
    return stopped.code if isinstance(stopped.code, int) else 0


if __name__ == "__main__":
    main()
