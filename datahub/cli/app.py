"""The command line: the groups, the error wall, and the one table of exit codes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import click
import typer

from datahub import __version__
from datahub.cli import branch, database, gate, label, labelstudio, lf, project, review, versions
from datahub.cli.context import state
from datahub.cli.output import emit_error
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
    errors.Rejected: 7,
    errors.BackendError: 7,
    errors.StorageError: 7,
}
BUG = 70
INTERRUPTED = 130

app = typer.Typer(
    name="datahub",
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
app.add_typer(branch.app, name="branch")
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
    try:
        result = app(standalone_mode=False)
    except errors.DatahubError as error:
        emit_error(error, as_json=state.json)
        sys.exit(exit_code(error))
    except click.exceptions.Abort:
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # `datahub log | head`
        sys.stderr.close()
        sys.exit(0)
    sys.exit(result if isinstance(result, int) else 0)


if __name__ == "__main__":
    main()
