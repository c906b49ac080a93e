"""The commands of the command line, and the groups they stand in."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from datahub import __version__
from datahub.cli import (
    audit,
    branch,
    ci,
    database,
    embed,
    fork,
    gate,
    git,
    helps,
    history_edit,
    job,
    label,
    labelstudio,
    leaves,
    lf,
    member,
    monitor,
    project,
    review,
    serve,
    tag,
    token,
    upkeep,
    verbose,
    versions,
    why,
)
from datahub.cli.gitwords import Verbs
from datahub.cli.state import state


class Escape(BaseException):
    """What ends a command and is none of ours: Ctrl-C, the end of input, a broken pipe, an exit.

    typer would make an exit code of some by itself.
    """

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


class Root(Verbs):
    """The root group; whatever a command raises reaches the caller of `run` as it is."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command. Raises Escaped."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, EOFError, OSError, SystemExit) as error:
            raise Escape(error) from error


app = typer.Typer(
    name="datahub",
    cls=Root,
    help="Label data with labeling functions, review what they doubt, merge through gates.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # help is plain text: rich takes half a second to load
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 ok, 1 gate refused or findings, 2 bad input or settings, 3 conflict, "
    "4 authentication, 5 not found, 6 unavailable (retry), 7 could not run, 70 bug, "
    "130 interrupted.",
)
project.add_to(app)
versions.add_to(app)
history_edit.add_to(app)
upkeep.add_to(app)
app.command()(ci.ci)
app.command()(audit.audit)
app.command()(monitor.monitor)
app.command()(why.why)
app.command()(embed.embed)
app.command()(embed.similar)
app.command()(leaves.leaves)
app.command()(serve.serve)
app.add_typer(branch.app, name="branch")
app.add_typer(tag.app, name="tag")
app.add_typer(git.app, name="git")
app.add_typer(lf.app, name="lf")
app.add_typer(label.app, name="label")
app.add_typer(review.app, name="review")
app.add_typer(gate.app, name="gate")
app.add_typer(fork.app, name="fork")
app.add_typer(job.app, name="job")
app.command()(job.worker)
app.add_typer(labelstudio.app, name="labelstudio")
app.add_typer(member.app, name="member")
app.add_typer(token.app, name="token")
app.add_typer(database.app, name="db")


def _version(show: bool) -> None:
    if show:
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


@cache
def _command() -> Any:
    """The commands as click has them: a tenth of a second to make, and the same at every run."""
    command = typer.main.get_command(app)
    verbose.add_to(command)
    helps.show_whole(command)
    return command


def run() -> int:
    """Run what the command line says; return its exit code, or raise what went wrong."""
    try:
        verbose.show(0)
        outcome = _command().main(standalone_mode=False)
    except Escape as escape:
        error = escape.error
    except SystemExit as end:  # typer's own, after it completed a line
        if isinstance(end.__context__, BrokenPipeError) or not isinstance(end.code, int):
            raise
        return end.code
    else:
        return outcome if isinstance(outcome, int) else 0
    finally:
        verbose.show(0)  # the process may go on without us
    raise error
